"""The text of a file to plain data: scalars, strictness, bounds and places."""

from __future__ import annotations

import pytest

from pipectl.errors import PipelineError, Problem
from pipectl.spec.compose import decode, parse
from pipectl.spec.scalars import as_text
from pipectl.spec.source import Part


def fault(text: str) -> Problem:
    with pytest.raises(PipelineError) as raised:
        parse(text, "p.yaml")
    (problem,) = raised.value.problems
    return problem


@pytest.mark.parametrize(
    "text",
    ["no", "NO", "on", "off", "y", "yes", "12:30:45", "22:22", "010", "0755", "1_000", "2026-01-01", "=", "1e999",
     ".inf", ".nan", "0b11", "+", ".", "1.2.3", "nUlL", "tRue", "--1", "0x", "-0x1f", "1e", "e1"],
)  # fmt: skip
def test_plain_scalar_outside_the_core_schema_is_text(text: str) -> None:
    assert parse(f"a: {text}", "p.yaml").data == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [("~", None), ("null", None), ("", None), ("true", True), ("False", False), ("0", 0), ("-12", -12), ("0x1F", 31),
     ("0o17", 15), ("3.10", 3.1), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("-1.5E-2", -0.015)],
)  # fmt: skip
def test_plain_scalar_of_the_core_schema_is_a_value(text: str, value: object) -> None:
    got = parse(f"a: {text}", "p.yaml").data["a"]
    assert got == value
    assert isinstance(got, type(value))


@pytest.mark.parametrize("text", ["3.10", "1e3", "0x1f", "+5", "1.0", "7", "-0", "0.50"])
def test_number_remembers_how_it_was_typed(text: str) -> None:
    assert as_text(parse(f"a: {text}", "p.yaml").data["a"]) == text


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000, "0o" + "7" * 5000])
def test_number_of_five_thousand_digits_is_text(number: str) -> None:
    assert parse(f"a: {number}", "p.yaml").data["a"] == number


@pytest.mark.parametrize("number", ["9" * 1000, "0x" + "f" * 800, "0o" + "7" * 999])
def test_longest_numbers_can_be_printed(number: str) -> None:
    got = parse(f"a: {number}", "p.yaml").data["a"]
    assert isinstance(got, int)
    assert as_text(got) == number
    assert str(int(got)).isdigit()


@pytest.mark.parametrize("quoted", ["'3.10'", '"3.10"', "|-\n  3.10", ">-\n  3.10"])
def test_quoted_number_is_text(quoted: str) -> None:
    assert parse(f"a: {quoted}", "p.yaml").data["a"] == "3.10"


def test_key_is_the_text_that_was_typed() -> None:
    assert list(parse("{1: a, on: b, true: c, ~: d, 0x1: e}", "p.yaml").data) == ["1", "on", "true", "~", "0x1"]


def test_anchor_of_a_key_can_be_repeated_as_a_value() -> None:
    assert parse("{&n a: 1, b: *n , &m 5: 2, c: *m }", "p.yaml").data == {"a": 1, "b": "a", "5": 2, "c": 5}


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029"])
def test_characters_that_libyaml_takes_for_line_breaks_are_refused_unless_escaped(character: str) -> None:
    escaped = f"\\u{ord(character):04x}"
    problem = fault(f"a: b\nc: 'x{character}y'")
    assert (problem.line, problem.column) == (2, 6)
    assert problem.hint == f'in double quotes it is `"{escaped}"`'
    assert parse(f'a: "x{escaped}y"', "p.yaml").data == {"a": f"x{character}y"}


def test_same_key_in_another_spelling_is_a_duplicate() -> None:
    assert fault('a: {1: x, "1": y}').message == "duplicate key `1`: it stands in line 1 already"


def test_merge_takes_what_is_not_there_already() -> None:
    data = parse("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nt: {<<: [*x, *y], c: 3}", "p.yaml").data
    assert data["t"] == {"c": 3, "a": 1, "b": 1}


def test_merge_key_twice_is_a_duplicate() -> None:
    assert "duplicate key `<<`" in fault("x: &x {a: 1}\nt:\n  <<: *x\n  <<: *x\n").message


def test_quoted_merge_key_is_a_key() -> None:
    assert parse("t: {'<<': 1}", "p.yaml").data == {"t": {"<<": 1}}


def test_merged_part_keeps_the_place_where_it_is_written() -> None:
    source = parse("x: &x\n  a: 1\nt:\n  <<: *x\n  b: 2\n", "p.yaml")
    assert source.place(("t", "a"), key=True) == (2, 3)
    assert source.place(("t", "b")) == (5, 6)


def test_windows_line_ends_and_a_byte_order_mark_are_accepted() -> None:
    source = parse(decode(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: x\r\n", "p.yaml"), "p.yaml")
    assert source.data == {"a": 1, "b": {"c": "x"}}
    assert source.place(("b", "c")) == (3, 6)


def test_too_large_a_file_is_refused() -> None:
    with pytest.raises(PipelineError, match="more than 32 MiB"):
        decode(b" " * (33 << 20), "p.yaml")


@pytest.mark.parametrize("brackets", [200, 30_000, 200_000])
def test_depth_is_bounded(brackets: int) -> None:
    assert "more than 100 deep" in fault("a: " + "[" * brackets + "]" * brackets).message


def test_expansion_of_aliases_is_bounded() -> None:
    lines = ["x0: &x0 [a]"] + [f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "aliases expand" in fault("\n".join(lines)).message


def test_aliases_of_long_texts_count_by_length() -> None:
    assert "aliases expand" in fault(f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 2000)}]").message


def test_without_libyaml_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yaml.__with_libyaml__", False)
    assert "without libyaml" in fault("a: 1").message


@pytest.mark.parametrize(
    ("text", "path", "offset", "place"),
    [
        ("a: hello {{ x }}", ("a",), 9, (1, 13)),
        ("a: 'hello {{ x }}'", ("a",), 9, (1, 14)),
        ('a: "say \\"hi\\" {{ x }}"', ("a",), 12, (1, 4)),
        ("a: |\n  one\n  two {{ x }}\n", ("a",), 11, (3, 10)),
        ("a: |-  # why\n\n  one\n    two {{ x }}\n", ("a",), 14, (4, 12)),
        ("a: >\n  one\n  two\n", ("a",), 5, (1, 4)),
        ("a: one\n  two", ("a",), 5, (1, 4)),
        ("a: [b, c d]", ("a", 1), 2, (1, 10)),
        ("a: &x hello", ("a",), 2, (1, 4)),
    ],
)
def test_offset_in_a_value_is_found_in_the_file(
    text: str, path: tuple[str], offset: int, place: tuple[int, int]
) -> None:
    source = parse(text, "p.yaml")
    part = Part(source, (), source.data)
    for step in path:
        part = part[step]
    problem = part.problem("here", offset=offset)
    assert (problem.line, problem.column) == place


def test_path_that_is_not_there_has_the_place_of_what_is() -> None:
    source = parse("a:\n  b: 1\n", "p.yaml")
    assert source.place(("a", "x", "y")) == (2, 3)
