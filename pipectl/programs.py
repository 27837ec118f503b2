"""Finds programs as a shell does. `shutil.which` takes as long as starting one: it looks at each folder three times."""

from __future__ import annotations

import os
import shlex


def find_program(name: str, path: str | None) -> str | None:
    """The first executable file of this name in the folders of `path`, a PATH; the name itself where it has a slash."""
    if "/" in name:
        return name if _is_program(name) else None
    for folder in (os.defpath if path is None else path).split(os.pathsep):
        found = f"{folder or '.'}/{name}"
        if _is_program(found):
            return found
    return None


def _is_program(path: str) -> bool:
    return os.access(path, os.X_OK) and os.path.isfile(path)  # noqa: PTH113


def split_command(text: str) -> list[str]:
    """The words of a command, quotes taken as a shell takes them."""
    return [text] if text.isalnum() else shlex.split(text)
