"""The parts of a cache's key, and what is said of their changes."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipectl.engine.cache_key import Request, explain, key_of, parts_of
from pipectl.masking import Masker

REQUEST = Request(
    type="shell",
    body={"script": "make"},
    folder="/p",
    cwd="/p",
    rendered=("a",),
    env={"TZ": "UTC"},
    params={"limit": 10},
    upstream={"fetch": '{"rows":1}'},
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FILES = st.dictionaries(st.text(min_size=1), st.sampled_from(["aa", "bb", "missing"]), max_size=3)


def key(request: Request, inputs: dict[str, str] | None = None, code: dict[str, str] | None = None) -> str:
    return key_of(parts_of(request, inputs or {}, code or {}, Masker([])))


def changes(new: Request, inputs: tuple[Any, Any] = ({}, {}), code: tuple[Any, Any] = ({}, {})) -> list[str]:
    parts = [parts_of(one, inputs[at], code[at], Masker([])) for at, one in enumerate((REQUEST, new))]
    return explain(*parts)


def shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        names = chance.sample(list(value), len(value))
        return {name: shuffled(value[name], chance) for name in names}
    return [shuffled(one, chance) for one in value] if isinstance(value, list) else value


@given(values=st.dictionaries(st.text(), JSON, max_size=4), files=FILES, chance=st.randoms())
def test_the_order_of_names_changes_nothing(values: dict[str, Any], files: dict[str, str], chance: Any) -> None:
    one = replace(REQUEST, params=values, env=values, body=values, item=values)
    other = replace(REQUEST, **{name: shuffled(values, chance) for name in ("params", "env", "body", "item")})
    assert key(one, files) == key(other, shuffled(files, chance))


@given(section=st.sampled_from(["params", "env", "body"]), name=st.text(), old=JSON, new=JSON)
def test_any_other_value_changes_the_key_and_is_told(section: str, name: str, old: Any, new: Any) -> None:
    assume(repr(old) != repr(new))
    assume(old != new)
    one, other = (replace(REQUEST, **{section: {name: value}}) for value in (old, new))
    assert key(one) != key(other)
    parts = [parts_of(request, {}, {}, Masker([])) for request in (one, other)]
    assert explain(*parts)


@given(old=FILES, new=FILES)
def test_any_change_of_files_changes_the_key_and_is_told(old: dict[str, str], new: dict[str, str]) -> None:
    assert (key(REQUEST, old) == key(REQUEST, new)) == (old == new)
    assert (key(REQUEST, {}, old) == key(REQUEST, {}, new)) == (old == new)
    if old != new:
        assert changes(REQUEST, inputs=(old, new))


@pytest.mark.parametrize(
    "change",
    [
        {"type": "python"},
        {"body": {"script": "make all"}},
        {"rendered": ("b",)},
        {"rendered": ()},
        {"env": {}},
        {"cwd": "/p/sub"},
        {"cwd": "/elsewhere"},
        {"item": "eu"},
        {"key": 1},
        {"params": {"limit": "10"}},
        {"params": {"limit": 10.5}},
        {"upstream": {"fetch": None}},
        {"upstream": {}},
    ],
)
def test_every_part_counts(change: dict[str, Any]) -> None:
    assert key(replace(REQUEST, **change)) != key(REQUEST)
    assert changes(replace(REQUEST, **change))


def test_the_place_of_the_pipeline_is_no_part() -> None:
    assert key(replace(REQUEST, folder="/q", cwd="/q")) == key(REQUEST)
    assert key(replace(REQUEST, cwd="/p/d")) == key(replace(REQUEST, folder="/q", cwd="/q/d"))


def test_how_outputs_and_age_are_declared_is_no_part() -> None:
    assert key(replace(REQUEST, outputs=("x",), ttl=3.0)) == key(REQUEST)


def test_secrets_are_in_no_part_and_another_value_of_one_is_no_change() -> None:
    def parts(secret: str) -> dict[str, Any]:
        request = replace(
            REQUEST,
            rendered=(f"Bearer {secret}",),
            env={"T": secret},
            params={"p": secret},
            item=secret,
            key=[secret],
            cwd=f"/p/{secret}",
        )
        return parts_of(request, {f"in/{secret}": "aa"}, {}, Masker([secret]))

    assert "correcthorse" not in repr(parts("correcthorse"))
    assert parts("correcthorse") == parts("batterystaple")


def test_a_large_value_counts_though_it_is_not_kept() -> None:
    one, other = (replace(REQUEST, params={"p": "x" * 100_000 + end}) for end in "ab")
    assert key(one) != key(other)
    assert len(repr(parts_of(one, {}, {}, Masker([])))) < 1000


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"params": {"limit": 20}}, ["parameter `limit` changed: `10` → `20`"]),
        ({"params": {"limit": 10, "n": 1}}, ["parameter `n` is new: `1`"]),
        ({"params": {}}, ["parameter `limit` is gone"]),
        ({"env": {"TZ": "CET"}}, ["`env.TZ` changed: `UTC` → `CET`"]),
        ({"body": {"script": "make all"}}, ["`shell.script` changed: `make` → `make all`"]),
        ({"body": {"script": "make\nmake it"}}, ["`shell.script` changed: in line 2, nothing → `make it`"]),
        ({"type": "python", "body": {"code": "x"}}, ["its type changed: `shell` → `python`"]),
        ({"rendered": ("b",)}, ["what its expressions come to changed: `a` → `b`"]),
        ({"params": {"limit": 1}, "rendered": ("b",)}, ["parameter `limit` changed: `10` → `1`"]),
        ({"upstream": {"fetch": "2"}}, ["the output of `fetch` changed"]),
        ({"item": "eu"}, ["its item changed: `null` → `eu`"]),
        ({"key": "2026"}, ["`cache.key` changed: `null` → `2026`"]),
        ({"cwd": "/p/d"}, ["`cwd` changed: `` → `d`"]),
    ],
)
def test_what_changed_is_told_in_words(change: dict[str, Any], expected: list[str]) -> None:
    assert changes(replace(REQUEST, **change)) == expected


def test_files_that_changed_are_named_as_far_as_they_are_few() -> None:
    old = {"a": "1", "b": "2", "gone": "3"}
    assert changes(REQUEST, (old, {"a": "1", "b": "9", "c": "1"})) == [
        "input `b` changed",
        "input `c` is new",
        "input `gone` is missing",
    ]
    many = {str(number): "1" for number in range(100)}
    assert changes(REQUEST, ({}, many))[-1] == "and 96 more"
    assert changes(REQUEST, code=({"etl.py": "1"}, {"etl.py": "2"})) == ["the code in `etl.py` changed"]


def test_parts_of_another_version_are_told_apart_without_a_fault() -> None:
    assert explain({}, parts_of(REQUEST, {"a": "1"}, {}, Masker([])))
    assert explain({"type": "shell", "inputs": {}}, parts_of(REQUEST, {}, {}, Masker([])))
