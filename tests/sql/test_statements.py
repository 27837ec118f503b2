"""Statements run one by one in one transaction, and what the last one gives is the output."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pipectl.tasks.own import Fault
from tests.sql.conftest import Base

TABLE = "create table t (a integer primary key, b varchar(20));"


def test_the_output_is_the_last_statements_result(db: Base) -> None:
    got = db.query(f"{TABLE} insert into t values (1, 'x'); insert into t values (2, 'y'); select * from t order by a")
    assert got == {"columns": ["a", "b"], "rows": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], "rowcount": 2}


def test_a_statement_without_rows_gives_its_count(db: Base) -> None:
    db.query(f"{TABLE} insert into t values (1, 'x'), (2, 'y'), (3, 'z')")
    assert db.query("update t set b = 'new' where a > {{ n }}", n=1) == {"rowcount": 2}
    assert db.query("drop table t") == {"rowcount": 0}


def test_fetch_says_what_of_the_rows_is_the_output(db: Base) -> None:
    db.query(f"{TABLE} insert into t values (1, 'x'), (2, 'y')")
    query = "select a, b from t where a > {{ n }} order by a"
    assert db.query(query, n=0, fetch="one") == {"a": 1, "b": "x"}
    assert db.query(query, n=0, fetch="scalar") == 1
    assert db.query(query, n=0, fetch="none") == {"rowcount": 2}
    assert db.query(query, n=5, fetch="one") is None
    assert db.query(query, n=5, fetch="scalar") is None
    assert db.query(query, n=5) == {"columns": ["a", "b"], "rows": [], "rowcount": 0}


def test_max_rows_takes_no_more(db: Base) -> None:
    db.query(f"{TABLE} insert into t values (1, 'x'), (2, 'y'), (3, 'z')")
    got = db.query("select a from t order by a", max_rows=2)
    assert got == {"columns": ["a"], "rows": [{"a": 1}, {"a": 2}], "rowcount": 2}


def test_rows_over_the_limit_of_an_output_fail_and_name_the_ways_out(db: Base) -> None:
    with pytest.raises(Fault, match=r"over 1 MiB.*`save`.*`max_rows`"):
        db.query("with recursive r(i) as (select 1 union all select i + 1 from r where i < 900) "
                 "select i, {{ text }} as text from r", text="x" * 2000)  # fmt: skip


def test_two_columns_of_one_name_are_both_there(db: Base) -> None:
    assert db.query("select 1 as a, 2 as a", fetch="one") == {"a": 1, "a_2": 2}


def test_a_column_keeps_the_name_that_another_would_get(db: Base) -> None:
    got = db.query("select 1 as a, 2 as a, 3 as a_2, 4 as a_3", fetch="one")
    assert got == {"a": 1, "a_4": 2, "a_2": 3, "a_3": 4}


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb", "postgresql"])
@pytest.mark.parametrize("most", [{"max_rows": 1}, {"fetch": "one"}, {"fetch": "scalar"}])
def test_rows_that_nobody_asked_for_are_not_computed(
    dialect: str, most: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    db: Base = request.getfixturevalue(dialect)
    db.query("create table t (a integer)")
    rows = "(select * from range(10000000000000)) as r(i)" if dialect == "duckdb" else "r"
    endless = "with recursive r(i) as (select 1 union all select i + 1 from r)"
    text = f"insert into t values (1); {'' if dialect == 'duckdb' else endless} select {{{{ n }}}} as n from {rows}"
    assert "5" in str(db.query(text, n=5, **most))
    assert db.value("select count(*) from t") == 1


@pytest.mark.parametrize("db", ["sqlite", "duckdb", "postgresql"], indirect=True)
def test_all_rows_are_changed_though_not_all_are_fetched(db: Base) -> None:
    db.query("create table t (a integer); insert into t values (1), (2)")
    for _ in range(13):
        db.query("insert into t select a from t")
    assert db.query("insert into t select a from t returning a", fetch="scalar") in (1, 2)
    assert db.value("select count(*) from t") == 2**15


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb", "postgresql"])
def test_sq_03_nothing_remains_of_statements_of_which_one_fails(dialect: str, request: pytest.FixtureRequest) -> None:
    db: Base = request.getfixturevalue(dialect)
    with pytest.raises(Fault, match=r"statement 3 \(`insert into t values \(1, 'again'\)`\)"):
        db.query(f"{TABLE} insert into t values (1, 'x'); insert into t values (1, 'again'); select 1")
    assert db.query(f"{TABLE} select * from t")["rows"] == []


def test_sq_03_rows_of_statements_before_a_failure_are_not_there(mysql: Base) -> None:
    mysql.query(TABLE)
    with pytest.raises(Fault, match="statement 2"):
        mysql.query("insert into t values (1, 'x'); insert into t values (1, 'again')")
    assert mysql.rows("select * from t") == []


def test_without_a_transaction_each_statement_stands_for_itself(db: Base) -> None:
    with pytest.raises(Fault, match="statement 3"):
        db.query(f"{TABLE} insert into t values (1, 'x'); insert into t values (1, 'again')", transaction=False)
    assert db.value("select count(*) from t") == 1


@pytest.mark.parametrize(
    ("dialect", "text"), [("sqlite", "vacuum"), ("postgresql", "vacuum"), ("duckdb", "checkpoint")]
)
def test_what_no_transaction_may_hold_runs_without_one(dialect: str, text: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(dialect).query(text, transaction=False)


@pytest.mark.parametrize("word", ["begin", "commit", "start transaction", "rollback", "end"])
def test_the_words_of_transactions_are_refused_in_one(sqlite: Base, word: str) -> None:
    with pytest.raises(Fault, match=r"statement 2.*`transaction: false`"):
        sqlite.query(f"select 1; {word}; select 2")


def test_sqlite_obeys_pragmas_at_the_beginning(sqlite: Base) -> None:
    sqlite.query("create table p (a integer primary key); create table c (a integer references p)")
    with pytest.raises(Fault, match="FOREIGN KEY"):
        sqlite.query("pragma foreign_keys = on; insert into c values (1)")


def test_a_trigger_is_one_statement(sqlite: Base) -> None:
    sqlite.query(
        "create table t (a); create table log (a);"
        "create trigger n after insert on t begin insert into log values (new.a); update log set a = a + 1; end;"
        "insert into t values (1)"
    )
    assert sqlite.value("select a from log") == 2


def test_a_procedure_is_one_statement(mysql: Base) -> None:
    mysql.query("create procedure p() begin declare i int default 3; select i + 1 as n; end")
    assert mysql.query("call p()", fetch="scalar") == 4


def test_a_function_in_dollars_is_one_statement(postgresql: Base) -> None:
    postgresql.query("create function f(n int) returns int as $$ begin return n + 1; end; $$ language plpgsql")
    assert postgresql.value("select f({{ n }})", n=1) == 2


def test_sql_that_is_not_rendered_keeps_its_braces(sqlite: Base) -> None:
    assert sqlite.query("select '{{ x }}' as a", render=False, fetch="scalar") == "{{ x }}"


@pytest.mark.parametrize("text", ["select '{{ x }}'", "select 1 -- {{ x }}"])
def test_a_value_in_quotes_or_a_comment_is_refused(db: Base, text: str) -> None:
    with pytest.raises(Fault, match="within quotes or a comment"):
        db.query(text, x=1)


def test_sql_without_a_statement_is_refused(sqlite: Base) -> None:
    with pytest.raises(Fault, match="no statement"):
        sqlite.query(" ; -- nothing\n")


def test_the_error_is_the_databases_own_with_its_class(db: Base) -> None:
    db.query(f"{TABLE} insert into t values (1, 'x')")
    with pytest.raises(Fault) as raised:
        db.query("insert into t values ({{ n }}, 'y')", n=1)
    assert {"IntegrityError", "ConstraintException"} & set(raised.value.kinds)
    assert re.search("unique|duplicate", str(raised.value), re.IGNORECASE)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_a_connection_that_cannot_be_is_of_the_kind_connection(dialect: str, request: pytest.FixtureRequest) -> None:
    db: Base = request.getfixturevalue(dialect)
    with pytest.raises(Fault, match="connection `db`: ") as raised:
        Base(dialect, re.sub(r":\d+/", ":1/", db.url), db.folder).query("select 1")
    assert "connection" in raised.value.kinds
    assert "p@ss" not in str(raised.value)


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
@pytest.mark.parametrize(("part", "wrong"), [("p%40ss", "wrong%21"), ("/test", "/nosuch"), ("//etl", "//nobody")])
def test_a_connection_that_is_refused_is_not_of_the_kind_connection(
    dialect: str, part: str, wrong: str, request: pytest.FixtureRequest
) -> None:
    db: Base = request.getfixturevalue(dialect)
    with pytest.raises(Fault, match="connection `db`: ") as raised:
        Base(dialect, db.url.replace(part, wrong), db.folder).query("select 1")
    assert "connection" not in raised.value.kinds
    assert "wrong!" not in str(raised.value)


@pytest.mark.parametrize(
    ("dialect", "option"), [("sqlite", "timeout=abc"), ("mysql", "charset=nosuch"), ("postgresql", "nosuch=1")]
)
def test_an_option_that_the_driver_refuses_is_told_in_a_sentence(
    dialect: str, option: str, request: pytest.FixtureRequest
) -> None:
    db: Base = request.getfixturevalue(dialect)
    with pytest.raises(Fault, match="connection `db`: ") as raised:
        Base(dialect, f"{db.url}?{option}", db.folder).query("select 1")
    assert "connection" not in raised.value.kinds


@pytest.mark.parametrize("scheme", ["postgresql+psycopg2", "postgresql+asyncpg", "mysql+mysqldb"])
def test_of_another_driver_that_is_missing_it_is_told_what_to_write(tmp_path: Path, scheme: str) -> None:
    with pytest.raises(Fault, match=rf"not installed: write `{scheme.partition('+')[0]}://`"):
        Base("", f"{scheme}://h/x", tmp_path).query("select 1")


def test_a_lost_connection_is_of_the_kind_connection(postgresql: Base) -> None:
    with pytest.raises(Fault) as raised:
        postgresql.query("select pg_terminate_backend(pg_backend_pid())")
    assert "connection" in raised.value.kinds


def test_a_database_file_that_cannot_be_is_named(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"unable to open database file.*no/such/folder") as raised:
        Base("sqlite", "sqlite:///no/such/folder/x.db", tmp_path).query("select 1")
    assert "connection" in raised.value.kinds


def test_an_unknown_database_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="no database driver for `nosuch://`"):
        Base("", "nosuch://localhost/x", tmp_path).query("select 1")


def test_a_relative_path_starts_from_the_pipelines_folder(sqlite: Base, tmp_path: Path) -> None:
    sqlite.query("create table t (a)")
    assert (tmp_path / "test.sqlite").exists()


def test_sqlite_takes_options_in_a_file_url(tmp_path: Path) -> None:
    Base("sqlite", "sqlite:///x.db", tmp_path).query("create table t (a)")
    read_only = Base("sqlite", "sqlite:///file:x.db?mode=ro&uri=true", tmp_path)
    assert read_only.rows("select * from t") == []
    with pytest.raises(Fault, match="readonly"):
        read_only.query("insert into t values (1)")


def test_duckdb_takes_its_settings_from_the_url(tmp_path: Path) -> None:
    Base("duckdb", "duckdb:///x.db", tmp_path).query("create table t (a integer)")
    read_only = Base("duckdb", "duckdb:///x.db?access_mode=read_only", tmp_path)
    with pytest.raises(Fault, match="read-only"):
        read_only.query("insert into t values (1)")


@pytest.mark.parametrize(
    "way",
    ["path", "link", "hard link", "attach", "attach by value", "attach a hard link", "attach a URI", "url", "save"],
)
def test_sq_06_pipectls_own_state_is_refused(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / ".pipectl" / "state.db"
    state.parent.mkdir()
    state.touch()
    (tmp_path / "link.db").symlink_to(state)
    (tmp_path / "hard.db").hardlink_to(state)
    urls = {
        "path": "sqlite:///.pipectl/state.db", "link": "sqlite:///link.db", "hard link": "sqlite:///hard.db",
        "url": "sqlite:///file:.pipectl/state%2edb?uri=true",
    }  # fmt: skip
    db = Base("sqlite", urls.get(way, "sqlite:///x.db"), tmp_path)
    text = {
        "attach": f"attach '{state}' as s; create table s.t (a)",
        "attach a hard link": "attach 'hard.db' as s",
        "attach a URI": f"attach 'file:{tmp_path}/hard%2edb?mode=rwc' as s",
        "attach by value": "ATTACH {{ p }} AS s; select 1",
    }
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Fault, match="pipectl's own state"):
        db.query(text.get(way, "select 1"), p=str(state), save=str(state) if way == "save" else None)
    assert state.read_bytes() == b""
    assert not list(tmp_path.glob("*-wal")) + list(state.parent.glob("*-*"))


@pytest.mark.parametrize(
    ("dialect", "text", "advice"),
    [
        ("postgresql", "select json_build_object('a', {{ x }})", "::text`"),
        ("postgresql", "create table t (a text); select a from t where a = {{ x }}", "::text`"),
        ("postgresql", "set timezone = {{ x }}", r"literal }}`"),
        ("postgresql", "create view v as select {{ x }} as a", r"literal }}`"),
        ("sqlite", "create view v as select {{ x }} as a", r"literal }}`"),
        ("sqlite", "pragma user_version = {{ x }}", r"literal }}`"),
        ("duckdb", "create table t (a integer default {{ x }})", r"literal }}`"),
    ],
)
def test_where_a_value_cannot_be_bound_it_is_told_what_to_write(
    dialect: str, text: str, advice: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(Fault, match=rf"statement .*{advice}"):
        request.getfixturevalue(dialect).query(text, x="5" if "json" in text else 5)
