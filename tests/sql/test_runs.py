"""Whole runs with SQL tasks: what the command does with them, and how a time limit ends them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time

import pytest

from tests.conftest import Project, wait_until
from tests.sql.conftest import Base


def sql(url: str, text: str, more: str = "") -> str:
    return f"connections: {{db: '{url}'}}\ntasks:\n  t: {{sql: {{connection: db, query: {json.dumps(text)}}}{more}}}\n"


def test_a_pipeline_of_sql_tasks_hands_values_on(project: Project) -> None:
    project.write("in.csv", "id,name\n1,a\n2,it's\n")
    project.write(
        "sql/report.sql", "-- about\nselect name from {{ params.table | identifier }} where id in ({{ vars.ids }})\n"
    )
    project.run(
        """
        params: {table: people}
        vars: {ids: [2, 3]}
        connections: {db: "sqlite:///x.db"}
        defaults: {sql: {connection: db}}
        tasks:
          load: {sql: {load: {file: in.csv, table: "{{ params.table }}", create: true, mode: replace}}}
          report: {needs: load, sql: {file: sql/report.sql, fetch: scalar}, expect: output == "it's"}
          count: {needs: report, sql: "select count(*) as n from people where name = {{ tasks.report.output }}"}
          save: {needs: count, sql: {query: select * from people order by id, save: out/people.jsonl}}
        """
    )
    assert project.output("load") == {"rowcount": 2}
    assert project.output("count") == {"columns": ["n"], "rows": [{"n": 1}], "rowcount": 1}
    assert project.read("out/people.jsonl") == '{"id":1,"name":"a"}\n{"id":2,"name":"it\'s"}\n'
    assert "statement 1 (`select name from {{ … }} where id in ({{ … }})`): 1 rows" in project.log("report")


def test_a_statement_that_fails_is_told_in_one_line_without_a_traceback(project: Project) -> None:
    project.run(sql("sqlite:///x.db", "select 1; select * from nosuch"), code=1)
    assert project.error("t") == "statement 2 (`select * from nosuch`): no such table: nosuch"
    assert "Traceback" not in project.log("t")


def test_retries_know_an_error_by_its_class(project: Project) -> None:
    more = ", retries: {max: 2, delay: 0, on: OperationalError}"
    project.run(sql("sqlite:///x.db", "select * from nosuch", more), code=1)
    assert project.instances()["t"]["attempts"] == 3
    project.run(sql("sqlite:///x.db", "select * from nosuch", more.replace("Operational", "Integrity")), code=1)
    assert project.instances()["t"]["attempts"] == 1


def test_sq_06_a_task_cannot_use_pipectls_state(project: Project) -> None:
    project.run(sql("sqlite:///.pipectl/state.db", "create table mine (a)"), code=1)
    assert "is pipectl's own state" in project.error("t")
    project.run(sql("sqlite:///x.db", "attach '.pipectl/state.db' as s; create table s.mine (a)"), code=1)
    assert "is pipectl's own state" in project.error("t")


ENDLESS = {
    "sqlite": "with recursive r(i) as (select 1 union all select i + 1 from r) select sum(i) from r",
    "duckdb": "select sum(a.i * b.i) from range(100000000) a(i), range(1000000) b(i)",
    "postgresql": "select pg_sleep(600)",
    "mysql": "select sleep(600)",
}


def running_on_server(db: Base) -> int:
    """How many sleeps the server still does."""
    text = {
        "postgresql": "select count(*) from pg_stat_activity where query like 'select pg_sleep(6%' and state = 'active'",
        "mysql": "select count(*) from information_schema.processlist where info like 'select sleep(6%'",
    }.get(db.dialect)
    return int(db.value(text)) if text else 0


def test_sq_05_a_time_limit_ends_a_statement_on_the_server_too(db: Base, project: Project) -> None:
    started = time.monotonic()
    project.run(sql(db.url, ENDLESS[db.dialect], ", timeout: 2s"), code=1)
    assert "time" in project.error("t")
    wait_until(lambda: not running_on_server(db), 5)
    assert time.monotonic() - started < 20


def test_a_save_that_is_ended_leaves_no_part_file(db: Base, project: Project) -> None:
    text = json.dumps(ENDLESS[db.dialect])
    project.run(
        f"connections: {{db: '{db.url}'}}\ntasks:\n"
        f"  t: {{timeout: 1s, sql: {{connection: db, query: {text}, save: out/rows.csv}}}}\n",
        code=1,
    )
    assert list((project.root / "out").iterdir()) == []


@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_a_statement_whose_client_was_killed_ends_on_the_server(
    dialect: str, project: Project, request: pytest.FixtureRequest
) -> None:
    db: Base = request.getfixturevalue(dialect)
    run = project.start_run(sql(db.url, ENDLESS[dialect], ", timeout: 3s"))
    wait_until(lambda: running_on_server(db))
    os.kill(run.pid, signal.SIGKILL)
    wait_until(lambda: not running_on_server(db), 15)


def test_sq_05_a_wait_for_a_lock_ends_with_the_time_limit(project: Project) -> None:
    with sqlite3.connect(project.root / "x.db", isolation_level=None) as other:
        other.execute("create table t (a)")
        other.execute("begin immediate")
        project.run(sql("sqlite:///x.db", "insert into t values (1)", ", timeout: 3s"), code=1)
        assert "time" in project.error("t")
        assert "waiting for the lock" in project.log("t")
        other.execute("rollback")
    other.close()


def test_a_lock_is_waited_for(project: Project) -> None:
    other = sqlite3.connect(project.root / "x.db", isolation_level=None)
    other.execute("create table t (a)")
    other.execute("begin immediate")
    run = project.start_run(sql("sqlite:///x.db", "insert into t values (1)"))
    wait_until(lambda: (project.root / ".pipectl/state.db").exists() and "waiting" in project("logs", code=None).stdout)
    other.execute("commit")
    assert run.wait(20) == 0
    assert other.execute("select count(*) from t").fetchone() == (1,)
    other.close()


def test_duckdb_tasks_of_one_file_wait_for_each_other(project: Project) -> None:
    tasks = {"make": {"sql": "create table t (a integer)"}}
    tasks |= {f"add{n}": {"needs": "make", "sql": f"insert into t values ({n})"} for n in range(5)}
    document = {"connections": {"db": "duckdb:///x.duckdb"}, "defaults": {"sql": {"connection": "db"}}, "tasks": tasks}
    project.run(json.dumps(document), "-j", "5")
    assert Base("duckdb", "duckdb:///x.duckdb", project.root).value("select sum(a) from t") == 10


def test_a_password_is_in_no_message(postgresql: Base, project: Project) -> None:
    url = postgresql.url.replace("p%40ss", "wr0ng")
    shown = project.run(sql(url, "select 1"), code=1)
    assert "wr0ng" not in shown.stderr + shown.stdout + project.log("t") + str(project.show())


def test_the_parallel_inserts_of_many_tasks_all_arrive(db: Base, project: Project) -> None:
    db.query("create table t (a integer)")
    tasks = {
        f"t{n}": {"sql": {"connection": "db", "once": True, "query": f"insert into t values ({n})"}} for n in range(8)
    }
    project.run(json.dumps({"connections": {"db": db.url}, "tasks": tasks}), "-j", "4")
    assert db.value("select sum(a) from t") == 28


def test_files_may_lie_at_home_and_are_relative_to_where_the_task_runs(project: Project) -> None:
    (project.root / "home").mkdir()
    (project.root / "work").mkdir()
    project.run(
        """
        connections: {db: "sqlite:///x.db"}
        tasks:
          out: {cwd: work, sql: {connection: db, query: "select 7 as a", save: "~/a.csv"}}
          back: {needs: out, sql: {connection: db, load: {file: "~/a.csv", table: t, create: true}}}
          here: {needs: back, cwd: work, sql: {connection: db, query: "select a from t", save: b.csv}}
        """,
        env={"HOME": str(project.root / "home")},
    )
    assert project.read("home/a.csv") == project.read("work/b.csv") == "a\n7\n"
