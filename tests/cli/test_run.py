"""`pipectl run`: what it runs, in what order, with which parameters, and the exit code that tells how it went."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Project

TWO = """
    tasks:
      a: {shell: echo a >> trace}
      b: {needs: a, shell: "echo b >> trace; test -e ok"}
"""
PARAMS = """
    params:
      text: {type: string, default: x}
      number: 3
      ratio: 0.5
      flag: false
      list: [1, 2]
      map: {type: object, default: {a: 1}}
      maybe: {type: [integer, "null"], default: null}
      day: {type: string, format: date, default: "2026-01-01"}
      size: {enum: [small, large], default: small}
    tasks:
      a: {python: output = params}
"""


def test_run_succeeds_with_exit_0(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    assert [row["state"] for row in project.runs()] == ["success"]


def test_run_fails_with_exit_1_and_goes_on_with_independent_tasks(project: Project) -> None:
    project.run(
        """
        tasks:
          bad: {shell: exit 3}
          after: {needs: bad, shell: echo after >> trace}
          free: {shell: echo free >> trace}
        """,
        code=1,
    )
    assert project.states() == {"bad": "failed", "after": "upstream_failed", "free": "success"}
    assert project.lines() == ["free"]


def test_run_reads_the_pipeline_from_standard_input(project: Project) -> None:
    project("run", "-", "--output", "quiet", input="tasks: {a: {shell: 'pwd > where'}}\n")
    assert project.read("where").strip() == str(project.root.resolve())
    assert project.runs()[0]["pipeline"] == "stdin"


def test_run_from_standard_input_is_resumed_like_another(project: Project) -> None:
    project("run", "-", code=1, input="tasks: {a: {shell: echo a >> trace}, b: {needs: a, shell: test -e ok}}\n")
    project.write("ok", "")
    project("resume")
    assert project.lines() == ["a"]


def test_run_of_invalid_file_starts_nothing_and_writes_no_state(project: Project) -> None:
    got = project.run("tasks:\n  a: {shell: touch started}\n  b: {needs: nope, shell: 'true'}\n", code=2)
    assert "nope" in got.stderr
    assert sorted(path.name for path in project.root.iterdir()) == ["p.yaml"]


@pytest.mark.parametrize("file", ["gone.yaml", "folder", "p.yaml/x"])
def test_run_of_file_that_is_not_there_is_exit_2_in_one_sentence(project: Project, file: str) -> None:
    project.write("p.yaml", "tasks: {a: {shell: 'true'}}")
    (project.root / "folder").mkdir()
    got = project("run", file, code=2)
    assert file in got.stderr
    assert "Traceback" not in got.stderr
    assert len(got.stderr.splitlines()) <= 3


def test_independent_tasks_run_side_by_side_up_to_jobs(project: Project) -> None:
    meet = "touch $PIPECTL_TASK; for i in $(seq 1000); do test -e {other} && exit 0; sleep 0.01; done; exit 1"
    project.run(
        f"""
        tasks:
          one: {{shell: "{meet.format(other="two")}"}}
          two: {{shell: "{meet.format(other="one")}"}}
        """,
        "-j",
        "2",
    )


def test_one_job_runs_one_task_at_a_time(project: Project) -> None:
    tasks = "".join(f"  t{i}: {{shell: 'mkdir lock; echo {i} >> trace; rmdir lock'}}\n" for i in range(8))
    project.run(f"tasks:\n{tasks}", "--jobs", "1")
    assert len(project.lines()) == 8


def test_max_parallel_of_the_file_holds_without_jobs(project: Project) -> None:
    tasks = "".join(f"  t{i}: {{shell: 'mkdir lock; echo {i} >> trace; rmdir lock'}}\n" for i in range(8))
    project.run(f"max_parallel: 1\ntasks:\n{tasks}")


def test_jobs_win_over_max_parallel(project: Project) -> None:
    meet = "touch $PIPECTL_TASK; for i in $(seq 1000); do test -e {other} && exit 0; sleep 0.01; done; exit 1"
    tasks = f"  one: {{shell: '{meet.format(other='two')}'}}\n  two: {{shell: '{meet.format(other='one')}'}}\n"
    project.run(f"max_parallel: 1\ntasks:\n{tasks}", "-j", "2")


@pytest.mark.parametrize("jobs", ["0", "-1", "many"])
def test_jobs_must_be_a_positive_number(project: Project, jobs: str) -> None:
    project.run("tasks: {a: {shell: touch started}}", "-j", jobs, code=2)
    assert not (project.root / "started").exists()


def test_priority_then_longest_chain_then_file_order_decide_who_starts(project: Project) -> None:
    project.run(
        """
        max_parallel: 1
        tasks:
          short1: {shell: echo short1 >> trace}
          short2: {shell: echo short2 >> trace}
          chain1: {shell: echo chain1 >> trace}
          chain2: {needs: chain1, shell: echo chain2 >> trace}
          chain3: {needs: chain2, shell: echo chain3 >> trace}
          urgent: {priority: 1, shell: echo urgent >> trace}
          late: {priority: -1, shell: echo late >> trace}
        """
    )
    assert project.lines() == ["urgent", "chain1", "chain2", "short1", "short2", "chain3", "late"]


def test_list_of_tasks_is_a_sequence_unless_needs_says_else(project: Project) -> None:
    project.run(
        """
        max_parallel: 1
        tasks:
          - first: {shell: "sleep 0.05; echo first >> trace"}
          - second: {shell: echo second >> trace}
          - free: {needs: [], priority: 1, shell: echo free >> trace}
          - last: {needs: [second, free], shell: echo last >> trace}
        """
    )
    assert project.lines() == ["free", "first", "second", "last"]


def test_star_needs_every_task_of_the_level(project: Project) -> None:
    project.run("tasks: {z: {needs: '*', shell: echo z >> trace}, a: {shell: echo a >> trace}, b: {needs: a}}")
    assert project.lines() == ["a", "z"]


def test_parameter_takes_json_unless_its_type_allows_text(project: Project) -> None:
    given = {
        "number": ("-4", -4),
        "ratio": ("1e3", 1000.0),
        "flag": ("true", True),
        "list": ('["a", {"b": null}]', ["a", {"b": None}]),
        "map": ('{"b": [1]}', {"b": [1]}),
        "maybe": ("7", 7),
        "day": ("2024-02-29", "2024-02-29"),
        "size": ("large", "large"),
        "text": ('"quoted"', '"quoted"'),
    }
    project.run(PARAMS, *(word for name, (text, _) in given.items() for word in ("-p", f"{name}={text}")))
    assert project.output("a") == {name: value for name, (_, value) in given.items()}


def test_text_parameter_takes_any_text_as_it_is(project: Project) -> None:
    values = ["3", "", "a=b", "null", "{{ 7 * 7 }}", "$(touch pwned)", "--help", "é✓", "a\nb"]
    declared = ", ".join(f"t{number}: {{type: string}}" for number in range(len(values)))
    options = [word for number, value in enumerate(values) for word in ("-p", f"t{number}={value}")]
    project.run(f"params: {{{declared}}}\ntasks: {{a: {{python: 'output = list(params.values())'}}}}", *options)
    assert project.output("a") == values


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("number=three", "number"),
        ("number=1.5", "number"),
        ("flag=yes", "flag"),
        ("list=1,2", "list"),
        ("day=2026-02-30", "day"),
        ("size=huge", "size"),
        ("nmber=4", "number"),
        ("number", "NAME=VALUE"),
    ],
)
def test_wrong_parameter_is_exit_2_before_anything_starts(project: Project, given: str, word: str) -> None:
    got = project.run(PARAMS, "-p", given, code=2)
    assert word in got.stderr
    assert "Traceback" not in got.stderr
    assert not (project.root / ".pipectl").exists()


def test_all_wrong_parameters_are_told_at_once(project: Project) -> None:
    got = project.run(PARAMS, "-p", "number=x", "-p", "flag=maybe", "-p", "unknown=1", code=2)
    assert all(word in got.stderr for word in ("number", "flag", "unknown"))


def test_required_parameter_must_be_given(project: Project) -> None:
    text = "params: {day: {type: string}}\ntasks: {a: {shell: touch started}}\n"
    assert "day" in project.run(text, code=2).stderr
    project.run(text, "-p", "day=x")


@pytest.mark.parametrize(
    ("name", "text"), [("v.yaml", "number: 5\ntext: no\n"), ("v.json", '{"number": 5, "text": "no"}')]
)
def test_params_file_is_yaml_or_json(project: Project, name: str, text: str) -> None:
    project.write(name, text)
    project.run(PARAMS, "--params-file", name)
    assert (project.output("a")["number"], project.output("a")["text"]) == (5, "no")


def test_params_of_the_command_line_win_over_the_file(project: Project) -> None:
    project.write("v.yaml", "number: 5\ntext: file\n")
    project.run(PARAMS, "--params-file", "v.yaml", "-p", "number=6")
    assert (project.output("a")["number"], project.output("a")["text"]) == (6, "file")


@pytest.mark.parametrize("text", ["- a\n", "number: [\n", "number: x\n", "unknown: 1\n", "", "\xff"])
def test_wrong_params_file_is_exit_2(project: Project, text: str) -> None:
    (project.root / "v.yaml").write_bytes(text.encode("latin-1"))
    got = project.run(PARAMS, "--params-file", "v.yaml", code=2 if text else None)
    assert "Traceback" not in got.stderr
    assert not text or not (project.root / ".pipectl").exists()


def test_missing_params_file_is_exit_2(project: Project) -> None:
    assert "gone.yaml" in project.run(PARAMS, "--params-file", "gone.yaml", code=2).stderr


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("2026-01-31", "2026-01-31T00:00:00+00:00"),
        ("2026-01-31T06:00", "2026-01-31T06:00:00+00:00"),
        ("2026-01-31T06:00:00+02:00", "2026-01-31T04:00:00+00:00"),
        ("2026-01-31T06:00:00Z", "2026-01-31T06:00:00+00:00"),
    ],
)
def test_logical_time_is_what_the_run_stands_for(project: Project, given: str, told: str) -> None:
    project.run("tasks: {a: {shell: 'echo $PIPECTL_LOGICAL_TIME; echo $PIPECTL_DATE'}}", "--logical-time", given)
    assert project.log("a").split() == [told, "2026-01-31"]
    assert project.runs()[0]["logical_time"] == told


def test_logical_time_that_is_none_is_exit_2(project: Project) -> None:
    got = project.run("tasks: {a: {shell: touch started}}", "--logical-time", "yesterday", code=2)
    assert "yesterday" in got.stderr
    assert "hint:" in got.stderr


def test_run_by_hand_stands_for_the_moment_it_was_asked_for(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    moment = datetime.fromisoformat(project.runs()[0]["logical_time"])
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=5)


@pytest.mark.parametrize("where", ["file", "option"])
def test_fail_fast_ends_what_runs_and_starts_nothing_more(project: Project, where: str) -> None:
    top = "fail_fast: true\n" if where == "file" else ""
    project.run(
        top
        + "max_parallel: 2\n"
        + "tasks:\n"
        + "  long: {shell: 'touch up; exec sleep 60'}\n"
        + "  bad: {shell: 'until test -e up; do sleep 0.01; done; exit 1'}\n"
        + "  next: {shell: echo next >> trace}\n",
        *(["--fail-fast"] if where == "option" else []),
        code=1,
    )
    assert project.states() == {"long": "cancelled", "bad": "failed", "next": "cancelled"}
    assert project.runs()[0]["state"] == "failed"


def test_failure_that_is_allowed_does_not_fail_fast(project: Project) -> None:
    project.run("fail_fast: true\ntasks: [a: {allow_failure: true, shell: exit 1}, b: {shell: echo b >> trace}]")
    assert project.lines() == ["b"]


def test_durability_full_is_the_default_and_runs(project: Project) -> None:
    project.write("p.yaml", "tasks: {a: {shell: 'true'}}")
    project("run", "p.yaml")
    assert project.states() == {"a": "success"}


def test_durability_normal_may_stand_in_the_file(project: Project) -> None:
    project.write("p.yaml", "durability: normal\ntasks: {a: {shell: 'true'}}")
    project("run", "p.yaml")
    project.write("p.yaml", "durability: careless\ntasks: {a: {shell: 'true'}}")
    assert "durability" in project("run", "p.yaml", code=2).stderr


def test_pipeline_is_named_by_its_file_or_its_name(project: Project) -> None:
    project.write("daily-load.yaml", "tasks: {a: {shell: 'echo $PIPECTL_PIPELINE'}}")
    project("run", "daily-load.yaml")
    assert (project.runs()[0]["pipeline"], project.log("a")) == ("daily-load", "daily-load\n")
    project.run("name: other\ntasks: {a: {shell: 'true'}}")
    assert project.runs()[0]["pipeline"] == "other"


def test_second_file_of_one_name_is_refused_until_the_first_is_gone(project: Project) -> None:
    first = project.write("first.yaml", "name: same\ntasks: {a: {shell: 'true'}}")
    project.write("second.yaml", "name: same\ntasks: {a: {shell: touch second}}")
    project("run", "first.yaml")
    got = project("run", "second.yaml", code=2)
    assert "same" in got.stderr
    assert "first.yaml" in got.stderr
    assert not (project.root / "second").exists()
    first.unlink()
    project("run", "second.yaml")


def test_unchanged_file_is_run_again_from_its_compiled_form(project: Project) -> None:
    project.run("include: more.yaml\ntasks: {a: {shell: echo $WORD}}", code=2)
    project.write("more.yaml", "env: {WORD: one}\n")
    for word in ("one", "two"):
        project.write("more.yaml", f"env: {{WORD: {word}}}\n")
        for _ in range(2):
            project("run", "p.yaml")
            assert project.log("a") == f"{word}\n"


def test_include_takes_in_tasks_and_values_and_this_file_wins(project: Project) -> None:
    project.write(
        "common/base.yaml",
        """
        params: {who: base}
        vars: {own: theirs, word: theirs}
        env: {OWN: theirs, WORD: theirs}
        defaults: {env: {FROM: defaults}}
        tasks:
          first: {shell: echo first $FROM >> trace}
        """,
    )
    project.run(
        """
        include: [common/base.yaml]
        vars: {own: mine}
        env: {OWN: mine}
        tasks:
          a: {needs: first, shell: "echo $OWN $WORD $X >> trace", env: {X: "{{ vars.own }}-{{ vars.word }}-{{ params.who }}"}}
        """
    )
    assert project.lines() == ["first defaults", "mine theirs mine-theirs-base"]


def test_defaults_hold_for_tasks_and_for_options_of_a_type(project: Project) -> None:
    project.run(
        """
        defaults:
          env: {A: one, B: two}
          retries: {max: 1, delay: 0}
          shell: {interpreter: sh, output: text}
        tasks:
          a: {env: {B: three}, shell: 'printf "$0 $A $B"'}
          b: {retries: 0, shell: exit 1}
        """,
        code=1,
    )
    assert project.output("a") == "sh one three"
    assert project.instances()["b"]["attempts"] == 1


def test_keys_that_start_with_x_hold_anchors(project: Project) -> None:
    project.run(
        """
        x-common: &common {env: {WORD: shared}}
        tasks:
          a: {<<: *common, shell: echo $WORD}
          b: {<<: *common, shell: echo $WORD, env: {WORD: own}}
        """
    )
    assert (project.log("a"), project.log("b")) == ("shared\n", "own\n")


def test_words_about_the_pipeline_and_its_tasks_change_nothing(project: Project) -> None:
    project.run(
        """
        description: What it is for
        owner: data@example.org
        tags: [daily, small]
        tasks:
          a: {description: What it does, tags: [x], shell: echo a >> trace}
        """
    )
    assert project.lines() == ["a"]


def test_unset_secret_is_exit_2_before_anything_starts(project: Project) -> None:
    got = project.run("secrets: [API_TOKEN]\ntasks: {a: {shell: touch started}}", code=2)
    assert "API_TOKEN" in got.stderr
    assert not (project.root / ".pipectl").exists()


def test_missing_env_file_is_exit_2_unless_it_is_optional(project: Project) -> None:
    assert ".env" in project.run("env_file: .env\ntasks: {a: {shell: 'true'}}", code=2).stderr
    project.run("env_file: .env?\ntasks: {a: {shell: 'true'}}")


def test_variable_that_cannot_be_computed_is_exit_2(project: Project) -> None:
    got = project.run("vars: {x: '{{ 1 // 0 }}'}\ntasks: {a: {shell: touch started}}", code=2)
    assert "`x`" in got.stderr
    assert not (project.root / "started").exists()


def test_run_resume_goes_on_with_the_newest_such_run(project: Project) -> None:
    project.run(TWO, code=1)
    project.write("ok", "")
    got = project("run", "p.yaml", "--resume")
    assert project.lines() == ["a", "b", "b"]
    assert len(project.runs()) == 1
    assert "resuming" in got.stderr


@pytest.mark.parametrize("case", ["no runs", "succeeded", "changed", "parameters"])
def test_run_resume_starts_anew_and_says_why(project: Project, case: str) -> None:
    text = "params: {n: 1}\n" + "tasks: {a: {shell: 'echo a >> trace; test -e ok'}}\n"
    if case == "no runs":
        project.write("p.yaml", text)
    else:
        project.run(text, code=1)
    project.write("ok", "")
    if case == "succeeded":
        project("resume")
    if case == "changed":
        project.write("p.yaml", text + "# edited\n")
    before = len(project.runs()) if case != "no runs" else 0
    got = project("run", "p.yaml", "--resume", *(["-p", "n=2"] if case == "parameters" else []))
    words = {"no runs": "no runs", "succeeded": "succeeded", "changed": "changed", "parameters": "parameters"}
    assert words[case] in got.stderr
    assert "anew" in got.stderr
    assert len(project.runs()) == before + 1


def test_run_resume_looks_only_at_the_parameters_that_are_given(project: Project) -> None:
    text = "params: {n: 1, m: 1}\ntasks: {a: {shell: 'echo $PARAM_N$PARAM_M >> trace; test -e ok'}}"
    project.run(text, "-p", "n=5", code=1)
    project.write("ok", "")
    project("run", "p.yaml", "--resume", "-p", "m=1")
    assert project.lines() == ["51", "51"]


def test_run_resume_of_a_run_that_is_held_is_exit_3(project: Project) -> None:
    process = project.start_run("tasks: {a: {shell: 'echo up >> trace; exec sleep 60'}}")
    project.wait_for_line("up")
    got = project("run", "p.yaml", "--resume", code=3)
    assert project.runs()[0]["id"] in got.stderr
    process.terminate()
    assert process.wait(20) == 143


def test_runs_of_one_pipeline_run_side_by_side(project: Project) -> None:
    first = project.start_run("tasks: {a: {shell: 'echo up >> trace; exec sleep 60'}}")
    project.wait_for_line("up")
    project.run("tasks: {a: {shell: 'true'}}")
    first.terminate()
    assert first.wait(20) == 143
    assert [row["state"] for row in project.runs()] == ["success", "cancelled"]


def test_run_tells_its_id_that_all_other_commands_take(project: Project) -> None:
    got = project.run("tasks: {a: {shell: echo hello}}")
    found = re.match(r"run (\w+) of p", got.stderr)
    assert found is not None
    assert project.show(found[1])["run"]["id"] == found[1]
    assert project("logs", found[1], "a").stdout == "hello\n"


def test_output_json_writes_one_event_a_line(project: Project) -> None:
    got = project.run("tasks: {a: {shell: echo hi}, b: {needs: a, shell: exit 3}}", "--output", "json", code=1)
    rows = [json.loads(line) for line in got.stdout.splitlines()]
    assert rows[0]["event"] == "run"
    assert rows[-1]["event"] == "run_finished"
    assert rows[-1]["state"] == "failed"
