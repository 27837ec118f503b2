"""What a simulation takes for granted of what only a run can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pipectl.graph import Fan, Node

DEFAULT_SECONDS = 1.0
"""How long an attempt takes of which nothing is known, unless its time limit is less."""

DEFAULT_ITEMS = 3
"""How many items a `foreach` has of which nothing is known."""

Source = Literal["option", "history", "guess"]


@dataclass(frozen=True, slots=True)
class Items:
    """The items of a `foreach`, what its instances are called by them, and where that is from."""

    items: list[Any]
    labels: list[str]
    source: Source


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Names are those of instances, which go before, or of tasks by their paths, for all instances.

    `seconds` are how long attempts take, `usual` how long they took so far. `items` is how many items there are,
    `usual_items` are those that there were, as (items, labels). Of `failing`, which may be groups, every attempt
    fails; `skipping` skip themselves.
    """

    seconds: Mapping[str, float] = field(default_factory=dict)
    usual: Mapping[str, float] = field(default_factory=dict)
    items: Mapping[str, int] = field(default_factory=dict)
    usual_items: Mapping[str, tuple[list[Any], list[str]]] = field(default_factory=dict)
    failing: frozenset[str] = frozenset()
    skipping: frozenset[str] = frozenset()

    def said_seconds(self, node: Node) -> float | None:
        """How long an attempt is said to take; None where nothing is said."""
        return _of(self.seconds, node)

    def usual_seconds(self, node: Node) -> float | None:
        """How long an attempt took so far; None where that is not known."""
        return _of(self.usual, node)

    def said_items(self, fan: Fan) -> Items | None:
        """As many items as are said, numbered; None where nothing is said."""
        count = _of(self.items, fan)
        return None if count is None else _numbered(count, "option")

    def likely_items(self, fan: Fan) -> Items:
        """The items where they cannot be told before the run."""
        seen = _of(self.usual_items, fan)
        return _numbered(DEFAULT_ITEMS, "guess") if seen is None else Items(*seen, "history")

    def fails(self, node: Node) -> bool:
        """Whether every attempt of the instance fails."""
        around = (node, *node.ancestors())
        return bool(self.failing) and any(one.name in self.failing or one.path in self.failing for one in around)


_T = TypeVar("_T")


def _of(values: Mapping[str, _T], node: Node) -> _T | None:
    return values.get(node.name, values.get(node.path))


def _numbered(count: int, source: Source) -> Items:
    return Items(list(range(count)), [str(number) for number in range(count)], source)
