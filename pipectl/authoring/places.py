"""Where a program makes a part of its pipeline, so that problems are told at its own lines."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FrameType

from pipectl.errors import PipectlError, PipelineError, Problem

Made = Mapping[str, int]
"""The lines that were being executed when something was made, innermost file first: one a file, its innermost."""

_OWN = os.path.dirname(__file__)  # noqa: PTH120


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose a pipeline is: the absolute path of the program, empty where it is no file, and the folder for paths."""

    file: str
    folder: str


def made_here() -> Made:
    """The lines of the calling program that are being executed."""
    lines: dict[str, int] = {}
    for frame in _callers():
        lines.setdefault(_file(frame), frame.f_lineno)
    return lines


def origin() -> Origin:
    """The program that calls: its file, and the folder from which that is imported, which tasks have on `sys.path`.

    Of what is no file, such as an interactive session, the current folder.
    """
    frame = next(_callers())
    file = _file(frame)
    if not os.path.isfile(file):  # noqa: PTH113
        return Origin("", os.getcwd())  # noqa: PTH109
    spec = frame.f_globals.get("__spec__")
    depth = spec.name.count(".") + os.path.basename(file).startswith("__init__.") if spec else 0  # noqa: PTH119
    folder = os.path.dirname(file)  # noqa: PTH120
    for _ in range(depth):
        folder = os.path.dirname(folder)  # noqa: PTH120
    return Origin(file, folder)


def place(made: Made, file: str) -> tuple[int, int]:
    """Line and column in a file where something was made; (0, 0) where the file had no part in it."""
    line = made.get(file, 0)
    text = linecache.getline(file, line)
    return (line, len(text) - len(text.lstrip()) + 1) if line else (0, 0)


def fault(made: Made, message: str, hint: str = "") -> PipelineError:
    """The error of a program at the line where it made something wrong."""
    error = PipelineError([problem(made, message, hint)])
    add_hints(error)
    return error


def add_hints(error: PipectlError) -> None:
    """Lets a traceback show how to mend what is wrong."""
    hints = (
        [(one.place, one.hint) for one in error.problems] if isinstance(error, PipelineError) else [("", error.hint)]
    )
    for place, hint in hints:
        if hint:
            error.add_note(f"{place}: hint: {hint}" if place else f"hint: {hint}")


def problem(made: Made, message: str, hint: str = "") -> Problem:
    """A problem at the innermost line where something was made."""
    file = next(iter(made), "<python>")
    return Problem(file.removeprefix(f"{os.getcwd()}/"), *place(made, file), message, hint)  # noqa: PTH109


def importing() -> str:
    """The module of the calling program that is only just being imported, empty where there is none."""
    for frame in _callers():
        if frame.f_code.co_name == "<module>":
            name: str = frame.f_globals.get("__name__", "")
            spec = getattr(sys.modules.get(name), "__spec__", None)
            if getattr(spec, "_initializing", False):
                return name
    return ""


def _callers() -> Iterator[FrameType]:
    """The frames of the program, innermost first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if os.path.dirname(frame.f_code.co_filename) != _OWN:  # noqa: PTH120
            yield frame
        frame = frame.f_back


def _file(frame: FrameType) -> str:
    name = frame.f_code.co_filename
    return name if name.startswith("<") else os.path.abspath(name)  # noqa: PTH100
