"""The outputs of a run: what is recorded, and what the present turn is about to record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from pipectl.graph import Fan, Group, Node, lookup
from pipectl.model import ENDED
from pipectl.outline import beside
from pipectl.task_tree import relative

_MANY = 20  # children whose outputs are read together

Read = Callable[[str], "str | None"]


class Outputs:
    """Outputs as JSON text; those that are recorded are read from the state when asked for.

    `read` gives that of one instance, `read_within` those of all instances in a group or of a `foreach`, by name.
    `earlier` are those of tasks that are not in the run, by the names that they would have in it.
    """

    def __init__(
        self,
        read: Read,
        read_within: Callable[[str], Mapping[str, str]] | None = None,
        earlier: Mapping[str, str] | None = None,
    ) -> None:
        self._read = read
        self._read_within = read_within
        self.earlier = earlier or {}
        self.fresh: dict[str, str] = {}

    def text(self, node: Node) -> str | None:
        """The output as JSON text, None where there is none.

        Of a task with `foreach` it is the list of its instances' outputs, of a group the mapping of its tasks'.
        """
        return self._text(node, self._instance)

    def value(self, node: Node) -> Any:
        """The output; None where there is none."""
        text = self.text(node)
        return None if text is None else json.loads(text)

    def needed(self, node: Node) -> dict[str, str | None]:
        """The outputs of the direct upstreams of an instance, as its `inputs` call them."""
        task = node.task
        found = {relative(task.name, need): self.text(lookup(node, need)) for need in task.needs}
        return {
            **found,
            **{relative(task.name, need): self.earlier.get(absent_name(node, need)) for need in task.left_out},
        }

    @cached_property
    def absent(self) -> Mapping[str, Mapping[str, str]]:
        """The outputs of tasks that are not in the run by the names of their groups, empty for none, and by theirs."""
        found: dict[str, dict[str, str]] = {}
        for name, text in self.earlier.items():
            group, _, member = name.rpartition(".")
            found.setdefault(group, {})[member] = text
        return found

    def _instance(self, name: str) -> str | None:
        fresh = self.fresh.get(name)
        return self._read(name) if fresh is None else fresh

    def _text(self, node: Node, read: Read) -> str | None:
        if not isinstance(node, (Fan, Group)):
            return read(node.name) if node.state in ENDED else None
        if node.closed_by not in {None, "tasks"}:
            return None
        if self._read_within is not None and read == self._instance and len(node.children) > _MANY:
            read = {**self._read_within(node.name), **self.fresh}.get
        if isinstance(node, Fan):
            return "[" + ",".join(self._text(child, read) or "null" for child in node.children) + "]"
        texts = {name: self._text(member, read) for name, member in node.members.items()}
        texts |= self.absent.get(node.name, {})
        return "{" + ",".join(f'"{name}":{text or "null"}' for name, text in texts.items()) + "}"


def absent_name(node: Node, need: str) -> str:
    """What a task that the instance needs, and that is not in the run, would be called in it."""
    return beside(node.name, node.path.removesuffix(node.task.name) + need)
