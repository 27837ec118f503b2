"""Tasks that wait: for a file, a time, an answer of a server or a database, a program, another run."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.conftest import Project, is_alive, wait_until, wait_until_gone
from tests.loopback import Answer, Asked, serve


def test_wait_for_a_file_takes_no_slot_and_is_shown_as_waiting(project: Project) -> None:
    process = project.start_run(
        """
        tasks:
          ready: {wait: {file: "in/*.csv", interval: 100ms}}
          other: {shell: echo other >> trace}
          load: {needs: ready, shell: [cat, "{{ tasks.ready.output.path }}"]}
        """,
        "-j",
        "1",
    )
    project.wait_for_line("other")
    wait_until(lambda: project.states()["ready"] == "waiting")
    project.write("in/a.csv", "1,2\n")
    assert process.wait(20) == 0
    assert project.log("load") == "1,2\n"
    assert project.output("ready")["paths"] == [str(project.root / "in/a.csv")]


def test_wait_for_a_program_looks_until_it_exits_with_0(project: Project) -> None:
    project.run(
        """
        tasks:
          w: {wait: {shell: 'echo look >> trace; echo "n=$(wc -l < trace)" > $PIPECTL_OUTPUT; test $(wc -l < trace) -ge 3', interval: 50ms}}
        """
    )
    assert project.lines() == ["look"] * 3
    assert project.output("w") == {"n": "3"}
    assert project.instances()["w"]["attempts"] == 1


def test_log_is_that_of_the_last_look_also_where_all_are_long(project: Project) -> None:
    project.run(
        """
        tasks:
          w: {wait: {shell: 'echo >> trace; head -c 100000 /dev/zero | tr "\\0" "$(wc -l < trace)"; test $(wc -l < trace) -ge 2', interval: 50ms}}
        """
    )
    assert project.log("w") == "2" * 100_000


def test_python_is_met_by_a_true_value_and_its_expectation_by_a_value_that_it_describes(project: Project) -> None:
    project.run(
        """
        tasks:
          a: {wait: {python: "import os\\nopen('trace', 'a').write('x\\\\n')\\noutput = os.path.getsize('trace') > 4", interval: 50ms}}
          b: {needs: a, wait: {python: "output = 0", expect: output == 0}}
        """
    )
    assert project.lines() == ["x"] * 3
    assert project.output("b") == 0


def test_http_and_sql_wait_for_what_is_not_there_yet(project: Project) -> None:
    answers = iter([Answer("", 503), Answer({"state": "running"}), Answer({"state": "done"})])

    def job(asked: Asked) -> Answer:
        return next(answers)

    with serve({"/job": job}) as server:
        project.write(
            "fill.py",
            """
            import sqlite3
            def fill():
                db = sqlite3.connect("x.db")
                db.execute("create table t (a)")
                db.execute("insert into t values (1)")
                db.commit()
            """,
        )
        project.run(
            f"""
            connections: {{db: "sqlite:///x.db"}}
            tasks:
              job: {{wait: {{http: {{url: "{server.url}/job"}}, expect: output.json.state == 'done', interval: 50ms}}}}
              rows: {{wait: {{sql: {{connection: db, query: "select count(*) as n from t"}}, interval: 50ms}}}}
              fill: {{needs: job, python: "fill:fill"}}
            """
        )
    assert project.output("job")["json"] == {"state": "done"}
    assert project.output("rows")["rows"] == [{"n": 1}]
    with closing(sqlite3.connect(project.root / "x.db")) as db:
        assert db.execute("select count(*) from t").fetchone() == (1,)


def test_time_limit_says_what_the_last_look_came_to(project: Project) -> None:
    project.run(
        """
        tasks:
          w: {wait: {shell: exit 3, interval: 50ms, timeout: 200ms}}
          s: {wait: {file: nosuch, interval: 50ms, timeout: 200ms, on_timeout: skip}}
          after: {needs: s, shell: "true"}
        """,
        code=1,
    )
    assert project.states() == {"w": "failed", "s": "skipped", "after": "skipped"}
    assert project.error("w") == "it waited longer than its time limit of 0.2s: exit code 3"
    assert project.error("s") == "it waited longer than its time limit of 0.2s: it is not there"


def test_look_that_hangs_ends_with_the_wait(project: Project) -> None:
    project.run("tasks: {w: {grace: 100ms, wait: {shell: 'echo $$ > pid; sleep 60', timeout: 500ms}}}", code=1)
    assert project.states() == {"w": "failed"}
    wait_until_gone([int(project.read("pid"))])


def test_look_that_cannot_start_fails_at_once(project: Project) -> None:
    project.run("tasks: {w: {wait: {shell: [nosuchprogram]}}}", code=1)
    assert "nosuchprogram" in project.error("w")


def test_cancel_ends_waits_and_their_looks(project: Project) -> None:
    process = project.start_run(
        "tasks: {w: {wait: {shell: 'echo $$ > pid; echo up >> trace; sleep 60'}}, f: {wait: nosuch.txt}, a: {approve: Sure?}}"
    )
    project.wait_for_line("up")
    project("cancel")
    assert process.wait(20) == 1
    assert project.states() == {"w": "cancelled", "f": "cancelled", "a": "cancelled"}
    assert not is_alive(int(project.read("pid")))


def test_wait_for_another_pipeline_of_the_same_state(project: Project) -> None:
    project.write("other.yaml", "tasks: {load: {shell: 'echo rows=7 > $PIPECTL_OUTPUT'}}")
    process = project.start_run("tasks: {w: {wait: {run: {pipeline: other.yaml, task: load}, interval: 100ms}}}")
    wait_until(lambda: (project.root / ".pipectl" / "state.db").exists() and project.runs())
    wait_until(lambda: project.states()["w"] == "waiting")
    project("run", "other.yaml")
    assert process.wait(20) == 0
    [waiting] = [run["id"] for run in project.runs() if run["pipeline"] == "p"]
    assert project.output("w", waiting)["output"] == {"rows": "7"}


def test_resumed_wait_goes_on_with_the_time_that_is_left(project: Project) -> None:
    process = project.start_run("tasks: {w: {wait: {for: 2s}}, x: {shell: echo up >> trace}}")
    project.wait_for_line("up")
    wait_until(lambda: project.states()["w"] == "waiting")
    process.kill()
    process.wait(20)
    started = project.show()["run"]["started"]
    project("resume")
    assert project.states()["w"] == "success"
    assert project.show()["run"]["started"] == started
