"""pipectl's own state, which is no database for a task: whatever name it goes by."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from pipectl.tasks.own import Fault
from pipectl.tasks.sql.binding import Parameters

_TEXT = re.compile(r"'((?:[^']|'')*)'|\"((?:[^\"]|\"\")*)\"")
_URI = re.compile(r"file:([^?#]*)")


def refuse_own_state(path: str, state_file: str) -> None:
    """Raises Fault where the path, by whatever links, leads to pipectl's own state, or is its folder."""
    own = os.path.realpath(state_file)
    real = os.path.realpath(path)
    try:
        is_own = Path(path).samefile(own)
    except OSError:
        is_own = False
    if is_own or real == os.path.dirname(own) or real.startswith(own):  # noqa: PTH120
        raise Fault(f"`{path}` is pipectl's own state, which tasks cannot use")


def refuse_own_state_in(sql: str, parameters: Parameters, state_file: str) -> None:
    """Raises Fault where a text in the statement, or one of its values, is a path to pipectl's own state.

    It looks before a database does: merely to open the state by another name leaves files beside that.
    """
    texts = [text.replace("''", "'") or name for text, name in _TEXT.findall(sql)]
    for text in (*texts, *parameters):
        if isinstance(text, str) and text and "\0" not in text:
            uri = _URI.match(text)
            refuse_own_state(unquote(uri[1]) if uri else os.path.expanduser(text), state_file)  # noqa: PTH111
