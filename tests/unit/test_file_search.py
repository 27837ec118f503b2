"""Which files patterns name."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pipectl.engine.file_search import MISSING, File, Unreadable, find, path_of, printable


def tree(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)


def named(root: Path, *patterns: str, state: Path | None = None) -> list[str]:
    return sorted(find(patterns, str(root), str(state) if state else None))


FILES = ("a.csv", "b.txt", ".hidden", "d/c.csv", "d/e/f.csv", "d/.h/g.csv", "x[1].csv", "empty/")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.csv", ["a.csv"]),
        ("./d//c.csv", ["d/c.csv"]),
        ("*.csv", ["a.csv", "x[1].csv"]),
        ("?.csv", ["a.csv"]),
        ("[ab].*", ["a.csv", "b.txt"]),
        ("[!a].*", ["b.txt"]),
        (".h*", [".hidden"]),
        ("x[1].csv", ["x[1].csv"]),
        ("*/c.csv", ["d/c.csv"]),
        ("d/*/f.csv", ["d/e/f.csv"]),
        ("**/*.csv", ["a.csv", "d/c.csv", "d/e/f.csv", "x[1].csv"]),
        ("**/**/f.csv", ["d/e/f.csv"]),
        ("d/**", ["d/c.csv", "d/e/f.csv"]),
        ("d/**/e/f.csv", ["d/e/f.csv"]),
        ("d", ["d/", "d/.h/g.csv", "d/c.csv", "d/e/f.csv"]),
        ("d/", ["d/", "d/.h/g.csv", "d/c.csv", "d/e/f.csv"]),
        ("d/e*", ["d/e/f.csv"]),
        ("empty", ["empty/"]),
        ("none.csv", ["none.csv"]),
        ("a.csv/none", ["a.csv/none"]),
        ("none*.csv", []),
        ("none/**", []),
        ("*.csv/none", []),
    ],
)
def test_a_pattern_names_what_it_would_in_a_shell(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    tree(tmp_path, *FILES)
    assert named(tmp_path, pattern) == expected


def test_a_name_without_a_file_is_told_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    expected = {"none": MISSING, "dangling": MISSING, "circle": MISSING}
    assert find(["none", "dangling", "circle"], str(tmp_path)) == expected
    assert find(["none", "d*", "c*", "c*/x", "**/x"], str(tmp_path)) == expected


def test_absolute_patterns_and_those_that_lead_up_are_taken_as_they_are(tmp_path: Path) -> None:
    tree(tmp_path, "a.csv", "d/")
    assert named(tmp_path / "d", "../*.csv", f"{tmp_path}/*.csv") == ["../a.csv", f"{tmp_path}/a.csv"]


def test_wildcards_in_the_folder_itself_are_its_name(tmp_path: Path) -> None:
    tree(tmp_path, "[x]*/a.csv")
    assert named(tmp_path / "[x]*", "*.csv") == ["a.csv"]


def test_all_in_a_folder_is_without_what_others_keep_there(tmp_path: Path) -> None:
    tree(tmp_path, "src/a.py", "src/__pycache__/a.pyc", "src/.git/HEAD", "src/.pipectl/state.db", "src/s/state.db")
    assert named(tmp_path, "src", state=tmp_path / "src/s") == ["src/", "src/a.py"]
    assert named(tmp_path, "src/.git/HEAD") == ["src/.git/HEAD"]


def test_links_are_followed_and_a_folder_that_several_lead_to_is_taken_once(tmp_path: Path) -> None:
    tree(tmp_path, "real/x.csv", "in/a.csv")
    (tmp_path / "in/link.csv").symlink_to("../real/x.csv")
    (tmp_path / "in/folder").symlink_to("../real")
    (tmp_path / "in/again").symlink_to("../real")
    (tmp_path / "in/round").symlink_to(".")
    (tmp_path / "real/back").symlink_to("../in")
    assert named(tmp_path, "in") == ["in/", "in/a.csv", "in/again/x.csv", "in/link.csv"]
    assert named(tmp_path, "in/**") == ["in/a.csv", "in/link.csv"]
    assert named(tmp_path, "in/**/x.csv") == []


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found = find(["pipe", "*"], str(tmp_path))
    assert list(found) == ["pipe"]
    assert not isinstance(found["pipe"], File)


def test_a_changed_file_is_found_with_another_signature(tmp_path: Path) -> None:
    tree(tmp_path, "a")
    before = find(["a"], str(tmp_path))["a"]
    (tmp_path / "a").write_text("longer than it was")
    assert find(["a"], str(tmp_path))["a"] != before


def test_very_deep_folders_are_found_or_refused_in_words(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(700):
        folder = folder / "d"
    folder.mkdir(parents=True)
    assert named(tmp_path, "d") == ["d/"]
    with pytest.raises(Unreadable, match="too many folders"):
        find(["**/x"], str(tmp_path))


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))  # root may read everything

    tree(tmp_path, "d/a")
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(Unreadable, match="`d/` cannot be read: permission denied"):
        find(["d"], str(tmp_path))


def test_paths_are_told_in_one_form_and_without_what_steers_a_terminal() -> None:
    assert [path_of(text) for text in ("./a//b/", "/a/./b", ".", "/")] == ["a/b", "/a/b", ".", "/"]
    assert printable("é\x1b[31m\udcff") == "\\xe9\\x1b[31m\\udcff"
    assert printable("é.csv") == "é.csv"
