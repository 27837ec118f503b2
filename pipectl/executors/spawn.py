"""Starts a process: the system's fastest way, in a session of its own, with nothing of ours but what it is given."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pipectl.programs import find_program

_LONGEST_TEXT = 1 << 17
_DEFAULT_SIGNALS = frozenset(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}


class Unstartable(Exception):
    """The process cannot be started; says why in a sentence."""


def keep_descriptors() -> None:
    """No descriptor of this process, its standard ones excepted, passes on to what it starts from here on."""
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - the listing's own descriptor is closed when it returns
        with suppress(OSError):
            if int(name) > 2:
                os.set_inheritable(int(name), False)


@contextmanager
def inside(folder: str) -> Iterator[None]:
    """Within the block the folder is the current one: spawning has no option for it. Raises Unstartable."""
    before = _current_folder()
    try:
        os.chdir(folder)
    except (OSError, ValueError) as fault:
        raise Unstartable(_no_folder(folder, fault)) from None
    try:
        yield
    finally:
        with suppress(OSError):
            os.chdir(before)


def spawn(
    argv: Sequence[str],
    env: Mapping[str, str],
    descriptors: Mapping[int, int],
) -> int:
    """Starts the program in the current folder and gives its process id, which is also its session and group.

    It is looked up on the PATH of `env`. Standard input is empty; `descriptors` maps its descriptors to ours, and it
    gets no other; signals are as a fresh program expects them. Raises Unstartable.
    """
    program = _find(argv[0], env)
    descriptors, copies = _apart(descriptors)
    actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]]
    actions = [(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in descriptors.items()]
    actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
    try:
        return os.posix_spawn(
            program,
            tuple(argv),
            env,
            file_actions=actions,
            setsid=True,
            setsigdef=_DEFAULT_SIGNALS,
            setsigmask=(),
        )
    except (OSError, ValueError) as fault:
        check_fit(argv, env)
        raise Unstartable(_why(argv[0], program, fault)) from None
    finally:
        for copy in copies:
            os.close(copy)


def _apart(descriptors: Mapping[int, int]) -> tuple[Mapping[int, int], Sequence[int]]:
    """The descriptors with ours above theirs, so that none is overwritten before it is copied; and copies made."""
    above = max(descriptors, default=0) + 1
    if all(ours >= above for ours in descriptors.values()):
        return descriptors, ()
    moved = {theirs: fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, above) for theirs, ours in descriptors.items()}
    return moved, tuple(moved.values())


def check_fit(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Raises Unstartable where an argument or a variable cannot be passed to any process."""
    for what, text in (*(("an argument", text) for text in argv), *((f"`{name}`", env[name]) for name in env)):
        if "\0" in text:
            raise Unstartable(
                f"{what} holds a NUL character, which no process can be given: read it from $PIPECTL_INPUTS"
            )
        if len(text) >= _LONGEST_TEXT // 4 and len(text.encode(errors="surrogatepass")) + len(what) >= _LONGEST_TEXT:
            size = f"{len(os.fsencode(text)) >> 10} KiB"
            raise Unstartable(
                f"{what} is too long for a process ({size}, the limit is 128): read it from $PIPECTL_INPUTS"
            )


def _current_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - as text, since it is asked for each attempt
    except FileNotFoundError:  # removed meanwhile
        return "/"


def _find(program: str, env: Mapping[str, str]) -> str:
    if "/" in program:
        return program
    found = find_program(program, env.get("PATH"))
    if found is None:
        raise Unstartable(f"no such program: `{program}`")
    return found


def _why(name: str, program: str, fault: OSError | ValueError) -> str:
    if not isinstance(fault, OSError):
        return f"`{name}` cannot be started: {fault}"
    match fault.errno:
        case errno.ENOENT if Path(program).exists():
            return f"`{name}` names an interpreter in its first line that does not exist"
        case errno.ENOENT | errno.ENOTDIR:
            return f"no such program: `{name}`"
        case errno.EACCES | errno.EISDIR:
            return f"`{name}` is a folder" if Path(program).is_dir() else f"`{name}` is not executable"
        case errno.ENOEXEC:
            return f"`{name}` is not a program: its first line names no interpreter (`#!`)"
        case errno.E2BIG:
            return "the arguments and the environment are too long together: read large values from $PIPECTL_INPUTS"
        case _:
            return f"`{name}` cannot be started: {fault.strerror}"


def _no_folder(folder: str, fault: OSError | ValueError) -> str:
    if isinstance(fault, FileNotFoundError):
        return f"no such folder: `{folder}`"
    if isinstance(fault, NotADirectoryError):
        return f"`{folder}` is not a folder"
    return f"the folder `{folder}` cannot be entered: {fault.strerror if isinstance(fault, OSError) else fault}"
