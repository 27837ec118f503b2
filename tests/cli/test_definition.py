"""Where commands find the definition of a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from pipectl.cli.definition import find_definition
from pipectl.store.store import Store


def test_a_state_that_is_open_is_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second opening in one process would drop SQLite's locks of the first, and lose what is recorded after."""
    (tmp_path / "p.yaml").write_text("tasks: {a: {shell: 'true'}}")
    store = Store.open(tmp_path / ".pipectl")

    def refuse(folder: Path) -> NoReturn:
        raise AssertionError("opened twice")

    monkeypatch.setattr(Store, "open", refuse)
    assert find_definition(str(tmp_path / "p.yaml"), None, store).store is store
    store.close()
