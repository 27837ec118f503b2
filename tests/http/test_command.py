"""HTTP tasks in whole runs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Project, wait_until

from .conftest import Handler, Site


@pytest.fixture(autouse=True)
def without_a_proxy(project: Project) -> None:
    project.env["no_proxy"] = "*"


def fail_first(times: int, status: int = 500, **headers: str) -> Callable[[Handler], None]:
    """Fails so many requests, then answers."""
    left = [None] * times

    def answer(handler: Handler) -> None:
        if left:
            left.pop()
            handler.reply(status, "not now", headers)
        else:
            handler.reply(200, "done", {})

    return answer


def test_short_form_gets_a_url(project: Project, site: Site) -> None:
    site.answer("/a", 200, '{"n": 1}', Content_Type="application/json")
    project.run(f"tasks: {{get: {{http: '{site.url}/a', expect: output.json.n == 1}}}}")
    output = project.output("get")
    assert (output["status"], output["json"], output["bytes"]) == (200, {"n": 1}, 8)
    assert f"GET {site.url}/a: HTTP 200 OK" in project.log("get")


def test_connection_gives_base_headers_and_credentials(project: Project, site: Site) -> None:
    project.run(
        f"""
        params: {{day: 2013/01}}
        secrets: {{TOKEN: {{env: TOKEN}}}}
        connections:
          api: {{url: "{site.url}/v1", auth: {{bearer: "{{{{ secrets.TOKEN }}}}"}}, headers: {{X-A: "1"}}}}
        tasks:
          get:
            http: {{connection: api, url: "/days/{{{{ params.day }}}}", query: {{limit: 3}}, save: out/day.txt}}
          use:
            needs: get
            shell: [cat, "{{{{ tasks.get.output.path }}}}"]
        """,
        env={"TOKEN": "token-of-the-user"},
    )
    seen = site.seen[0]
    assert seen.path == "/v1/days/2013%2F01?limit=3"
    assert (seen.headers["Authorization"], seen.headers["X-A"]) == ("Bearer token-of-the-user", "1")
    assert project.log("use") == "ok"


def test_secret_that_a_server_sends_back_is_masked(project: Project, site: Site) -> None:
    def echo(handler: Handler) -> None:
        handler.reply(500, f"you sent {handler.headers['X-Key']}", {})

    site.answers["/"] = echo
    got = project.run(
        f"""
        secrets: {{KEY: {{env: KEY}}}}
        connections: {{api: {{url: "{site.url}", headers: {{X-Key: "{{{{ secrets.KEY }}}}"}}}}}}
        tasks: {{get: {{http: {{connection: api, url: /}}}}}}
        """,
        env={"KEY": "key-of-the-user"},
        code=1,
    )
    assert "you sent ***" in project.log("get")
    assert "key-of-the-user" not in got.stdout + got.stderr
    for file in (project.root / ".pipectl").rglob("*"):
        assert not file.is_file() or b"key-of-the-user" not in file.read_bytes()


def test_password_in_a_url_is_shown_nowhere(project: Project, site: Site) -> None:
    site.answer("/", 403)
    got = project.run(
        f"""
        secrets: {{PASSWORD: {{env: PASSWORD}}}}
        connections: {{api: "{site.url.replace("//", "//me:{{ secrets.PASSWORD }}@")}"}}
        tasks: {{get: {{http: {{connection: api, url: /}}}}}}
        """,
        env={"PASSWORD": "s3cret/@#"},
        code=1,
    )
    assert site.seen[0].path == "/"
    assert f"HTTP 403 Forbidden from GET {site.url}/" in got.stderr
    assert "s3cret" not in got.stderr


def test_url_that_leads_up_the_path_fails_before_anything_is_sent(project: Project, site: Site) -> None:
    url = f"{site.url}/users/{{{{ params.id }}}}"
    project.run(f"{{params: {{id: ..}}, tasks: {{get: {{http: {{url: '{url}', method: DELETE}}}}}}}}", code=1)
    assert project.error("get") == "a part of the path of `url` came out as `..`, which would lead elsewhere"
    assert site.seen == []


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONHOME": "/nonexistent"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_what_is_set_for_the_tasks_own_python_does_not_hold_for_ours(
    project: Project, site: Site, env: dict[str, str]
) -> None:
    site.answer("/", 503, "später")
    project.run(
        f"""
        env: {json.dumps(env)}
        tasks:
          get: {{http: '{site.url}/', retries: {{max: 1, delay: 1ms, on: [5xx]}}}}
          show: {{shell: 'env', trigger: all_done, needs: get}}
        """,
        code=1,
    )
    assert len(site.seen) == 2
    assert "später" in project.log("get")
    assert {f"{name}={value}" for name, value in env.items()} <= set(project.log("show").split())


class TestHT05:
    """HT-05: retries, what they honour, and the key by which a server tells a repeated request."""

    def test_key_is_the_same_for_every_attempt_and_after_a_resume(self, project: Project, site: Site) -> None:
        site.answers["/"] = fail_first(6, 503)
        task = f"{{http: {{url: '{site.url}/', json: {{a: 1}}}}, retries: {{max: 2, delay: 10ms, on: [5xx]}}}}"
        project.run(f"tasks: {{send: {task}, other: {task}}}", code=1)
        project("resume")
        keys = [seen.headers["Idempotency-Key"] for seen in site.seen]
        assert len(keys) == 8
        assert len(set(keys)) == 2
        assert all(keys.count(key) == 4 for key in keys)

    def test_status_that_is_not_named_is_not_tried_again(self, project: Project, site: Site) -> None:
        site.answer("/", 404)
        project.run(f"tasks: {{get: {{http: '{site.url}/', retries: {{max: 3, delay: 1ms, on: [5xx, 429]}}}}}}", code=1)
        assert len(site.seen) == 1

    def test_lost_connection_is_tried_again_by_its_name(self, project: Project, site: Site) -> None:
        def hang_up(handler: Handler) -> None:
            handler.close_connection = True
            del site.answers["/"]

        site.answers["/"] = hang_up
        project.run(f"tasks: {{get: {{http: '{site.url}/', retries: {{max: 1, delay: 1ms, on: [connection]}}}}}}")
        assert len(site.seen) == 2

    def test_time_limit_of_a_request_is_tried_again_by_its_name(self, project: Project, site: Site) -> None:
        over = threading.Event()

        def think(handler: Handler) -> None:
            del site.answers["/"]
            over.wait(20)

        site.answers["/"] = think
        task = f"{{http: {{url: '{site.url}/', timeout: 200ms}}, retries: {{max: 1, delay: 1ms, on: [timeout]}}}}"
        project.run(f"tasks: {{get: {task}}}")
        over.set()
        assert len(site.seen) == 2

    def test_server_says_how_long_to_wait(self, project: Project, site: Site) -> None:
        moments: list[float] = []

        def answer(handler: Handler) -> None:
            moments.append(time.monotonic())
            handler.reply(*(503, "", {"Retry-After": "1"}) if len(moments) == 1 else (200, "", {}))

        site.answers["/"] = answer
        project.run(f"tasks: {{get: {{http: '{site.url}/', retries: {{max: 1, delay: 1ms}}}}}}")
        assert moments[1] - moments[0] >= 1

    def test_server_cannot_make_us_wait_for_longer_than_we_would(self, project: Project, site: Site) -> None:
        site.answers["/"] = fail_first(1, 429, Retry_After="1000000000")
        project.run(f"tasks: {{get: {{http: '{site.url}/', retries: {{max: 1, delay: 1ms, max_delay: 50ms}}}}}}")
        assert len(site.seen) == 2


class TestEnds:
    """However an attempt ends, no part of a file stays."""

    @pytest.fixture
    def halfway(self, site: Site) -> threading.Event:
        """Answers `/` with half of a body, tells so, and is silent."""
        sent = threading.Event()

        def answer(handler: Handler) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            sent.set()
            handler.rfile.read(1)

        site.answers["/"] = answer
        return sent

    def part_files(self, project: Project) -> list[Path]:
        return list((project.root / "out").glob(".*.part"))

    def test_time_limit_of_the_attempt(self, project: Project, site: Site, halfway: threading.Event) -> None:
        project.run(f"tasks: {{get: {{http: {{url: '{site.url}/', save: out/a}}, timeout: 1s}}}}", code=1)
        assert halfway.is_set()
        assert list((project.root / "out").iterdir()) == []

    def test_cancel(self, project: Project, site: Site, halfway: threading.Event) -> None:
        run = project.start_run(f"tasks: {{get: {{http: {{url: '{site.url}/', save: out/a}}}}}}")
        wait_until(lambda: self.part_files(project))
        project("cancel", "latest")
        run.wait(20)
        assert project.states() == {"get": "cancelled"}
        assert list((project.root / "out").iterdir()) == []

    def test_kill_and_resume(self, project: Project, site: Site, halfway: threading.Event) -> None:
        run = project.start_run(f"tasks: {{get: {{http: {{url: '{site.url}/', save: out/a}}}}}}")
        wait_until(lambda: self.part_files(project))
        run.kill()
        run.wait(20)
        site.answer("/", 200, "whole")
        project("resume")
        assert project.read("out/a") == "whole"
        assert [path.name for path in (project.root / "out").iterdir()] == ["a"]
