"""Task types in full: shell, python, and the task without a type (design 3.3)."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

from tests.conftest import Project, wait_until_gone


def test_script_runs_in_strict_bash(project: Project) -> None:
    project.run(
        """
        tasks:
          bash: {shell: '[[ -n "$BASH_VERSION" ]] && echo bash'}
          pipe: {shell: "false | cat"}
          unset: {shell: 'echo "$NOT_SET_ANYWHERE"'}
          first: {shell: "false\\ntouch went-on"}
        """,
        code=1,
    )
    assert project.states() == {"bash": "success", "pipe": "failed", "unset": "failed", "first": "failed"}
    assert not (project.root / "went-on").exists()


def test_without_bash_a_script_runs_in_strict_sh(project: Project) -> None:
    tools = project.root / "tools"
    tools.mkdir()
    for name in ("sh", "echo", "cat", "touch", "true", "false"):
        (tools / name).symlink_to(shutil.which(name) or "/bin/sh")
    project.run(
        "tasks: {a: {shell: 'echo $0'}, b: {shell: 'echo \"$NOT_SET\"'}, c: {shell: 'false\ntouch went-on'}}",
        env={"PATH": str(tools)},
        code=1,
    )
    assert project.log("a") == "/bin/sh\n"
    assert project.states() == {"a": "success", "b": "failed", "c": "failed"}


SHELLS = [shell for shell in ("sh", "bash", "dash", "/bin/sh", "zsh", "ksh") if shutil.which(shell)]


@pytest.mark.parametrize("shell", SHELLS)
def test_interpreter_names_a_shell_that_is_strict_likewise(project: Project, shell: str) -> None:
    project.run(
        f"""
        tasks:
          ok: {{shell: {{interpreter: {shell}, script: 'echo fine'}}}}
          unset: {{shell: {{interpreter: {shell}, script: 'echo "$NOT_SET"'}}}}
          first: {{shell: {{interpreter: {shell}, script: "false\\ntouch went-on"}}}}
        """,
        code=1,
    )
    assert project.states() == {"ok": "success", "unset": "failed", "first": "failed"}
    assert not (project.root / "went-on").exists()


def test_any_other_interpreter_gets_the_script_as_a_file(project: Project) -> None:
    project.run(
        """
        tasks:
          python: {shell: {interpreter: python3, script: "import sys\\nprint(len(sys.argv), __name__)"}}
          options: {shell: {interpreter: python3 -W error, script: "import sys\\nprint(sys.warnoptions)"}}
          env: {shell: {interpreter: env X=1 python3, script: "import os\\nprint(os.environ['X'])"}}
        """
    )
    assert project.log("python") == "1 __main__\n"
    assert project.log("options") == "['error']\n"
    assert project.log("env") == "1\n"


def test_script_may_be_longer_than_an_argument_may_be(project: Project) -> None:
    lines = "".join(f"      : {'x' * 90} {i}\n" for i in range(3000))
    project.write("p.yaml", f"tasks:\n  a:\n    shell: |\n{lines}      echo end; set -o pipefail; echo $-\n")
    project("run", "p.yaml")
    said = project.log("a").split()
    assert said[0] == "end"
    assert {"e", "u"} <= set(said[1])


def test_argument_vector_runs_without_a_shell_and_is_templated(project: Project) -> None:
    project.run(
        """
        params: {n: 2, list: [a b, "*", ""], flag: true}
        tasks:
          a: {shell: [python3, -c, "import sys, json; print(json.dumps(sys.argv[1:]))", "{{ params.n }}", "n={{ params.n }}", "{{ params.list }}", "{{ params.flag }}", $HOME, 5]}
          long: {shell: {argv: [echo, "{{ params.list[0] }}"], output: text}}
        """
    )
    assert json.loads(project.log("a")) == ["2", "n=2", "a b", "*", "", "true", "$HOME", "5"]
    assert project.output("long") == "a b"


def test_program_that_cannot_be_started_fails_the_attempt_with_the_reason(project: Project) -> None:
    project.write("not-executable", "#!/bin/sh\n")
    project.write("no-interpreter", "#!/nowhere/sh\n", mode=0o755)
    project.run(
        """
        tasks:
          gone: {shell: [no-such-program-anywhere]}
          mode: {shell: [./not-executable]}
          line: {shell: [./no-interpreter]}
          folder: {shell: [/tmp]}
          cwd: {needs: gone, trigger: all_done, cwd: nowhere, shell: "true"}
          command: {shell: no-such-command-anywhere}
        """,
        code=1,
    )
    rows = project.instances()
    assert {row["state"] for row in rows.values()} == {"failed"}
    assert "no-such-program-anywhere" in rows["gone"]["error"]
    assert "not executable" in rows["mode"]["error"]
    assert "first line" in rows["line"]["error"]
    assert "nowhere" in rows["cwd"]["error"]
    assert (rows["command"]["exit_code"], rows["gone"]["exit_code"]) == (127, None)


def test_output_of_standard_output_is_text_lines_or_json_and_goes_to_the_log_too(project: Project) -> None:
    project.run(
        r"""
        defaults: {shell: {interpreter: sh}}
        tasks:
          text: {shell: {script: "printf ' a\nb \n\n'", output: text}}
          lines: {shell: {script: "printf 'a\n\nb\n'; echo err >&2", output: lines}}
          json: {shell: {script: "echo '{\"a\": [1, null]}'", output: json}}
          no_text: {shell: {script: "true", output: text}}
          no_lines: {shell: {script: "true", output: lines}}
          argv: {shell: {argv: [printf, "1"], output: json}}
        """
    )
    rows = project.instances()
    got = {name: row["output"] for name, row in rows.items()}
    assert got == {
        "text": " a\nb ",
        "lines": ["a", "", "b"],
        "json": {"a": [1, None]},
        "no_text": "",
        "no_lines": [],
        "argv": 1,
    }
    assert project.log("text") == " a\nb \n\n"
    assert sorted(project.log("lines").split()) == ["a", "b", "err"]


def test_output_file_is_json_or_lines_of_key_value(project: Project) -> None:
    project.run(
        r"""
        tasks:
          json: {shell: "echo '[1, {\"a\": null}]' > $PIPECTL_OUTPUT"}
          number: {shell: "echo 42 > $PIPECTL_OUTPUT"}
          pairs: {shell: "echo a=1 >> $PIPECTL_OUTPUT; echo 'b = x=y' >> $PIPECTL_OUTPUT || true; echo a=2 >> $PIPECTL_OUTPUT"}
          keys: {shell: "printf 'a=1\nb-c=x=y\n\na=\n' > $PIPECTL_OUTPUT"}
          empty: {shell: ": > $PIPECTL_OUTPUT"}
          none: {shell: "true"}
        """.replace("; echo 'b = x=y' >> $PIPECTL_OUTPUT || true", "")
    )
    got = {name: row["output"] for name, row in project.instances().items()}
    assert got == {
        "json": [1, {"a": None}],
        "number": 42,
        "pairs": {"a": "2"},
        "keys": {"a": "", "b-c": "x=y"},
        "empty": None,
        "none": None,
    }


def test_bad_output_fails_the_attempt_clearly(project: Project) -> None:
    project.run(
        r"""
        tasks:
          words: {shell: "echo just words > $PIPECTL_OUTPUT"}
          nan: {shell: "echo NaN > $PIPECTL_OUTPUT"}
          inf: {shell: "echo '[1e999]' > $PIPECTL_OUTPUT"}
          bytes: {shell: "printf '\\377\\376' > $PIPECTL_OUTPUT"}
          large: {shell: "head -c 1100000 /dev/zero | tr '\\0' 1 > $PIPECTL_OUTPUT"}
          stdout: {shell: {script: "echo {", output: json}}
          much: {shell: {script: "head -c 1100000 /dev/zero | tr '\\0' 1", output: text}}
          deep: {shell: {script: "python3 -c \"print('[' * 100000)\"", output: json}}
          py: {python: "output = {1, 2}"}
          py_nan: {python: "output = float('nan')"}
          py_large: {python: "output = 'x' * 3_000_000"}
        """,
        "--output",
        "quiet",
        code=1,
    )
    rows = project.instances()
    assert {row["state"] for row in rows.values()} == {"failed"}
    for name in ("large", "much", "py_large"):
        assert "1 MiB" in rows[name]["error"], rows[name]["error"]
    for name in ("words", "nan", "inf", "stdout", "deep", "py", "py_nan"):
        assert "JSON" in rows[name]["error"], (name, rows[name]["error"])
    assert "UTF-8" in rows["bytes"]["error"]


def test_output_of_an_attempt_that_failed_is_null(project: Project) -> None:
    project.run(
        """
        tasks:
          a: {shell: "echo 1 > $PIPECTL_OUTPUT; exit 1"}
          b: {needs: a, trigger: all_done, python: "output = inputs"}
        """,
        code=1,
    )
    assert project.output("a") is None
    assert project.output("b") == {"a": None}


def test_skip_exit_code_skips_the_task_itself(project: Project) -> None:
    project.run(
        """
        tasks:
          shell: {shell: {script: exit 99, skip_exit_code: 99}}
          python: {python: {code: "import sys; sys.exit(99)", skip_exit_code: 99}}
          next: {needs: shell, shell: touch ran}
        """
    )
    assert project.states() == {"shell": "skipped", "python": "skipped", "next": "skipped"}


def test_background_processes_end_with_the_task_unless_allowed(project: Project) -> None:
    project.run(
        """
        tasks:
          plain: {shell: "sleep 60 & echo $! >> ended; setsid sleep 60 & echo $! >> ended"}
          allowed: {shell: {script: "exec > /dev/null 2>&1; setsid sh -c 'touch alive; until test -e go; do sleep 0.02; done; touch went-on' & until test -e alive; do sleep 0.01; done", background: allow}}
          after: {needs: [plain, allowed], shell: "touch go; for i in $(seq 500); do test -e went-on && exit; sleep 0.01; done; exit 1"}
        """
    )
    wait_until_gone([int(line) for line in project.lines("ended")])


def test_python_calls_a_function_with_its_arguments(project: Project) -> None:
    project.write(
        "pkg/jobs.py",
        """
        def add(a, b=1, *, c=0):
            return {"sum": a + b + c}
        def nothing():
            print("printed")
        """,
    )
    project.write("pkg/__init__.py", "")
    project.run(
        """
        tasks:
          short: {python: "pkg.jobs:nothing"}
          long: {python: {call: "pkg.jobs:add", with: {a: 1, c: 5}}}
          again: {needs: long, python: {call: "pkg.jobs:add", with: "{{ {'a': inputs.long.sum, 'b': 10} }}"}}
        """
    )
    assert project.output("short") is None
    assert project.log("short") == "printed\n"
    assert (project.output("long"), project.output("again")) == ({"sum": 7}, {"sum": 17})


def test_python_errors_name_the_exception_and_show_the_users_frames_only(project: Project) -> None:
    project.write("jobs.py", "def outer():\n    return inner()\ndef inner():\n    raise KeyError('lost')\n")
    project.run(
        """
        tasks:
          call: {python: "jobs:outer"}
          code: {python: "x = 1\\nprint(undefined)"}
          module: {python: "nowhere:f"}
          function: {python: "jobs:nope"}
          arguments: {python: {call: "jobs:outer", with: {a: 1}}}
          syntax: {python: "def"}
          exit: {python: "raise SystemExit('not today')"}
        """,
        code=1,
    )
    rows = project.instances()
    assert rows["call"]["error"] == "KeyError: 'lost'"
    log = project.log("call")
    assert all(word in log for word in ("in outer", "in inner", "KeyError"))
    assert "worker.py" not in log
    assert "NameError" in rows["code"]["error"]
    assert "print(undefined)" in project.log("code")
    assert "nowhere" in rows["module"]["error"]
    assert "nope" in rows["function"]["error"]
    assert "TypeError" in rows["arguments"]["error"]
    assert "SyntaxError" in rows["syntax"]["error"]
    assert rows["exit"]["exit_code"] == 1
    assert "not today" in project.log("exit")


def test_python_script_is_run_like_a_program(project: Project) -> None:
    project.write(
        "tools/job.py",
        """
        import json, os, sys
        if __name__ == "__main__":
            with open(os.environ["PIPECTL_OUTPUT"], "w") as file:
                json.dump([sys.argv[1:], os.path.basename(sys.argv[0])], file)
        """,
    )
    project.write("quick.py", "print('quick')")
    project.run(
        """
        params: {n: 2}
        tasks:
          long: {python: {script: tools/job.py, args: ["{{ params.n }}", plain, "x{{ params.n }}"]}}
          short: {python: quick.py}
        """
    )
    assert project.output("long") == [["2", "plain", "x2"], "job.py"]
    assert project.log("short") == "quick\n"


def test_python_attempts_are_alone_in_their_process(project: Project) -> None:
    project.write("shared.py", "seen = []\n")
    project.run(
        """
        max_parallel: 1
        tasks:
          - a: {python: {preload: [shared], code: "import shared, os; shared.seen.append(1); os.environ['LEFT'] = 'x'; os.chdir('/'); output = shared.seen"}}
          - b: {python: {preload: [shared], code: "import shared, os; shared.seen.append(2); output = [shared.seen, os.environ.get('LEFT'), os.getcwd()]"}}
        """
    )
    assert project.output("b") == [[2], None, str(project.root)]


def test_python_preload_that_cannot_be_imported_fails_the_attempt(project: Project) -> None:
    project.write("broken.py", "raise RuntimeError('at import')\n")
    project.run("tasks: {a: {python: {preload: [broken], code: output = 1}}, b: {shell: 'true'}}", code=1)
    assert project.states() == {"a": "failed", "b": "success"}
    assert "at import" in project.error("a") + project.log("a")


def test_python_interpreter_is_the_named_one_or_that_of_a_virtual_environment(project: Project) -> None:
    for place in ("named", "venv/bin", ".venv/bin"):
        project.write(f"{place}/python", f'#!/bin/sh\necho {place} >> trace\nexec {sys.executable} "$@"\n', mode=0o755)
    project.run(
        """
        tasks:
          - named: {python: {code: output = 1, interpreter: named/python}}
          - nearest: {python: output = 1}
          - by_variable: {env: {VIRTUAL_ENV: "{{ pipeline.dir }}/venv"}, python: output = 1}
        """
    )
    assert project.lines() == ["named", ".venv/bin", "venv/bin"]


def test_python_interpreter_that_is_not_there_fails_the_attempt(project: Project) -> None:
    project.run("tasks: {a: {python: {code: pass, interpreter: no-such-python}}}", code=1)
    assert "no-such-python" in project.error("a")


def test_python_prints_are_in_the_log_in_order(project: Project) -> None:
    project.run("tasks: {a: {python: \"import sys\\nfor i in range(3): print(i); print('e', i, file=sys.stderr)\"}}")
    assert project.log("a").split("\n") == ["0", "e 0", "1", "e 1", "2", "e 2", ""]


def test_cwd_is_the_pipelines_folder_or_relative_to_it(project: Project) -> None:
    project.write("sub/deep/keep", "")
    project.write(
        "sub/p.yaml",
        """
        params: {where: deep}
        tasks:
          a: {shell: pwd}
          b: {cwd: "{{ params.where }}", shell: pwd}
          c: {cwd: /, python: "import os, sys; output = [os.getcwd(), sys.path[0]]"}
        """,
    )
    project("run", "sub/p.yaml", "--state", ".pipectl")
    folder = project.root / "sub"
    assert (project.log("a"), project.log("b")) == (f"{folder}\n", f"{folder}/deep\n")
    assert project.output("c") == ["/", str(folder)]


def test_expect_checks_the_output_and_retries_poll(project: Project) -> None:
    project.run(
        """
        tasks:
          good: {python: "output = {'rows': 5}", expect: ["{{ output.rows > 0 }}", output.rows < 10]}
          poll:
            retries: {max: 9, delay: 0}
            shell: {script: "echo $PIPECTL_ATTEMPT", output: json}
            expect: output >= 3
          bad: {python: "output = {'rows': 0}", expect: output.rows > 0}
          wrong: {python: "output = 1", expect: output.rows > 0}
          value: {python: "output = 1", expect: output}
        """,
        code=1,
    )
    rows = project.instances()
    assert (rows["good"]["state"], rows["poll"]["state"], rows["poll"]["output"]) == ("success", "success", 3)
    assert "output.rows > 0" in rows["bad"]["error"]
    assert rows["bad"]["output"] is None
    assert rows["wrong"]["state"] == rows["value"]["state"] == "failed"


def test_task_that_closes_its_output_goes_on(project: Project) -> None:
    project.run("tasks: {a: {shell: 'echo before; exec > /dev/null 2>&1; sleep 0.1; echo lost; touch done'}}")
    assert project.log("a") == "before\n"
    assert (project.root / "done").exists()


def test_task_that_reads_standard_input_finds_it_empty(project: Project) -> None:
    project.run("tasks: {a: {shell: 'cat | wc -c'}, b: {python: 'import sys; output = sys.stdin.read()'}}")
    assert project.log("a").strip() == "0"
    assert project.output("b") == ""
