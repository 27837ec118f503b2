"""What a request is made of besides its URL: headers, query, credentials, content."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from pipectl.tasks.base import TaskFailed
from pipectl.template import to_text

Headers = dict[str, str | None]

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FRAMING = frozenset({"content-length", "transfer-encoding"})


def headers(given: object) -> Headers:
    """Headers as they may be sent; null takes one back. Raises TaskFailed for what could break out of its line."""
    if not isinstance(given, Mapping):
        raise TaskFailed("`headers` must come to a mapping")
    return {_name(name): None if value is None else _header(name, value) for name, value in given.items()}


def merged(*levels: Headers) -> Headers:
    """All headers; of one name, in whatever case, the last."""
    names: dict[str, str] = {}
    values: Headers = {}
    for level in levels:
        for name, value in level.items():
            values.pop(names.get(name.lower(), ""), None)
            names[name.lower()] = name
            values[name] = value
    return values


def without_nulls(given: Headers) -> dict[str, str]:
    """The headers that are to be sent."""
    return {name: value for name, value in given.items() if value is not None}


def take(given: Headers, name: str, default: str | None) -> str | None:
    """Takes the header of this name, in whatever case, out; gives its value, which may be null, or the default."""
    found = [key for key in given if key.lower() == name.lower()]
    return given.pop(found[0]) if found else default


def authorization(auth: object, what: str = "`auth`") -> Headers:
    """The header of `{user, password}` or `{bearer}`; none without `auth`, which `what` names. Raises TaskFailed."""
    if auth is None:
        return {}
    if not isinstance(auth, Mapping):
        raise TaskFailed(f"{what} must come to a mapping")
    given = {key: to_text(value) for key, value in auth.items() if value is not None}
    if "bearer" in given:
        return headers({"Authorization": f"Bearer {given['bearer']}"})
    if not {"user", "password"} <= given.keys():
        null = next((f"`{key}` in {what}" for key, value in auth.items() if value is None), what)
        raise TaskFailed(f"{null} comes to null")
    user, password = given["user"], given["password"]
    if ":" in user:
        raise TaskFailed("a `user` with a colon cannot be sent: the password begins after it")
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


def pairs(key: str, values: object) -> list[tuple[str, str]]:
    """Names and values of a query or form: a list repeats its name, null leaves it out. Raises TaskFailed."""
    if not isinstance(values, Mapping):
        raise TaskFailed(f"`{key}` must come to a mapping")
    return [
        (name, to_text(item))
        for name, value in values.items()
        for item in (value if isinstance(value, list) else [value])
        if item is not None
    ]


def content(form: str, value: Any) -> dict[str, str | None]:
    """The body of a request, as `{text | file, type}`. Raises TaskFailed where there can be none."""
    if form == "json":
        return {"text": json.dumps(value, ensure_ascii=False, separators=(",", ":")), "type": "application/json"}
    if form == "form":
        return {"text": urlencode(pairs(form, value)), "type": "application/x-www-form-urlencoded"}
    if value is None or isinstance(value, list | Mapping):
        raise TaskFailed(f"`{form}` must come to text; other values are sent by `json` or `form`")
    if form == "data":
        return {"text": to_text(value), "type": "text/plain; charset=utf-8"}
    return {"file": to_text(value), "type": "application/octet-stream"}


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise TaskFailed(f"`{name!s:.60}` is no name of a header")
    if name.lower() in _FRAMING:
        raise TaskFailed(f"the header `{name}` is set by pipectl: it says where a message ends")
    return name


def _header(name: str, value: object) -> str:
    """Never shows the value: it may be a secret."""
    if isinstance(value, list | Mapping):
        raise TaskFailed(f"the header `{name}` must come to text")
    text = to_text(value).strip(" \t")
    if any(character in "\r\n\0" for character in text):
        raise TaskFailed(f"the header `{name}` holds a line break or a NUL")
    try:
        text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise TaskFailed(f"the header `{name}` holds `{text[error.start]}`: only Latin-1 can be sent") from None
    return text
