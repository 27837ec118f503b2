"""Checked definitions, kept as compiled cache: an unchanged file is neither parsed nor validated again.

A definition is known by the contents of all its sources and by the version of pipectl that checked it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Definition:
    """A checked definition: plain JSON that `spec.build` takes, and the files (path, SHA-256) that it was made from."""

    document: Mapping[str, Any]
    sources: Sequence[tuple[str, str]]
    version: str

    @property
    def key(self) -> str:
        """The same for the same contents of the same files."""
        return hashlib.sha256(json.dumps([self.version, *self.sources]).encode()).hexdigest()

    @property
    def main(self) -> str:
        """What it is looked up by before its other sources are known."""
        return _main(self.version, *self.sources[0])


def _main(version: str, path: str, digest: str) -> str:
    return f"{version} {digest} {path}"


def save(connection: sqlite3.Connection, definition: Definition) -> str:
    """Keeps the definition where it is not yet; returns its key."""
    connection.execute(
        "INSERT OR IGNORE INTO definitions (key, main, sources, document) VALUES (?, ?, ?, ?)",
        (
            definition.key,
            definition.main,
            json.dumps(definition.sources),
            json.dumps(definition.document, ensure_ascii=False, separators=(",", ":")),
        ),
    )
    return definition.key


def find(connection: sqlite3.Connection, path: str, version: str) -> Definition | None:
    """The definition that was checked from the very contents that the file and its includes have now."""
    digest = _digest(path)
    if digest is None:
        return None
    rows = connection.execute(
        "SELECT sources, document FROM definitions WHERE main = ?", (_main(version, path, digest),)
    ).fetchall()
    for sources_text, document in rows:
        sources = [(source, known) for source, known in json.loads(sources_text)]
        if all(_digest(source) == known for source, known in sources[1:]):
            return Definition(json.loads(document), sources, version)
    return None


def _digest(path: str) -> str | None:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return None
