"""A pipeline that a program made, on its way to the checks: data, where each part was made, and whose it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Generated:
    """What a program made.

    `file` is its absolute path, empty where it has none; `folder` is what paths are relative to; `data` is what a
    pipeline file would hold; `places` are line and column in `file` of each task by its path, and of the pipeline as
    that of the empty one.
    """

    file: str
    folder: str
    data: dict[str, Any]
    places: Mapping[str, tuple[int, int]]

    def to_json(self) -> str:
        """For another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Generated:
        """What `to_json` wrote."""
        read = json.loads(text)
        places = {path: (line, column) for path, (line, column) in read["places"].items()}
        return cls(read["file"], read["folder"], read["data"], places)
