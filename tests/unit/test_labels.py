from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from pipectl.labels import file_label, item_labels, item_variables

SAFE = set(string.ascii_letters + string.digits + "_-.%~")


def test_plain_name_stays_readable():
    assert file_label("load", 2) == "load.2"


def test_dots_inside_stay_and_a_leading_one_does_not():
    assert file_label("group.load", 1) == "group.load.1"
    assert file_label(".hidden", 1) == "%2Ehidden.1"


def test_brackets_and_slashes_are_encoded():
    assert file_label("compile[src/a.c]", 1) == "compile%5Bsrc%2Fa.c%5D.1"


def test_long_names_keep_their_beginning():
    label = file_label("x" * 500, 7)
    assert label.startswith("x" * 80)
    assert label.endswith(".7")


@given(st.text(min_size=1, max_size=400), st.integers(1, 10**6))
def test_label_is_one_safe_path_component(instance, attempt):
    label = file_label(instance, attempt)
    assert set(label) <= SAFE
    assert len(label) <= 135
    assert not label.startswith(".")


names = st.one_of(st.text("ab.%[]/é", min_size=1, max_size=6), st.integers(60, 200).map(lambda n: "[" * n))


@given(names, names, st.integers(1, 12), st.integers(1, 12))
def test_two_attempts_never_share_a_label(one, other, first, second):
    assert (file_label(one, first) == file_label(other, second)) == ((one, first) == (other, second))


def test_items_are_called_by_their_values() -> None:
    items = ["eu", 4, 0.1, True, None, {"depth": 4, "lr": 0.1}, "src/a.c"]
    assert item_labels(items) == ["eu", "4", "0.1", "true", "null", "depth=4,lr=0.1", "src/a.c"]


def test_what_has_no_short_name_is_numbered() -> None:
    items = ["", "x" * 61, "a\nb", "a[0]", [1], {"a": [1]}, {}, {"a": ""}]
    assert item_labels(items) == [str(index) for index in range(len(items))]


@given(st.lists(st.one_of(st.text(max_size=3), st.integers(0, 3), st.sampled_from(["a", "a~2", "a~3", "0", "1"]))))
def test_no_two_items_have_one_label(items: list[object]) -> None:
    labels = item_labels(items)
    assert len(set(labels)) == len(items)


def test_a_repeated_label_is_counted() -> None:
    assert item_labels(["a", "a", "a~2", "a"]) == ["a", "a~2", "a~2~2", "a~3"]


def test_a_mapping_gives_a_variable_for_each_key() -> None:
    assert item_variables({"lr-rate": 1, "b": None}) == {"ITEM_LR_RATE": 1, "ITEM_B": None}
    assert item_variables([1]) == {"ITEM": [1]}
