"""`pipectl plan`: what would run, in what order, why and for how long."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PIPECTL, Project

PIPELINE = """
params: {full: false, day: {type: string, default: monday}}
vars: {large: "{{ params.full }}"}
tasks:
  fetch: {shell: echo fetched >> trace}
  all: {needs: fetch, when: vars.large, shell: echo all >> trace}
  rest: {needs: all, shell: echo rest >> trace}
  check: {needs: fetch, python: {code: "output = 1"}, when: tasks.fetch.output == 'x'}
  mend: {needs: fetch, trigger: one_failed, shell: echo mended >> trace}
  done: {needs: "*", trigger: always}
"""


def planned(project: Project, *args: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(project("plan", "p.yaml", "--json", *args).stdout)
    return document


def tasks(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in document["tasks"]}


def test_plan_says_what_runs_what_does_not_and_what_is_not_known_yet(project: Project) -> None:
    project.write("p.yaml", PIPELINE)
    rows = tasks(planned(project))
    assert {name: row["decision"] for name, row in rows.items()} == {
        "fetch": "run",
        "all": "skip",
        "rest": "skip",
        "check": "later",
        "mend": "skip",
        "done": "run",
    }
    assert rows["all"]["when"] == {"expression": "vars.large", "value": False}
    assert rows["check"]["when"] == {"expression": "tasks.fetch.output == 'x'", "value": None}
    assert rows["fetch"]["when"] is None


def test_plan_says_why(project: Project) -> None:
    project.write("p.yaml", PIPELINE)
    reasons = {name: row["reason"] for name, row in tasks(planned(project)).items()}
    assert reasons == {
        "fetch": "at the start",
        "all": "`vars.large` is false",
        "rest": "all_success, and upstream is skipped (all)",
        "check": "after fetch; if `tasks.fetch.output == 'x'`",
        "mend": "one_failed, and upstream is success (fetch)",
        "done": "after fetch, all, rest, check and 1 more (always)",
    }


def test_parameters_decide(project: Project) -> None:
    project.write("p.yaml", PIPELINE)
    rows = tasks(planned(project, "-p", "full=true"))
    assert (rows["all"]["decision"], rows["rest"]["decision"]) == ("run", "run")
    project.write("params.json", '{"full": true}')
    assert planned(project, "--params-file", "params.json")["params"] == {"full": True, "day": "monday"}


def test_tasks_stand_in_the_order_in_which_they_start(project: Project) -> None:
    project.write(
        "p.yaml",
        """
        tasks:
          last: {needs: [b, a], shell: 'true'}
          a: {shell: 'true'}
          b: {priority: 5, shell: 'true'}
        """,
    )
    assert list(tasks(planned(project, "-j", "1"))) == ["b", "a", "last"]


def test_nothing_is_run_and_nothing_written(project: Project) -> None:
    project.write("p.yaml", "secrets: {S: {command: [touch, ran]}}\n" + PIPELINE)
    project("plan", "p.yaml")
    assert sorted(path.name for path in project.root.iterdir()) == ["p.yaml"]


def test_durations_come_from_the_newest_runs(project: Project) -> None:
    text = "tasks: {a: {shell: sleep 0.2}, b: {needs: a, shell: sleep 0.2}, c: {shell: 'true'}}"
    project.run(text)
    document = planned(project, "-j", "2")
    rows = tasks(document)
    assert all(0.2 <= rows[name]["duration"] < 2 for name in "ab")
    assert rows["b"]["started"] == rows["a"]["ended"] == rows["a"]["duration"]
    assert document["critical_path"]["tasks"] == ["a", "b"]
    assert document["makespan"] == document["critical_path"]["duration"] >= 0.4
    assert document["without_history"] == []
    said = project("plan", "p.yaml", "-j", "2").stdout
    assert "expected: " in said
    assert "a > b" in said
    assert "no history" not in said


def test_what_has_no_history_is_named_and_taken_as_a_second(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    project.write("p.yaml", "tasks: {a: {shell: 'true'}, new: {needs: a, shell: 'true'}}")
    document = planned(project)
    row = tasks(document)["new"]
    assert (row["duration"], round(row["ended"] - row["started"], 3)) == (None, 1.0)
    assert document["without_history"] == ["new"]
    said = project("plan", "p.yaml").stdout
    assert "no history (taken as 1s): new" in said
    assert "~1.0s" in said


def test_without_any_history_no_time_is_made_up(project: Project) -> None:
    project.write("p.yaml", "tasks: {a: {shell: 'true'}}")
    said = project("plan", "p.yaml").stdout
    assert "starts" not in said
    assert "known after a run" in said


def test_plan_says_which_python_a_task_gets(project: Project) -> None:
    project.write("venv/bin/python", "#!/bin/sh\n", mode=0o755)
    project.write(
        "p.yaml",
        """
        tasks:
          usual: {python: {code: "output = 1"}}
          own: {python: {code: "output = 1", interpreter: venv/bin/python}}
          gone: {python: {code: "output = 1", interpreter: gone-python}}
          shell: {shell: 'true'}
        """,
    )
    env = {"VIRTUAL_ENV": str(project.root / "venv")}
    rows = tasks(json.loads(project("plan", "p.yaml", "--json", env=env).stdout))
    own = str(project.root / "venv/bin/python")
    assert [rows[name]["interpreter"] for name in ("usual", "own", "gone", "shell")] == [own, own, None, None]
    assert "there is no such interpreter" in project("plan", "p.yaml", env=env).stdout


def test_faults_are_errors_and_what_is_missing_outside_warnings(project: Project) -> None:
    project.write("p.yaml", "tasks: {a: {needs: b, shell: 'true'}}")
    got = project("plan", "p.yaml", code=2)
    assert "p.yaml:1:" in got.stderr
    assert got.stdout == ""
    project.write("p.yaml", "secrets: [TOKEN]\ntasks: {a: {env: {T: '{{ secrets.TOKEN }}'}, shell: 'true'}}")
    got = project("plan", "p.yaml", "--json")
    assert "warning: secret `TOKEN` is not set" in got.stderr
    assert len(json.loads(got.stdout)["warnings"]) == 1
    assert "required" in project("plan", "-", input="params: {n: {type: integer}}\ntasks: {a: {}}", code=2).stderr


def test_run_that_will_not_come_to_its_end_in_time_is_foreseen(project: Project) -> None:
    project.run("tasks: {a: {shell: sleep 0.5}, b: {needs: a, shell: 'true'}}")
    project.write("p.yaml", "timeout: 100ms\ntasks: {a: {shell: sleep 0.5}, b: {needs: a, shell: 'true'}}")
    rows = tasks(planned(project))
    assert (rows["a"]["decision"], rows["b"]["decision"]) == ("cancel", "cancel")
    assert "time limit of the run" in rows["b"]["reason"]
    assert planned(project)["state"] == "failed"
    said = project("plan", "p.yaml").stdout
    assert "expected: failed in " in said
    assert "cancelled: the time limit of the run" in said


def test_secrets_are_not_needed_to_plan_around_them(project: Project) -> None:
    project.write(
        "p.yaml",
        """
        secrets: [USER_S, PORT_S]
        connections: {db: {url: "postgresql://{{ secrets.USER_S }}@host:{{ secrets.PORT_S }}/d"}}
        env: {URL: "{{ connections.db.url }}"}
        params: {n: 1}
        tasks: {a: {when: params.n > 0, shell: 'true'}, b: {when: params.n > 1, shell: 'true'}}
        """,
    )
    assert {name: row["decision"] for name, row in tasks(planned(project)).items()} == {"a": "run", "b": "skip"}


def test_condition_that_cannot_be_told_is_shown_as_a_failure(project: Project) -> None:
    project.write("p.yaml", "params: {n: 2}\ntasks: {a: {when: params.n, shell: 'true'}}")
    row = tasks(planned(project))["a"]
    assert row["decision"] == "fail"
    assert "true or false" in row["reason"]


@pytest.mark.parametrize("columns", ["30", "80", "200"])
def test_no_word_is_cut_however_narrow_the_terminal(project: Project, columns: str) -> None:
    project.write("p.yaml", "tasks: {a_task_with_a_name: {shell: 'true'}, another: {needs: a_task_with_a_name}}")
    said = project("plan", "p.yaml", env={"COLUMNS": columns}).stdout
    assert "…" not in said
    assert said.replace("\n", "").count("a_task_with_a_name") == 2


def test_state_is_left_as_it_is(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    state = project.root / ".pipectl"
    before = {path: path.read_bytes() for path in files(state)}
    project("plan", "p.yaml")
    project("simulate", "p.yaml")
    project("graph", "p.yaml")
    assert {path: path.read_bytes() for path in files(state)} == before


def files(folder: Path) -> list[Path]:
    """The files that hold something; a reader of SQLite may leave an empty log and the memory that readers share."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    return sorted(path for path in found if not path.name.endswith("-shm"))


@pytest.mark.parametrize("path", [["plan"], ["plan", "--help"]])
def test_plan_says_that_it_holds_if_nothing_fails(project: Project, path: list[str]) -> None:
    project.write("p.yaml", PIPELINE)
    assert "if nothing fails" in " ".join(project(*path, *(["p.yaml"] if len(path) == 1 else [])).stdout.split())
    assert planned(project)["assumption"] == "nothing fails"


def test_condition_over_a_secret_is_decided_when_it_runs(project: Project) -> None:
    project.write(
        "p.yaml",
        """
        secrets: [TOKEN]
        connections: {db: {url: "postgresql://{{ secrets.TOKEN }}@host/d"}}
        env: {DIRECT: "{{ secrets.TOKEN }}", VIA: "x{{ env.DIRECT }}", URL: "{{ connections.db.url }}", PLAIN: "yes"}
        tasks:
          direct: {when: "env.DIRECT == 's3cr'", shell: echo}
          via: {when: "env.VIA == 'xs3cr'", shell: echo}
          url: {when: "'s3cr' in env.URL", shell: echo}
          own: {when: "env.OWN == 's3cr'", env: {OWN: "{{ env.VIA }}"}, shell: echo}
          over: {when: "env.DIRECT == 'no'", env: {DIRECT: "no"}, shell: echo}
          plain: {when: "env.PLAIN == 'no'", shell: echo}
          below: {needs: direct, shell: echo}
        """,
    )
    rows = tasks(json.loads(project("plan", "p.yaml", "--json", env={"TOKEN": "s3cr"}).stdout))
    later, told = ["direct", "via", "url", "own"], ["over", "plain", "below"]
    assert {name: (rows[name]["decision"], rows[name]["when"]["value"]) for name in later} == dict.fromkeys(
        later, ("later", None)
    )
    assert [rows[name]["decision"] for name in told] == ["run", "skip", "run"]
    simulated = json.loads(project("simulate", "p.yaml", "--json", env={"TOKEN": "s3cr"}).stdout)["instances"]
    assert {row["name"] for row in simulated if row["state"] == "skipped"} == {"plain"}


@pytest.mark.parametrize("command", ["plan", "simulate"])
def test_name_of_another_file_is_warned_of_since_run_refuses_it(project: Project, command: str) -> None:
    text = "name: same\ntasks: {a: {shell: 'true'}}"
    project.run(text)
    assert "belongs to" not in project(command, "p.yaml").stderr
    project.write("other.yaml", text)
    told = project(command, "other.yaml").stderr
    assert "other.yaml: warning: the pipeline name `same` belongs to" in told
    assert "`name:`" in told
    project("run", "other.yaml", code=2)


def test_guess_is_named_as_what_it_is(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    project.write("p.yaml", "tasks: {a: {shell: 'true'}, t: {needs: a, timeout: 300ms, shell: 'true'}}")
    assert "no history (taken as 1s, or as its time limit where that is less): t" in project("plan", "p.yaml").stdout


def test_long_chain_is_told_by_its_ends(project: Project) -> None:
    project.write("p.yaml", json.dumps({"tasks": [{f"t{i}": {"shell": "true"}} for i in range(100)]}))
    said = project("simulate", "p.yaml").stdout
    assert "t0 > t1 > t2 > t3 > t4 > t5 > (88 others) > t94 > " in said


def test_parameters_are_shown_as_they_are_typed(project: Project) -> None:
    declared = 'params: {b: true, n: 1, l: [1, "a"], o: {type: object, default: {a: null}}, s: "a b", t: "one\\ntwo"}\n'
    project.run(declared + "tasks: {a: {shell: 'true'}}")
    shown = """b=true n=1 l='[1, "a"]' o='{"a": null}' s='a b' t=$'one\\ntwo'"""
    assert project("plan", "p.yaml").stdout.splitlines()[1] == shown
    (row,) = project("runs").stdout.splitlines()[2:]
    assert row.endswith(shown)
    script = f'for p in {shown}; do set -- "$@" -p "$p"; done; pipectl plan p.yaml --json "$@"'
    path = {**project.env, "PATH": f"{PIPECTL.parent}:{project.env['PATH']}"}
    typed = subprocess.run(["bash", "-c", script], cwd=project.root, env=path, capture_output=True, check=True).stdout
    assert json.loads(typed)["params"] == planned(project)["params"]


@pytest.mark.parametrize("columns", [60, 80, 90])
def test_long_names_give_way_in_a_narrow_terminal_and_are_whole_without_one(project: Project, columns: int) -> None:
    name = "n" * 80
    project.write("p.yaml", f"tasks: {{{name}: {{shell: 'true'}}}}")
    for command in ("simulate", "plan"):
        table, _, _ = project(command, "p.yaml", env={"COLUMNS": str(columns)}).stdout.partition("\n\n")
        assert max(map(len, table.splitlines())) <= columns
        assert name in project(command, "p.yaml", env={"COLUMNS": ""}).stdout


def test_groups_and_items_have_a_row_each_with_why_and_how_many(project: Project) -> None:
    project.write("child.yaml", "params: {n: 1}\ntasks: {one: {when: params.n > 1, shell: 'true'}, two: {needs: one}}")
    project.write(
        "p.yaml",
        """
        params: {full: false}
        tasks:
          list: {shell: 'true'}
          region:
            foreach: [eu, us]
            tasks: {extract: {shell: 'true'}, load: {needs: extract, when: item == 'eu', shell: 'true'}}
          each: {needs: [list, region], foreach: "{{ tasks.list.output }}", shell: 'true'}
          off: {when: params.full, foreach: [1], tasks: {a: {shell: 'true'}}}
          none: {foreach: [], shell: 'true'}
          kid: {needs: list, pipeline: {file: child.yaml, params: {n: 2}}}
          may: {needs: list, pipeline: {file: child.yaml, params: {n: "{{ tasks.list.output }}"}}}
        """,
    )
    rows = tasks(planned(project))
    told = {name: (row["decision"], row["instances"], row["reason"]) for name, row in rows.items()}
    assert told == {
        "region": ("run", 2, "at the start; 2 items"),
        "region.extract": ("run", 2, "at the start of region"),
        "region.load": ("run", 2, "after extract; `item == 'eu'` is true of 1 of 2"),
        "list": ("run", None, "at the start"),
        "each": ("run", 3, "after list, region; its items are known in the run, taken as 3"),
        "off": ("skip", 0, "`params.full` is false"),
        "off.a": ("skip", None, "`off` is skipped"),
        "none": ("skip", 0, "there are no items"),
        "kid": ("run", None, "after list"),
        "kid.one": ("run", None, "at the start of kid; `params.n > 1` is true"),
        "kid.two": ("run", None, "after one"),
        "may": ("run", None, "after list"),
        "may.one": ("later", None, "at the start of may; if `params.n > 1`"),
        "may.two": ("run", None, "after one"),
    }
    said = project("plan", "p.yaml").stdout
    assert "p: 10 tasks" in said


def test_time_of_a_wait_that_is_known_is_no_guess(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}}")
    project.write("p.yaml", "tasks: {a: {shell: 'true'}, w: {needs: a, wait: {for: 30s}}}")
    document = planned(project)
    assert document["without_history"] == []
    assert 30 <= document["makespan"] < 33


CACHED = """
    params: {limit: 10}
    tasks:
      a: {cache: {inputs: [in.txt], outputs: [out.txt]}, shell: cp in.txt out.txt}
      b: {needs: a, cache: {inputs: [out.txt], outputs: [b.txt]}, shell: cp out.txt b.txt}
      each: {foreach: [x, y], cache: {inputs: ["{{ item }}"], key: "1"}, shell: 'true'}
      end: {needs: [b, each], shell: 'true'}
"""


def why(project: Project, *args: str) -> dict[str, tuple[str, str]]:
    tasks = json.loads(project("plan", "p.yaml", "--json", *args, code=0).stdout)["tasks"]
    return {task["name"]: (task["decision"], task["reason"]) for task in tasks}


def test_what_would_be_cached_is_told_with_why_and_what_changed_with_what(project: Project) -> None:
    for name in ("in.txt", "x", "y"):
        (project.root / name).write_text("1")
    file = project.write("p.yaml", CACHED)
    assert why(project)["a"] == ("run", "at the start; it never succeeded with a cache")
    project("run", "p.yaml", code=0)
    found = why(project)
    assert found["a"][0] == found["b"][0] == "cached"
    assert found["a"][1].startswith("nothing changed since ")
    assert found["each"] == ("cached", "2 of 2 cached")
    assert found["end"][0] == "run"
    (project.root / "y").write_text("2")
    assert why(project)["each"] == ("run", "at the start; 2 items; 1 of 2 cached; each[y]: input `y` changed")
    found = why(project, "-p", "limit=20")
    assert found["a"] == ("run", "at the start; parameter `limit` changed: `10` → `20`")
    assert found["b"] == ("run", "after a; `a` runs before it")
    file.write_text(file.read_text().replace("cp out.txt", "cp -p out.txt"))
    assert "`cp out.txt b.txt` → `cp -p out.txt b.txt`" in why(project)["b"][1]
    (project.root / "out.txt").unlink()
    assert why(project)["a"] == ("run", "at the start; output `out.txt` is missing")


def test_a_plan_over_a_cache_writes_nothing(project: Project) -> None:
    (project.root / "in.txt").write_text("1")
    project.run("tasks: {a: {cache: {inputs: [in.txt]}, shell: 'true'}}")
    before = {path: path.stat().st_mtime_ns for path in (project.root / ".pipectl").rglob("*") if path.is_file()}
    project("plan", "p.yaml", code=0)
    assert {path: path.stat().st_mtime_ns for path in before} == before
