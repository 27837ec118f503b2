"""`cache` as its users see it: what nothing changed for is not done again, and what was half done is never taken."""

from __future__ import annotations

import os
import signal

import pytest

from tests.conftest import Project, wait_until
from tests.killing import kill_runner

COUNT = """
    params: {sep: " "}
    tasks:
      count:
        cache: {inputs: ["in/*.txt"], outputs: [out/count.txt]}
        shell: |
          echo count >> trace
          mkdir -p out
          cat in/*.txt | wc -l > out/count.txt
          echo "lines=$(cat out/count.txt)" > "$PIPECTL_OUTPUT"
      use: {needs: count, shell: "echo use >> trace; test $LINES -gt 0", env: {LINES: "{{ tasks.count.output.lines }}"}}
    """


def inputs(project: Project) -> None:
    project.write("in/a.txt", "1\n2\n")
    project.write("in/b.txt", "3\n")


def test_unchanged_task_is_cached_with_the_output_it_had_and_what_follows_runs(project: Project) -> None:
    inputs(project)
    project.run(COUNT)
    got = project.run(COUNT)
    assert project.states() == {"count": "cached", "use": "success"}
    assert project.output("count") == {"lines": "3"}
    assert project.lines() == ["count", "use", "use"]
    assert "cached" in got.stderr
    assert project.instances()["count"]["attempts"] == 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("in/a.txt", "1\n2\n5\n"), "`in/a.txt`"),
        (("in/c.txt", "4\n"), "`in/c.txt`"),
        (("out/count.txt", "99\n"), "`out/count.txt`"),
    ],
)
def test_change_of_an_input_or_an_output_runs_it_again_and_plan_says_why(
    project: Project, change: tuple[str, str], why: str
) -> None:
    inputs(project)
    project.run(COUNT)
    project.write(*change)
    assert why in project("plan", "p.yaml").stdout
    project.run(COUNT)
    assert project.states()["count"] == "success"
    assert "cached" in project("plan", "p.yaml").stdout


@pytest.mark.parametrize("gone", ["in/b.txt", "out/count.txt"])
def test_file_that_is_gone_runs_it_again(project: Project, gone: str) -> None:
    inputs(project)
    project.run(COUNT)
    (project.root / gone).unlink()
    project.run(COUNT)
    assert project.states()["count"] == "success"
    assert project.read("out/count.txt").strip() == ("2" if gone == "in/b.txt" else "3")


def test_touched_input_and_another_task_changed_are_no_change(project: Project) -> None:
    inputs(project)
    project.run(COUNT)
    os.utime(project.root / "in/a.txt", (1, 1))
    project.run(COUNT.replace("echo use", "echo used"))
    assert project.states()["count"] == "cached"


def test_parameter_definition_and_upstream_output_are_parts_of_it(project: Project) -> None:
    text = """
        params: {n: 1}
        tasks:
          up: {python: "import os; output = os.path.exists('other')"}
          t: {needs: up, cache: {}, shell: "echo t >> trace"}
        """
    project.run(text)
    project.run(text)
    assert project.states()["t"] == "cached"
    project.run(text, "-p", "n=2")
    assert project.states()["t"] == "success"
    project.run(text)
    assert project.states()["t"] == "cached"
    project.write("other", "")
    project.run(text)
    assert project.states()["t"] == "success"
    project.run(text.replace("echo t", "echo tt"))
    assert project.states()["t"] == "success"


def test_force_runs_it_again_and_what_it_left_counts_next_time(project: Project) -> None:
    inputs(project)
    project.run(COUNT)
    project.run(COUNT, "--force")
    assert project.states()["count"] == "success"
    project.run(COUNT)
    assert project.states()["count"] == "cached"
    assert project.lines().count("count") == 2


def test_force_holds_for_the_rest_of_the_run_that_was_started_so(project: Project) -> None:
    text = """
        tasks:
          first: {shell: "echo first >> trace; test -e ok"}
          t: {needs: first, cache: {}, shell: echo t >> trace}
        """
    project.write("ok", "")
    project.run(text)
    (project.root / "ok").unlink()
    project.run(text, "--force", code=1)
    project.write("ok", "")
    project("resume")
    assert project.states()["t"] == "success"
    assert project.lines().count("t") == 2


def test_what_a_failed_attempt_left_is_never_taken(project: Project) -> None:
    text = """
        tasks:
          t: {cache: {outputs: [out]}, shell: "echo $PIPECTL_ATTEMPT >> trace; echo half > out; test -e ok; echo whole > out"}
        """
    project.run(text, code=1)
    project.run(text, code=1)
    assert project.lines() == ["1", "1"]
    project.write("ok", "")
    project.run(text)
    project.run(text)
    assert (project.read("out"), project.states()["t"]) == ("whole\n", "cached")


@pytest.mark.parametrize("then", ["resume", "run"])
def test_outputs_of_an_attempt_killed_in_the_middle_are_never_taken(project: Project, then: str) -> None:
    text = """
        tasks:
          t:
            cache: {inputs: [in], outputs: [out]}
            shell: |
              echo half > out
              echo up >> trace
              until test -e go; do sleep 0.02; done
              echo whole > out
        """
    project.write("in", "x")
    process = project.start_run(text)
    project.wait_for_line("up")
    kill_runner(process)
    assert project.read("out") == "half\n"
    project.write("go", "")
    project("resume") if then == "resume" else project.run(text)
    assert project.states() == {"t": "success"}
    assert (project.read("out"), project.lines()) == ("whole\n", ["up", "up"])
    project.run(text)
    assert project.states() == {"t": "cached"}


def test_killed_run_counts_what_it_did_before_for_the_next_run(project: Project) -> None:
    text = """
        tasks:
          done: {cache: {}, shell: echo done >> trace}
          block: {needs: done, shell: "echo up >> trace; until test -e go; do sleep 0.02; done"}
        """
    process = project.start_run(text)
    project.wait_for_line("up")
    kill_runner(process)
    project.write("go", "")
    project.run(text)
    assert project.states() == {"done": "cached", "block": "success"}
    project("resume", project.runs()[1]["id"])
    assert project.lines().count("done") == 1


def test_each_item_is_known_by_itself(project: Project) -> None:
    text = """
        tasks:
          each:
            foreach: %s
            cache: {inputs: ["in/{{ item }}.txt"], outputs: ["out/{{ item }}.txt"]}
            shell: 'echo "$ITEM" >> trace; mkdir -p out; cp "in/$ITEM.txt" out/'
        """
    inputs(project)
    project.run(text % "[a, b]", "-j", "1")
    project.write("in/a.txt", "changed\n")
    project.write("in/c.txt", "new\n")
    project.run(text % "[c, b, a]", "-j", "1")
    assert project.states() == {"each[c]": "success", "each[b]": "cached", "each[a]": "success"}
    assert project.lines() == ["a", "b", "c", "a"]


def test_foreach_killed_in_the_middle_takes_what_was_whole_and_only_that(project: Project) -> None:
    text = """
        tasks:
          each:
            foreach: [a, b, c]
            cache: {outputs: ["{{ item }}.out"]}
            shell: |
              echo half > "$ITEM.out"
              echo "$ITEM" >> trace
              test "$ITEM" = a || until test -e go; do sleep 0.02; done
              echo whole > "$ITEM.out"
          all: {needs: each, shell: echo all >> trace}
        """
    process = project.start_run(text, "-j", "2")
    project.wait_for_line("b")
    wait_until(lambda: project.states()["each[a]"] == "success")
    kill_runner(process)
    project.write("go", "")
    project.run(text, "-j", "2")
    assert project.states() == {"each[a]": "cached", "each[b]": "success", "each[c]": "success", "all": "success"}
    assert [project.read(f"{item}.out") for item in "abc"] == ["whole\n"] * 3


def test_success_that_is_too_old_does_not_count(project: Project) -> None:
    text = "tasks: {t: {cache: {ttl: %s}, shell: echo t >> trace}}"
    project.run(text % "1h")
    project.run(text % "1h")
    project.run(text % "1ms")
    assert project.lines() == ["t", "t"]


def test_declared_output_that_is_not_left_fails_the_task(project: Project) -> None:
    project.run("tasks: {t: {cache: {outputs: [out]}, shell: 'true'}}", code=1)
    assert project.error("t") == "it did not leave `out`, which `cache.outputs` declares"


def test_key_stands_in_place_of_parameters_and_upstream_outputs(project: Project) -> None:
    text = """
        params: {day: mon, noise: 0}
        tasks:
          t: {cache: {key: "{{ params.day }}"}, shell: echo t >> trace}
        """
    project.run(text)
    project.run(text, "-p", "noise=1")
    assert project.states() == {"t": "cached"}
    project.run(text, "-p", "day=tue")
    assert project.states() == {"t": "success"}


def test_secrets_are_in_no_part_of_what_is_kept(project: Project) -> None:
    text = """
        secrets: [KEY]
        tasks:
          t: {cache: {inputs: [in.txt], outputs: ["out.txt"]}, shell: 'echo "$K" > out.txt; echo "$K"', env: {K: "{{ secrets.KEY }}"}}
        """
    project.write("in.txt", "x")
    project.run(text, env={"KEY": "swordfish-77"})
    project.run(text, env={"KEY": "swordfish-77"})
    assert project.states() == {"t": "cached"}
    kept = b"".join(path.read_bytes() for path in (project.root / ".pipectl").rglob("*") if path.is_file())
    assert b"swordfish" not in kept


def test_cached_task_of_a_group_and_of_a_child_pipeline(project: Project) -> None:
    project.write("sub/in", "x")
    project.write(
        "sub/child.yaml", "tasks: {t: {cache: {inputs: [in], outputs: [out]}, shell: 'cp in out; echo t >> ../trace'}}"
    )
    text = """
        tasks:
          child: {pipeline: sub/child.yaml}
          g: {foreach: [1, 2], tasks: {t: {cache: {}, shell: "echo g$ITEM >> trace"}, u: {needs: t, shell: "true"}}}
        """
    project.run(text)
    project.run(text)
    states = project.states()
    assert [states[name] for name in ("child.t", "g[1].t", "g[2].t", "g[2].u")] == [
        "cached",
        "cached",
        "cached",
        "success",
    ]
    project.write("sub/in", "y")
    project.run(text)
    assert project.states()["child.t"] == "success"
    assert sorted(project.lines()) == ["g1", "g2", "t", "t"]


def test_cached_upstream_meets_every_trigger_that_a_success_meets(project: Project) -> None:
    text = """
        tasks:
          t: {cache: {}, python: "output = 1"}
          a: {needs: t, shell: "true"}
          b: {needs: t, trigger: one_success, shell: "true"}
          c: {needs: t, trigger: none_skipped, when: tasks.t.state == 'cached', shell: "true"}
          d: {needs: t, trigger: one_failed, shell: "true"}
        """
    project.run(text)
    project.run(text)
    assert project.states() == {"t": "cached", "a": "success", "b": "success", "c": "success", "d": "skipped"}


def test_resume_of_a_run_with_cached_tasks_leaves_them(project: Project) -> None:
    text = """
        tasks:
          t: {cache: {}, python: "import os; open('trace', 'a').write('t\\\\n'); output = 7"}
          bad: {needs: t, shell: "echo bad >> trace; test -e ok"}
        """
    project.write("ok", "")
    project.run(text)
    (project.root / "ok").unlink()
    project.run(text, code=1)
    project.write("ok", "")
    project("resume")
    assert project.lines() == ["t", "bad", "bad", "bad"]
    assert project.states() == {"t": "cached", "bad": "success"}
    project("resume", "latest", "--from", "t")
    assert project.states()["t"] in {"cached", "success"}


def test_interrupt_while_many_inputs_are_read_leaves_nothing_half_known(project: Project) -> None:
    for number in range(200):
        project.write(f"in/{number}.txt", str(number))
    text = """
        tasks:
          t: {cache: {inputs: [in]}, shell: "echo up >> trace; until test -e go; do sleep 0.02; done"}
        """
    process = project.start_run(text)
    project.wait_for_line("up")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
    project.write("go", "")
    project.run(text)
    assert project.states() == {"t": "success"}


def test_what_stands_for_another_day_is_not_cached(project: Project) -> None:
    text = """
        tasks:
          script: {cache: {outputs: day}, shell: 'echo "$PIPECTL_DATE" > day'}
          code: {cache: {}, python: 'output = run["date"]'}
          neither: {cache: {}, shell: 'true'}
    """
    for day in ("2026-01-01", "2026-01-02"):
        project.run(text, "--logical-time", day)
        assert (project.root / "day").read_text() == f"{day}\n"
        assert project.output("code") == day
    assert project.states()["neither"] == "cached"


def test_constants_of_inline_code_and_expectations_are_part_of_the_key(project: Project) -> None:
    text = "vars: {x: 1}\ntasks: {a: {cache: {}, python: 'output = vars[\"x\"]'}}"
    project.run(text)
    project.run(text.replace("x: 1", "x: 2"))
    assert project.output("a") == 2
    project.run(text.replace("x: 1", "x: 2").replace("cache: {}", "cache: {}, expect: output > 5"), code=1)


def test_what_another_run_does_now_is_waited_for_and_then_found(project: Project) -> None:
    project.write(
        "p.yaml",
        """
        tasks:
          a: {cache: {outputs: out}, shell: 'echo $$ >> started; printf half > out; read line < go; printf full > out'}
        """,
    )
    os.mkfifo(project.root / "go")
    first = project.start("run", "p.yaml")
    wait_until(lambda: (project.root / "started").exists())
    second = project.start("run", "p.yaml", "--output", "json")
    wait_until(lambda: len(project.runs()) == 2)
    (project.root / "go").write_text("on\n")
    assert (first.wait(20), second.wait(20)) == (0, 0)
    assert len((project.root / "started").read_text().splitlines()) == 1
    assert project.states() == {"a": "cached"}


def test_what_a_killed_run_was_doing_is_done_by_the_one_that_waits(project: Project) -> None:
    project.write(
        "p.yaml",
        "tasks: {a: {cache: {outputs: out}, shell: 'echo $$ >> started; printf x > out; test -e go || sleep 60'}}",
    )
    first = project.start("run", "p.yaml")
    wait_until(lambda: (project.root / "started").exists())
    second = project.start("run", "p.yaml")
    wait_until(lambda: len(project.runs()) == 2)
    (project.root / "go").touch()
    kill_runner(first)
    assert second.wait(20) == 0
    assert len((project.root / "started").read_text().splitlines()) == 2
    assert project.states() == {"a": "success"}
