"""Connections to web servers: directly or by a proxy, with verified certificates, and never from outside to inside."""

from __future__ import annotations

import http.client
import ipaddress
import os
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.errors import (
    FirstHeaderLineIsContinuationDefect,
    MisplacedEnvelopeHeaderDefect,
    MissingHeaderBodySeparatorDefect,
)
from functools import cached_property
from queue import SimpleQueue
from typing import Any
from urllib.request import getproxies_environment, proxy_bypass

from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, make_headers, parse_url

from pipectl.connections import WEB_PORTS
from pipectl.tasks.http.faults import BadHeaders
from pipectl.tasks.own import Fault

Place = tuple[Any, ...]
"""An address as sockets take it: it begins with its text and the port."""

_LOST = (FirstHeaderLineIsContinuationDefect, MisplacedEnvelopeHeaderDefect, MissingHeaderBodySeparatorDefect)
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # by NAT64, to the address of IPv4 at its end
_INSIDE = tuple(
    ipaddress.IPv6Network(text) for text in ("64:ff9b:1::/48", "2002::/16", "::/96", "fec0::/10")
)  # NAT64 within a network, 6to4, addresses of IPv4 in the oldest notation, sites: beside what is not global by itself
_CONNECT_ONE = 10.0  # a host may have several addresses, of which the first need not answer


class Network:
    """Connects to one server after the other, as redirects lead.

    `route` names the proxy of the last connection, where there was one.

    Once a server of the internet has been asked, none of this machine or its network is: what is outside could not ask
    it by itself.
    """

    def __init__(self, verify: bool | str) -> None:
        self._verify = verify
        self._outside = False
        self.route = ""

    @contextmanager
    def connected(self, url: Url) -> Iterator[tuple[HTTPConnection, str, dict[str, str]]]:
        """An open connection to the URL's server, with what to ask it for and headers for a proxy.

        Raises Fault for an address that a redirect may not lead to, OSError where there is no connection.
        """
        proxy = _proxy(url)
        self.route = f" by the proxy {proxy._replace(auth=None, path=None).url}" if proxy else ""
        connection = self._direct(url) if proxy is None else self._by_proxy(url, proxy)
        try:
            connection.connect()
            address = connection.address if proxy is None else _place(url)[0]
            self._outside = self._outside or not is_internal(address)
            if proxy is not None and url.scheme == "http":
                yield connection, url.url, _credentials(proxy)
            else:
                yield connection, url.request_uri, {}
        finally:
            connection.close()

    def _direct(self, url: Url) -> _Http | _Https:
        place = _place(url)
        connection = _Https(*place, ssl_context=self._context) if url.scheme == "https" else _Http(*place)
        connection.comes_from_outside = self._outside
        return connection

    def _by_proxy(self, url: Url, proxy: Url) -> _Http | _Https:
        if self._outside:
            _check_outside(_place(url)[0])
        secure = proxy.scheme == "https"
        own = ssl.create_default_context() if secure else None
        config = ProxyConfig(own, use_forwarding_for_https=False, assert_hostname=None, assert_fingerprint=None)
        if url.scheme == "http":
            return (_Https if secure else _Http)(*_place(proxy), proxy=proxy, proxy_config=config)
        connection = _Https(*_place(proxy), proxy=proxy, proxy_config=config, ssl_context=self._context)
        connection.set_tunnel(*_place(url), headers=_credentials(proxy), scheme=proxy.scheme or "http")
        return connection

    @cached_property
    def _context(self) -> ssl.SSLContext:
        if isinstance(self._verify, str):
            try:
                return ssl.create_default_context(cafile=self._verify)
            except OSError as error:
                reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
                raise Fault(f"`verify`: `{self._verify}` cannot be used: {reason}") from None
        context = ssl.create_default_context()
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class _Answer(http.client.HTTPResponse):
    """Reads past what a server says before its answer, and insists on headers that can be relied on."""

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200 and self.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        if any(isinstance(defect, _LOST) for defect in self.headers.defects):
            raise BadHeaders("a line among the headers of the answer cannot be read")
        lengths = ",".join(self.headers.get_all("Content-Length", ["0"])).split(",")
        if not all(length.strip().isdecimal() for length in lengths):
            raise BadHeaders("the `Content-Length` of the answer is no number")


class _Dialling:
    """Finds the server's address, checks it and connects to that very one."""

    _dns_host: str
    port: int
    comes_from_outside = False
    address = ""

    def _new_conn(self) -> socket.socket:
        failure: OSError = socket.gaierror("no address")
        for family, place in resolve(self._dns_host, self.port):
            self.address = str(place[0])
            if self.comes_from_outside:
                _check_outside(self.address)
            try:
                return _dial(family, place)
            except OSError as error:
                failure = error
        raise failure


class _Http(_Dialling, HTTPConnection):
    response_class = _Answer


class _Https(_Dialling, HTTPSConnection):
    response_class = _Answer


def resolve(host: str, port: int) -> list[tuple[int, Place]]:
    """The addresses of a host, each with its family. Raises OSError.

    The question is asked in a thread, since nothing but its end interrupts it; who waits for the answer can be.
    """
    answers: SimpleQueue[list[tuple[int, Place]] | socket.gaierror] = SimpleQueue()

    def ask() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([(family, place) for family, *_, place in found])
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no name of a host"
            answers.put(socket.gaierror(f"the host `{host}` cannot be found: {reason}"))

    threading.Thread(target=ask, daemon=True).start()
    answer = answers.get()
    if isinstance(answer, socket.gaierror):
        raise answer
    return answer


def _dial(family: int, place: Place) -> socket.socket:
    connected = socket.socket(family, socket.SOCK_STREAM)
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.settimeout(_CONNECT_ONE)
        connected.connect(place)
        connected.settimeout(None)  # from here on the alarm of the time limit ends a wait
    except BaseException:
        connected.close()
        raise
    return connected


def _check_outside(address: str) -> None:
    """Raises Fault for an address that a server of the internet may not send us to."""
    if is_internal(address):
        raise Fault(f"a server of the internet redirects to `{address}`, which is an address inside: not followed")


def is_internal(address: str) -> bool:
    """Whether the address is of this machine, of a private network, or of a link: not of the internet."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address.lower().rstrip(".").rpartition(".")[2] == "localhost"
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or (_last_four(parsed) if parsed in _TRANSLATED else parsed)
    return not parsed.is_global or parsed.is_multicast or any(parsed in network for network in _INSIDE)


def _last_four(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(address.packed[-4:])


def _proxy(url: Url) -> Url | None:
    """The proxy that the environment names for the URL. Raises Fault for one of a kind that is not known."""
    proxies = getproxies_environment()
    kind = url.scheme if proxies.get(url.scheme or "") else "all"
    named = proxies.get(kind or "")
    host, _ = _place(url)
    if not named or proxy_bypass(host):
        return None
    variable = f"{kind}_proxy" if f"{kind}_proxy" in os.environ else f"{kind}_proxy".upper()
    try:
        proxy = parse_url(named if "://" in named else f"http://{named}")
        if not proxy.host:
            raise LocationParseError(named)
    except LocationParseError:  # not shown: a password may stand in it
        raise Fault(f"`{variable}` in the environment is no URL of a proxy") from None
    if proxy.scheme not in WEB_PORTS:
        raise Fault(f"the environment names a proxy that is neither http nor https: `{proxy.scheme}`")
    return proxy


def _credentials(proxy: Url) -> dict[str, str]:
    credentials = proxy.auth_decoded_joined
    return dict(make_headers(proxy_basic_auth=credentials, proxy_basic_auth_encoding="utf-8")) if credentials else {}


def _place(url: Url) -> tuple[str, int]:
    return (url.host or "").strip("[]"), url.port or WEB_PORTS[url.scheme or "http"]
