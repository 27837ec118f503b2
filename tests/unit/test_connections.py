"""A value gets where it stands in the URL of a connection, and can change nothing around it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl import model
from pipectl.connections import Connection, render
from pipectl.template import Renderer, TemplateError

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)


def rendered(url: str, **values: Any) -> Connection:
    return render(model.Connection("db", url), Renderer("/pipelines"), {"params": values})


def test_url_is_taken_apart() -> None:
    address = rendered("postgresql+psycopg://ada:p%40ss@db.example.org:5433/flights?sslmode=require").address
    assert (address.scheme, address.user, address.password) == ("postgresql+psycopg", "ada", "p@ss")
    assert (address.host, address.port, address.database) == ("db.example.org", 5433, "flights")
    assert address.query == (("sslmode", "require"),)


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("sqlite://", None),
        ("sqlite:///x.db", "x.db"),
        ("sqlite:////var/x.db", "/var/x.db"),
        ("sqlite:///a%20b", "a%20b"),
    ],
)
def test_file_of_a_database_is_taken_as_it_stands(url: str, database: str | None) -> None:
    assert rendered(url).address.database == database


def test_at_sign_in_the_path_of_a_web_address_is_no_end_of_a_password() -> None:
    address = rendered("https://example.org:8080/x@evil.org/y").address
    assert (address.host, address.port, address.user) == ("example.org", 8080, None)
    assert rendered("mysql://ada:a/b?c@h/x").address.password == "a/b?c"


def test_value_in_the_path_of_a_web_address_is_encoded_whatever_the_case_of_its_scheme() -> None:
    assert rendered("HTTPS://example.org/{{ params.path }}", path="a/b").url == "HTTPS://example.org/a%2Fb"


def test_host_in_brackets_is_an_address_of_ipv6() -> None:
    address = rendered("postgresql://[::1]:5432/x").address
    assert (address.host, address.port) == ("::1", 5432)


@given(user=TEXTS, password=TEXTS, database=TEXTS, option=TEXTS)
def test_values_arrive_as_they_are_and_change_nothing_else(
    user: str, password: str, database: str, option: str
) -> None:
    url = "mysql://{{ params.u }}:{{ params.p }}@localhost:3306/{{ params.d }}?charset={{ params.o }}"
    address = rendered(url, u=user, p=password, d=database, o=option).address
    assert (address.user, address.password, address.database) == (user, password, database)
    assert (address.scheme, address.host, address.port) == ("mysql", "localhost", 3306)
    assert address.query == (("charset", option),)


@given(TEXTS)
def test_url_with_an_encoded_value_means_the_same(password: str) -> None:
    connection = rendered("postgresql://ada:{{ params.p }}@localhost/x", p=password)
    assert rendered(connection.url).address == connection.address


def test_whole_url_may_be_one_expression() -> None:
    assert rendered("{{ params.whole }}", whole="sqlite:///x.db").address.database == "x.db"


def test_facts_are_what_expressions_see() -> None:
    facts = rendered("postgresql://ada:{{ params.p }}@h:1/x", p="a b").facts()
    assert facts == {
        "url": "postgresql://ada:a%20b@h:1/x", "host": "h", "port": 1, "user": "ada", "password": "a b", "database": "x"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("x.db", "is no URL"),
        ("postgresql://h:port/x", "the port"),
        (f"postgresql://h:{'9' * 5000}/x", "the port"),
        ("postgresql://h:{{ params.n }}/x", "gives null"),
        ("{{ params.n }}", "must come to a text"),
    ],
)
def test_what_is_no_url_is_an_error_that_does_not_show_it(url: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message) as caught:
        rendered(url, n=None)
    assert "h:" not in caught.value.message


def test_headers_and_auth_are_texts_and_null_is_left_out() -> None:
    declared = model.Connection(
        "api",
        "https://x/v1",
        headers={"X-Key": "{{ params.k }}", "X-None": "{{ null }}"},
        auth={"bearer": "{{ params.k }}"},
    )
    connection = render(declared, Renderer("/pipelines"), {"params": {"k": 7}})
    assert connection.headers == {"X-Key": "7"}
    assert connection.auth == {"bearer": "7"}


def test_file_of_authorities_is_relative_to_the_pipeline() -> None:
    declared = model.Connection("api", "https://x", verify="certs/{{ params.name }}.pem")
    assert render(declared, Renderer("/pipelines"), {"params": {"name": "ca"}}).verify == "/pipelines/certs/ca.pem"
