"""Waits and approvals as the document has them: what texts stand for, defaults, and what reaches them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from pipectl.errors import PipelineError
from pipectl.spec import world
from pipectl.spec.build import build
from pipectl.spec.load import load_text

TOP = """
    params: {day: x, pause: 5m}
    pools: {db: 4}
    connections: {db: "sqlite:///a.db", api: {url: https://example.org, headers: {X-Key: a}}}
"""


def document(task: str, *, defaults: str = "{}", folder: str | Path = ".") -> dict[str, Any]:
    text = f"{dedent(TOP)}\ndefaults: {defaults}\ntasks:\n  first: {{}}\n  a:\n    needs: first\n{indent(task, '    ')}"
    return load_text(text, str(folder), "stdin").document


def task(written: str, *, defaults: str = "{}", folder: str | Path = ".") -> dict[str, Any]:
    made: dict[str, Any] = document(written, defaults=defaults, folder=folder)["tasks"]["a"]
    return made


def body(written: str, *, defaults: str = "{}", folder: str | Path = ".") -> dict[str, Any]:
    made: dict[str, Any] = task(written, defaults=defaults, folder=folder)["body"]
    return made


def messages(written: str, *, defaults: str = "{}") -> list[str]:
    with pytest.raises(PipelineError) as raised:
        body(written, defaults=defaults)
    return [problem.message for problem in raised.value.problems]


@pytest.mark.parametrize("path", ["a.csv", "in/**/*.csv", "{{ params.day }}.done", "/data/2026-07-01.csv", "10 m.csv"])
def test_text_is_a_path(path: str) -> None:
    assert body(f"wait: '{path}'") == {
        "kind": "file",
        "file": path,
        "interval": 10.0,
        "timeout": 86400.0,
        "on_timeout": "fail",
        "expect": [],
    }


@pytest.mark.parametrize(("written", "seconds"), [("10m", 600.0), ("90", 90.0), ("'90'", 90.0), ("500ms", 0.5)])
def test_duration_is_a_pause(written: str, seconds: float) -> None:
    got = body(f"wait: {written}")
    assert (got["kind"], got["for"], got["timeout"]) == ("for", seconds, None)


@pytest.mark.parametrize("url", ["https://example.org/ready", "HTTP://example.org/{{ params.day }}"])
def test_url_is_a_request(url: str) -> None:
    got = body(f"wait: '{url}'")
    assert (got["kind"], got["http"]) == ("http", {"url": url, "expect_status": ["2xx"]})


@pytest.mark.parametrize(
    ("written", "kind", "look"),
    [
        ("shell: test -f a.csv", "shell", {"script": "test -f a.csv"}),
        ("shell: [test, -f, '{{ params.day }}']", "shell", {"argv": ["test", "-f", "{{ params.day }}"]}),
        ("python: etl:ready", "python", {"call": "etl:ready"}),
        ("run: other", "run", {"pipeline": "other"}),
        ("run: '{{ params.day }}'", "run", {"pipeline": "{{ params.day }}"}),
        ("run: {pipeline: other, task: load}", "run", {"pipeline": "other", "task": "load"}),
        ("until: 2026-07-01T06:00:00+02:00", "until", "2026-07-01T06:00:00+02:00"),
        ("until: '{{ run.date }}T07:30'", "until", "{{ run.date }}T07:30"),
        ("for: '{{ params.pause }}'", "for", "{{ params.pause }}"),
        ("for: 1h30m", "for", 5400.0),
    ],
)
def test_what_is_waited_for_has_its_own_long_form(written: str, kind: str, look: Any) -> None:
    got = body(f"wait: {{{written}}}")
    assert (got["kind"], got[kind]) == (kind, look)


def test_times_of_a_wait_are_seconds_and_its_conditions_a_list() -> None:
    got = body("wait: {file: a.csv, interval: 30s, timeout: 6h, on_timeout: skip, expect: output.size > 0}")
    assert (got["interval"], got["timeout"], got["on_timeout"]) == (30.0, 21600.0, "skip")
    assert got["expect"] == ["output.size > 0"]


def test_look_by_sql_is_a_query_without_what_only_tasks_have() -> None:
    defaults = "{sql: {connection: db, once: true, transaction: false, fetch: none, render: false}}"
    assert body("wait: {sql: select 1}", defaults=defaults)["sql"] == {
        "connection": "db",
        "query": "select 1",
        "render": False,
        "transaction": True,
        "once": False,
    }


def test_look_by_an_sql_file_has_its_text(tmp_path: Path) -> None:
    (tmp_path / "ready.sql").write_text("select count(*) from t where day = {{ params.day }}", encoding="utf-8")
    got = body("wait: {sql: {connection: db, file: ready.sql}}", folder=tmp_path)
    assert got["sql"]["query"] == "select count(*) from t where day = {{ params.day }}"


def test_names_in_the_sql_file_of_a_wait_are_checked(tmp_path: Path) -> None:
    (tmp_path / "ready.sql").write_text("select {{ params.dya }}", encoding="utf-8")
    with pytest.raises(PipelineError, match="parameter `dya` is not declared"):
        body("wait: {sql: {connection: db, file: ready.sql}}", folder=tmp_path)


def test_options_of_types_reach_the_looks_of_waits() -> None:
    defaults = "{shell: {interpreter: sh}, http: {connection: api, headers: {x-key: b, X-Team: c}}}"
    assert body("wait: {shell: test -f a.csv}", defaults=defaults)["shell"]["interpreter"] == "sh"
    http = body("wait: {http: /jobs/7}", defaults=defaults)["http"]
    assert (http["connection"], http["headers"]) == ("api", {"X-Team": "c"})


def test_defaults_of_waits_hold_for_the_short_form_and_not_for_times() -> None:
    defaults = "{wait: {interval: 1m, timeout: 2h, on_timeout: skip}}"
    got = body("wait: a.csv", defaults=defaults)
    assert (got["interval"], got["timeout"], got["on_timeout"]) == (60.0, 7200.0, "skip")
    got = body("wait: 10m", defaults=defaults)
    assert (got["timeout"], got["on_timeout"]) == (None, "fail")


@pytest.mark.parametrize("written", ["wait: a.csv", "approve: Deploy?"])
def test_defaults_of_attempts_do_not_reach_what_only_waits(written: str) -> None:
    defaults = (
        "{retries: 3, timeout: 10m, expect: output, pool: db, resources: {cpu: 2}, cache: {}, priority: 3, env: {A: b}}"
    )
    got = task(written, defaults=defaults)
    assert got.keys() == {"file", "line", "column", "needs", "env", "type", "body"}
    assert task("shell: echo", defaults=defaults).keys() >= {"retries", "timeout", "expect", "pool", "cache"}


def test_defaults_of_a_group_do_not_reach_the_waits_in_it() -> None:
    got = task("timeout: 10m\npool: db\ntasks: {b: {wait: a.csv}, c: {shell: echo}}")["tasks"]
    assert not got["b"].keys() & {"timeout", "pool"}
    assert (got["c"]["timeout"], got["c"]["pool"]) == (600.0, {"db": 1})


def test_conditions_of_a_wait_may_use_the_output_of_the_look() -> None:
    got = body("wait: {http: {connection: api, url: /x}, expect: \"output.json.state == 'done'\"}")
    assert got["expect"] == ["output.json.state == 'done'"]


def test_secrets_may_stand_in_the_headers_of_a_look_alone() -> None:
    header = "wait: {http: {url: https://x, headers: {A: '{{ connections.api.host }}'}}}"
    assert body(header)["http"]["headers"] == {"A": "{{ connections.api.host }}"}
    (message,) = messages("wait: '{{ connections.api.host }}'")
    assert message.startswith("a part of a connection may stand in")


def test_fault_within_a_look_hides_no_other_fault_of_the_wait() -> None:
    assert messages("wait: {http: {url: 3}, interval: 0, timeout: soon}") == [
        "`url` must be text, not a number (`3`)",
        "there is no time between two looks",
        "`timeout`: `soon` is not a duration",
    ]


def test_wait_for_the_run_of_a_file_needs_the_file(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="no such file"):
        body("wait: {run: other.yaml}", folder=tmp_path)
    (tmp_path / "other.yaml").write_text("tasks: {a: {}}", encoding="utf-8")
    assert body("wait: {run: other.yaml}", folder=tmp_path)["run"] == {"pipeline": "other.yaml"}


def test_what_a_look_needs_of_the_world_is_told_at_its_place(tmp_path: Path) -> None:
    pipeline = build(document("wait: {python: {script: ready.py, interpreter: ./none}}", folder=tmp_path))
    found = [(problem.line, problem.message) for problem in world.problems(pipeline, {})]
    line = pipeline.tasks["a"].line + 2
    assert found == [
        (line, "task `a`: there is no script `ready.py`"),
        (line, "task `a`: there is no interpreter `./none`"),
    ]


def test_question_alone_is_an_approval() -> None:
    assert body("approve: Deploy {{ params.day }}?") == {
        "question": "Deploy {{ params.day }}?",
        "params": {},
        "timeout": None,
        "on_timeout": "fail",
        "on_reject": "fail",
    }


def test_values_of_an_answer_are_declared_as_parameters_are() -> None:
    got = body(
        """approve: {question: Deploy?, params: {percent: 10, day: {type: string, format: date}}, timeout: 2d}"""
    )
    assert got["params"] == {
        "percent": {"type": "integer", "default": 10},
        "day": {"type": "string", "format": "date"},
    }
    assert got["timeout"] == 172800.0


def test_two_values_of_an_answer_are_no_variables_that_could_collide() -> None:
    assert list(body("approve: {question: Deploy?, params: {a-b: 1, a_b: 2}}")["params"]) == ["a-b", "a_b"]


def test_defaults_of_approvals_give_what_an_approval_does_not_say() -> None:
    defaults = "{approve: {timeout: 1d, on_reject: skip}}"
    got = body("approve: {question: Deploy?, on_timeout: approve}", defaults=defaults)
    assert (got["timeout"], got["on_timeout"], got["on_reject"]) == (86400.0, "approve", "skip")


def test_question_may_use_the_output_of_an_upstream_and_no_other() -> None:
    assert body("approve: '{{ tasks.first.output }}?'")["question"] == "{{ tasks.first.output }}?"
    assert messages("approve: '{{ tasks.a.output }}?'") == ["task `a` uses its own `output`"]
