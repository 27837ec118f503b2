"""A request as it goes over the wire, and what becomes of it when the answer is a redirect."""

from __future__ import annotations

import os
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urljoin

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from pipectl.connections import WEB_PORTS
from pipectl.tasks.own import Fault

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Content:
    """The body of a request: a text, or a file that is read while it is sent."""

    type: str | None
    text: str = ""
    file: str | None = None

    @contextmanager
    def open(self) -> Iterator[tuple[BinaryIO, int]]:
        """A stream of it, and its size in bytes. Raises Fault."""
        if self.file is None:
            data = self.text.encode()
            yield BytesIO(data), len(data)
            return
        path = Path(self.file)
        try:
            if not path.is_file():
                raise Fault(f"`body_file`: there is no file `{path}`")
            stream = path.open("rb")
        except OSError as error:
            raise Fault(f"`body_file`: `{path}` cannot be read: {error.strerror}", type(error).__name__) from None
        with stream:
            yield stream, os.fstat(stream.fileno()).st_size


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `headers` are all that task and connection gave, credentials among them.

    It is `stripped` where a redirect led to another server, and they were left behind.
    """

    method: str
    url: Url
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: Content | None = None
    stripped: bool = False

    def __str__(self) -> str:
        return f"{self.method} {shown(self.url)}"

    @property
    def origin(self) -> tuple[str | None, str | None, int | None]:
        """What must be the same for two requests to go to one server."""
        url = self.url
        return url.scheme, url.host, url.port or WEB_PORTS.get(url.scheme or "")


def shown(url: Url) -> str:
    """The URL as it may be shown: without user, password, query and fragment, which may be secret.

    Of a long one only the server: who masks secrets would not know a part of its path.
    """
    whole = Url(url.scheme, None, url.host, url.port, url.path or "/").url
    if len(whole) <= _LONGEST_SHOWN:
        return whole
    return Url(url.scheme, None, url.host, url.port, "/...").url[:_LONGEST_SHOWN]


def redirected(request: Request, status: int, location: str) -> Request:
    """The request that follows a redirect.

    To another server nothing goes that task and connection gave in headers or in a body. Raises Fault where it cannot
    be followed.
    """
    url = target(request.url, location)
    if url.scheme not in WEB_PORTS or not url.host:
        raise Fault(f"{request}: it redirects to `{shown(url)}`, which is neither http nor https")
    method = "GET" if _becomes_get(request.method, status) else request.method
    following = replace(request, url=url, method=method)
    if method != request.method:
        following = replace(following, content=None, headers=_without(request.headers, "idempotency-key"))
    if following.origin == request.origin:
        return following
    if following.content is not None:
        raise Fault(
            f"{request}: it redirects ({status}) to `{shown(url)}`, another server, which gets no body unasked:"
            " name that server in `url`",
            status,
            f"{status // 100}xx",
        )
    return replace(following, headers={}, stripped=request.stripped or bool(request.headers))


def target(base: Url, location: str) -> Url:
    """What a `Location` header leads to. Raises Fault where that cannot be read."""
    readable = quote(location.encode("latin-1", "replace"), safe=string.punctuation)
    try:
        return parse_url(urljoin(base.url, readable))._replace(auth=None, fragment=None)
    except (LocationParseError, ValueError):
        raise Fault(f"{shown(base)} redirects to what is no URL") from None


def _becomes_get(method: str, status: int) -> bool:
    return (status == 303 and method not in ("GET", "HEAD")) or (status in (301, 302) and method == "POST")


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() != name}
