"""The outputs of a run: what is recorded, and what the present turn is about to record."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


class Outputs:
    """Outputs as JSON text by instance; those that are recorded are read from the state when asked for."""

    def __init__(self, read: Callable[[str], str | None]) -> None:
        self._read = read
        self.fresh: dict[str, str] = {}

    def text(self, instance: str) -> str | None:
        """The output as JSON text, None where there is none."""
        fresh = self.fresh.get(instance)
        return self._read(instance) if fresh is None else fresh

    def value(self, instance: str) -> Any:
        """The output; None where there is none."""
        text = self.text(instance)
        return None if text is None else json.loads(text)
