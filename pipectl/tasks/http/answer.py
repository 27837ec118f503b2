"""What becomes of an answer: held in memory where it is small, or streamed to a file."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from urllib3 import HTTPResponse

from pipectl.model import OUTPUT_LIMIT
from pipectl.plain_json import check_depth, parse_json
from pipectl.tasks.http.limits import SILENCE, TimeLimit
from pipectl.tasks.own import Fault
from pipectl.tasks.part_file import part_of

_PIECE = 1 << 18
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)
_NO_CHARSETS = frozenset({"unicode-escape", "raw-unicode-escape", "punycode", "idna"})  # of Python's own, not of texts
_TOO_LARGE = "the answer is over 1 MiB, more than an output may be: `save` writes it to a file"


def pieces(response: HTTPResponse, limit: TimeLimit, *, decode: bool, silence: float = SILENCE) -> Iterator[bytes]:
    """The body as it arrives; where `decode`, without the compression it was sent with."""
    while True:
        limit.allow(silence, "the server was silent in the middle of its answer")
        piece = response.read1(_PIECE, decode_content=decode)
        if not piece:
            return
        yield piece


def held(response: HTTPResponse, limit: TimeLimit) -> dict[str, Any]:
    """The output of a body that is small. Raises Fault where it is not."""
    body = bytearray()
    for piece in pieces(response, limit, decode=True):
        body += piece
        if len(body) > OUTPUT_LIMIT:
            raise Fault(_TOO_LARGE)
    output = {**_head(response), **_read(bytes(body), response.headers.get("content-type", "")), "bytes": len(body)}
    if len(json.dumps(output, ensure_ascii=False).encode()) > OUTPUT_LIMIT:
        raise Fault(_TOO_LARGE)
    return output


def without_body(response: HTTPResponse) -> dict[str, Any]:
    """The output of an answer that has no body by definition."""
    return {**_head(response), "bytes": 0}


def saved(response: HTTPResponse, limit: TimeLimit, path: str) -> dict[str, Any]:
    """The output of a body that is streamed to a file as it was sent."""
    size = 0
    with part_of(path) as part:
        with open(part, "wb") as file:  # noqa: PTH123
            for piece in pieces(response, limit, decode=False):
                file.write(piece)
                size += len(piece)
        limit.allow()
    return {**_head(response), "path": path, "bytes": size}


def beginning(body: Iterable[bytes], most: int = 2000) -> str:
    """The first words of a body, as a log may hold them.

    No word is shown in part: who masks secrets would not know the part of one.
    """
    start = b""
    for piece in body:
        start += piece
        if len(start) > most:
            words = re.match(rb".*\s", start[: most + 1], re.DOTALL)
            start = (words[0] if words else b"") + b"..."
            break
    text = start.decode(errors="replace")
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text.replace("\r\n", "\n"))


def _head(response: HTTPResponse) -> dict[str, Any]:
    names = dict.fromkeys(name.lower() for name in response.headers)
    return {"status": response.status, "headers": {name: response.headers[name] for name in names}}


def _read(body: bytes, content_type: str) -> dict[str, Any]:
    """`json` where the type says so and it is, else `text`; nothing where it is neither."""
    media = content_type.partition(";")[0].strip().lower()
    charset = _CHARSET.search(content_type)
    text = _decoded(body, charset[1] if charset else None, lenient=media.startswith("text/"))
    if text is None:
        return {}
    if media in ("application/json", "text/json") or media.endswith("+json"):
        try:
            value = parse_json(text.removeprefix("\ufeff"))
            check_depth(value)
        except ValueError:
            return {"text": text}
        return {"json": value}
    return {"text": text}


def _decoded(body: bytes, charset: str | None, *, lenient: bool) -> str | None:
    if charset:
        try:
            if codecs.lookup(charset).name not in _NO_CHARSETS:
                text = body.decode(charset, "replace")
                text.encode()  # UTF-7 can spell what is no text
                return text
        except (LookupError, UnicodeError):
            pass
        lenient = True
    try:
        return body.decode(errors="replace" if lenient else "strict")
    except UnicodeDecodeError:
        return None
