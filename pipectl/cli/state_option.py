"""What a command needs to find a state from where the user stands, so that every hint works as it is printed."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipectl.errors import PipectlError
from pipectl.store.folder import nearest, of_pipeline

_COMMAND = re.compile(r"`pipectl (resume|logs|cancel|approve|reject|runs|show)\b[^`]*")


def state_option(folder: Path) -> str:
    """Nothing where commands find the folder by themselves, else ` --state DIR`."""
    try:
        if nearest(None) == folder:
            return ""
    except PipectlError:
        pass
    return f" --state {shlex.quote(os.path.relpath(folder))}"


def with_state(hint: str, options: Mapping[str, Any]) -> str:
    """The hint with the state that a command, run with these options, worked on, in the commands that it names."""
    if not _COMMAND.search(hint) or "--state" in hint:
        return hint
    file, state = options.get("file"), options.get("state")
    try:
        folder = of_pipeline(str(Path(str(file)).parent.resolve()), state) if file else nearest(state)
    except PipectlError:
        return hint
    option = state_option(folder)
    return _COMMAND.sub(lambda command: f"{command[0]}{option}", hint)
