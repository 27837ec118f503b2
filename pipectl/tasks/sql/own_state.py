"""pipectl's own state, which is no database for a task: whatever name it goes by."""

from __future__ import annotations

import os
from pathlib import Path

from pipectl.tasks.own import Fault


def refuse_own_state(path: str, state_file: str) -> None:
    """Raises Fault where the path, by whatever links, leads to pipectl's own state."""
    try:
        is_own = Path(path).samefile(state_file)
    except OSError:
        is_own = os.path.realpath(path) == os.path.realpath(state_file)
    if is_own:
        raise Fault(f"`{path}` is pipectl's own state, which tasks cannot use")
