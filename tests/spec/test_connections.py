"""Connections as the file declares them, and what the checks say of them where they are no faults."""

from __future__ import annotations

from textwrap import dedent

import pytest

from pipectl.errors import PipelineError, Problem, render_problem
from pipectl.model import Pipeline
from pipectl.spec.build import build
from pipectl.spec.load import Loaded, load, load_text


def loaded(text: str) -> Loaded:
    return load_text(dedent(text), ".", "stdin")


def pipeline(text: str) -> Pipeline:
    return build(loaded(text).document)


def problems(text: str) -> list[Problem]:
    with pytest.raises(PipelineError) as raised:
        loaded(text)
    return list(raised.value.problems)


def test_text_is_the_url() -> None:
    got = pipeline("connections: {db: sqlite:///x.db}\ntasks: {a: {}}").connections["db"]
    assert (got.name, got.url, got.headers, got.auth, got.verify) == ("db", "sqlite:///x.db", {}, None, True)
    assert (got.file, got.line, got.column) == ("<stdin>", 1, 15)


def test_headers_are_texts_as_they_were_typed_and_a_password_may_be_left_out() -> None:
    got = pipeline("""
        connections:
          api:
            url: https://example.org
            headers: {X-Version: 3.10, X-Old: null}
            auth: {user: etl}
            verify: ca.pem
        tasks: {a: {}}
    """).connections["api"]
    assert got.headers == {"X-Version": "3.10", "X-Old": None}
    assert got.auth == {"user": "etl", "password": ""}
    assert got.verify == "ca.pem"


def test_connection_may_stand_below_the_tasks_that_use_it() -> None:
    text = """
        tasks: {a: {sql: {connection: db, query: select 1}, env: {H: "{{ connections.db.host }}"}}}
        env: {U: "{{ connections.db.user }}"}
        connections: {db: sqlite:///x.db}
    """
    assert pipeline(text).tasks["a"].body["connection"] == "db"


def test_connection_may_use_all_that_is_there_before_a_task_runs() -> None:
    pipeline("""
        params: {user: etl}
        vars: {host: db}
        secrets: [PASSWORD]
        connections:
          db: "postgresql://{{ params.user }}:{{ secrets.PASSWORD }}@{{ vars.host }}:{{ env.PORT }}/{{ pipeline.name }}"
          api: {url: "https://x/{{ run.date }}", headers: {A: "{{ secrets.PASSWORD }}"}, auth: {bearer: "{{ env.T }}"}}
        tasks: {a: {}}
    """)


@pytest.mark.parametrize(
    "url",
    [
        "{{ secrets.URL }}",
        "postgresql://u:{{ secrets.URL }}@h/x",
        "postgresql+psycopg://u@h:5432/x?sslmode=require",
        "mssql+pyodbc://u@dsn",
        "sqlite://",
        "sqlite:////var/lib/my data.db",
        "duckdb:///x.duckdb",
        "https://[::1]:8443/v1",
        "https://{{ params.host }}:{{ params.port }}/v1",
        "https://example.org:8080/x@y",
    ],
)
def test_url_that_can_be_right_is_taken_without_a_word(url: str) -> None:
    text = f"params: {{host: h, port: 1}}\nsecrets: [URL]\nconnections: {{db: '{url}'}}\ntasks: {{a: {{}}}}"
    assert loaded(text).warnings == ()


@pytest.mark.parametrize(
    "connection",
    [
        '"postgresql://etl:hunter2@db/x"',
        '{url: "https://etl:hunter2@example.org"}',
        '{url: "https://example.org", auth: {user: etl, password: hunter2}}',
        '{url: "https://example.org", auth: {bearer: hunter2}}',
    ],
)
def test_password_in_clear_is_a_warning_that_does_not_show_it(
    connection: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("clear") / "p.yaml"
    file.write_text(f"connections: {{c: {connection}}}\ntasks: {{a: {{}}}}")
    (warning,) = load(str(file)).warnings
    assert warning.warning
    assert "secrets.NAME" in warning.hint
    assert "hunter2" not in render_problem(warning)


def test_variable_that_extends_the_callers_or_hides_it_may_stand_in_a_connection() -> None:
    pipeline("""
        env: {HOST: "{{ env.HOST | lower }}", TOKEN: null}
        connections: {api: {url: "https://{{ env.HOST }}", auth: {bearer: "{{ env.TOKEN }}"}}}
        tasks: {a: {}}
    """)


def test_fault_of_a_default_is_told_once_for_all_tasks() -> None:
    found = problems("""
        connections: {warehouse: sqlite://}
        defaults: {sql: {connection: warehose}}
        tasks: {a: {sql: select 1}, b: {sql: select 2}}
    """)
    assert [(problem.message, problem.hint) for problem in found] == [
        ("connection `warehose` is not declared", "did you mean `warehouse`?")
    ]


def test_faulty_connection_stays_declared() -> None:
    found = problems("""
        connections: {db: {ur: sqlite://}}
        tasks: {a: {sql: {connection: db, query: "select 1"}, env: {U: "{{ connections.db.url }}"}}}
    """)
    assert [problem.message for problem in found] == ["connection `db` has no `url`", "unknown key `ur`"]


def test_one_fault_in_defaults_leaves_the_rest_of_them() -> None:
    found = problems("""
        connections: {db: sqlite://}
        defaults: {sql: {connection: db, fetch: some}}
        tasks: {a: {sql: select 1}}
    """)
    assert [problem.message for problem in found] == ["`some` is no value of `fetch`"]
