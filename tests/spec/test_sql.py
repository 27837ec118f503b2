"""SQL tasks as the document has them: long forms, defaults, files, and expressions in their text."""

from __future__ import annotations

import hashlib
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from pipectl.errors import PipelineError, Problem
from pipectl.spec.load import Loaded, load, load_text

CONNECTIONS = "connections: {db: sqlite:///x.db, pg: postgresql://h/x, my: mysql://h/x, any: '{{ env.URL }}'}\n"


def loaded(text: str) -> Loaded:
    return load_text(CONNECTIONS + dedent(text), ".", "stdin")


def body(sql: str, defaults: str = "{connection: db}") -> dict[str, Any]:
    text = f"params: {{day: x, n: 1}}\ndefaults: {{sql: {defaults}}}\ntasks: {{a: {{sql: {sql}}}}}"
    made: dict[str, Any] = loaded(text).document["tasks"]["a"]["body"]
    return made


def problems(sql: str, connection: str = "db") -> list[Problem]:
    defaults = f"defaults: {{sql: {{connection: {connection}}}}}"
    text = f"params: {{day: x, n: 1}}\n{defaults}\ntasks:\n  a:\n    sql: |\n      {sql}\n"
    with pytest.raises(PipelineError) as raised:
        loaded(text)
    return list(raised.value.problems)


def test_text_is_the_query_and_every_option_has_its_value() -> None:
    assert body("select 1") == {
        "connection": "db", "query": "select 1", "transaction": True, "once": False, "render": True
    }  # fmt: skip


def test_task_says_more_than_defaults() -> None:
    got = body("{query: select 1, once: false, fetch: one}", "{connection: db, once: true, fetch: all, max_rows: 5.0}")
    assert (got["once"], got["fetch"], got["max_rows"]) == (False, "one", 5)


def test_load_has_its_mode_and_its_columns_are_lists() -> None:
    got = body("{load: {file: a.csv, table: t, columns: x}}")["load"]
    assert got == {"file": "a.csv", "table": "t", "columns": ["x"], "mode": "append"}
    assert body("{load: {file: a.csv, table: t, mode: upsert, key: [a, b]}}")["load"]["key"] == ["a", "b"]


@pytest.mark.parametrize("sql", ["{load: {file: a.csv, table: t}}", "{query: select 1, save: a.csv}"])
def test_defaults_of_rows_are_not_for_tasks_that_fetch_none(sql: str) -> None:
    assert {"fetch", "max_rows"}.isdisjoint(body(sql, "{connection: db, fetch: all, max_rows: 5}"))


def test_load_is_one_transaction_whatever_defaults_say() -> None:
    got = body("{load: {file: a.csv, table: t}}", "{connection: db, transaction: false, once: true, render: false}")
    assert (got["transaction"], got["once"], got["render"]) == (True, True, True)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "json", "jsonl.gz", "ndjson", "parquet", "v1.2.csv"])
def test_endings_that_are_known(ending: str) -> None:
    assert body(f"{{query: select 1, save: 'out/{{{{ params.day }}}}.{ending}'}}")["save"]


@pytest.mark.parametrize("file", ["{{ params.day }}", "out.d/{{ params.day }}", "{{ params.day }}_v2"])
def test_ending_that_a_value_gives_is_left_to_the_run(file: str) -> None:
    assert body(f"{{query: select 1, save: '{file}'}}")["save"] == file


def test_file_is_read_from_the_folder_of_the_pipeline_and_is_one_of_its_sources(tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "a.sql").write_bytes(b"\xef\xbb\xbfselect {{ params.n }}\r\n")
    file = tmp_path / "p.yaml"
    file.write_text(
        "params: {n: 1}\nconnections: {db: sqlite://}\ntasks: {a: {sql: {connection: db, file: sql/a.sql}}}"
    )
    got = load(str(file))
    assert got.document["tasks"]["a"]["body"]["query"] == "select {{ params.n }}\r\n"
    digest = hashlib.sha256((tmp_path / "sql" / "a.sql").read_bytes()).hexdigest()
    assert got.sources[1:] == ((str(tmp_path / "sql" / "a.sql"), digest),)


def test_file_that_an_included_task_names_is_relative_to_the_pipeline_too(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "a.sql").write_text("select 1")
    (tmp_path / "parts" / "base.yaml").write_text(
        "connections: {db: sqlite://}\ndefaults: {sql: {connection: db}}\ntasks: {a: {sql: {file: a.sql}}}"
    )
    (tmp_path / "p.yaml").write_text("include: parts/base.yaml\ntasks: {b: {}}")
    assert load(str(tmp_path / "p.yaml")).document["tasks"]["a"]["body"]["query"] == "select 1"


def test_faults_in_a_file_are_told_in_its_own_lines(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("select 1;\n\nselect\t{{ params.gone }}\n")
    (tmp_path / "p.yaml").write_text("connections: {db: sqlite://}\ntasks: {a: {sql: {connection: db, file: a.sql}}}")
    with pytest.raises(PipelineError) as raised:
        load(str(tmp_path / "p.yaml"))
    (problem,) = raised.value.problems
    assert problem.place == f"{tmp_path / 'a.sql'}:3:11"


def test_braces_may_be_left_alone() -> None:
    sql = "{query: \"select '{{ params.gone }}', '{{1,2},{3}}', '{% x %}'\", render: false}"
    assert body(sql)["render"] is False
    assert body("{query: \"select '{{'\"}", "{connection: db, render: false}")["query"] == "select '{{'"


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("select '{{ params.day }}'", "write `{{ params.day }}` in place of"),
        ("select '%{{ params.day }}%'", "write `{{ '%' ~ params.day ~ '%' }}` in place of"),
        ("select 'a {{ params.n + 1 }}'", "write `{{ 'a ' ~ (params.n + 1) }}` in place of"),
        ("select DATE '{{ params.day }}'", "write `cast({{ params.day }} as date)` in place of"),
        ('select "{{ params.day }}"', "write `{{ params.day | identifier }}` without the quotes"),
        ("select '{{ params.day }} {{ params.n }}'", "write `{{ 'text' ~ params.day }}` in place of"),
        ("select 1 -- {{ params.day }}", "take it out of the comment"),
        ("select 1 /* it's {{ params.day }} */", "take it out of the comment"),
    ],
)
def test_expression_within_quotes_is_told_with_what_to_write(sql: str, hint: str) -> None:
    first = problems(sql)[0]
    assert first.message.endswith("stands within quotes or a comment, where no value is bound")
    assert first.hint.startswith(hint)


def test_what_the_hint_says_is_right() -> None:
    assert body(
        "\"select {{ '%' ~ params.day ~ '%' }}, cast({{ params.day }} as date), {{ params.day | identifier }}\""
    )


def test_quotes_are_those_of_the_database() -> None:
    assert body('"select 1 # {{ params.n }}"', "{connection: pg}")
    assert problems("select 1 # {{ params.n }}", "my")
    assert body('"select 1 # {{ params.n }}"', "{connection: any}")


def test_all_faults_of_one_text_are_told_at_once() -> None:
    found = problems("select '{{ params.day }}', {{ params.gone }}, '{{ params.n }}'")
    assert [problem.column for problem in found] == sorted(problem.column for problem in found)
    assert [problem.message.split()[0] for problem in found] == ["`{{", "parameter", "`{{"]


@pytest.mark.parametrize(
    ("connection", "text", "message"),
    [
        ("db", "select 1; begin; select 2", "a task is one transaction already, without `begin`"),
        ("my", "start transaction; select 1", "a task is one transaction already, without `start`"),
        ("pg", "select {{ params.n }}; /* so */ COMMIT", "a task is one transaction already, without `commit`"),
        ("my", "DELIMITER //", "`delimiter` is a command of MySQL's client, not SQL"),
        ("pg", "\\copy t from 'x'", "`\\copy` is a command of psql, not SQL"),
    ],
)
def test_statement_that_no_task_can_run_is_told_where_it_stands(connection: str, text: str, message: str) -> None:
    (problem,) = problems(text, connection)
    assert problem.message == message
    assert problem.column == 7 + text.lower().index(message.rpartition("`")[0].rpartition("`")[2])


@pytest.mark.parametrize(
    "sql",
    [
        "{query: begin; select 1; commit, transaction: false}",
        "{query: savepoint s; rollback to s}",
        "{query: select 1; begin, connection: any}",
        "{query: select 'a; begin'}",
    ],
)
def test_statements_of_transactions_are_left_alone_where_they_may_stand(sql: str) -> None:
    assert body(sql)["query"]


def test_once_is_not_for_what_commits_by_itself() -> None:
    text = "{query: 'insert into t values (1); truncate t', once: true, connection: %s}"
    with pytest.raises(PipelineError) as raised:
        body(text % "my")
    (problem,) = raised.value.problems
    assert problem.message.startswith("`truncate` commits by itself")
    assert body(text % "pg")["once"]
