"""The long forms of keys of tasks that are no types, and of pools: slots, bytes, seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipectl.durations import parse_duration
from pipectl.sizes import parse_size
from pipectl.spec.bodies import listed, whole
from pipectl.spec.scalars import as_text


def pool(value: Any) -> dict[str, Any]:
    """The `{slots, rate}` of a declared pool: `rate` is `[starts, seconds]` or None; 0 slots are as many as wanted."""
    said = value if isinstance(value, dict) else {"slots": value}
    return {"slots": whole(said.get("slots", 0)), "rate": list(parse_rate(said["rate"])) if "rate" in said else None}


def parse_rate(text: str) -> tuple[int, float]:
    """The number of starts and the seconds that `60/1m` stands for, of a text that fits the schema."""
    count, _, time = text.partition("/")
    return int(count), parse_duration(time)


def taken_slots(value: Any) -> dict[str, int]:
    """How many slots a task takes of each pool."""
    return {name: whole(slots) for name, slots in ({value: 1} if isinstance(value, str) else value).items()}


def resources(value: Mapping[str, Any]) -> dict[str, Any]:
    """The resources that are said, memory in bytes."""
    return {key: parse_size(one) if key == "memory" else whole(one) for key, one in value.items()}


def cache(value: Any) -> dict[str, Any]:
    """The long form of a task's `cache`; true has nothing to say."""
    said = value if isinstance(value, dict) else {}
    return {
        "inputs": listed(said.get("inputs", [])),
        "outputs": listed(said.get("outputs", [])),
        "key": str(as_text(said["key"])) if "key" in said else None,
        "ttl": parse_duration(said["ttl"]) if "ttl" in said else None,
    }
