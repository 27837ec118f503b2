"""Connections with their values in place: a value gets where it stands in a URL, and can change nothing around it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from pipectl import model
from pipectl.template import Computed, Renderer, TemplateError, to_text

_URL = re.compile(
    r"""(?P<scheme>(?P<web>https?(?=:))|[A-Za-z][\w+.-]*)://
        (?:(?P<user>[^:/?#@]*)(?::(?P<password>(?(web)[^@/?#]*|[^@]*)))?@)?
        (?P<host>\[[^\]]*\]|[^:/?#]*)(?::(?P<port>[^/?#]*))?
        (?:/(?P<database>[^?]*))?
        (?:\?(?P<query>.*))?""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_HOLE = re.compile("\0(\\d+)\0")  # where an expression stood: no YAML text holds a NUL

WEB_PORTS = {"http": 80, "https": 443}
"""The schemes of web services, each with the port that it stands for."""


@dataclass(frozen=True, slots=True)
class Address:
    """A URL in parts, decoded; the scheme is in lower case.

    `database` is what follows the host and its slash: for HTTP, the path.
    """

    scheme: str
    user: str | None
    password: str | None
    host: str | None
    port: int | None
    database: str | None
    query: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection whose values are known. `verify` is a path where it is a text."""

    name: str
    url: str
    address: Address
    headers: Mapping[str, str]
    auth: Mapping[str, str] | None
    verify: bool | str

    def facts(self) -> dict[str, Any]:
        """What expressions see of it."""
        address = self.address
        return {
            "url": self.url,
            "host": address.host,
            "port": address.port,
            "user": address.user,
            "password": address.password,
            "database": address.database,
        }


def render(declared: model.Connection, renderer: Renderer, names: Mapping[str, Any]) -> Connection:
    """The connection with its expressions computed. Raises TemplateError where that cannot be.

    In the URL an expression's value is data: percent-encoded in `url`, as it is in `address`, and never read as
    structure. One that is the whole URL is the URL itself.
    """
    url, address = _place(renderer.parts(declared.url, names))
    auth = None if declared.auth is None else _texts(declared.auth, renderer, names)
    verify = declared.verify
    if isinstance(verify, str):
        verify = os.path.join(renderer.folder, to_text(renderer.render(verify, names)))  # noqa: PTH118
    return Connection(declared.name, url, address, _texts(declared.headers, renderer, names), auth, verify)


def is_port(text: str) -> bool:
    """Whether the text is the number of a port."""
    return text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 1 << 16


def _texts(values: Mapping[str, Any], renderer: Renderer, names: Mapping[str, Any]) -> dict[str, str]:
    rendered = renderer.render_tree(values, names)
    return {name: to_text(value) for name, value in rendered.items() if value is not None}


def _place(parts: Sequence[str | Computed]) -> tuple[str, Address]:
    if len(parts) == 1:
        whole = parts[0].value if isinstance(parts[0], Computed) else parts[0]
        if not isinstance(whole, str):
            raise TemplateError("its `url` must come to a text")
        return whole, _address(whole, ())
    values = [_text(part.value) for part in parts if isinstance(part, Computed)]
    numbers = iter(range(len(values)))
    text = "".join(part if isinstance(part, str) else f"\0{next(numbers)}\0" for part in parts)
    address = _address(text, values)
    found = _match(text)
    database = range(*found.span("database")) if address.scheme not in WEB_PORTS else range(0)

    def encoded(hole: re.Match[str]) -> str:
        value = values[int(hole[1])]
        # What reads the URL of a database takes the name of a file as it stands.
        return re.sub("[%?#]", _percent, value) if hole.start() in database else quote(value, safe="")

    return _HOLE.sub(encoded, text), address


def _percent(character: re.Match[str]) -> str:
    return f"%{ord(character[0]):02X}"


def _text(value: Any) -> str:
    if value is None:
        raise TemplateError("an expression in its `url` gives null")
    return to_text(value)


def _match(text: str) -> re.Match[str]:
    found = _URL.fullmatch(text)
    if found is None:
        raise TemplateError("its `url` is no URL", 0, "write `scheme://user:password@host:port/database`")
    return found


def _address(text: str, values: Sequence[str]) -> Address:
    """The parts of a URL in which `values` stand at the holes. Never shows the text: a password may be in it."""
    found = _match(text)

    def filled(part: str | None, decode: Callable[[str], str] = unquote) -> str | None:
        return None if part is None else _HOLE.sub(lambda hole: values[int(hole[1])], decode(part))

    port = filled(found["port"])
    if port and not is_port(port):
        raise TemplateError("the port in its `url` is no number below 65536")
    scheme = (filled(found["scheme"]) or "").lower()
    path = filled(found["database"], unquote if scheme in WEB_PORTS else str)
    pairs = parse_qsl(found["query"] or "", keep_blank_values=True)
    query = tuple((filled(key, str) or "", filled(value, str) or "") for key, value in pairs)
    host = (filled(found["host"]) or "").strip("[]") or None
    return Address(
        scheme, filled(found["user"]), filled(found["password"]), host, int(port) if port else None, path, query
    )
