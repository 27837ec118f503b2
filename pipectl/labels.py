"""File names made from instance names, which may hold any character."""

from __future__ import annotations

import hashlib
import re

_UNSAFE = re.compile(rb"^\.|[^A-Za-z0-9_.-]")
_LONGEST = 120
_KEPT = 90


def file_label(instance: str, attempt: int) -> str:
    """A file name for the attempt, such as `load.2`: safe, unlike every other's, at most 135 characters.

    What is not a letter, a digit, `_`, `-` or a dot inside is percent-encoded; a long name ends in its digest.
    """
    raw = instance.encode("utf-8", "surrogatepass")
    name = _UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], raw).decode("ascii")
    if len(name) > _LONGEST:
        name = f"{name[:_KEPT]}~{hashlib.sha256(raw).hexdigest()[:24]}"
    return f"{name}.{attempt}"
