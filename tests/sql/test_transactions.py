"""A task is one transaction, or none: what ends it unseen, or is left open, is told."""

from __future__ import annotations

import pytest

from pipectl.tasks.own import Fault
from tests.sql.conftest import Base


def test_a_transaction_that_is_left_open_fails_the_task(db: Base) -> None:
    db.query("create table t (a integer)")
    with pytest.raises(Fault, match=r"leave a transaction open.*`commit`"):
        db.query("begin; insert into t values (1); select a from t", transaction=False)
    assert db.value("select count(*) from t") == 0


def test_a_transaction_that_is_ended_lasts(db: Base) -> None:
    db.query("create table t (a integer); ")
    db.query("begin; insert into t values (1); commit; select 1", transaction=False, fetch="one")
    assert db.value("select count(*) from t") == 1


@pytest.mark.parametrize(
    ("db", "text"),
    [
        ("sqlite", "savepoint s; select 1; rollback to s; release s"),
        ("postgresql", "savepoint s; rollback work to savepoint s; release savepoint s"),
        ("mysql", "savepoint s; rollback work to savepoint s; release savepoint s"),
    ],
    indirect=["db"],
)
def test_savepoints_are_no_transactions(db: Base, text: str) -> None:
    db.query(text)


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("sqlite", "vacuum"),
        ("postgresql", "vacuum"),
        ("postgresql", "create table t (a int); create index concurrently i on t (a)"),
    ],
)
def test_what_no_transaction_may_hold_is_told_with_the_way_out(
    dialect: str, text: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(Fault, match="`transaction: false`"):
        request.getfixturevalue(dialect).query(text)


COMMITTING = ["create table z (a int)", "truncate t", "alter table t add b int", "drop table t", "lock tables t read"]


@pytest.mark.parametrize("text", COMMITTING)
def test_once_refuses_what_commits_by_itself_before_anything_runs(mysql: Base, text: str) -> None:
    mysql.query("create table t (a integer)")
    with pytest.raises(Fault, match=r"statement 2 .*commits by itself"):
        mysql.query(f"insert into t values (1); {text}", key="k")
    assert mysql.rows("select * from t") == []


@pytest.mark.parametrize("text", ["call p()", "set autocommit = 1", "call q()"])
def test_once_fails_at_the_statement_that_ended_the_transaction(mysql: Base, text: str) -> None:
    mysql.query(
        "create table t (a integer); create procedure p() begin insert into t values (7); commit; end;"
        "create procedure q() begin commit; start transaction; select a from t; end"
    )
    with pytest.raises(Fault, match=rf"statement 2 \(`{text[:4]}.*it ended the transaction"):
        mysql.query(f"insert into t values (1); {text}; insert into t values (2)", key="k")
    assert (2,) not in mysql.rows("select a from t")


def test_once_allows_temporary_tables(mysql: Base) -> None:
    mysql.query("create table t (a integer)")
    text = (
        "create temporary table x (a int); insert into x values (1); savepoint s; insert into t select a from x;"
        "create or replace temporary table x (a int); drop temporary table x; select count(*) as n from t"
    )
    assert (
        mysql.query(text, key="k")
        == mysql.query(text, key="k")
        == {"columns": ["n"], "rows": [{"n": 1}], "rowcount": 1}
    )


def test_once_tells_why_its_table_cannot_be_made(postgresql: Base) -> None:
    postgresql.query("create role guest login password 'x'; revoke create on schema public from public")
    guest = Base(
        "postgresql", postgresql.url.replace(postgresql.url.split("//")[1].split("@")[0], "guest:x"), postgresql.folder
    )
    with pytest.raises(Fault, match=r"does not exist.*permission denied.*`CREATE TABLE pipectl_done \(") as raised:
        guest.query("select 1", key="k")
    assert "InsufficientPrivilege" in raised.value.kinds
    statement = str(raised.value).partition("have it made by `")[2].partition("`")[0]
    postgresql.query(f"{statement}; grant select, insert on pipectl_done to guest")
    assert guest.value("select 1", key="k") == 1
