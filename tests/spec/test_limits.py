"""Pools, resources and caches as the document and the model have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl.errors import PipelineError
from pipectl.model import Cache, Pool, Resources, Task
from pipectl.sizes import parse_size
from pipectl.spec import schema
from pipectl.spec.build import build
from pipectl.spec.load import load, load_text
from pipectl.spec.long_forms import parse_rate

TOP = "{db: 4, site: {slots: 2, rate: 60/1m}, api: {rate: 5/1s}}"


def document(task: str, *, pools: str = TOP, defaults: str = "{}", more: str = "") -> dict[str, Any]:
    text = f"pools: {pools}\ndefaults: {defaults}\n{more}\ntasks: {{a: {task}}}"
    return load_text(text, ".", "stdin").document


def built(task: str, *, defaults: str = "{}", more: str = "") -> Task:
    return build(document(task, defaults=defaults, more=more)).tasks["a"]


def messages(task: str, *, pools: str = TOP, defaults: str = "{}", more: str = "") -> list[str]:
    with pytest.raises(PipelineError) as raised:
        document(task, pools=pools, defaults=defaults, more=more)
    return [problem.message for problem in raised.value.problems]


def test_pools_have_slots_a_rate_or_both() -> None:
    assert build(document("{}")).pools == {
        "db": Pool(4),
        "site": Pool(2, (60, 60.0)),
        "api": Pool(0, (5, 1.0)),
    }


def test_pools_of_included_files_are_taken_in_and_the_own_ones_win(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("pools: {db: 4, site: 1}", encoding="utf-8")
    main = tmp_path / "main.yaml"
    main.write_text("include: base.yaml\npools: {db: 2}\ntasks: {a: {pool: {db: 2, site: 1}}}", encoding="utf-8")
    pipeline = build(load(str(main)).document)
    assert pipeline.pools == {"db": Pool(2), "site": Pool(1)}


@pytest.mark.parametrize(
    ("written", "taken"),
    [("db", {"db": 1}), ("{db: 2.0, api: 7}", {"db": 2, "api": 7}), ("{}", {})],
)
def test_task_takes_one_slot_of_a_pool_or_so_many(written: str, taken: dict[str, int]) -> None:
    assert built(f"{{pool: {written}, shell: echo}}", defaults="{pool: site}").pool == taken


def test_pool_of_a_group_and_of_defaults_must_be_declared_as_well() -> None:
    assert messages("{pool: bd, tasks: {b: {shell: echo}}}", defaults="{pool: {sit: 1}}") == [
        "pool `sit` is not declared",
        "pool `bd` is not declared",
    ]


def test_more_slots_than_the_pool_has_cannot_be_taken() -> None:
    assert messages("{pool: {db: 4, site: 3, api: 9}}") == ["pool `site` has 2 slots, not 3"]


def test_pool_with_a_fault_is_still_declared() -> None:
    assert messages("{pool: db}", pools="{db: four}") == [
        "pool `db` must be a whole number or a mapping, not text (`four`)"
    ]


def test_resources_are_slots_bytes_and_devices() -> None:
    got = built("{resources: {cpu: 2, memory: 1.5G, gpu: 1}, shell: echo}", more="gpus: 1").resources
    assert got == Resources(2, 3 << 29, 1)
    assert built("{resources: {}, shell: echo}", defaults="{resources: {cpu: 2}}").resources == Resources()


def test_number_of_devices_is_known_to_the_model() -> None:
    assert build(document("{}", more="gpus: 0")).gpus == 0
    assert messages("{resources: {gpu: 1}}", more="gpus: 0") == ["`gpu` asks for 1, and there are 0: `gpus` says so"]


@pytest.mark.parametrize(
    ("text", "size"),
    [("512M", 512 << 20), ("4G", 4 << 30), ("4Gi", 4 << 30), ("4GiB", 4 << 30), ("4GB", 4 << 30), ("1.5K", 1536)],
)
def test_sizes_are_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@given(st.from_regex(schema.definition("size")["pattern"], fullmatch=True))
def test_every_size_that_the_schema_lets_pass_can_be_read(text: str) -> None:
    assert parse_size(text) >= 0


@given(st.from_regex(schema.definition("rate")["pattern"], fullmatch=True))
def test_every_rate_that_the_schema_lets_pass_can_be_read(text: str) -> None:
    count, seconds = parse_rate(text)
    assert count >= 1
    assert seconds >= 0


@pytest.mark.parametrize(
    ("written", "cache"),
    [
        ("true", Cache()),
        ("{}", Cache()),
        ("{inputs: 'src/**', outputs: [a.o, b.o]}", Cache(("src/**",), ("a.o", "b.o"))),
        ("{key: 3.10, ttl: 1d}", Cache(key="3.10", ttl=86400.0)),
        ("false", None),
    ],
)
def test_cache_has_paths_a_key_and_a_time(written: str, cache: Cache | None) -> None:
    assert built(f"{{cache: {written}, shell: echo}}", defaults="{cache: {ttl: 1h}}").cache == cache


def test_default_cache_reaches_tasks_that_run_something() -> None:
    assert built("{shell: echo}", defaults="{cache: {ttl: 1h}}").cache == Cache(ttl=3600.0)
    assert built("{}", defaults="{cache: {ttl: 1h}}").cache is None


def test_paths_of_a_cache_may_use_what_a_task_knows() -> None:
    got = built(
        "{cache: {inputs: '{{ params.day }}.csv', key: '{{ vars.v }}'}, shell: echo}",
        more="params: {day: x}\nvars: {v: 1}",
    )
    assert got.cache == Cache(("{{ params.day }}.csv",), key="{{ vars.v }}")


def test_default_cache_may_not_use_what_only_a_task_knows() -> None:
    (message,) = messages("{shell: echo}", defaults="{cache: {inputs: '{{ tasks.b.output }}'}}")
    assert message == "`tasks` is not known in `defaults.cache`, which holds for every task"
