"""Whoever is at the terminal of a run may answer there what it asks: by the request that `pipectl approve` leaves."""

from __future__ import annotations

import os
import select
import sys
import termios
from collections.abc import Callable

from pipectl.errors import UsageError
from pipectl.events import ApprovalAnswered, AttemptFinished, AttemptWaiting, Event
from pipectl.reports.text import clean
from pipectl.store.rows import Run
from pipectl.store.store import Store

_WORDS = {"y": "approve", "yes": "approve", "n": "reject", "no": "reject"}
_LONGEST = 4096


class Prompt:
    """Listens to a run and to the lines that are typed while it asks something; `say` tells the person a line."""

    def __init__(self, store: Store, run: Run, say: Callable[[str], None]) -> None:
        self._store = store
        self._run = run
        self._say = say
        self._open: set[str] = set()
        self._typed = b""
        self._input = sys.stdin.fileno()

    def event(self, event: Event) -> None:
        """Takes in what happened: a question that is asked, or needs no answer any more."""
        match event:
            case AttemptWaiting(_, instance, _, on) if on.startswith("approval: "):
                if not self._open:
                    termios.tcflush(self._input, termios.TCIFLUSH)  # what was typed before was no answer
                self._open.add(instance)
                self._say(f"{instance} asks: {clean(on).removeprefix('approval: ')} (y or n, and Enter)")
            case ApprovalAnswered() | AttemptFinished():
                self._open.discard(event.instance)

    def tick(self) -> None:
        """Takes what was typed; to be called now and then."""
        while self._open and self._is_readable():
            data = os.read(self._input, _LONGEST)
            *lines, self._typed = (self._typed + data).split(b"\n")
            for line in lines:
                self._answer(line.decode(errors="replace").split())
            if not data:
                self._open.clear()

    def _is_readable(self) -> bool:
        """Whether there is a line; a process in the background would be stopped if it read."""
        try:
            if os.tcgetpgrp(self._input) != os.getpgrp():
                return False
        except OSError:
            return False
        return bool(select.select([self._input], [], [], 0)[0])

    def _answer(self, words: list[str]) -> None:
        if not words:
            return
        kind = _WORDS.get(words[0].lower())
        names = [word for word in words[1:] if "=" not in word]
        if kind is None or len(names) > 1:
            self._say("type `y` or `n`, then the task where several ask, then values as `name=value`")
            return
        from pipectl.cli.answer import Questions  # what few runs use

        questions = Questions(self._store, self._run)
        try:
            node = questions.find(names[0] if names else None)
            questions.answer(kind, node, [word for word in words[1:] if "=" in word])
        except UsageError as error:
            self._say(error.message)
