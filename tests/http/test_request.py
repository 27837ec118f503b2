"""How a task becomes a request: its URL, headers, credentials and content."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl import connections, model
from pipectl.connections import Connection
from pipectl.model import Task
from pipectl.tasks.base import TaskFailed
from pipectl.tasks.http import prepare
from pipectl.template import Computed, Renderer


@dataclass
class Given:
    """What a task type may know of an attempt, with these parameters."""

    params: Mapping[str, Any] = field(default_factory=dict)
    declared: Mapping[str, model.Connection] = field(default_factory=dict)
    folder: str = "/pipeline"
    cwd: str = "/pipeline/work"
    timeout: float | None = None
    state_file: str = "/state.db"

    @property
    def env(self) -> Mapping[str, str]:
        return {"PIPECTL_IDEMPOTENCY_KEY": "the-key", "HOME": "/home/me"}

    def render(self, value: Any) -> Any:
        return Renderer(self.folder).render_tree(value, {"params": self.params})

    def parts(self, text: str, filters: Collection[str] = ()) -> list[str | Computed]:
        return Renderer(self.folder).parts(text, {"params": self.params}, filters)

    def connection(self, name: str) -> Connection:
        return connections.render(self.declared[name], Renderer(self.folder), {"params": self.params})

    def plain_names(self) -> dict[str, Any]:
        return {}


def request(body: Mapping[str, Any], connection: Mapping[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    """The arguments of the worker's call."""
    declared = {"api": model.Connection(**{"name": "api", **connection})} if connection else {}
    if connection:
        body = {"connection": "api", **body}
    call = prepare(Task("t", "http", body), Given(params, declared))
    arguments: dict[str, Any] = call.payload["with"]
    assert json.loads(json.dumps(arguments)) == arguments
    return arguments


def url(text: str, base: str | None = None, **params: Any) -> str:
    made: str = request({"url": text}, {"url": base} if base else None, **params)["url"]
    return made


def headers(body: Mapping[str, Any], connection: Mapping[str, Any] | None = None, **params: Any) -> dict[str, str]:
    made: dict[str, str] = request({"url": "http://h/" if connection is None else "/", **body}, connection, **params)[
        "headers"
    ]
    return made


def refusal(body: Mapping[str, Any], connection: Mapping[str, Any] | None = None, **params: Any) -> str:
    with pytest.raises(TaskFailed) as raised:
        request(body, connection, **params)
    return str(raised.value)


class TestUrl:
    def test_value_within_a_url_is_percent_encoded(self) -> None:
        assert url("http://h/a/{{ params.x }}?q={{ params.x }}", x="a/b c?d#é%&") == (
            "http://h/a/a%2Fb%20c%3Fd%23%C3%A9%25%26?q=a%2Fb%20c%3Fd%23%C3%A9%25%26"
        )

    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text not in {".", ".."}))
    def test_whatever_a_value_holds_comes_back_from_the_url(self, value: str) -> None:
        from urllib.parse import unquote as once

        if once(once(value)) in {".", ".."}:
            return
        made = urlsplit(url("http://h/a/{{ params.x }}/z?q={{ params.x }}&r=1", x=value))
        assert made.netloc == "h"
        assert [unquote(segment) for segment in made.path.split("/")] == ["", "a", value, "z"]
        assert dict(parse_qsl(made.query.replace("+", "%2B"), keep_blank_values=True)) == {"q": value, "r": "1"}

    def test_expression_that_is_the_whole_url_is_taken_as_it_is(self) -> None:
        assert url("{{ params.x }}", x="https://h:8443/a%2Fb/?q=1&r=a+b#f") == "https://h:8443/a%2Fb/?q=1&r=a+b"

    def test_what_has_no_place_in_a_url_is_encoded_once(self) -> None:
        assert url("http://h/a b/100%/%41/ü?x=[1]") == "http://h/a%20b/100%25/%41/%C3%BC?x=%5B1%5D"

    @pytest.mark.parametrize(
        ("base", "text", "joined"),
        [
            ("https://x/v1", "/flights", "https://x/v1/flights"),
            ("https://x/v1/", "/flights", "https://x/v1/flights"),
            ("https://x/v1", "flights", "https://x/v1/flights"),
            ("https://x", "/flights?a=1", "https://x/flights?a=1"),
            ("https://x/v1?key=1#there", "/flights?a=2#here", "https://x/v1/flights?key=1&a=2"),
            ("https://x/v1", "?a=2", "https://x/v1?a=2"),
            ("https://x/v1", "//evil/a", "https://x/v1//evil/a"),
            ("https://x/v1", "@evil/a", "https://x/v1/@evil/a"),
            ("https://x", "https://X:443/other", "https://x:443/other"),
        ],
    )
    def test_relative_url_is_appended_to_that_of_the_connection(self, base: str, text: str, joined: str) -> None:
        assert url(text, base) == joined
        assert url("{{ params.x }}", base, x=text) == joined

    @pytest.mark.parametrize("value", [".", "..", "%2e%2e", "%2E."])
    def test_value_that_leads_up_the_path_is_refused(self, value: str) -> None:
        assert "would lead elsewhere" in refusal({"url": "http://h/a/{{ params.x }}/b"}, x=value)

    @pytest.mark.parametrize("text", [".{{ params.x }}", "{{ params.x }}{{ params.x }}", "%2e{{ params.x }}"])
    def test_value_that_leads_up_the_path_with_the_text_around_it_is_refused(self, text: str) -> None:
        assert "would lead elsewhere" in refusal({"url": f"http://h/a/{text}/b"}, x=".")

    def test_whole_relative_url_that_leads_up_the_path_of_the_connection_is_refused(self) -> None:
        assert "would lead elsewhere" in refusal({"url": "{{ params.x }}"}, {"url": "http://h/v1"}, x="/../admin")

    def test_connection_that_leads_up_the_path_is_refused(self) -> None:
        connection = {"url": "http://h/v1/{{ params.x }}/"}
        assert "would lead elsewhere" in refusal({"url": "/a"}, connection, x="..")

    def test_white_space_around_a_url_does_not_count(self) -> None:
        assert url(" {{ params.x }}\n", x="http://h/a\n") == "http://h/a"

    def test_value_with_slashes_stays_one_segment(self) -> None:
        assert url("http://h/a/{{ params.x }}", x="../../b") == "http://h/a/..%2F..%2Fb"

    @pytest.mark.parametrize("value", [None, [1], {"a": 1}])
    def test_value_that_is_no_text_has_no_place_in_a_url(self, value: Any) -> None:
        assert "an expression in `url` gives" in refusal({"url": "http://h/{{ params.x }}"}, x=value)

    @pytest.mark.parametrize("scheme", ["file", "ftp", "gopher", "data"])
    def test_only_http_and_https_are_known(self, scheme: str) -> None:
        message = f"`url` begins with `{scheme}:`, and an http task knows only http and https"
        assert (
            refusal({"url": "{{ params.x }}"}, x=f"{scheme}:///etc/hostname" if scheme != "data" else "data://x")
            == message
        )

    @pytest.mark.parametrize(
        "value",
        [
            "https://evil.com\\@api.example.org/",
            "https://api.example.org\\@evil.com/",
            "https://api.example.org%40evil.com/",
            "https://a b/",
            "https://[::1/",
            "https://h:99999/",
            "https:///path",
            "https://user:pw@/",
        ],
    )
    def test_host_that_two_readers_could_take_for_two_hosts_is_refused(self, value: str) -> None:
        message = refusal({"url": "{{ params.x }}"}, x=value)
        assert "`url`" in message
        assert "pw" not in message

    @pytest.mark.parametrize("text", ["{{ params.x }}/flights", " {{ params.x }}?day={{ params.x }}"])
    def test_address_that_is_appended_to_that_of_a_connection_is_refused(self, text: str) -> None:
        assert "leave the expression out" in refusal({"url": text}, {"url": "http://h"}, x="http://h/v1")

    def test_value_that_is_no_address_may_stand_first_in_what_is_appended(self) -> None:
        assert url("{{ params.x }}/flights", "http://h/v1", x="a:b/") == "http://h/v1/a%3Ab%2F/flights"

    @pytest.mark.parametrize("text", ["http://[{{ params.x }}]:80/", "http://{{ params.x }}:80/"])
    @pytest.mark.parametrize("value", ["::1", "bücher.example"])
    def test_host_that_percent_encoding_breaks_says_how_it_can_be_given(self, text: str, value: str) -> None:
        assert "only where one expression gives the whole URL" in refusal({"url": text}, x=value)
        assert "only where one expression gives the whole URL" in refusal({"url": "/a"}, {"url": text}, x=value)
        assert "expression" not in refusal({"url": "http://u:p%40w@[x]/"})

    def test_host_that_is_too_long_is_not_shown(self) -> None:
        assert (
            refusal({"url": "http://{{ params.x }}/"}, x="a" * 300)
            == "the host in `url` is longer than any name of one"
        )

    def test_relative_url_needs_a_connection(self) -> None:
        assert "names no `connection`" in refusal({"url": "/flights"})
        assert "a base belongs into a connection" in refusal({"url": "{{ params.x }}/flights"}, x="http://h")

    def test_value_cannot_add_a_port_or_another_host(self) -> None:
        assert "is no name of a host" in refusal({"url": "http://{{ params.x }}/a"}, x="evil.com/")
        assert url("http://{{ params.x }}.example.org:80{{ params.y }}/", x="eu", y=80) == "http://eu.example.org:8080/"

    def test_host_with_letters_beyond_ascii_is_written_as_dns_has_it(self) -> None:
        assert url("http://Bücher.example/") == "http://xn--bcher-kva.example/"

    def test_query_comes_after_what_the_url_has(self) -> None:
        query = {"a": 1, "b": ["x y", "ü", None], "c": None, "d": True, "e": "&=+", "f": []}
        assert request({"url": "http://h/?z=0", "query": query})["url"] == (
            "http://h/?z=0&a=1&b=x%20y&b=%C3%BC&d=true&e=%26%3D%2B"
        )


class TestConnection:
    def test_absolute_url_of_another_origin_is_refused_beside_a_connection(self) -> None:
        for other in ("http://x/", "https://x:444/", "https://evil/", "https://x.evil/"):
            message = refusal({"url": other}, {"url": "https://x/v1", "auth": {"bearer": "t"}})
            assert "which is not https://x of the connection `api`" in message

    def test_headers_of_the_task_go_before_those_of_the_connection(self) -> None:
        made = headers(
            {"headers": {"x-a": "task", "X-Gone": None}},
            {"url": "http://h", "headers": {"X-A": "connection", "X-B": "b", "X-Gone": "c"}},
        )
        assert made == {"X-B": "b", "x-a": "task"}

    def test_credentials_of_the_task_go_before_all_others(self) -> None:
        connection = {"url": "http://u:p@h", "auth": {"user": "a", "password": "b"}}
        assert b64decode(headers({}, {"url": "http://u:p%40@h"})["Authorization"].split()[1]) == b"u:p@"
        assert b64decode(headers({}, connection)["Authorization"].split()[1]) == b"a:b"
        assert headers({"auth": {"bearer": "t"}}, connection)["Authorization"] == "Bearer t"
        made = headers({"auth": {"bearer": "t"}, "headers": {"authorization": "own"}}, connection)
        assert made == {"authorization": "own"}

    def test_user_and_password_leave_the_url(self) -> None:
        made = request({"url": "http://me:secret@h/a"})
        assert made["url"] == "http://h/a"
        assert b64decode(made["headers"]["Authorization"].split()[1]) == b"me:secret"

    def test_verify_of_the_task_goes_before_that_of_the_connection(self) -> None:
        connection = {"url": "https://h", "verify": "ca.pem"}
        assert request({"url": "/"}, connection)["verify"] == "/pipeline/ca.pem"
        assert request({"url": "/", "verify": "own.pem"}, connection)["verify"] == "/pipeline/work/own.pem"
        assert request({"url": "/", "verify": False}, connection)["verify"] is False
        assert request({"url": "https://h/"})["verify"] is True

    @pytest.mark.parametrize(
        ("auth", "message"),
        [
            ({"bearer": "{{ params.x }}"}, "`bearer` in `auth` comes to null"),
            ({"user": "{{ params.x }}", "password": "p"}, "`user` in `auth` comes to null"),
            ({"user": "u", "password": "{{ params.x }}"}, "`password` in `auth` comes to null"),
        ],
    )
    def test_credentials_that_come_to_null_are_named(self, auth: dict[str, str], message: str) -> None:
        assert refusal({"url": "http://h/", "auth": auth}, x=None) == message
        of_connection = refusal({"url": "/"}, {"url": "http://h", "auth": auth}, x=None)
        assert of_connection == "the `auth` of connection `api` comes to null"

    def test_connection_may_be_null(self) -> None:
        assert request({"connection": None, "url": "http://other/a"})["url"] == "http://other/a"
        assert "names no `connection`" in refusal({"connection": None, "url": "/a"})


class TestSave:
    def test_path_is_relative_to_where_the_task_runs(self) -> None:
        assert request({"url": "http://h/", "save": "out/a.csv"})["save"] == "/pipeline/work/out/a.csv"
        assert request({"url": "http://h/", "save": "{{ params.x }}"}, x="/a")["save"] == "/a"

    def test_home_is_that_of_the_environment(self) -> None:
        assert request({"url": "http://h/", "save": "~/a"})["save"] == "/home/me/a"
        assert request({"url": "http://h/", "save": "~me/a"})["save"] == "/pipeline/work/~me/a"

    @pytest.mark.parametrize("path", ["new/", "/tmp", "~/"])
    def test_folder_is_refused(self, path: str) -> None:
        assert "is a folder: write the name of a file in it" in refusal({"url": "http://h/", "save": path})

    @pytest.mark.parametrize("path", [None, "", [1], "a\0b"])
    def test_what_is_no_path_is_refused(self, path: Any) -> None:
        body = {"url": "http://h/", "save": "{{ params.x }}"}
        if path is None:
            assert request(body, x=path)["save"] is None
        else:
            assert "`save` must come to a path" in refusal(body, x=path)


class TestHeaders:
    @pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"])
    def test_value_cannot_break_out_of_its_header(self, value: str) -> None:
        message = refusal({"url": "http://h/", "headers": {"X-A": "{{ params.x }}"}}, x=value)
        assert message == "the header `X-A` holds a line break or a NUL"

    def test_token_with_a_line_break_is_refused(self) -> None:
        assert "line break" in refusal({"url": "http://h/", "auth": {"bearer": "t\nX: 1"}})

    def test_character_that_cannot_be_sent_is_named(self) -> None:
        assert "`€`" in refusal({"url": "http://h/", "headers": {"X-A": "10 €"}})

    @pytest.mark.parametrize("name", ["X A", "X:A", "X\n", "", "Ü"])
    def test_name_that_is_none_is_refused(self, name: str) -> None:
        assert "is no name of a header" in refusal({"url": "http://h/", "headers": {name: "a"}})

    @pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
    def test_headers_that_frame_the_message_are_not_for_the_author(self, name: str) -> None:
        assert "is set by pipectl" in refusal({"url": "http://h/", "headers": {name: "3"}})

    def test_numbers_and_booleans_become_text(self) -> None:
        assert headers({"headers": {"X-A": 1, "X-B": True, "X-C": "{{ params.x }}"}}, x=1.5) == {
            "X-A": "1",
            "X-B": "true",
            "X-C": "1.5",
        }


class TestTime:
    def test_silence_before_the_answer_may_last_as_long_as_request_or_attempt(self) -> None:
        def patience(body: Mapping[str, Any], timeout: float | None) -> object:
            call = prepare(Task("t", "http", {"url": "http://h/", **body}), Given(timeout=timeout))
            return call.payload["with"]["patience"]

        assert patience({}, None) is None
        assert patience({}, 300.0) == 300.0
        assert patience({"timeout": 5.0}, 300.0) == 5.0


class TestContent:
    @pytest.mark.parametrize(
        ("body", "text", "kind"),
        [
            ({"json": {"a": ["{{ params.x }}", None]}}, '{"a":[5,null]}', "application/json"),
            ({"json": None}, "null", "application/json"),
            ({"json": "{{ params.x }}"}, "5", "application/json"),
            ({"form": {"a": "x y&", "b": [1, 2], "c": None}}, "a=x+y%26&b=1&b=2", "application/x-www-form-urlencoded"),
            ({"data": "a{{ params.x }}ü"}, "a5ü", "text/plain; charset=utf-8"),
        ],
    )
    def test_forms_of_a_body(self, body: dict[str, Any], text: str, kind: str) -> None:
        made = request({"url": "http://h/", **body}, x=5)
        assert made["content"] == {"text": text, "type": kind}
        assert made["method"] == "POST"

    def test_file_is_relative_to_where_the_task_runs(self) -> None:
        made = request({"url": "http://h/", "body_file": "a.csv", "method": "PUT"})
        assert made["content"] == {"file": "/pipeline/work/a.csv", "type": "application/octet-stream"}

    def test_content_type_of_the_task_stands(self) -> None:
        made = request({"url": "http://h/", "data": "<a/>", "headers": {"content-type": "text/xml"}})
        assert made["content"]["type"] == "text/xml"
        assert "content-type" not in made["headers"]

    @pytest.mark.parametrize("connection", [None, {"url": "http://h", "headers": {"Content-Type": "text/x"}}])
    def test_content_type_that_is_null_is_not_sent(self, connection: dict[str, Any] | None) -> None:
        body = {"url": "http://h/", "json": {}, "headers": {"content-type": None}}
        assert request(body, connection)["content"] == {"text": "{}", "type": None}

    @pytest.mark.parametrize("value", [[1], {"a": 1}, None])
    def test_data_is_text(self, value: Any) -> None:
        assert "`data` must come to text" in refusal({"url": "http://h/", "data": "{{ params.x }}"}, x=value)

    def test_method_is_get_unless_there_is_a_body(self) -> None:
        assert request({"url": "http://h/"})["method"] == "GET"
        assert request({"url": "http://h/", "method": "delete"})["method"] == "DELETE"
        assert "is no method" in refusal({"url": "http://h/", "method": "GET /admin"})

    @pytest.mark.parametrize("method", ["POST", "PATCH"])
    def test_what_is_not_idempotent_gets_the_key_of_the_attempt(self, method: str) -> None:
        assert headers({"method": method}) == {"Idempotency-Key": "the-key"}
        assert headers({"method": method, "headers": {"idempotency-key": "own"}}) == {"idempotency-key": "own"}
        assert headers({"method": method, "headers": {"Idempotency-Key": None}}) == {}

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
    def test_what_is_idempotent_gets_no_key(self, method: str) -> None:
        assert headers({"method": method}) == {}
