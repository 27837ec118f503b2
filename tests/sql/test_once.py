"""With `once`, what was committed is not applied again, and gives the output that it gave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipectl.tasks.own import Fault
from tests.sql.conftest import Base

STEPS = "insert into t values ({{ n }}); select count(*) as n from t"


def test_sq_03_a_second_attempt_changes_nothing_and_gives_the_same_output(db: Base) -> None:
    db.query("create table t (a integer)")
    first = db.query(STEPS, n=1, key="k")
    db.query("insert into t values (7)")
    assert db.query(STEPS, n=1, key="k") == first == {"columns": ["n"], "rows": [{"n": 1}], "rowcount": 1}
    assert db.value("select count(*) from t") == 2
    assert db.query(STEPS, n=1, key="other")["rows"] == [{"n": 3}]


def test_an_attempt_that_fails_leaves_no_note(db: Base) -> None:
    db.query("create table t (a integer)")
    with pytest.raises(Fault):
        db.query("insert into t values (1); select * from nosuch", key="k")
    assert db.query(STEPS, n=1, key="k")["rows"] == [{"n": 1}]


def test_a_load_is_done_once_too(db: Base) -> None:
    (db.folder / "t.csv").write_text("a\n1\n2\n")
    db.query("create table t (a integer)")
    assert db.load("t.csv", key="k") == db.load("t.csv", key="k") == {"rowcount": 2}
    assert db.value("select count(*) from t") == 2


def test_once_needs_a_transaction(sqlite: Base) -> None:
    with pytest.raises(Fault, match="`once`"):
        sqlite.query("select 1", key="k", transaction=False)


_KILLED = """
import os, signal, sys, json
from pipectl.tasks.sql import once, work
where, arguments = sys.argv[1], json.loads(sys.argv[2])
run, count = work._run, 0
def dying(*given):
    global count
    output = run(*given)
    count += 1
    if where == str(count):
        os.kill(os.getpid(), signal.SIGKILL)
    return output
work._run = dying
work.query(**arguments)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb", "postgresql", "mysql"])
@pytest.mark.parametrize("where", ["1", "2", "3", "after the commit"])
def test_sq_03_a_kill_between_statements_or_after_the_commit_applies_them_once(
    dialect: str, where: str, request: pytest.FixtureRequest
) -> None:
    import json

    db: Base = request.getfixturevalue(dialect)
    db.query("create table t (a integer)")
    text = "insert into t values (1); insert into t values (2); select count(*) as n from t"
    arguments = db.at() | {
        "key": "k", "parts": [text], "fetch": None, "max_rows": None, "save": None, "transaction": True,
    }  # fmt: skip
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, where, json.dumps(arguments)], cwd=Path(__file__).parents[2], env=os.environ,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert db.value("select count(*) from t") == (2 if where == "after the commit" else 0)
    assert db.query(text, key="k")["rows"] == [{"n": 2}]
    assert db.value("select count(*) from t") == 2
