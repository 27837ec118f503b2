"""What `doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what was found in one sentence, and what to do about it where that can be said."""

    name: str
    status: Status
    message: str
    hint: str = ""
