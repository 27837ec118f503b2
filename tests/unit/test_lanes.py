"""The picture in the terminal says what the graph says: whoever follows its lines finds the needs, and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from pipectl.drawing.lanes import Row, as_ascii, draw
from pipectl.drawing.picture import picture
from pipectl.model import Pipeline, Task

Needs = Mapping[str, Sequence[str]]

UP, DOWN, LEFT, RIGHT = range(4)
ARMS = {
    "│": {UP, DOWN},
    "─": {LEFT, RIGHT},
    "├": {UP, DOWN, RIGHT},
    "┤": {UP, DOWN, LEFT},
    "┼": {UP, DOWN, LEFT, RIGHT},
    "╯": {UP, LEFT},
    "╰": {UP, RIGHT},
    "┴": {UP, LEFT, RIGHT},
    "╮": {DOWN, LEFT},
    "╭": {DOWN, RIGHT},
    "┬": {DOWN, LEFT, RIGHT},
}


def drawn(needs: Needs, widest: int = 1000) -> list[Row]:
    tasks = {name: Task(name, "shell", {}, tuple(above)) for name, above in needs.items()}
    return draw(picture(Pipeline("p", "p.yaml", "/", tasks)).reduced, widest)


def lines(needs: Needs, widest: int = 1000) -> list[str]:
    rows = drawn(needs, widest)
    width = max(len(row.lanes) for row in rows)
    return [f"{row.lanes:<{width}} {row.name or ''}".rstrip() for row in rows]


def sources(rows: Sequence[Row]) -> dict[str, set[str]]:
    """What each task is seen to need, read off the characters as a person reads them."""
    lanes: dict[int, set[str]] = {}
    found: dict[str, set[str]] = {}
    for row in rows:
        cells = dict(enumerate(row.lanes[::2]))
        links = {column for column in cells if row.lanes[2 * column + 1 : 2 * column + 2] in ("─", "←")}
        pointed = {column + 1 for column in cells if row.lanes[2 * column + 1 : 2 * column + 2] == "←"}
        bullet = next((column for column, cell in cells.items() if cell in "○●"), None)
        line = {column for column in cells if {column, column - 1} & links}
        joints = {column for column in line if cells[column] not in "│─○●"}
        ending = {column for column in joints if cells[column] in "╯╰┴"}
        if bullet is None:
            (end,) = joints - ending
            gathered = set().union(*(lanes.pop(column) for column in ending))
            lanes[end] |= gathered
        else:
            assert row.name is not None
            feeding = pointed | {column for column in joints if column < bullet and UP in ARMS[cells[column]]}
            assert ending <= feeding
            above = lanes.pop(bullet, set()) if cells[bullet] == "●" else set()
            found[row.name] = above.union(*(lanes[column] for column in feeding), row.unseen)
            for column in ending:
                del lanes[column]
            taken_up = [c for c in joints - feeding if DOWN in ARMS[cells[c]]]
            for column in taken_up:
                lanes[column] = {row.name} | (lanes[column] if UP in ARMS[cells[column]] else set())
            if not taken_up:
                lanes[bullet] = {row.name}
    return found


def test_diamond_is_drawn_with_one_line_for_each_task() -> None:
    assert lines(
        {"shop": [], "dough": ["shop"], "preheat": ["shop"], "bake": ["dough", "preheat"], "eat": ["bake"]}
    ) == [
        "○     shop",
        "├─○─╮ dough",
        "╰─○─┤ preheat",
        "○──←╯ bake",
        "●     eat",
    ]


def test_tasks_that_are_needed_by_the_same_ones_share_a_lane() -> None:
    assert lines({"a": [], "b": [], "c": ["a", "b"], "d": ["a", "b"]}) == [
        "○─╮   a",
        "○─┤   b",
        "  ├─○ c",
        "  ╰─○ d",
    ]


def test_chain_stays_in_its_column_and_side_branches_leave_it() -> None:
    assert lines({"a": [], "b": ["a"], "log": ["a"], "c": ["b"]}) == ["○   a", "├─○ log", "●   b", "●   c"]


def test_tasks_that_need_nothing_of_each_other_hang_on_no_line() -> None:
    assert lines({"a": [], "b": [], "c": []}) == ["○ a", "○ b", "○ c"]


def test_fan_of_fifty_takes_two_lanes() -> None:
    needs = {"root": [], **{f"t{i}": ["root"] for i in range(50)}, "end": [f"t{i}" for i in range(50)]}
    assert max(map(len, (row.lanes for row in drawn(needs)))) == 5


def test_need_that_follows_from_others_is_not_drawn() -> None:
    assert lines({"a": [], "b": ["a"], "c": ["a", "b"]}) == ["○ a", "● b", "● c"]


def test_lanes_never_take_more_room_than_there_is_and_what_has_none_is_named() -> None:
    needs = {f"t{i}": [f"t{j}" for j in range(max(0, i - 20), i) if i * i * j % 17 == 1] for i in range(60)}
    rows = drawn(needs, widest=8)
    assert max(len(row.lanes) for row in rows) <= 8
    assert any(row.unseen for row in rows)
    assert {row.name for row in rows if row.name} == set(needs)


def test_ascii_has_a_character_for_each_of_ours() -> None:
    assert as_ascii("".join(ARMS) + "○●←…·").isascii()


@st.composite
def graphs(draw_: st.DrawFn) -> Needs:
    size = draw_(st.integers(1, 24))
    names = [f"t{i}" for i in range(size)]
    return {
        name: draw_(st.lists(st.sampled_from(names[:i]), unique=True, max_size=4)) if i else []
        for i, name in enumerate(names)
    }


def expected(needs: Needs) -> dict[str, set[str]]:
    tasks = {name: Task(name, "shell", {}, tuple(above)) for name, above in needs.items()}
    return {name: set(above) for name, above in picture(Pipeline("p", "p.yaml", "/", tasks)).reduced.items()}


@given(graphs())
def test_lines_lead_from_each_task_to_what_it_needs_and_to_nothing_else(needs: Needs) -> None:
    assert sources(drawn(needs)) == expected(needs)


@given(graphs(), st.integers(1, 12))
def test_with_little_room_lines_and_names_together_say_the_same(needs: Needs, widest: int) -> None:
    rows = drawn(needs, widest)
    assert max(len(row.lanes) for row in rows) <= widest
    assert sources(rows) == expected(needs)


@given(graphs())
def test_reduced_needs_reach_what_all_needs_reach(needs: Needs) -> None:
    def reach(of: Needs) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name in needs:
            found[name] = set(of[name]).union(*(found[above] for above in of[name]))
        return found

    kept = {name: sorted(above) for name, above in expected(needs).items()}
    assert reach(kept) == reach(needs)
    for name, above in kept.items():
        for one in above:
            fewer = {**kept, name: [other for other in above if other != one]}
            assert reach(fewer) != reach(needs)
