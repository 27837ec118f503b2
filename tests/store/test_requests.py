"""What others ask of the runner of a run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipectl.store.definitions import Definition
from pipectl.store.rows import Held, NewRun
from pipectl.store.store import Store, new_run_id

ANSWER = {"instance": "deploy", "since": 1.5, "by": "ann@host", "comment": "ø", "params": {"n": [1, None]}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open(tmp_path / ".pipectl")
    yield made
    made.close()


@pytest.fixture
def held(store: Store) -> Held:
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    definition = Definition({}, [("p.yaml", "0")], "0")
    return store.create(NewRun(new_run_id(), "p", "/p.yaml", definition, {}, {}, {}, "manual", moment), 1.0)


def test_request_comes_with_its_data_and_only_past_the_number_that_was_heard(store: Store, held: Held) -> None:
    store.ask(held.run, "approve", 1.0, ANSWER)
    store.ask(held.run, "cancel", 2.0)
    first, second = store.requests(held.run, 0)
    assert first[1:] == ("approve", ANSWER)
    assert second[1:] == ("cancel", {})
    assert store.requests(held.run, first[0]) == [second]


def test_next_runner_hears_answers_but_no_cancel_that_was_to_an_earlier_one(store: Store, held: Held) -> None:
    store.ask(held.run, "cancel", 1.0)
    store.ask(held.run, "approve", 2.0, ANSWER)
    held.lock.release()
    again = store.take(held.run)
    assert [kind for _, kind, _ in store.requests(again.run, again.heard)] == ["approve"]
    again.lock.release()
