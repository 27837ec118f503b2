"""The URL of a request, made of text and values.

It is written anew from checked parts, in plain ASCII and with a host that is nothing but a host, so that whoever reads
it next finds the same parts in it: two readers that differ are how credentials get to a stranger.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urlencode, urlsplit

from pipectl.connections import WEB_PORTS, Connection
from pipectl.tasks.base import TaskFailed
from pipectl.template import Computed, to_text

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HOST = re.compile(r"[a-z0-9._~-]+|[0-9a-f:.]*:[0-9a-f:.]*(?:%25[a-z0-9._~-]+)?")
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_ALLOWED = "%/:@!$&'()*+,;=?"
_LONGEST_HOST = 253


@dataclass(frozen=True, slots=True)
class Url:
    """An http or https URL in parts: `host` without brackets, `path` and `query` percent-encoded.

    `auth` is the user and password that stood in it.
    """

    scheme: str
    host: str
    port: int | None
    path: str
    query: str
    auth: Mapping[str, str] | None = None

    @property
    def origin(self) -> tuple[str, str, int]:
        """What must be the same for two URLs to lead to one server."""
        return self.scheme, self.host, self.port or WEB_PORTS[self.scheme]

    @property
    def text(self) -> str:
        """The URL without user and password."""
        return f"{self.root}{self.path}{'?' if self.query else ''}{self.query}"

    @property
    def root(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{'' if self.port is None else f':{self.port}'}"

    def appended(self, text: str) -> Url:
        """This URL with path and query appended, one slash in between."""
        path, _, query = text.partition("#")[0].partition("?")
        joined = f"{self.path.removesuffix('/')}/{_clean(path).removeprefix('/')}" if path else self.path
        return replace(self, path=joined).with_encoded_query(_clean(query))

    def with_query(self, pairs: Iterable[tuple[str, str]]) -> Url:
        """This URL with names and values after what its query has."""
        return self.with_encoded_query(urlencode(list(pairs), quote_via=quote, safe=""))

    def with_encoded_query(self, query: str) -> Url:
        """This URL with more after what its query has."""
        return replace(self, query="&".join(part for part in (self.query, query) if part))


def locate(parts: Sequence[str | Computed], connection: Connection | None) -> Url:
    """The URL of text and values, appended to the connection's where it is relative.

    A value within other text is percent-encoded. Raises TaskFailed where this leads nowhere, to a server that is not
    the connection's, or up the path.
    """
    whole = len(parts) == 1 and isinstance(parts[0], Computed)
    if connection is not None and not whole:
        _check_beginning(parts[0], connection)
    text = "".join(part if isinstance(part, str) else _placed(part.value, whole=whole) for part in parts).strip()
    absolute = _ABSOLUTE.match(text) is not None
    if connection is None:
        if not absolute:
            raise TaskFailed(_no_beginning(parts))
        url = parse(text)
    else:
        url = _with_connection(text, connection, absolute=absolute)
    computed = connection is not None or any(isinstance(part, Computed) for part in parts)
    if computed and not (whole and absolute):
        _check_segments(url.path)
    return url


def parse(text: str, what: str = "`url`") -> Url:
    """The parts of an absolute URL. Raises TaskFailed where it is none of http or https; `what` names it there."""
    try:
        split = urlsplit(text)
        host, port = split.hostname or "", split.port
        if not host.isascii():
            host = host.encode("idna").decode()
    except ValueError:  # not shown: a password may stand in it
        note = _note(text.partition("://")[2].partition("/")[0].rpartition("@")[2])
        raise TaskFailed(f"{what} is no URL: its host or port cannot be read{note}") from None
    if split.scheme not in WEB_PORTS:
        raise TaskFailed(f"{what} begins with `{split.scheme}:`, and an http task knows only http and https")
    if len(host) > _LONGEST_HOST:
        raise TaskFailed(f"the host in {what} is longer than any name of one")
    if not _HOST.fullmatch(host) or "\\" in split.netloc:
        raise TaskFailed(f"`{host}` in {what} is no name of a host{_note(host)}")
    auth = None
    if split.username is not None:
        auth = {"user": unquote(split.username), "password": unquote(split.password or "")}
    return Url(split.scheme, host, port, _clean(split.path) or "/", _clean(split.query), auth)


def _note(host: str) -> str:
    if "%" not in host:
        return ""
    return (
        " (an expression within a URL is percent-encoded: it can be a host or a port, but an IPv6 address, or a name"
        " beyond ASCII, only where one expression gives the whole URL)"
    )


def _with_connection(text: str, connection: Connection, *, absolute: bool) -> Url:
    base = parse(connection.url, f"the `url` of connection `{connection.name}`")
    if not absolute:
        return base.appended(text)
    url = parse(text)
    if url.origin != base.origin:
        raise TaskFailed(
            f"`url` leads to {url.root}, which is not {base.root} of the connection `{connection.name}`:"
            " its headers and credentials go nowhere else"
        )
    return url if url.auth else replace(url, auth=base.auth)


def _placed(value: object, *, whole: bool) -> str:
    if value is None or isinstance(value, list | dict):
        kind = "null" if value is None else "a list" if isinstance(value, list) else "a mapping"
        raise TaskFailed(f"an expression in `url` gives {kind}, not text or a number")
    return to_text(value) if whole else quote(to_text(value), safe="")


def _clean(text: str) -> str:
    """Percent-encodes what has no place in a URL, and leaves what is encoded already."""
    return quote(_STRAY_PERCENT.sub("%25", text), safe=_ALLOWED)


def _check_segments(path: str) -> None:
    """Servers go up the path at `..`, some of them after decoding it more than once."""
    for segment in path.split("/"):
        if unquote(unquote(segment)) in {".", ".."}:
            raise TaskFailed(f"a part of the path of `url` came out as `{segment}`, which would lead elsewhere")


def _check_beginning(first: str | Computed, connection: Connection) -> None:
    if isinstance(first, Computed) and _ABSOLUTE.match(str(first.value).lstrip()):
        raise TaskFailed(
            f"`url` begins with an expression that gives an address of its own, and is appended to that of the"
            f" connection `{connection.name}`: leave the expression out"
        )


def _no_beginning(parts: Sequence[str | Computed]) -> str:
    message = "`url` must begin with `https://` or `http://`, since the task names no `connection`"
    if isinstance(parts[0], Computed) and len(parts) > 1:
        return f"{message}; an expression within a URL is percent-encoded, so a base belongs into a connection"
    return message
