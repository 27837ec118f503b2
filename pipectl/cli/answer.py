"""What `approve` and `reject` share: which question is meant, the values that it asks for, and the answer itself."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from pipectl.cli.definition import given_params
from pipectl.cli.state_option import state_option
from pipectl.engine.recorded import pipeline_of
from pipectl.engine.resume import named
from pipectl.errors import UsageError
from pipectl.events import ApprovalAnswered, AttemptWaiting, Event
from pipectl.graph import Node
from pipectl.model import RunState, State
from pipectl.plan import Plan
from pipectl.reports.text import clean
from pipectl.spec.params import resolve
from pipectl.store.folder import nearest
from pipectl.store.rows import Run
from pipectl.store.store import Store

QuestionRun = Annotated[str, typer.Argument(metavar="RUN", help="An id, a unique beginning of one, or latest.")]
QuestionTask = Annotated[
    str | None, typer.Argument(metavar="[TASK]", help="The task that asks [default: the only one that does].")
]
Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="Why; recorded with the answer.")]

_DONE = {"approve": "approved", "reject": "rejected"}
_PATIENCE = 5.0  # seconds for a runner to hear what it looks for twice a second
_POLL = 0.05


def leave_answer(
    kind: str, name: str, task: str | None, *, given: Sequence[str], comment: str, state: str | None
) -> int:
    """Leaves an answer, `approve` or `reject`, to the run's runner, and says what came of it.

    Raises UsageError where nobody asks, and for values that the question does not ask for.
    """
    store = Store.open(nearest(state))
    run = store.find(name)
    questions = Questions(store, run)
    node = questions.find(task)
    questions.answer(kind, node, given, comment)
    typer.echo(_told(kind, store, run, node, questions))
    return 0


class Questions:
    """The questions of a run that nobody has answered."""

    def __init__(self, store: Store, run: Run) -> None:
        self._store = store
        self._run = run
        self._seen = 0
        self._pipeline = pipeline_of(store, run)
        self.plan = Plan(self._pipeline.tasks)
        self.texts: dict[str, str] = {}
        for event in self._news():
            if isinstance(event, AttemptWaiting):
                self.texts[event.instance] = event.on
        waiting = (node for node in self.plan.running.values() if node.state is State.WAITING)
        self.nodes = [node for node in waiting if node.task.type == "approve"]

    def find(self, task: str | None) -> Node:
        """The instance that asks. Raises UsageError where there is none, or more than one."""
        found = self.nodes if task is None else [node for node in self.nodes if task in {node.name, node.path}]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"several tasks of run {self._run.id} ask: {self._listed(found)}", "name one of them")
        if task is None or not self.nodes:
            asks = f"nothing of run {self._run.id} waits for an approval"
        else:
            asks = f"these of run {self._run.id} do: {self._listed(self.nodes)}"
        if task is None:
            raise UsageError(f"{asks}: it is {self._run.state}", f"`pipectl show {self._run.id}` tells more")
        states = ", ".join(dict.fromkeys(str(node.state) for node in named(self.plan, task)))
        raise UsageError(f"`{task}` does not wait for an approval: it is {states}", asks)

    def answer(self, kind: str, node: Node, given: Sequence[str], comment: str = "") -> None:
        """Leaves an answer to the run's runner.

        Raises UsageError for values that are not asked for, or missing, and where there is an answer already.
        """
        earlier = self._left(node)
        if earlier:
            raise UsageError(f"`{node.name}` was {_DONE[earlier[0]]} by {earlier[1]} before")
        data: dict[str, Any] = {"instance": node.name, "since": node.first_start, "by": _who(), "comment": comment}
        data["asked"] = self.texts.get(node.name)
        if kind == "approve":
            data["params"] = self._values(node, given)
        self._store.ask(self._run, kind, time.time(), data)

    def _left(self, node: Node) -> tuple[str, str] | None:
        """The answer that was left before, heard or not: which, and by whom. A cancel voids what came before it."""
        found = None
        for _, kind, data in self._store.requests(self._run, 0):
            if kind == "cancel":
                found = None
            elif (data["instance"], data["since"]) == (node.name, node.first_start) and self._asks(node, data):
                found = found or (kind, data["by"])
        return found

    def _asks(self, node: Node, data: Mapping[str, Any]) -> bool:
        """Whether it still asks what was answered: an edited file may have changed that."""
        return data.get("asked") in {None, self.texts.get(node.name)}

    def _values(self, node: Node, given: Sequence[str]) -> Mapping[str, Any]:
        declared = node.task.body["params"]
        texts, _ = given_params(given, None)
        if texts and not declared:
            raise UsageError(f"`{node.name}` asks for no values", f"leave out `-p {given[0]}`")
        return resolve(replace(self._pipeline, params=declared), texts, {})

    def answered(self, node: Node) -> ApprovalAnswered | None:
        """The answer to what the instance asks, if one was recorded since this was last looked at."""
        answers = (event for event in self._news() if isinstance(event, ApprovalAnswered))
        return next((event for event in answers if event.instance == node.name), None)

    def _news(self) -> Sequence[Event]:
        events = self._store.events(self._run, self._seen)
        self._seen += len(events)
        for event in events:
            self.plan.apply(event)
        return events

    def _listed(self, nodes: Sequence[Node]) -> str:
        return ", ".join(f"`{node.name}` ({clean(self.texts.get(node.name, ''))})" for node in nodes)


def _told(kind: str, store: Store, run: Run, node: Node, questions: Questions) -> str:
    """What came of the answer, once that is known."""
    done = _DONE[kind]
    what = f"`{node.name}` of run {run.id} ({clean(questions.texts.get(node.name, ''))})"
    last = time.monotonic() + _PATIENCE
    while True:
        state = store.as_seen(store.run(run.id)).state
        answered = questions.answered(node)
        if answered and answered.answer != kind:
            raise UsageError(f"{what} was {_DONE[answered.answer]} by {answered.by} before")
        if answered:
            return f"{done} {what}"
        if node.name not in questions.plan.running:
            raise UsageError(f"{what} does not wait any more: it is {node.state}")
        if state is not RunState.RUNNING:
            return f"{done} {what}: nobody runs it now; `pipectl resume {run.id}{state_option(store.folder)}` goes on"
        if time.monotonic() > last:
            return f"{done} {what}: its runner has not heard it yet"
        time.sleep(_POLL)


def _who() -> str:
    """Who answers, as the system knows them."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"uid {os.getuid()}"
    return f"{user}@{os.uname().nodename}"
