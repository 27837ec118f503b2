"""HTTP tasks as the document has them: long forms, defaults, and what their connection says before them."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from pipectl.errors import PipelineError
from pipectl.spec.load import load_text

API = "{url: https://example.org/v1, headers: {X-Key: a}, verify: false}"


def body(http: str, *, defaults: str = "{}", api: str = API) -> dict[str, Any]:
    text = f"""
        params: {{day: x}}
        secrets: [TOKEN]
        connections: {{api: {api}}}
        defaults: {{http: {defaults}}}
        tasks: {{first: {{}}, a: {{needs: first, http: {http}}}}}
    """
    made: dict[str, Any] = load_text(dedent(text), ".", "stdin").document["tasks"]["a"]["body"]
    return made


def messages(http: str, *, defaults: str = "{}") -> list[str]:
    with pytest.raises(PipelineError) as raised:
        body(http, defaults=defaults)
    return [problem.message for problem in raised.value.problems]


@pytest.mark.parametrize("http", ["{connection: api}", "{connection: api, url: ''}", "{method: POST}"])
def test_without_an_url_of_its_own_a_task_has_that_of_its_connection(http: str) -> None:
    got = body(http, defaults="{connection: api}")
    assert (got["connection"], got["url"]) == ("api", "")


def test_null_takes_the_default_connection_back() -> None:
    got = body("{connection: null, url: 'https://other.org', headers: {x-key: b}}", defaults="{connection: api}")
    assert "connection" not in got
    assert (got["url"], got["headers"]) == ("https://other.org", {"x-key": "b"})


def test_default_connection_cannot_be_null() -> None:
    assert messages("https://x", defaults="{connection: null}") == ["`connection` is empty"]


def test_text_is_the_url() -> None:
    assert body("https://example.org/x") == {"url": "https://example.org/x", "expect_status": ["2xx"]}


def test_what_is_sent_as_text_is_text_as_it_was_typed() -> None:
    got = body("{url: https://x, headers: {V: 1.0}, query: {v: 3.10, l: [1.50, true]}, json: {v: 3.10}}")
    assert got["headers"] == {"V": "1.0"}
    assert got["query"] == {"v": "3.10", "l": ["1.50", True]}
    assert got["json"] == {"v": 3.1}


def test_query_and_form_may_be_one_expression() -> None:
    got = body("{url: https://x, query: '{{ tasks.first.output }}', form: '{{ tasks.first.output }}'}")
    assert got["query"] == got["form"] == "{{ tasks.first.output }}"


@pytest.mark.parametrize(
    ("written", "listed"),
    [("201", [201]), ("[2xx, 404.0]", ["2xx", 404]), ("any", ["any"]), ("4xx", ["4xx"])],
)
def test_statuses_are_a_list(written: str, listed: list[object]) -> None:
    assert body(f"{{url: https://x, expect_status: {written}}}")["expect_status"] == listed


def test_time_limit_is_seconds() -> None:
    assert body("{url: https://x, timeout: 1m30s}")["timeout"] == 90.0


def test_method_may_be_an_expression() -> None:
    assert body("{url: https://x, method: '{{ params.day }}'}")["method"] == "{{ params.day }}"


def test_task_says_more_than_defaults_and_headers_come_together() -> None:
    got = body(
        "{url: https://x, headers: {accept: text/csv}, expect_status: 404}",
        defaults="{headers: {Accept: '*/*', X-Team: a}, expect_status: any, timeout: 5}",
    )
    assert got["headers"] == {"X-Team": "a", "accept": "text/csv"}
    assert (got["expect_status"], got["timeout"]) == ([404], 5.0)


def test_connection_says_more_than_defaults() -> None:
    got = body("{connection: api, url: /x}", defaults="{headers: {x-key: b, X-Team: a}, verify: true}")
    assert got["headers"] == {"X-Team": "a"}
    assert "verify" not in got
    assert body("https://x", defaults="{headers: {x-key: b}, verify: ca.pem}")["verify"] == "ca.pem"


def test_connection_of_defaults_holds_for_the_short_form() -> None:
    assert body("/x", defaults="{connection: api}")["connection"] == "api"


@pytest.mark.parametrize(
    "url",
    [
        "/x",
        "x?a=b",
        "{{ params.day }}/x",
        "{{ tasks.first.output.next }}",
        "https://example.org/x",
        "https://example.org:443",
        "HTTPS://EXAMPLE.ORG/x",
        "https://{{ params.day }}.org/x",
        "https://etl:{{ env.P }}@example.org/x",
    ],
)
def test_url_that_can_be_right_with_a_connection(url: str) -> None:
    assert body(f"{{connection: api, url: '{url}'}}")["url"] == url


def test_url_may_be_one_expression_without_a_connection() -> None:
    assert body("'{{ tasks.first.output.next }}'")["url"] == "{{ tasks.first.output.next }}"


def test_secrets_and_connections_may_stand_in_headers_and_auth_alone() -> None:
    body("{url: https://x, headers: {A: '{{ secrets.TOKEN }}', B: '{{ connections.api.host }}'}}")
    body("{url: https://x, auth: {user: '{{ connections.api.user }}', password: '{{ secrets.TOKEN }}'}}")
    for key in ("save", "data", "body_file", "verify", "method", "json", "query"):
        value = "{a: '{{ secrets.TOKEN }}'}" if key in ("json", "query") else "'{{ secrets.TOKEN }}'"
        (message,) = messages(f"{{url: https://x, {key}: {value}}}")
        assert message.startswith("a secret may stand in `env`, `connections`, `headers` and `auth` only")


def test_connection_of_defaults_that_leads_elsewhere_is_told_with_its_place() -> None:
    assert messages("https://other.org", defaults="{connection: api}") == [
        "the url leads to another server than that of connection `api`"
    ]


def test_kinds_of_failures_may_be_statuses_and_their_classes() -> None:
    text = """
        tasks:
          a: {http: "https://x", retries: {max: 1, on: [429, 5xx, timeout, connection, ProtocolError]}}
    """
    retries = load_text(dedent(text), ".", "stdin").document["tasks"]["a"]["retries"]
    assert retries["on"] == [429, "5xx", "timeout", "connection", "ProtocolError"]
