"""Which environment variables a file may set."""

from __future__ import annotations

import re

_RESERVED = re.compile(r"PIPECTL_|PARAM_|ITEM")


def is_reserved(name: str) -> bool:
    """Whether pipectl sets the variable itself."""
    return bool(_RESERVED.match(name))
