"""What a task opens to: whether its `when` is true, the items of its `foreach`, the parameters of a sub-pipeline.

All of it is computed once, and recorded before anything of it starts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from pipectl.engine.environment import texts
from pipectl.engine.prepare import Preparer
from pipectl.engine.verdict import shown
from pipectl.engine.world import compute_vars
from pipectl.errors import PipelineError, UsageError
from pipectl.events import TaskClosed, TaskOpened
from pipectl.graph import Fan, Group, Node, names_item
from pipectl.labels import is_short
from pipectl.masking import Masker
from pipectl.model import Foreach, State
from pipectl.plain_json import check_characters, check_depth
from pipectl.tasks.base import TaskFailed
from pipectl.template import TemplateError, to_text

MOST_ITEMS = 1_000_000


class Opener:
    """Opens the instances of one run."""

    def __init__(self, preparer: Preparer, masker: Masker) -> None:
        self._preparer = preparer
        self._masker = masker

    def open(self, node: Node, now: float) -> TaskOpened | TaskClosed:
        """The event that opens an instance whose trigger is met, or closes it. A failure is not yet judged."""
        what = "when"
        try:
            when = node.task.when if self._is_asked_here(node) else None
            if when is not None and not self._preparer.holds(when, node):
                return TaskClosed(now, node.name, State.SKIPPED, "when")
            if isinstance(node, Fan):
                what = "foreach"
                return self._opened_fan(node, now)
            if isinstance(node, Group) and node.task.pipeline is not None:
                what = "params"
                return self._opened_pipeline(node, now)
        except (TemplateError, TaskFailed, PipelineError, UsageError, ValueError) as error:
            fault = shown(self._masker, f"`{what}`: {_message(error)}")
            return TaskClosed(now, node.name, State.FAILED, what, fault)
        return TaskOpened(now, node.name)

    @staticmethod
    def _is_asked_here(node: Node) -> bool:
        """The `when` of a task with `foreach` is looked at once, or for each item where it names that."""
        return isinstance(node, Fan) == (not names_item(node.task)) if node.task.foreach else True

    # Items

    def _opened_fan(self, fan: Fan, now: float) -> TaskOpened:
        foreach = fan.task.foreach
        assert foreach is not None
        items = self._items(fan, foreach)
        if len(items) > MOST_ITEMS:
            raise TaskFailed(f"there are {len(items):,} items, and at most {MOST_ITEMS:,} are carried out")
        check_depth(items)
        items = self._masker.mask_value(items)
        check_characters(json.dumps(items, ensure_ascii=False, allow_nan=False))
        labels = None if foreach.key is None else list(self._labels(fan, foreach.key, items))
        return TaskOpened(now, fan.name, items, labels)

    def _items(self, fan: Fan, foreach: Foreach) -> list[Any]:
        if foreach.matrix is None:
            return self._list(fan, foreach.items, "`foreach`")
        lists = {name: self._list(fan, values, f"`{name}`") for name, values in foreach.matrix.items()}
        if prod(map(len, lists.values())) > MOST_ITEMS:
            raise TaskFailed(f"the product of the lists has more than {MOST_ITEMS:,} items")
        excluded = self._render(fan, foreach.exclude)
        combinations = (dict(zip(lists, values, strict=True)) for values in product(*lists.values()))
        items = [item for item in combinations if not any(_matches(item, one) for one in excluded)]
        return [*items, *(one for one in self._render(fan, foreach.include) if one not in items)]

    def _list(self, fan: Fan, written: Any, what: str) -> list[Any]:
        found = self._render(fan, written)
        if not isinstance(found, list):
            raise TaskFailed(f"{what} must come to a list, not to `{found!r:.60}`")
        return found

    def _render(self, node: Node, value: Any) -> Any:
        scope = self._preparer.scope(node)
        return scope.renderer.render_tree(value, self._preparer.names(node, " ".join(texts(value))))

    def _labels(self, fan: Fan, key: str, items: Sequence[Any]) -> Iterator[str]:
        renderer, names = self._preparer.scope(fan).renderer, self._preparer.names(fan, key)
        outer = {name: names[name] for name in ("item", "index", "outer") if name in names}
        seen: dict[str, int] = {}
        for index, item in enumerate(items):
            own = {"item": item, "index": index, **({"outer": outer} if outer else {})}
            label = self._masker.mask(to_text(renderer.evaluate(key, {**names, **own})))
            if not is_short(label):
                rule = "a label has 1 to 60 printable characters without `[ ]`"
                raise TaskFailed(f"the `key` of item {index} is `{label:.80}`: {rule}")
            if label in seen:
                raise TaskFailed(f"items {seen[label]} and {index} have the same `key`, `{label}`")
            seen[label] = index
            yield label

    # Sub-pipelines

    def _opened_pipeline(self, group: Group, now: float) -> TaskOpened:
        from pipectl.spec.params import resolve  # few pipelines have others in them

        pipeline, setting = group.task.pipeline, self._preparer.scope(group).setting
        assert pipeline is not None
        given = self._masker.mask_value(self._render(group, group.task.body.get("params", {})))
        params = resolve(pipeline, {}, given)
        values = compute_vars(pipeline, params, setting.run, setting.world.inner[group.task.name])
        return TaskOpened(now, group.name, params=params, vars=values)


def _matches(item: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(name in item and item[name] == value for name, value in wanted.items())


def _message(error: Exception) -> str:
    if isinstance(error, PipelineError):
        return "; ".join(problem.message for problem in error.problems)
    return str(error).replace("\n", "; ")
