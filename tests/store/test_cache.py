"""Successes that are kept in the state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipectl.errors import StateError
from pipectl.events import AttemptStarted
from pipectl.store.cache import CacheRow
from pipectl.store.rows import Run
from pipectl.store.store import Store
from tests.store.test_store import new_run


def row(key: str, at: float = 1.0, instance: str = "a") -> CacheRow:
    return CacheRow(instance, key, at, '{"n":1}', b"parts", b"files")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / ".pipectl")
    yield opened
    opened.close()


@pytest.fixture
def run(store: Store) -> Run:
    held = store.create(new_run(store.folder.parent), 1.0)
    held.lock.release()
    return held.run


def test_a_success_is_found_by_its_key_and_else_the_newest(store: Store, run: Run) -> None:
    store.record(run, 1, [], cache=[row("old", 1.0), row("new", 2.0), row("other", 9.0, "b")])
    assert store.cached("p", "a", "old") == row("old", 1.0)
    assert store.cached("p", "a", "unknown") == row("new", 2.0)
    assert store.cached("p", "c", "old") is None
    assert store.cached("q", "a", "old") is None


def test_the_newest_few_of_each_instance_are_kept(store: Store, run: Run) -> None:
    store.record(run, 1, [], cache=[row(str(at), at) for at in range(30)] + [row("b", 0.0, "b")])
    kept = [row[0] for row in store._all("SELECT key FROM cache WHERE instance = 'a' ORDER BY at")]
    assert kept == [str(at) for at in range(20, 30)]
    assert store.cached("p", "b", "b") is not None


def test_of_two_successes_with_one_key_the_newer_counts(store: Store, run: Run) -> None:
    store.record(run, 1, [], cache=[row("k", 1.0)])
    store.record(run, 1, [], cache=[row("k", 2.0)])
    assert store.cached("p", "a", "k") == row("k", 2.0)
    assert store.cached_of(run) == [row("k", 2.0)]


def test_a_success_is_kept_only_with_the_end_that_it_is_recorded_with(store: Store, run: Run) -> None:
    store.record(run, 1, [AttemptStarted(1.0, "a", 1)])
    with pytest.raises(StateError, match="another process"):
        store.record(run, 1, [AttemptStarted(1.0, "a", 2)], cache=[row("k")])
    assert store.cached("p", "a", "k") is None


def test_a_success_outlives_its_run(store: Store, run: Run) -> None:
    store.record(run, 1, [], cache=[row("k")])
    with store._database.transaction() as connection:
        connection.execute("DELETE FROM runs")
    assert store.cached("p", "a", "k") == row("k")
    assert store.cached_of(run) == []


def test_another_thread_reads_by_a_connection_of_its_own(store: Store, run: Run) -> None:
    store.record(run, 1, [], cache=[row("k")])
    other = store.beside()
    assert other.cached("p", "a", "k") == row("k")
    assert not other.is_writable
    other.close()
    store.record(run, 1, [AttemptStarted(1.0, "a", 1)])
    assert len(store.events(run)) == 2
