"""How the loop deals with what only waits: it enters the room, is looked after there, and is answered by people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipectl.engine.clock import Clock
from pipectl.engine.ledger import Ledger
from pipectl.engine.waits import WaitingRoom
from pipectl.events import ApprovalAnswered, AttemptWaiting
from pipectl.executors.base import Executor
from pipectl.graph import Node
from pipectl.model import Job, Outcome


class Waiters:
    """The waits and approvals of one run."""

    def __init__(self, room: WaitingRoom, ledger: Ledger, clock: Clock, executor: Executor) -> None:
        self._room = room
        self._ledger = ledger
        self._clock = clock
        self._executor = executor
        self._over: list[Outcome] = []
        self._asked: dict[str, str] = {}  # what is asked, by instance
        self._unheard: dict[str, tuple[str, Mapping[str, Any]]] = {}  # answers to what is not asked yet

    def enter(self, node: Node, job: Job) -> None:
        """Lets the attempt wait; an answer may be there already, from a time when nobody ran the run."""
        now = self._clock.now()
        on = self._room.enter(node, node.attempts, job, now if node.first_start is None else node.first_start)
        self._asked[node.name] = on
        self._ledger.emit(AttemptWaiting(now, node.name, node.attempts, on))
        if node.name in self._unheard:
            self.hear(*self._unheard.pop(node.name))

    def hear(self, answer: str, data: Mapping[str, Any]) -> None:
        """Takes in an answer of somebody: `approve` or `reject`, of which instance, by whom."""
        instance, by = data["instance"], data["by"]
        comment, params = data["comment"], data.get("params")
        if data.get("asked") not in {None, self._asked.get(instance, data.get("asked"))}:
            return  # it was another question that was answered
        outcome = self._room.answer(instance, answer, by, comment, params, data.get("since"))
        if outcome is None:
            self._unheard[instance] = (answer, data)
        else:
            self._ledger.emit(ApprovalAnswered(self._clock.now(), instance, answer, by, comment, params))
            self._over.append(outcome)

    def cancel(self, instance: str) -> None:
        """Ends a wait, if the instance is one."""
        if outcome := self._room.cancel(instance):
            self._over.append(outcome)

    def due(self) -> float | None:
        """When `over` is to be asked again; None for never."""
        return self._clock.now() if self._over else self._room.due()

    def over(self) -> list[Outcome]:
        """Looks at what is due, and returns the attempts that are over."""
        looks, found = self._room.look(self._clock.now())
        for job in looks:
            self._executor.start(job)
        over, self._over = self._over, []
        return [*over, *found]

    def told(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        """The outcomes of attempts, without those of looks that found nothing yet."""
        for outcome in outcomes:
            told = self._room.told(outcome) if outcome.instance in self._room else outcome
            if told is not None:
                yield told

    def are_all(self, running: Mapping[str, Node]) -> bool:
        """Whether nothing runs but approvals, and some do."""
        return self._room.only_approvals and all(name in self._room for name in running)
