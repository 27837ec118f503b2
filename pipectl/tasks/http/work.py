"""Makes the request of an HTTP task, in a worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

from urllib3 import HTTPHeaderDict, HTTPResponse
from urllib3.util import parse_url

from pipectl import __version__
from pipectl.tasks.http.answer import beginning, held, pieces, saved, without_body
from pipectl.tasks.http.faults import NETWORK_ERRORS, network_fault, retry_after, status_text
from pipectl.tasks.http.limits import CONNECT, SILENCE, TimeLimit, TimeUp
from pipectl.tasks.http.network import Network
from pipectl.tasks.http.request import REDIRECTS, Content, Request, redirected, shown, target
from pipectl.tasks.own import Fault, cleaning

_OWN_HEADERS = {"User-Agent": f"pipectl/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
_MOST_REDIRECTS = 10
_NO_BODY = (204, 304)
_BLOCK = 1 << 16


def run(
    *,
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: Mapping[str, Any] | None,
    expect_status: Sequence[int | str],
    save: str | None,
    follow_redirects: bool,
    verify: bool | str,
    timeout: float | None,
    patience: float | None,
) -> dict[str, Any]:
    """The output of the task. Raises Fault where there is no answer, or one that was not expected.

    `timeout` is for all of it, `patience` for the silence before the answer; both in seconds.
    """
    request = Request(method, parse_url(url), headers, Content(**content) if content else None)
    network = Network(verify)
    try:
        with cleaning(), TimeLimit(timeout) as limit:
            for redirects in range(_MOST_REDIRECTS + 1):
                with _answered(request, network, limit, patience) as response:
                    location = _location(response) if follow_redirects else None
                    if location is None:
                        _check(request, response, limit, expect_status, followed=redirects > 0)
                    print(f"{request}: {status_text(response.status)}", flush=True)
                    if location is None:
                        return _taken(request, response, limit, save)
                request = redirected(request, response.status, location)
    except TimeUp as late:
        raise Fault(f"{request}: {late}", "timeout", "TimeoutError") from None
    raise Fault(f"{request}: more than {_MOST_REDIRECTS} redirects")


@contextmanager
def _answered(request: Request, network: Network, limit: TimeLimit, patience: float | None) -> Iterator[HTTPResponse]:
    """The answer to the request; its body is still to be read. Whatever fails until then is a Fault."""
    try:
        limit.allow(CONNECT, "no connection")
        with network.connected(request.url) as (connection, path, extra):
            with suppress(BrokenPipeError, ConnectionResetError):  # a server may answer before it has read everything
                _send(connection, request, path, extra, limit)
            limit.allow(patience or SILENCE, "the server gave no answer", " (a longer `timeout` lets it take longer)")
            with closing(connection.getresponse()) as response:
                yield response
    except NETWORK_ERRORS as error:
        raise network_fault(error, f"{request}{network.route}", request.url.host or "") from error


def _send(connection: Any, request: Request, path: str, extra: Mapping[str, str], limit: TimeLimit) -> None:
    headers = HTTPHeaderDict(_OWN_HEADERS)
    headers.update({**request.headers, **extra})
    limit.allow(SILENCE, "the server took nothing")
    if request.content is None:
        connection.request(request.method, path, headers=headers, preload_content=False)
        return
    with request.content.open() as (stream, size):
        headers["Content-Length"] = str(size)
        if request.content.type is not None:
            headers["Content-Type"] = request.content.type
        blocks = _blocks(stream, size, limit)
        connection.request(request.method, path, body=blocks, headers=headers, preload_content=False)


def _blocks(stream: Any, size: int, limit: TimeLimit) -> Iterator[bytes]:
    """Exactly `size` bytes: a file may change while it is sent."""
    while size:
        try:
            block = stream.read(min(size, _BLOCK))
        except OSError as error:
            raise Fault(f"`body_file` cannot be read: {error.strerror}", type(error).__name__) from None
        if not block:
            raise Fault("`body_file` became shorter while it was sent")
        limit.allow(SILENCE, "the server took nothing")
        yield block
        size -= len(block)


def _taken(request: Request, response: HTTPResponse, limit: TimeLimit, save: str | None) -> dict[str, Any]:
    if save is None:
        return held(response, limit)
    if request.method == "HEAD" or response.status in _NO_BODY:
        return without_body(response)
    return saved(response, limit, save)


def _check(
    request: Request, response: HTTPResponse, limit: TimeLimit, expected: Sequence[int | str], *, followed: bool
) -> None:
    """Raises Fault where the status was not expected; the beginning of the body goes to the log."""
    status = response.status
    kinds = (status, f"{status // 100}xx")
    if not {"any", *map(str, kinds)}.isdisjoint(str(one).lower() for one in expected):
        return
    with suppress(TimeUp, *NETWORK_ERRORS):
        if said := beginning(pieces(response, limit, decode=True, silence=5.0)):
            print(said, flush=True)
    message = f"{status_text(status)} from {request}"
    if request.stripped:
        message += ", to which another server redirected, and so no headers and credentials went along"
    if followed and any(str(one).startswith("3") for one in expected):
        message += ", to which a redirect was followed: with `follow_redirects: false` the redirect is the answer"
    with suppress(Fault):
        if location := _location(response):
            message += f", which leads to {shown(target(request.url, location))}"
    raise Fault(message, *kinds, retry_after=retry_after(response.headers.get("retry-after")))


def _location(response: HTTPResponse) -> str | None:
    return response.headers.get("location") if response.status in REDIRECTS else None
