"""Connections in whole commands: when they are computed, who sees what of them, and what is hidden."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Project

DSN = "postgresql://ada:canary%40pw%21x@127.0.0.1:1/flights"


def kept(project: Project) -> bytes:
    return b"".join(path.read_bytes() for path in Path(project.root, ".pipectl").rglob("*") if path.is_file())


def test_connection_that_nobody_uses_needs_no_values(project: Project) -> None:
    project.run("""
        connections: {db: "sqlite:///x.db", prod: "postgresql://{{ env.NO_SUCH_HOST }}/x"}
        tasks: {a: {sql: {connection: db, query: select 1}}}
    """)


def test_connection_that_cannot_be_computed_is_told_before_anything_starts(project: Project) -> None:
    got = project.run(
        """
        connections: {prod: "postgresql://{{ env.NO_SUCH_HOST }}/x", other: "mysql://h:{{ 1 + 70000 }}/x"}
        tasks:
          first: {shell: echo started >> trace}
          a: {sql: {connection: prod, query: select 1}}
          b: {sql: {connection: other, query: select 1}}
        """,
        code=2,
    )
    assert got.stderr.startswith("p.yaml:1:")
    assert "connection `prod`: `env.NO_SUCH_HOST` is not defined" in got.stderr
    assert "connection `other`: the port in its `url` is no number below 65536" in got.stderr
    assert not project.lines()


def test_connection_that_only_an_environment_names_fails_the_attempt(project: Project) -> None:
    project.run(
        """
        connections: {prod: "postgresql://{{ env.NO_SUCH_HOST }}/x"}
        tasks: {a: {env: {PGHOST: "{{ connections.prod.host }}"}, shell: 'true'}}
        """,
        code=1,
    )
    assert "connection `prod`" in project.error("a")
    assert "`env.NO_SUCH_HOST` is not defined" in project.error("a")


def test_parts_of_a_secret_url_are_as_secret(project: Project) -> None:
    project.run(
        """
        secrets: {DSN: {env: DSN}}
        connections: {db: {url: "{{ secrets.DSN }}"}}
        tasks:
          a:
            env: {PGPASSWORD: "{{ connections.db.password }}", PGHOST: "{{ connections.db.host }}"}
            shell: {script: 'echo "$PGPASSWORD at $PGHOST"', output: text}
        """,
        env={"DSN": DSN},
    )
    assert project.output("a") == "*** at 127.0.0.1"
    assert b"canary" not in kept(project)


def test_defaults_name_the_connection_for_all(project: Project) -> None:
    project.run("""
        params: {file: "two words.db"}
        connections: {db: "sqlite:///{{ params.file }}"}
        defaults: {sql: {connection: db}}
        tasks: {a: {sql: create table t (x integer)}}
    """)
    assert (project.root / "two words.db").exists()


def test_resume_computes_connections_anew(project: Project) -> None:
    project.run(
        """
        connections: {db: "sqlite:///{{ env.DB }}"}
        tasks: {a: {sql: {connection: db, query: select x from t, fetch: scalar}}}
        """,
        code=1,
        env={"DB": "one.db"},
    )
    import sqlite3

    with sqlite3.connect(project.root / "two.db") as connection:
        connection.executescript("create table t (x integer); insert into t values (7)")
    connection.close()
    project("resume", env={"DB": "two.db"})
    assert project.output("a") == 7
