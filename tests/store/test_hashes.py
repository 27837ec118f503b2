"""Digests of files that are remembered beside the state."""

from __future__ import annotations

import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

from pipectl.store.hashes import Hashes

SIGNATURE = (1, 2, 3, 4)


def test_what_is_remembered_is_known_to_those_who_open_it_later(tmp_path: Path) -> None:
    first = Hashes(tmp_path)
    first.remember("/d", "a", SIGNATURE, "aa")
    first.remember("/d", "b", SIGNATURE, "bb")
    first.close()
    second = Hashes(tmp_path)
    assert second.of_file("/d", "a", SIGNATURE) == "aa"
    assert second.of_folder("/d") == {"a": (SIGNATURE, "aa"), "b": (SIGNATURE, "bb")}
    second.close()


def test_a_file_of_which_anything_changed_is_not_known(tmp_path: Path) -> None:
    hashes = Hashes(tmp_path)
    hashes.remember("/d", "a", SIGNATURE, "aa")
    for place in range(4):
        changed = tuple(9 if at == place else value for at, value in enumerate(SIGNATURE))
        assert hashes.of_file("/d", "a", changed) is None  # type: ignore[arg-type]
    hashes.flush()
    assert hashes.of_file("/d", "a", (1, 2, 3, 5)) is None
    assert hashes.of_file("/d", "a", SIGNATURE) == "aa"
    hashes.close()


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    hashes = Hashes(tmp_path)
    hashes.remember("/d", "a", SIGNATURE, "aa")
    hashes.close()
    assert stat.S_IMODE((tmp_path / "hashes.db").stat().st_mode) == 0o600


def test_a_damaged_file_is_passed_over_and_starts_anew(tmp_path: Path) -> None:
    (tmp_path / "hashes.db").write_bytes(b"no database" * 1000)
    hashes = Hashes(tmp_path)
    assert hashes.of_file("/d", "a", SIGNATURE) is None
    hashes.close()
    again = Hashes(tmp_path)
    again.remember("/d", "a", SIGNATURE, "aa")
    again.flush()
    assert again.of_folder("/d") == {"a": (SIGNATURE, "aa")}
    again.close()


def test_another_that_writes_blocks_nobody_for_long_and_loses_nothing(tmp_path: Path) -> None:
    hashes = Hashes(tmp_path)
    assert hashes.of_folder("/d") == {}
    with closing(sqlite3.connect(tmp_path / "hashes.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        hashes.remember("/d", "a", SIGNATURE, "aa")
        hashes.flush()
        assert hashes.of_file("/d", "a", SIGNATURE) == "aa"
        other.execute("COMMIT")
    hashes.flush()
    hashes.close()
    again = Hashes(tmp_path)
    assert again.of_file("/d", "a", SIGNATURE) == "aa"
    again.close()


def test_for_reading_nothing_is_made(tmp_path: Path) -> None:
    hashes = Hashes(tmp_path, writable=False)
    hashes.remember("/d", "a", SIGNATURE, "aa")
    assert hashes.of_file("/d", "a", SIGNATURE) == "aa"
    hashes.close()
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_no_text_are_not_remembered(tmp_path: Path) -> None:
    hashes = Hashes(tmp_path)
    hashes.remember("/d", "a\udcff", SIGNATURE, "aa")
    hashes.remember("/d", "é", SIGNATURE, "ee")
    hashes.flush()
    assert hashes.of_file("/d", "a\udcff", SIGNATURE) is None
    assert hashes.of_file("/d", "é", SIGNATURE) == "ee"
    assert hashes.of_folder("/d\udcff") == {}
    hashes.close()


def test_many_may_write_at_once(tmp_path: Path) -> None:
    def work(number: int) -> None:
        hashes = Hashes(tmp_path)
        for file in range(200):
            hashes.remember(f"/{number}", str(file), SIGNATURE, "x")
            if file % 20 == 0:
                hashes.flush()
        hashes.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hashes = Hashes(tmp_path)
    assert [len(hashes.of_folder(f"/{number}")) for number in range(4)] == [200] * 4
    hashes.close()
