from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import threading
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl.template import Computed, Reference, Renderer, TemplateError, has_expression, references, to_text
from pipectl.template.limits import VALUE_LIMIT, TooSlow, within

BERLIN = ZoneInfo("Europe/Berlin")

NAMES = {
    "params": {"n": 3, "who": "Ada", "none": None, "items": [1, 2], "nested": {"deep": [{"x": "y"}]}, "yes": True},
    "tasks": {"flip-coin": {"output": {"rows": [10, 20]}, "state": "success"}, "lost": {"output": None}},
    "run": {"logical_time": datetime(2026, 1, 2, 6, 0, tzinfo=UTC), "date": "2026-01-02"},
    "item": "{{ params.n }}",
}


@pytest.fixture
def renderer(tmp_path):
    return Renderer(str(tmp_path))


def fault(renderer, text, names=NAMES):
    with pytest.raises(TemplateError) as caught:
        renderer.render(text, names)
    return caught.value


def static_fault(text, *, expression=False):
    with pytest.raises(TemplateError) as caught:
        references(text, expression=expression)
    return caught.value


def attempt(call):
    try:
        return call(), None
    except TemplateError as error:
        return None, error


class TestRender:
    def test_text_without_expressions_is_itself(self, renderer):
        assert renderer.render("a } b { c }} {# d #} %}", NAMES) == "a } b { c }} {# d #} %}"

    @pytest.mark.parametrize("value", [3, "Ada", None, [1, 2], {"deep": [{"x": "y"}]}, True])
    def test_one_whole_expression_keeps_the_type_of_its_value(self, renderer, value):
        result = renderer.render("{{ x }}", {"x": value})
        assert result == value
        assert type(result) is type(value)

    def test_a_space_beside_an_expression_makes_it_text(self, renderer):
        assert renderer.render("{{ params.n }} ", NAMES) == "3 "

    def test_in_a_text_all_but_text_and_times_is_json(self, renderer):
        text = "{{ params.who }}|{{ params.yes }}|{{ params.none }}|{{ params.items }}|{{ params.nested }}|{{ 1.5 }}"
        assert renderer.render(text, NAMES) == 'Ada|true|null|[1, 2]|{"deep": [{"x": "y"}]}|1.5'

    def test_times_become_iso_8601_alone_and_in_a_text(self, renderer):
        assert renderer.render("{{ run.logical_time }}", NAMES) == "2026-01-02T06:00:00+00:00"
        assert renderer.render("at {{ run.logical_time }}", NAMES) == "at 2026-01-02T06:00:00+00:00"

    def test_what_a_value_holds_is_not_rendered_again(self, renderer):
        assert renderer.render("{{ item }} {{ item }}", NAMES) == "{{ params.n }} {{ params.n }}"

    def test_braces_and_quotes_inside_an_expression_do_not_end_it(self, renderer):
        assert renderer.render("{{ {'a': {'b': '}}'}} }}", NAMES) == {"a": {"b": "}}"}}
        assert renderer.render("""{{ "it's {{" }}{{ 'a\\'}}' }}""", NAMES) == "it's {{a'}}"

    def test_line_endings_around_expressions_are_kept(self, renderer):
        assert renderer.render("a\r\n{{ 1 }}\r\nb\n", NAMES) == "a\r\n1\r\nb\n"

    def test_null_and_none_are_the_same(self, renderer):
        assert renderer.render("{{ [null, none, null == none] }}", NAMES) == [None, None, True]

    def test_the_tilde_joins_values_as_a_text_does(self, renderer):
        assert renderer.render("{{ 'a' ~ null ~ true ~ [1] ~ run.date }}", NAMES) == "anulltrue[1]2026-01-02"

    def test_lazy_sequences_become_lists(self, renderer):
        assert renderer.render("{{ params['items']|map('string') }}", NAMES) == ["1", "2"]
        assert renderer.render("{{ range(3) }}", NAMES) == [0, 1, 2]

    def test_names_need_not_be_dictionaries(self, renderer):
        names = MappingProxyType({"x": MappingProxyType({"y": (1, 2)})})
        assert renderer.render("{{ x }}", names) == {"y": [1, 2]}

    @pytest.mark.parametrize(
        "text", ["{{ 'nan'|float }}", "{{ {1: 2} }}", "{{ range }}", "{{ (-1)**0.5 }}", "{{ 1e999 }}"]
    )
    def test_what_has_no_place_in_json_is_an_error(self, renderer, text):
        assert "cannot be computed" in fault(renderer, text).message

    def test_a_tree_is_rendered_in_its_values_and_not_in_its_keys(self, renderer):
        tree = {"{{ k }}": ["{{ params.n }}", "n={{ params.n }}", 5, None], "m": {"x": "{{ params['items'] }}"}}
        assert renderer.render_tree(tree, NAMES) == {"{{ k }}": [3, "n=3", 5, None], "m": {"x": [1, 2]}}

    def test_the_same_text_is_rendered_with_other_names_each_time(self, renderer):
        assert [renderer.render("{{ x }}", {"x": x}) for x in (1, "a", [2])] == [1, "a", [2]]

    @given(st.text().filter(lambda text: not has_expression(text)))
    def test_any_text_without_braces_is_unchanged(self, text):
        assert Renderer("/").render(text, {}) == text

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**63), 2**64)
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
            max_leaves=12,
        ),
    )
    def test_any_json_value_comes_out_as_it_went_in(self, value):
        renderer = Renderer("/")
        assert renderer.render("{{ x }}", {"x": value}) == value
        if not isinstance(value, str):
            assert json.loads(renderer.render(" {{ x }}", {"x": value})) == value

    @given(st.text(alphabet="{}%'\"[]()|.~*+-=<>ab1, \\\n", max_size=40))
    def test_rendering_any_text_gives_a_value_or_a_template_error(self, text):
        _, error = attempt(lambda: Renderer("/").render(f"{{{{ {text}", {"a": 1, "b": "x"}))
        assert error is None or 0 <= error.offset <= len(text) + 3


class TestCondition:
    @pytest.mark.parametrize("text", ["params.n > 2", "{{ params.n > 2 }}", "  {{ params.n > 2 }}\n", "true"])
    def test_the_braces_may_be_left_out(self, renderer, text):
        assert renderer.truth(text, NAMES) is True

    def test_true_and_false_stand_for_themselves(self, renderer):
        assert renderer.truth(False, NAMES) is False

    def test_an_evaluated_expression_keeps_its_type(self, renderer):
        assert renderer.evaluate("params['items']", NAMES) == [1, 2]

    @pytest.mark.parametrize(
        ("text", "message", "hint"),
        [
            ("params.n", "`params.n` must be true or false, and gives a number (`3`)", "write `params.n != 0`"),
            (
                "{{ params.who }}",
                "`params.who` must be true or false, and gives text (`Ada`)",
                "write `params.who != ''`",
            ),
            ("params.none", "`params.none` must be true or false, and gives null", "write `params.none is not none`"),
            (
                "params['items']",
                "`params['items']` must be true or false, and gives a list",
                "write `(params['items'])|length > 0`",
            ),
        ],
    )
    def test_truth_is_true_or_false_and_nothing_else(self, renderer, text, message, hint):
        with pytest.raises(TemplateError) as caught:
            renderer.truth(text, NAMES)
        assert (caught.value.message, caught.value.hint) == (message, hint)

    @pytest.mark.parametrize(
        ("text", "hint"),
        [
            ("{{ a }} == {{ b }}", "write `a == b`"),
            ("'{{ a }}' == 'x'", "write `a == 'x'`"),
            ("not {{ a }}", "write `not a`"),
        ],
    )
    def test_text_mixed_with_braces_is_an_error_that_says_what_to_write(self, text, hint):
        error = static_fault(text, expression=True)
        assert error.message == "a condition is one expression, and this mixes text and braces"
        assert error.hint == hint

    @pytest.mark.parametrize("text", ["", "  \n"])
    def test_an_empty_condition_is_an_error(self, text):
        assert static_fault(text, expression=True).message == "the expression is empty"


class TestReferences:
    @pytest.mark.parametrize(
        ("text", "paths"),
        [
            ("no expression", []),
            ("{{ tasks.a.output.rows[0] }}", ["tasks.a.output.rows.0"]),
            ("{{ tasks['flip-coin'].state }}", ["tasks.flip-coin.state"]),
            ("{{ tasks.a.output[-1] }}", ["tasks.a.output.-1"]),
            ("{{ params.x|default(params.y) }}", ["params.x", "params.y"]),
            ("{{ a.b if c.d else e.f }}", ["a.b", "c.d", "e.f"]),
            ("{{ a < b <= c and not d in e }}", ["a", "b", "c", "d", "e"]),
            ("{{ f(a.b, key=c) }}", ["f", "a.b", "c"]),
            ("{{ [a, (b, c), {'k': d, e: 1}] }}", ["a", "b", "c", "d", "e"]),
            ("{{ a is match(b) }}", ["a", "b"]),
            ("{{ a[b.c:d] ~ e ~ -f }}", ["a", "b.c", "d", "e", "f"]),
            ("{{ run.logical_time.strftime('%Y') }}", ["run.logical_time.strftime"]),
            ("{{ (tasks.a).output }}", ["tasks.a.output"]),
            ("{{ [range(2), null, none, true, exists('x'), glob('*')[0].y, lines('z'), dict(a=1)] }}", []),
            ("{{ a }} and {{ b.c }}", ["a", "b.c"]),
        ],
    )
    def test_every_use_of_a_name_is_found(self, text, paths):
        assert [".".join(reference.path) for reference in references(text)] == paths

    def test_offsets_are_those_of_the_names(self):
        text = "é {{ tasks['a'].output }} -\n {{\n 'x' ~ params.x |default( item ) }}"
        found = references(text)
        assert [text[found_.offset :].startswith(found_.path[0]) for found_ in found] == [True, True, True]
        assert [found_.offset for found_ in found] == [text.index(name) for name in ("tasks", "params", "item")]

    def test_offsets_of_a_bare_condition_count_from_its_start(self):
        assert [reference.offset for reference in references("  a == b", expression=True)] == [2, 7]

    def test_a_computed_subscript_makes_a_reference_dynamic(self):
        assert references("{{ tasks[params.t].output }}") == [
            Reference(("tasks",), 3, dynamic=True),
            Reference(("params", "t"), 9),
        ]

    @pytest.mark.parametrize(
        ("text", "minus"),
        [
            ("tasks.flip-coin.output", "flip-coin"),
            ("tasks.flip-coin.output|length > 1", "flip-coin"),
            ("tasks.step-2.output", "step-2"),
            ("tasks.a-b-c.output", "a-b-c"),
            ("not tasks.flip-coin", "flip-coin"),
            ("params.n - 'x'", ""),
            ("tasks.flip.output", ""),
        ],
    )
    def test_a_subtraction_tells_the_name_it_may_have_been_meant_as(self, text, minus):
        assert references(text, expression=True)[0].minus == minus

    @pytest.mark.parametrize(
        ("text", "message", "at", "hint"),
        [
            ("x {{ y", "`{{` is not closed", "{{", "close it by"),
            ("{{ }}", "the braces hold no expression", "{{", ""),
            ("a {% if x %}", "`{% %}` statements are not supported, only expressions are", "{%", "{{ a if x else b }}"),
            ("{{- x -}}", "`{{-` and `-}}` are not supported", "{{", "leave the dash out"),
            ("{{ a && b }}", "the expression cannot be read: unexpected `&`", "&", "write `and`"),
            ("{{ a = b }}", "the expression cannot be read: unexpected `=`", "=", "write `==` to compare"),
            ("{{ a b }}", "the expression cannot be read: unexpected `b`", "b }", ""),
            ("{{ (a }}", "the expression cannot be read: unexpected end, expected `)`", "a", ""),
            ("{{ a) }}", "the expression cannot be read: unexpected `)`", ")", ""),
            (
                "{{ tasks.step-2b.output }}",
                "the expression cannot be read: unexpected `b.output`",
                "b.o",
                "tasks['step-2b']",
            ),
            ("{{ a|uper }}", "there is no filter `uper`", "uper", "did you mean `upper`?"),
            ("{{ a is machen('x') }}", "there is no test `machen`", "is", "did you mean `match`?"),
            ("{{ a|map('uper') }}", "there is no filter `uper`", "'uper", "did you mean `upper`?"),
            ("{{ a|selectattr('k', 'equalt', 1) }}", "there is no test `equalt`", "'equalt", "did you mean `equalto`?"),
            ("{{ a if b }}", "an `if` in an expression needs an `else`", "a", "add `else null`"),
            ("{{ a|safe }}", "there is no filter `safe`", "safe", ""),
        ],
    )
    def test_faults_are_found_before_anything_runs(self, text, message, at, hint):
        error = static_fault(text)
        assert error.message == message
        assert error.offset == text.index(at)
        assert hint in error.hint

    @pytest.mark.parametrize(
        "source",
        ["(" * 300 + "1" + ")" * 300, "a" + ".a" * 3000, "1" + "+1" * 3000, "[" * 4000, "not " * 2000, "9" * 5000],
    )
    def test_an_expression_too_deep_for_python_is_an_error(self, source, renderer):
        assert isinstance(fault(renderer, f"{{{{ {source} }}}}"), TemplateError)

    def test_a_very_long_expression_is_an_error(self):
        assert static_fault("{{ '" + "x" * 20_000 + "' }}").message == "an expression has at most 10,000 characters"

    @given(st.text() | st.text(alphabet="{}%#'\"[]()|.~*+-=<>!&ab1é, \\\n\r"), st.booleans())
    def test_any_text_gives_references_or_a_template_error(self, text, expression):
        for candidate in (text, f"{{{{{text}}}}}", f"x {{{{ {text} }}}} y"):
            found, error = attempt(lambda text=candidate: references(text, expression=expression))
            assert error is None or 0 <= error.offset <= len(candidate)
            assert all(0 <= reference.offset < len(candidate) for reference in found or ())


class TestAbsent:
    @pytest.mark.parametrize(
        ("text", "message", "hint"),
        [
            ("{{ parms.x }}", "`parms` is not defined", "did you mean `params`?"),
            ("{{ params.whoo }}", "`params.whoo` is not defined", "did you mean `who`?"),
            ("{{ [params.nested.deeper] }}", "`params.nested.deeper` is not defined", "did you mean `deep`?"),
            ("{{ tasks['flip-coin'].outptu }}", "`tasks['flip-coin'].outptu` is not defined", "did you mean `output`?"),
            ("{{ tasks.lost.output.rows }}", "`tasks.lost.output` is null and has no `rows`", ""),
            ("{{ params.who.rows }}", "`params.who` is text and has no `rows`", ""),
            ("{{ params.nested.deep[7] }}", "`params.nested.deep` has 1 element, and no `[7]`", ""),
            ("{{ params.nested.get('deep') }}", "`params.nested.get` is not defined", "`params.nested|default(…)`"),
            ("{{ ({'a': 1}).b }}", "`({'a': 1}).b` cannot be computed: a mapping has no `b`", ""),
            ("{{ params.nope|stem }}", "`params.nope` is not defined", "did you mean `none`?"),
            ("{{ params.nope|upper }}", "`params.nope` is not defined", "did you mean `none`?"),
            ("{{ exists(params.nope) }}", "`params.nope` is not defined", "did you mean `none`?"),
            ("{{ {'a': 1}[params.nope] }}", "`params.nope` is not defined", "did you mean `none`?"),
            ("{{ 'x'|attr(params.nope) }}", "`params.nope` is not defined", "did you mean `none`?"),
            ("{{ 'x'|attr([1]) }}", "`'x'|attr([1])` cannot be computed: unhashable type: 'list'", ""),
            ("{{ {'a': 1}[[1]] }}", "`{'a': 1}[[1]]` cannot be computed: a mapping has no `[a list]`", ""),
            ("{{ []|first }}", "`[]|first` cannot be computed: no first item, sequence was empty", ""),
        ],
    )
    def test_what_is_not_there_is_named_with_its_path(self, renderer, text, message, hint):
        error = fault(renderer, text)
        assert error.message == message
        assert hint in error.hint

    def test_the_offset_is_that_of_the_name(self, renderer):
        assert fault(renderer, "ok {{ params.n }} {{ 1 + params.nope }}").offset == 25

    def test_absent_values_may_have_a_default(self, renderer):
        assert renderer.render("{{ params.nope|default(7) }} {{ params.nope is defined }}", NAMES) == "7 false"

    def test_a_dot_looks_up_a_key_and_never_a_method(self, renderer):
        assert renderer.render("{{ params.items }}", NAMES) == [1, 2]
        assert "is not defined" in fault(renderer, "{{ params.keys() }}").message

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("{{ 1 / 0 }}", "division by zero"),
            ("{{ params.n + 'a' }}", "unsupported operand"),
            ("{{ params.who() }}", "not callable"),
            ("{{ params.nested < 1 }}", "not supported between"),
            ("{{ 'x'|upper(1) }}", "the filter `upper` does not take these arguments: too many positional arguments"),
            (
                "{{ 'x'|replace('y') }}",
                "the filter `replace` does not take these arguments: missing a required argument",
            ),
            ("{{ 1 is divisibleby }}", "the test `divisibleby` does not take these arguments: missing"),
            ("{{ 'x'|plus('1d') }}", "`x` is not a time"),
            ("{{ run.date|plus('soon') }}", "`soon` is not a duration"),
            ("{{ run.logical_time|plus('99999999d') }}", "date value out of range"),
        ],
    )
    def test_what_cannot_be_computed_says_why(self, renderer, text, reason):
        error = fault(renderer, text)
        assert error.message.startswith(f"`{text[3:-3]}` cannot be computed: ")
        assert reason in error.message
        assert error.offset == 2


class TestFilters:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("{{ run.logical_time|date }}", "2026-01-02"),
            ("{{ run.logical_time|date('%Y%m%d') }}", "20260102"),
            ("{{ '2026-01-02T06:00:00Z'|date('%H') }}", "06"),
            ("{{ run.date|plus('-1d') }}", "2026-01-01"),
            ("{{ run.date|plus('1d12h') }}", "2026-01-03T12:00:00"),
            ("{{ run.logical_time|plus('-90m') }}", "2026-01-02T04:30:00+00:00"),
            ("{{ run.logical_time|plus(1)|date('%S') }}", "01"),
            ("{{ run.logical_time.year }}", 2026),
            ("{{ (run.logical_time - run.logical_time|plus('-1h')).total_seconds() }}", 3600.0),
            ("{{ 'a/b.tar.gz'|name }}", "b.tar.gz"),
            ("{{ 'a/b.csv'|stem }}{{ 'a/b.csv'|suffix }}", "b.csv"),
            ("{{ 'a/b.csv'|parent }}", "a"),
            ("{{ 'dev-1' is match('^dev') }}", True),
            ("{{ ['dev-1', 'prod']|select('match', 'dev')|list }}", ["dev-1"]),
            ("{{ {'a': \"it's\"}|tojson }}", '{"a": "it\'s"}'),
            ("{{ {'a': [1]}|tojson(2) }}", '{\n  "a": [\n    1\n  ]\n}'),
            ("{{ [1, null, 'x']|join(',') }}", "1,null,x"),
            ("{{ [{'a': 1}, {'a': 2}]|join('-', attribute='a') }}", "1-2"),
            ("{{ [{'a': 1}, {'a': 2}]|sum('a') }}", 3),
            ("{{ [{'k': 'x', 'v': 1}, {'k': 'x', 'v': 2}]|groupby('k')|map(attribute='grouper')|list }}", ["x"]),
            ("{{ '<a>'|e }}", "&lt;a&gt;"),
            ("{{ 'abc'|replace('b', 'xx') }}", "axxc"),
            ("{{ 'abc'|replace('', '-') }}", "-a-b-c-"),
            ("{{ 'x'|center(3) }}|{{ 'x'.rjust(3, '.') }}|{{ '7'.zfill(3) }}", " x |..x|007"),
            ("{{ '%05.1f|%s' % (2.25, 'a') }}", "002.2|a"),
            ("{{ '%s-%s'|format(1, 2) }}", "1-2"),
            ("{{ '{0}|{a}|{0:%Y}'.format(run.logical_time, a=1) }}", "2026-01-02 06:00:00+00:00|1|2026"),
            ("{{ 'a\nb'|indent(2) }}", "a\n  b"),
            ("{{ ['b', 'a']|sort|first }}", "a"),
            ("{{ 'a,b'.split(',')|last|upper }}", "B"),
            ("{{ 7 // 2 + 2 ** 3 - 7 % 4 }}", 8),
            ("{{ [0] * 3 + [1] }}", [0, 0, 0, 1]),
            ("{{ 2.567|round(1) }}", 2.6),
        ],
    )
    def test_filters_and_methods_compute_what_they_say(self, renderer, text, value):
        assert renderer.render(text, NAMES) == value

    def test_whole_days_keep_the_time_of_the_day_over_a_change_of_the_clock(self, renderer):
        names = {"t": datetime(2026, 3, 28, 6, 0, tzinfo=BERLIN)}
        assert renderer.render("{{ t|plus('1d') }}", names) == "2026-03-29T06:00:00+02:00"

    def test_hours_are_counted_as_they_pass(self, renderer):
        names = {"t": datetime(2026, 3, 29, 1, 30, tzinfo=BERLIN)}
        assert renderer.render("{{ t|plus('1h') }}", names) == "2026-03-29T03:30:00+02:00"

    def test_a_day_plus_days_is_a_day(self, renderer):
        assert renderer.render("{{ d|plus('2d') }}", {"d": date(2026, 2, 27)}) == "2026-03-01"


class TestFiles:
    def test_paths_are_relative_to_the_folder(self, renderer, tmp_path):
        (tmp_path / "data" / "deep").mkdir(parents=True)
        for name in ("data/b.csv", "data/a.csv", "data/deep/c.csv", "data/d.txt"):
            (tmp_path / name).touch()
        assert renderer.render("{{ exists('data/a.csv') }}", {}) is True
        assert renderer.render("{{ exists('data/x.csv') }}", {}) is False
        assert renderer.render("{{ glob('data/*.csv') }}", {}) == ["data/a.csv", "data/b.csv"]
        assert renderer.render("{{ glob('**/*.csv') }}", {}) == ["data/a.csv", "data/b.csv", "data/deep/c.csv"]

    def test_lines_come_without_their_ends(self, renderer, tmp_path):
        (tmp_path / "x.txt").write_bytes("a\r\n\nü\x0bb\n".encode())
        (tmp_path / "empty.txt").touch()
        assert renderer.render("{{ lines('x.txt') }}", {}) == ["a", "", "ü\x0bb"]
        assert renderer.render("{{ lines('empty.txt') }}", {}) == []

    def test_lines_of_what_cannot_be_read_is_an_error(self, renderer, tmp_path):
        (tmp_path / "latin").write_bytes(b"\xe9")
        assert "cannot read `nope`: no such file" in fault(renderer, "{{ lines('nope') }}").message
        assert "is not a file" in fault(renderer, "{{ lines('/dev/zero') }}").message
        assert "is not UTF-8" in fault(renderer, "{{ lines('latin') }}").message
        assert "larger than 16 MiB" in fault(renderer, "{{ lines('big') }}", self._big(tmp_path)).message

    @staticmethod
    def _big(tmp_path):
        with (tmp_path / "big").open("wb") as file:
            file.truncate(VALUE_LIMIT + 1)
        return {}


HOSTILE = [
    "'a' * 10**9",
    "10**9 * 'a'",
    "2 ** (10**9)",
    "(10**4000) * (10**4000)",
    "'%999999999d' % 1",
    "'%*d' % (999999999, 1)",
    "'%.999999999f'|format(1.5)",
    "('%s' * 100000) % (params.who * 100000)",
    "('%(a)s' * 100000) % {'a': params.who * 100000}",
    "'x'.ljust(10**9)",
    "'x'.center(10**9)",
    "'{:999999999}'.format(1)",
    "'{:{}}'.format(1, 999999999)",
    "('{0}' * 100000).format(params.who * 100000)",
    "range(10**9)",
    "('a' * 1000)|replace('a', 'b' * 1000000)",
    "('a' * 1000).replace('a', 'b' * 1000000)",
    "'x'|center(10**9)",
    "'x\ny'|indent(10**9)",
    "('x y ' * 10000)|wordwrap(1, true, 'b' * 10000)",
    "[[0] * 10000] * 10000",
    "[[[['a' * 1000] * 1000] * 1000] * 1000]|string",
    "[1]|batch(10**9, 0)|list",
    "[0]|batch(3000, [0]|batch(3000, [0] * 3000)|list)|list|string",
    "[1]|slice(10**9)|list",
    "5|round(-10**8)",
    "range(100000)|join('a' * 1000000)",
    "range(100000)|map('center', 100000)|list",
    "range(10000)|map('default', 'x' * 10000)|map('string')|map('center', 10000)|join",
    "('x' * 1000000)|list|map('replace', 'x', 'y' * 1000)|list",
    "('x' * 15000000)|urlencode|length",
    "('a' * 16000000).split('a')|length",
    "params.nested|tojson(10**9)",
    "[range(100000)|map(attribute='x', default='y' * 1000000)]",
    "[range(100000)|map(attribute='x', default=[0] * 100000)]|string|length",
    "('a' * 9000000) ~ ('a' * 9000000)",
    "('a' * 9000000) + ('a' * 9000000)",
    "[('a' * 9000000), ('a' * 9000000)]",
    "('a' * 30 ~ 'b') is match('(a+)+$')",
    "('x ' * 100000) is match('(x+x+)+y|(.*)*y')",
    "['a' * 30 ~ 'b'] | select('match', '(a+)+$') | list",
    "[[1]]|sum(start=[])",
]

FORBIDDEN = [
    "''.__class__",
    "''['__class__']",
    "''|attr('__class__')",
    "[''] | map(attribute='__class__.__mro__') | list",
    "'{0.__class__}'.format(1)",
    "'{a.__class__}'.format(a=1)",
    "dict.__base__",
    "dict.fromkeys([1])",
    "exists.__globals__",
    "exists.__code__",
    "'a'.encode()",
    "'a'.format_map({})",
    "params.append",
    "params['items'].append(3)",
    "self.__init__",
    "cycler.__init__.__globals__",
    "joiner()",
    "namespace(a=1)",
    "lipsum(9)",
    "run.logical_time.__class__",
    "run.logical_time.tzinfo",
    "self._TemplateReference__context",
    "[1]._x",
]


class TestBounds:
    @pytest.mark.parametrize("source", HOSTILE)
    def test_what_grows_without_measure_is_refused(self, renderer, source):
        told = "larger than|longer than|in all|takes too long|at most|adds numbers|width of"
        assert re.search(told, fault(renderer, f"{{{{ {source} }}}}").message)

    @pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is looked up as Linux tells it")
    def test_refusing_takes_little_memory(self):
        code = (
            "import sys\n"
            "from pipectl.template import Renderer, TemplateError\n"
            "for source in sys.stdin.read().split('\\0'):\n"
            "    try:\n"
            "        Renderer('/').evaluate(source, {'params': {'who': 'Ada', 'nested': {}}})\n"
            "    except TemplateError:\n"
            "        pass\n"
            "    else:\n"
            "        sys.exit(source)\n"
            "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], input="\0".join(HOSTILE), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) << 10 < 400 << 20  # not `ru_maxrss`, which begins with what the parent holds

    @pytest.mark.parametrize("source", FORBIDDEN)
    def test_the_sandbox_gives_away_nothing_of_python(self, renderer, source):
        assert re.search("has no `|is not defined", fault(renderer, f"{{{{ {source} }}}}").message)

    def test_a_value_that_is_too_large_is_refused_as_a_whole(self, renderer):
        names = {"x": "a" * (VALUE_LIMIT // 2 + 1)}
        assert len(renderer.render("{{ x }}", names)) == VALUE_LIMIT // 2 + 1
        assert fault(renderer, "{{ x }}{{ x }}", names).message == "a value becomes larger than 16 MiB"

    def test_a_mebibyte_of_upstream_output_can_be_worked_with(self, renderer):
        rows = [{"id": number, "text": f"row {number}"} for number in range(30_000)]
        text = "{{ rows|selectattr('id', 'ge', 10)|map(attribute='text')|list|length }}"
        assert renderer.render(text, {"rows": rows}) == 29_990

    def test_an_endless_computation_is_stopped(self):
        def forever():
            while True:
                pass

        with pytest.raises(TooSlow):
            within(0.05, forever)

    def test_code_that_swallows_exceptions_is_stopped_too(self):
        def stubborn():
            while True:
                with contextlib.suppress(Exception):
                    sum(range(1000))

        with pytest.raises(TooSlow):
            within(0.05, stubborn)

    def test_an_expression_that_takes_too_long_says_so(self, renderer, monkeypatch):
        monkeypatch.setattr("pipectl.template.render.TIME_LIMIT", 0.05)
        source = "range(100000)|map('string')|map('upper')|map('lower')|map('title')|map('string')|map('upper')|list"
        assert "takes longer than" in fault(renderer, f"{{{{ {source} }}}}").message

    def test_the_timer_and_handler_that_were_there_come_back(self, renderer):
        def handler(*_arguments):
            raise AssertionError("not now")

        before = signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 1000, 7)
        try:
            assert renderer.render("{{ 1 }}", {}) == 1
            left, interval = signal.getitimer(signal.ITIMER_REAL)
            assert signal.getsignal(signal.SIGALRM) is handler
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert 900 < left <= 1000
        assert interval == 7

    def test_other_threads_render_as_well(self, renderer):
        results = []
        thread = threading.Thread(target=lambda: results.append(renderer.render("{{ 1 + 1 }}", {})))
        thread.start()
        thread.join()
        assert results == [2]


class TestText:
    @pytest.mark.parametrize(
        ("text", "expected"), [("a {{ b", True), ("{% x", True), ("{# x #} {x} }}", False), ("", False)]
    )
    def test_texts_that_are_more_than_themselves_are_told(self, text, expected):
        assert has_expression(text) is expected

    @pytest.mark.parametrize(
        ("value", "text"),
        [("a", "a"), (None, "null"), (True, "true"), (1.5, "1.5"), (["ü"], '["ü"]'), (date(2026, 1, 2), "2026-01-02")],
    )
    def test_values_have_one_text_everywhere(self, value, text):
        assert to_text(value) == text

    def test_jinja_is_imported_only_for_expressions(self):
        code = (
            "import sys\n"
            "from pipectl.template import Renderer, has_expression, references\n"
            "Renderer('/').render_tree({'a': ['plain']}, {})\n"
            "references('plain')\n"
            "assert 'jinja2' not in sys.modules\n"
            "references('{{ a }}')\n"
            "assert 'jinja2' in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


class TestParts:
    def parts(self, text: str, *filters: str) -> list[str | Computed]:
        return Renderer("/").parts(text, {"params": {"n": 3, "t": "a'b"}}, filters)

    def test_text_and_values_stay_apart(self) -> None:
        assert self.parts("x = {{ params.n }} or {{ params.t }};") == [
            "x = ",
            Computed(3),
            " or ",
            Computed("a'b"),
            ";",
        ]

    def test_text_without_an_expression_is_one_part(self) -> None:
        assert self.parts("select '{}'") == ["select '{}'"]

    def test_filter_that_ends_an_expression_is_told_and_not_applied(self) -> None:
        assert self.parts("{{ params.t | upper | identifier }}", "identifier") == [Computed("A'B", "identifier")]

    def test_filter_is_known_only_where_it_was_asked_for(self) -> None:
        with pytest.raises(TemplateError, match="the filter `identifier` is for SQL"):
            self.parts("{{ params.t | identifier }}")
        with pytest.raises(TemplateError, match="ends an expression"):
            self.parts("{{ params.t | identifier | upper }}", "identifier")

    def test_names_before_it_are_references(self) -> None:
        found = references("{{ params.t | literal }}", filters=("literal",))
        assert [reference.path for reference in found] == [("params", "t")]
