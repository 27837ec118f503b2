"""Redirects: where they are followed, and what goes with them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from pipectl.tasks.http import network
from pipectl.tasks.http.request import Content, Request, redirected
from pipectl.tasks.own import Fault

from .conftest import Ask, Site

Raw = Callable[[Callable[[socket.socket], None]], str]

SECRETS = {"Authorization": "Bearer t", "Cookie": "c=1", "X-Api-Key": "k", "Idempotency-Key": "i"}


def request_to(url: str, method: str = "GET", **more: object) -> Request:
    return Request(method, parse_url(url), SECRETS, **more)  # type: ignore[arg-type]


class TestHT01:
    """HT-01: nothing that task and connection gave in headers follows to another host, port or scheme."""

    @pytest.mark.parametrize(
        "location",
        [
            "https://other/x",
            "http://h/x",
            "https://h:444/x",
            "//other/x",
            "https://h.other/x",
            "https://h@other/x",
            "https://other\\@h/x",
            "https://H.:443/",
        ],
    )
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_no_header_goes_to_another_origin(self, location: str, status: int) -> None:
        assert redirected(request_to("https://h/a"), status, location).headers == {}

    @pytest.mark.parametrize("location", ["/x", "x", "?x", "https://h/x", "HTTPS://H:443/x", "//h/x", "../x"])
    def test_headers_stay_on_the_same_origin(self, location: str) -> None:
        assert redirected(request_to("https://h/a"), 302, location).headers == SECRETS

    def test_what_was_dropped_does_not_come_back(self) -> None:
        there = redirected(request_to("https://h/a"), 302, "https://other/")
        assert redirected(there, 302, "https://h/a").headers == {}

    @given(st.text(max_size=40))
    def test_whatever_a_location_holds_headers_go_only_to_the_same_origin(self, location: str) -> None:
        request = request_to("https://h:8443/a/b?c")
        try:
            following = redirected(request, 302, location)
        except Fault:
            return
        url = following.url
        assert url.scheme in ("http", "https")
        assert following.headers == (SECRETS if (url.scheme, url.host, url.port) == ("https", "h", 8443) else {})

    def test_servers_see_it_so(self, ask: Ask, site: Site, new_site: Callable[[], Site]) -> None:
        other = new_site()
        site.redirect("/a", "/b")
        site.redirect("/b", f"{other.url}/c?d=e")
        assert ask(f"{site.url}/a", headers=SECRETS)["status"] == 200
        for name, value in SECRETS.items():
            assert [seen.headers[name] for seen in site.seen] == [value] * 2
            assert name not in other.seen[0].headers
        assert other.seen[0].path == "/c?d=e"

    def test_refusal_by_the_other_server_says_that_nothing_went_along(
        self, ask: Ask, site: Site, new_site: Callable[[], Site]
    ) -> None:
        other = new_site()
        site.redirect("/a", f"{other.url}/b")
        other.answer("/b", 401)
        with pytest.raises(Fault, match=r"HTTP 401 Unauthorized .* no headers and credentials went along"):
            ask(f"{site.url}/a", headers=SECRETS)

    def test_redirect_that_is_not_followed_says_where_it_leads(self, ask: Ask, site: Site) -> None:
        site.redirect("/a", "http://u:p@other/x?token=t")
        with pytest.raises(Fault, match=r"^HTTP 302 Found from GET .*/a, which leads to http://other/x$") as raised:
            ask(f"{site.url}/a", follow_redirects=False)
        assert raised.value.kinds == (302, "3xx")


class TestFollowing:
    @pytest.mark.parametrize(
        ("method", "status", "following"),
        [
            ("POST", 301, "GET"), ("POST", 302, "GET"), ("POST", 303, "GET"), ("POST", 307, "POST"), ("POST", 308, "POST"),
            ("PUT", 302, "PUT"), ("PUT", 303, "GET"), ("DELETE", 301, "DELETE"), ("HEAD", 303, "HEAD"), ("GET", 303, "GET"),
        ],
    )  # fmt: skip
    def test_method_changes_as_the_standard_says(self, method: str, status: int, following: str) -> None:
        content = Content("text/plain", "x") if method in ("POST", "PUT") else None
        request = redirected(request_to("https://h/a", method, content=content), status, "/b")
        assert request.method == following
        assert request.content == (content if following == method else None)
        assert ("Idempotency-Key" in request.headers) == (following == method)

    def test_body_is_sent_again_where_it_is_kept(self, ask: Ask, site: Site) -> None:
        site.redirect("/a", "/b", 307)
        ask(f"{site.url}/a", content={"text": "hello", "type": "text/x"}, headers=SECRETS)
        assert [(seen.method, seen.body, seen.headers["Content-Type"]) for seen in site.seen] == [
            ("POST", b"hello", "text/x")
        ] * 2

    @pytest.mark.parametrize(("method", "status"), [("POST", 307), ("POST", 308), ("PUT", 302)])
    def test_body_goes_to_no_other_server(
        self, ask: Ask, site: Site, new_site: Callable[[], Site], method: str, status: int
    ) -> None:
        other = new_site()
        site.redirect("/a", f"{other.url}/b?c", status)
        with pytest.raises(Fault) as raised:
            ask(f"{site.url}/a", method=method, content={"text": "secret", "type": "text/x"})
        assert str(raised.value) == (
            f"{method} {site.url}/a: it redirects ({status}) to `{other.url}/b`, another server,"
            " which gets no body unasked: name that server in `url`"
        )
        assert raised.value.kinds == (status, "3xx")
        assert other.seen == []

    def test_body_that_a_redirect_ends_does_not_keep_from_following(
        self, ask: Ask, site: Site, new_site: Callable[[], Site]
    ) -> None:
        other = new_site()
        site.redirect("/a", f"{other.url}/b", 303)
        ask(f"{site.url}/a", content={"text": "secret", "type": "text/x"})
        assert [(seen.method, seen.body) for seen in other.seen] == [("GET", b"")]

    @pytest.mark.parametrize("expected", [302, "3xx"])
    def test_redirect_that_was_expected_and_followed_names_the_option(
        self, ask: Ask, site: Site, expected: int | str
    ) -> None:
        site.redirect("/a", "/b")
        with pytest.raises(Fault, match="with `follow_redirects: false` the redirect is the answer"):
            ask(f"{site.url}/a", expect_status=[expected])
        with pytest.raises(Fault, match=r"GET http://[\d.:]+/b$"):
            ask(f"{site.url}/b", expect_status=[expected])

    def test_long_url_is_shown_without_its_path(self) -> None:
        long = request_to(f"http://h/{'services/secret/' * 20}")
        assert str(long) == "GET http://h/..."
        assert str(request_to("http://h/a/b")) == "GET http://h/a/b"
        assert len(str(request_to(f"http://{'h' * 10_000}/"))) <= 210

    def test_connection_is_closed_before_the_next_is_opened(self, ask: Ask, site: Site, raw_server: Raw) -> None:
        closed = threading.Event()

        def redirect(connection: socket.socket) -> None:
            connection.sendall(f"HTTP/1.1 302 X\r\nLocation: {site.url}/b\r\n\r\n".encode())
            if connection.recv(1) == b"":
                closed.set()

        site.answers["/b"] = lambda handler: handler.reply(200 if closed.wait(5) else 500, "", {})
        assert ask(raw_server(redirect))["status"] == 200

    def test_ten_redirects_are_followed_and_no_more(self, ask: Ask, site: Site) -> None:
        for number in range(20):
            site.redirect(f"/{number}", f"/{number + 1}")
        assert ask(f"{site.url}/10")["status"] == 200
        with pytest.raises(Fault, match="more than 10 redirects"):
            ask(f"{site.url}/9")
        assert len(site.seen) == 22

    def test_redirect_without_a_location_is_an_answer(self, ask: Ask, site: Site) -> None:
        site.answer("/", 302)
        assert ask(site.url, expect_status=[302])["status"] == 302

    def test_location_in_utf_8_is_read_as_such(self, ask: Ask, site: Site) -> None:
        site.redirect("/a", "/ü ü".encode().decode("latin-1"))
        ask(f"{site.url}/a")
        assert site.seen[1].path == "/%C3%BC%20%C3%BC"

    @pytest.mark.parametrize("location", ["file:///etc/hostname", "ftp://h/", "gopher://h/", "javascript:1"])
    def test_redirect_to_something_else_than_the_web_is_refused(self, ask: Ask, site: Site, location: str) -> None:
        site.redirect("/", location)
        with pytest.raises(Fault, match=r"neither http nor https|no URL"):
            ask(site.url)


class TestHT02:
    """HT-02: no server of the internet leads inside, whatever name or notation it uses."""

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "0", "[::ffff:127.0.0.1]", "2130706433"])
    def test_redirect_inside_is_refused_before_anything_is_sent(
        self, ask: Ask, new_site: Callable[[], Site], host: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inside, outside = new_site(), new_site()
        outside.redirect("/", f"http://{host}:{inside.port}/")
        addresses: list[str] = []

        def is_internal(address: str) -> bool:
            """Takes the first address for one of the internet."""
            addresses.append(address)
            return len(addresses) > 1 and true_answer(address)

        true_answer = network.is_internal
        monkeypatch.setattr(network, "is_internal", is_internal)
        with pytest.raises(Fault, match="an address inside: not followed"):
            ask(outside.url)
        assert len(addresses) == 2
        assert inside.seen == []

    def test_first_request_may_go_inside(self, ask: Ask, site: Site) -> None:
        site.redirect("/", f"http://localhost:{site.port}/b")
        assert ask(site.url)["status"] == 200

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
            "::1", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "localhost", "a.localhost.",
            "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2002:7f00:1::", "::127.0.0.1", "fec0::1", "::",
            "224.0.0.1", "ff0e::1", "::ffff:224.0.0.1",
        ],
    )  # fmt: skip
    def test_addresses_inside(self, address: str) -> None:
        assert network.is_internal(address)

    @pytest.mark.parametrize(
        "address",
        ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::808:808", "::ffff:8.8.8.8", "example.org", "127.example.org"],
    )
    def test_addresses_outside(self, address: str) -> None:
        assert not network.is_internal(address)
