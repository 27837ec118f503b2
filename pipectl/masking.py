"""Secrets are hidden in everything that is shown or kept, in every encoding that tools commonly give them.

This keeps accidents out of logs; it is no boundary against a task that means to give a secret away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, AnyStr

MASK = "***"
_SHORTEST_PART = 8
_SHORTEST_PASSWORD = 4
_HEAD = 4


class Masker:
    """Replaces every occurrence of the secrets, in whatever encoding, by `***`.

    Secrets are text as the environment gives it (undecodable bytes as surrogate escapes); empty ones are passed over.
    Without secrets every method gives back what it got.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
        self._texts = sorted(spellings, key=len, reverse=True)
        self._needles = [_encode(text) for text in self._texts]
        self._heads: dict[bytes, list[bytes]] = {}
        for needle in self._needles:
            self._heads.setdefault(needle[:_HEAD], []).append(needle)
        self._openings = {head[:length] for head in self._heads for length in range(1, len(head))}
        self._longest = max(map(len, self._needles), default=0)

    def mask(self, text: str) -> str:
        """The text without secrets."""
        found = tuple(needle for needle in self._texts if needle in text)
        return _any_of(found, "|").sub(MASK, text) if found else text

    def mask_bytes(self, data: bytes) -> bytes:
        """The bytes without secrets."""
        pattern = self.occurring(data)
        return pattern.sub(MASK.encode(), data) if pattern else data

    def mask_value(self, value: Any) -> Any:
        """The JSON value without secrets: in texts and keys, and in place of numbers that are one."""
        if not self._needles:
            return value
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, Mapping):
            return {self.mask(key): self.mask_value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.mask_value(item) for item in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and str(value) in self._texts:
            return MASK
        return value

    def stream(self) -> MaskStream:
        """Masks bytes that come in pieces."""
        return MaskStream(self)

    def beginnings(self, data: bytes) -> list[int]:
        """Where in `data` something starts that more bytes could turn into a secret, in ascending order."""
        size = len(data)
        found = [size - k for k in range(1, min(_HEAD, size + 1)) if data[size - k :] in self._openings]
        for head, needles in self._heads.items():
            at = data.find(head, max(0, size - self._longest + 1))
            while at >= 0:
                rest = data[at:]
                if any(len(rest) < len(needle) and needle.startswith(rest) for needle in needles):
                    found.append(at)
                at = data.find(head, at + 1)
        return sorted(found)

    def occurring(self, data: bytes) -> re.Pattern[bytes] | None:
        """What finds the secrets in `data`; None where it holds none."""
        # One search per spelling is several times faster than one expression that holds them all.
        found = tuple(needle for needle in self._needles if needle in data)
        return _any_of(found, b"|") if found else None

    def __bool__(self) -> bool:
        return bool(self._needles)


class MaskStream:
    """Masks a stream as `Masker` masks the whole, however it is cut.

    What may be the beginning of a secret is held back until the next bytes, or the end, decide it.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What can be shown now that `chunk` has come."""
        if not self._masker:
            return chunk
        data = self._held + chunk if self._held else chunk
        undecided = self._masker.beginnings(data)
        if not undecided:
            self._held = b""
            return self._masker.mask_bytes(data)
        shown, at = self._decided(data, undecided)
        self._held = data[at:]
        return shown

    def end(self) -> bytes:
        """What was held back; the stream is over."""
        held, self._held = self._held, b""
        return self._masker.mask_bytes(held)

    def _decided(self, data: bytes, undecided: list[int]) -> tuple[bytes, int]:
        """Secrets are taken from left to right; one that is complete outweighs beginnings within it."""
        parts, at = [], 0
        pattern = self._masker.occurring(data)
        for match in pattern.finditer(data) if pattern else ():
            if match.start() >= next((start for start in undecided if start >= at), len(data)):
                break
            parts += [data[at : match.start()], MASK.encode()]
            at = match.end()
        stop = next((start for start in undecided if start >= at), len(data))
        return b"".join([*parts, data[at:stop]]), stop


@lru_cache(maxsize=64)
def _any_of(needles: tuple[AnyStr, ...], separator: AnyStr) -> re.Pattern[AnyStr]:
    """Longest first, so that the longest wins where several start at one place."""
    return re.compile(separator.join(map(re.escape, needles)))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _spellings(secret: str) -> Iterator[str]:
    """The secret in the encodings that tools print; its lines as well, since they are often printed one by one.

    Of a URL also what makes it a secret, which goes its own ways.
    """
    raw = _encode(secret)
    yield from _quoted(secret)
    for part in _within_url(secret):
        yield from _quoted(part)
    for line in secret.splitlines():
        if len(line.strip()) >= _SHORTEST_PART:
            yield from _quoted(line.strip())
    yield from _base64(raw)
    yield from _wrapped(raw)
    yield from (raw.hex(), raw.hex().upper())


def _quoted(text: str) -> Iterator[str]:
    """As is, and as JSON, Python, URLs and shells quote it."""
    import json
    from urllib.parse import quote, quote_plus

    yield text
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield repr(text)[1:-1]
    data = _encode(text)
    for url in (quote(data), quote(data, safe=""), quote(data, safe="!'()*"), quote_plus(data)):
        yield url
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), url)
    yield text.replace("'", "'\"'\"'")
    yield text.replace("'", "'\\''")
    yield re.sub(r"[^\w@%+=:,./-]", r"\\\g<0>", text)


def _within_url(secret: str) -> Iterator[str]:
    """The password of a URL and, of one of the web, its path and what its query holds; decoded and as they stand."""
    if "://" not in secret:
        return
    from urllib.parse import parse_qsl, unquote, urlsplit

    with suppress(ValueError):
        url = urlsplit(secret)
        found = [(url.password or "", _SHORTEST_PASSWORD)]
        if url.scheme in ("http", "https"):
            found += [(url.path.strip("/"), _SHORTEST_PART), (url.fragment, _SHORTEST_PART)]
            found += [(value, _SHORTEST_PART) for _, value in parse_qsl(url.query)]
        for part, shortest in found:
            if len(part) >= shortest:
                yield from (part, unquote(part))


def _base64(raw: bytes) -> Iterator[str]:
    """At each of the three places where it may start within longer data, without the characters that depend on that."""
    from base64 import b64encode

    for before in range(3):
        first, end = -(-8 * before // 6), 8 * (before + len(raw)) // 6
        text = b64encode(bytes(before) + raw).decode("ascii")[first:end]
        yield text
        yield text.translate(str.maketrans("+/", "-_"))


def _wrapped(raw: bytes) -> Iterator[str]:
    """The lines into which `base64`, `openssl base64` and `xxd -p` break it."""
    from base64 import b64encode

    whole = b64encode(raw).decode("ascii")[: 8 * len(raw) // 6]
    for text, width in ((whole, 76), (whole, 64), (raw.hex(), 60)):
        for start in range(0, len(text), width):
            if len(line := text[start : start + width]) >= _SHORTEST_PART:
                yield line
