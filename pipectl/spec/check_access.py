"""Headers and credentials, of a connection or of an http task."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from pipectl.errors import Problem
from pipectl.spec.scalars import as_text
from pipectl.spec.source import Part
from pipectl.spec.wrong_types import SPOKEN_BOOLEANS

_BOOLEANS = {**SPOKEN_BOOLEANS, "true": "true", "false": "false"}
_OF_THE_REQUEST = frozenset({"content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"})
_SECRET_HEADER = re.compile(
    r"(proxy-)?authorization|cookie|(\w+-)*(api|access|auth|private|secret)[-_]?(key|token)", re.IGNORECASE
)
_FROM_SECRETS = 'declare a secret, and write `"{{ secrets.NAME }}"`'


def access_problems(owner: Part) -> Iterator[Problem]:
    """What is wrong with `headers`, `auth` and `verify` of a connection, a task or the defaults of tasks."""
    headers, auth, verify = owner.get("headers"), owner.get("auth"), owner.get("verify")
    if verify is not None and isinstance(verify.value, str) and (meant := _BOOLEANS.get(verify.value.lower())):
        yield verify.problem(f"`{verify.value}` is text here, which names a file", f"write `verify: {meant}`")
    if headers is not None:
        yield from _header_problems(headers)
    if auth is None:
        return
    yield from _auth_problems(auth)
    for name, header in headers.items() if headers is not None else ():
        if name.casefold() == "authorization":
            yield header.problem("`auth` and an `Authorization` header say the same", "keep one of them", key=True)


def password_in_clear(part: Part, what: str) -> Problem:
    """The warning that the file gives away what should be a secret; its line is not shown."""
    return replace(part.problem(f"{what} stands in the file", _FROM_SECRETS, warning=True), quoted=False)


def _header_problems(headers: Part) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name, header in headers.items():
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            yield header.problem(f"headers `{other}` and `{name}` differ only by case", "keep one of them", key=True)
        if name.casefold() in _OF_THE_REQUEST:
            yield header.problem(f"the header `{name}` cannot be set: pipectl sets it", "remove it", key=True)
        text = str(as_text(header.value))
        if "\n" in text or "\r" in text:
            yield header.problem(f"the header `{name}` has more than one line", "write its value on one line")
        if header.value and "{{" not in text and _SECRET_HEADER.fullmatch(name):
            yield password_in_clear(header, f"the value of the header `{name}`")


def _auth_problems(auth: Part) -> Iterator[Problem]:
    if "bearer" in auth.value and len(auth.value) > 1:
        yield auth.problem("`auth` is `user` and `password`, or `bearer`", "keep one of the two", key=True)
    elif not auth.taken and "bearer" not in auth.value and "user" not in auth.value:
        yield auth.problem("`auth` is without `user`", "write `{user: …, password: …}`", key=True)
    user = auth.get("user")
    if user is not None and ":" in user.value and "{{" not in user.value:
        yield user.problem("a `user` with a colon cannot be sent: the password begins after it", "remove the colon")
    for key in ("password", "bearer"):
        secret = auth.get(key)
        if secret is not None and secret.value and "{{" not in secret.value:
            yield password_in_clear(secret, "a password" if key == "password" else "a bearer token")
