"""Names made from other names: of files from instances, which may hold any character; of variables from parameters."""

from __future__ import annotations

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
        import hashlib

        name = f"{name[:_KEPT]}~{hashlib.sha256(raw).hexdigest()[:24]}"
    return f"{name}.{attempt}"


def is_reserved(variable: str) -> bool:
    """Whether a variable is kept for what pipectl itself sets for tasks: a file cannot set it."""
    return variable.startswith(("PIPECTL_", "PARAM_", "ITEM"))


def param_variable(name: str) -> str:
    """The environment variable in which tasks see a parameter: `PARAM_FLIP_COIN` for `flip-coin`."""
    return "PARAM_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
