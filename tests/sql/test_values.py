"""Values reach every database as they are, and come back as JSON."""

from __future__ import annotations

from typing import Any

import pytest

from pipectl.tasks.own import Fault
from tests.sql.conftest import Base

TEXTS = [
    "",
    "it's",
    "'; DROP TABLE t;--",
    '"double" `back` [brackets]',
    "100% %s %d %(x)s %%",
    ":x :1 ? $1 $$ {{ params.x }}",
    "back\\slash \\' \\n",
    "line\nbreak\r\ntab\t",
    "Zoë 漢字 🎉",
    "x" * 1_000_000,
]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text[:24]))
def test_sq_01_a_text_reaches_the_database_byte_for_byte(db: Base, text: str) -> None:
    db.query("create table t (a text)" if db.dialect != "mysql" else "create table t (a longtext)")
    db.query("insert into t values ({{ text }})", text=text)
    assert db.value("select case when a = {{ text }} then 1 else 0 end from t", text=text) == 1
    length = "octet_length(encode(a))" if db.dialect == "duckdb" else "length(cast(a as blob))"
    length = {"postgresql": "octet_length(a)", "mysql": "octet_length(a)"}.get(db.dialect, length)
    assert db.value(f"select {length} from t") == len(text.encode())


def test_sq_01_a_nul_reaches_the_database_or_is_refused_in_words(db: Base) -> None:
    db.query("create table t (a varchar(20))")
    if db.dialect == "postgresql":
        with pytest.raises(Fault, match=r"statement 1.*NUL"):
            db.query("insert into t values ({{ text }})", text="a\0b")
    else:
        db.query("insert into t values ({{ text }})", text="a\0b")
        assert db.value("select a from t") == "a\0b"


@pytest.mark.parametrize("value", [0, -1, 7, 2**31, -(2**63), 2**63 - 1, 1.5, -0.1, 1e-7, 1.7976931348623157e308])
def test_a_number_comes_back_as_it_went(db: Base, value: float) -> None:
    assert db.value("select {{ value }}", value=value) == value


@pytest.mark.parametrize("value", [2**63, 2**70, -(2**100)])
def test_a_number_of_more_than_64_bits_keeps_its_digits(db: Base, value: int) -> None:
    assert str(db.value("select {{ value }}", value=value)) == str(value)


def test_null_and_booleans_come_back_as_they_went(db: Base) -> None:
    row = db.query("select {{ a }} as a, {{ b }} as b, {{ c }} as c", a=None, b=True, c=False, fetch="one")
    assert row["a"] is None
    assert (row["b"], row["c"]) == (True, False)


def test_a_mapping_is_bound_as_json_text(db: Base) -> None:
    value = {"name": "O'Neill", "list": [1, None], "ü": True}
    assert db.value("select {{ value }}", value=value) == '{"name": "O\'Neill", "list": [1, null], "ü": true}'


def test_a_list_is_bound_as_a_list_of_values(db: Base) -> None:
    db.query("create table t (a integer, b varchar(10)); insert into t values (1, 'x'), (2, 'y'), (3, 'z')")
    assert db.rows("select a from t where a in ({{ ids }}) order by a", ids=[1, 3, 9]) == [(1,), (3,)]
    assert db.rows("select a from t where b in ('x', {{ names }})", names=["y"]) == [(1,), (2,)]


@pytest.mark.parametrize("column", ["a", "b"])
def test_an_empty_list_is_a_list_without_rows(db: Base, column: str) -> None:
    db.query("create table t (a integer, b varchar(10)); insert into t values (1, 'x'), (2, 'y')")
    assert db.rows(f"select a from t where {column} in ({{{{ ids }}}})", ids=[]) == []
    assert db.rows(f"select a from t where {column} IN ( {{{{ ids }}}} ) and a = {{{{ one }}}}", ids=[], one=1) == []
    assert db.rows(f"select a from t where {column} not in ({{{{ ids }}}}) order by a", ids=[]) == [(1,), (2,)]


@pytest.mark.parametrize(
    "list_of", ["a in (1, {{ ids }})", "a = {{ ids }}", "a not in (/* */ {{ ids }})", "abs({{ ids }})"]
)
def test_an_empty_list_that_is_no_whole_list_is_refused(db: Base, list_of: str) -> None:
    db.query("create table t (a integer)")
    with pytest.raises(Fault, match=r"statement 1 .*an empty list has no place"):
        db.query(f"delete from t where {list_of}", ids=[])


def test_an_empty_list_is_one_of_rows_too_in_sqlite(sqlite: Base) -> None:
    assert sqlite.rows("select (1, 2) in ({{ ids }}), (1, 2) not in ({{ ids }})", ids=[]) == [(0, 1)]


@pytest.mark.parametrize("name", ["nosuch", "no`such", "no[such]"])
def test_a_name_that_is_not_there_is_no_text(db: Base, name: str) -> None:
    db.query("create table t (a integer); insert into t values (1)")
    with pytest.raises(Fault, match=r"(?i)no.?such"):
        db.query("select {{ name | identifier }} as x from t", name=name)


SIGNS = "'%', '%s', '%%', ':x', '?', '%(x)s', '$1', '{x}'"


@pytest.mark.parametrize("parameter", ["", ", {{ value }}"], ids=["alone", "beside a value"])
def test_signs_in_the_text_reach_the_database_as_written(db: Base, parameter: str) -> None:
    row = db.rows(f"select {SIGNS}, 7 % 4{parameter}", value="v")[0]
    expected: tuple[Any, ...] = ("%", "%s", "%%", ":x", "?", "%(x)s", "$1", "{x}", 3)
    assert row == (expected if not parameter else (*expected, "v"))


def test_like_and_json_operators_stand_beside_values(postgresql: Base) -> None:
    text = "select '{\"a\": [1]}'::jsonb ? {{ name }}, 'abc' like 'a%', 5 % 3, '{\"a\":{\"b\":2}}'::jsonb #> '{a,b}'"
    assert postgresql.rows(text, name="a") == [(True, True, 2, 2)]


@pytest.mark.parametrize("name", ["order", "with space", 'do"uble', "back`tick", "per%cent", "Größe", "a'b", "MiXed"])
def test_an_identifier_is_quoted_in_the_way_of_the_database(db: Base, name: str) -> None:
    db.query("create table {{ t | identifier }} ({{ name | identifier }} integer)", t=f"t {name}", name=name)
    db.query(
        "insert into {{ t | identifier }} ({{ name | identifier }}) values ({{ v }})", t=f"t {name}", name=name, v=5
    )
    got = db.query("select {{ name | identifier }} from {{ t | identifier }}", t=f"t {name}", name=name)
    assert got["rows"] == [{name: 5}]


def test_a_list_of_identifiers_is_given_with_commas(db: Base) -> None:
    db.query("create table t ({{ names | identifier }} integer)", names=["a"])
    db.query("insert into t ({{ names | identifier }}) values (1)", names=["a"])
    assert db.query("select {{ names | identifier }} from t", names=["a", "a"])["columns"] == ["a", "a_2"]


@pytest.mark.parametrize("text", [text for text in TEXTS if len(text) < 100], ids=repr)
def test_a_literal_is_the_value_in_the_text(db: Base, text: str) -> None:
    db.query("create view v as select {{ text | literal }} as a, {{ n | literal }} as n", text=text, n=-3)
    assert db.rows("select a, n, 1 -{{ n | literal }} from v", n=-3) == [(text, -3, 4)]


def test_literals_of_other_kinds(db: Base) -> None:
    row = db.rows("select {{ v | literal }}", v=[None, True, False, 1.5])[0]
    assert row == (None, True, False, 1.5)


def test_an_identifier_of_no_text_is_refused(sqlite: Base) -> None:
    with pytest.raises(Fault, match="`identifier` takes a name"):
        sqlite.query("select * from {{ name | identifier }}", name=5)


def test_half_a_surrogate_pair_is_refused(db: Base) -> None:
    with pytest.raises(Fault, match="surrogate"):
        db.query("select {{ text }}", text="\ud800")


def test_dates_decimals_bytes_and_uuids_become_json(postgresql: Base) -> None:
    text = """select date '2026-01-02' as d, timestamptz '2026-01-02 03:04:05+00' as t, 12.50::numeric as n,
        123::numeric as i, 'NaN'::float8 as f, '\\x00ff'::bytea as b, interval '90 seconds' as s,
        'f8c5bd9b-d9b4-4bec-8f94-389c1aeb2889'::uuid as u, array[1, 2] as a, '{"x": [1]}'::jsonb as j"""
    row = postgresql.query(text, fetch="one")
    assert row["t"].startswith("2026-01-02T")
    assert row | {"t": ""} == {
        "d": "2026-01-02", "t": "", "n": 12.5, "i": 123, "f": None, "b": "AP8=", "s": 90.0,
        "u": "f8c5bd9b-d9b4-4bec-8f94-389c1aeb2889", "a": [1, 2], "j": {"x": [1]},
    }  # fmt: skip


def test_a_quotient_is_a_number_and_money_keeps_its_digits(postgresql: Base) -> None:
    assert postgresql.value("select avg(x) from (values (1), (2), (2)) as v(x)") == pytest.approx(5 / 3)
    assert postgresql.value("select 2.0 / 3") == pytest.approx(2 / 3)
    assert postgresql.value("select 12.50::numeric(10,2)") == 12.5
    assert postgresql.value("select 90071992547409.93::numeric(20,2)") == "90071992547409.93"
