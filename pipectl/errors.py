"""What can go wrong, by who must act, with the exit code of each.

PipectlError                 exit  who acts
├─ UsageError                  2   the caller: a wrong option or parameter, no such run
├─ PipelineError               2   the author of the file: one problem or many, each with its place
├─ AlreadyRunning              3   the caller: the run is held by another runner
├─ StateError                  4   the operator: the state is damaged, newer, full or not writable
└─ InternalError              70   us
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a pipeline file: what is wrong, where, and how to mend it.

    `message` is one sentence in lower case without a full stop; `line` and `column` count from 1, and are 0 where the
    fault is of the file as a whole. `hint` holds the very text to type where there is one. A `warning` does not keep
    the pipeline from running. The line itself is shown unless `quoted` is false: it may hold a secret.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    warning: bool = False
    quoted: bool = True

    @property
    def place(self) -> str:
        """`file:line:column`, as terminals and editors make clickable."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class PipectlError(Exception):
    """A failure that pipectl explains; `hint` says how to mend it, `exit_code` is that of the process."""

    exit_code = 70

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PipectlError):
    """The command line asks for something that is not there or cannot be."""

    exit_code = 2


class PipelineError(PipectlError):
    """The pipeline file is invalid; carries every problem found, in file order."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = tuple(problems)
        super().__init__("\n".join(f"{p.place}: {p.message}" for p in self.problems))


class AlreadyRunning(PipectlError):
    """Another runner holds what was asked for."""

    exit_code = 3


class StateError(PipectlError):
    """The state cannot be read or written; what it holds was left untouched."""

    exit_code = 4


class InternalError(PipectlError):
    """A bug of pipectl's own."""

    exit_code = 70


def render_problem(problem: Problem) -> str:
    """The problem as people read it: place and message, the source line with a caret, the hint.

    The line is read from the file again; where that is gone or is standard input, the problem stands without it.
    """
    kind = "warning" if problem.warning else "error"
    parts = [f"{problem.place}: {kind}: {problem.message}"]
    source = _source_line(problem.file, problem.line) if problem.quoted else ""
    if source.strip():
        number = f"{problem.line:>5}"
        caret = "".join("\t" if c == "\t" else " " for c in source[: problem.column - 1]) + "^"
        parts += [f"{number} | {source}", f"{' ' * len(number)} | {caret}"]
    if problem.hint:
        parts.append(f"hint: {problem.hint}")
    return "\n".join(parts)


def _source_line(file: str, line: int, longest: int = 200) -> str:
    if not line:
        return ""
    try:
        with Path(file).open(encoding="utf-8", errors="replace") as lines:
            for number, text in enumerate(lines, 1):
                if number == line:
                    shown = text.rstrip("\n")
                    return "".join(c if c.isprintable() or c == "\t" else "�" for c in shown[:longest])
    except OSError:
        pass
    return ""
