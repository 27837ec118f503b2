"""Makes the request of an HTTP task, in a worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

from urllib3 import HTTPHeaderDict, HTTPResponse
from urllib3.util import parse_url

from pipectl import __version__
from pipectl.tasks.http.answer import beginning, held, pieces, saved
from pipectl.tasks.http.faults import NETWORK_ERRORS, network_fault, retry_after, status_text
from pipectl.tasks.http.limits import CONNECT, SILENCE, TimeLimit, TimeUp
from pipectl.tasks.http.network import Network
from pipectl.tasks.http.request import REDIRECTS, Content, Request, redirected, shown, target
from pipectl.tasks.own import Fault, cleaning

_OWN_HEADERS = {"User-Agent": f"pipectl/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
_MOST_REDIRECTS = 10
_BLOCK = 1 << 16
_PATIENCE = " (a `timeout` of the `http` task lets it take longer)"


def run(
    *,
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: Mapping[str, str] | None,
    expect_status: Sequence[int | str],
    save: str | None,
    follow_redirects: bool,
    verify: bool | str,
    timeout: float | None,
) -> dict[str, Any]:
    """The output of the task. Raises Fault where there is no answer, or one that was not expected."""
    request = Request(method, parse_url(url), headers, Content(**content) if content else None)
    network = Network(verify)
    try:
        with cleaning(), TimeLimit(timeout) as limit:
            for _ in range(_MOST_REDIRECTS + 1):
                with _answered(request, network, limit) as response:
                    location = _location(response) if follow_redirects else None
                    if location is None:
                        _check(request, response, limit, expect_status)
                    print(f"{request}: {status_text(response.status)}", flush=True)
                    if location is None:
                        return held(response, limit) if save is None else saved(response, limit, save)
                request = redirected(request, response.status, location)
    except TimeUp as late:
        raise Fault(f"{request}: {late}", "timeout", "TimeoutError") from None
    raise Fault(f"{request}: more than {_MOST_REDIRECTS} redirects")


@contextmanager
def _answered(request: Request, network: Network, limit: TimeLimit) -> Iterator[HTTPResponse]:
    """The answer to the request; its body is still to be read. Whatever fails until then is a Fault."""
    try:
        limit.allow(CONNECT, "no connection")
        with network.connected(request.url) as (connection, path, extra):
            with suppress(BrokenPipeError, ConnectionResetError):  # a server may answer before it has read everything
                _send(connection, request, path, extra, limit)
            limit.allow(SILENCE if limit.seconds is None else limit.seconds, "the server gave no answer", _PATIENCE)
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
        headers.update({"Content-Type": request.content.type, "Content-Length": str(size)})
        blocks = _blocks(stream, size, limit)
        connection.request(request.method, path, body=blocks, headers=headers, preload_content=False)


def _blocks(stream: Any, size: int, limit: TimeLimit) -> Iterator[bytes]:
    """Exactly `size` bytes: a file may change while it is sent."""
    while size:
        block = stream.read(min(size, _BLOCK))
        if not block:
            raise Fault("`body_file` became shorter while it was sent")
        limit.allow(SILENCE, "the server took nothing")
        yield block
        size -= len(block)


def _check(request: Request, response: HTTPResponse, limit: TimeLimit, expected: Sequence[int | str]) -> None:
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
    with suppress(Fault):
        if location := _location(response):
            message += f", which leads to {shown(target(request.url, location))}"
    raise Fault(message, *kinds, retry_after=retry_after(response.headers.get("retry-after")))


def _location(response: HTTPResponse) -> str | None:
    return response.headers.get("location") if response.status in REDIRECTS else None
