"""Writes to a standard stream so that nothing is lost.

Python's own streams lose what a write leaves over where they are unbuffered (PYTHONUNBUFFERED) and a signal comes in
between, or where the terminal's other users have made it non-blocking.
"""

from __future__ import annotations

import os
import select
from typing import TextIO


def write_text(stream: TextIO, text: str) -> None:
    """Writes all of the text, characters that the stream's encoding lacks as `?`. Raises OSError, ValueError."""
    write_bytes(stream, text.encode(stream.encoding, errors="replace"))


def write_bytes(stream: TextIO, data: bytes) -> None:
    """Writes all of the bytes. Raises OSError, or ValueError where the stream is closed."""
    stream.flush()
    descriptor, rest = stream.fileno(), memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
