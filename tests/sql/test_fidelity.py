"""Values are in a file and in the next table what they were, or the save or the load says no."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from pyarrow import parquet

from pipectl.tasks.own import Fault
from pipectl.tasks.sql import parquet as own_parquet
from pipectl.tasks.sql.batches import batches
from tests.sql.conftest import Base
from tests.sql.test_files import write

BYTES = {"sqlite": "x'00ff'", "duckdb": "'\\x00\\xFF'::blob", "postgresql": "'\\x00ff'::bytea", "mysql": "x'00ff'"}
BLOB = {"postgresql": "bytea"}


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl"])
def test_bytes_are_refused_by_files_of_text(db: Base, ending: str) -> None:
    with pytest.raises(Fault, match=r"column `b` holds bytes.*encode"):
        db.query(f"select 1 as a, {BYTES[db.dialect]} as b", save=f"x.{ending}")
    assert not list(db.folder.glob("*x.*"))


def test_bytes_go_through_parquet(db: Base) -> None:
    db.query(f"create table t (b {BLOB.get(db.dialect, 'blob')})")
    db.query(f"select {BYTES[db.dialect]} as b", save="x.parquet")
    db.load("x.parquet")
    assert db.value("select b from t") == "AP8="
    assert db.value(f"select count(*) from t where b = {BYTES[db.dialect]}") == 1


def test_a_time_of_mysql_may_have_more_than_a_day(mysql: Base) -> None:
    mysql.query("create table t (a time)")
    for ending in ("csv", "jsonl", "parquet"):
        mysql.query("select time '25:00:01' as a union all select time '-09:00:00'", save=f"x.{ending}")
        mysql.load(f"x.{ending}", mode="replace")
        assert mysql.rows("select a from t order by a") == [("-09:00:00",), ("25:00:01",)]


WIDE = ("12345678901234567890.12", "90071992547409.93", "12.5")


@pytest.mark.parametrize("db", ["duckdb", "postgresql", "mysql"], indirect=True)
@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet"])
def test_decimals_keep_their_digits(db: Base, ending: str) -> None:
    db.query("create table src (a decimal(30, 2)); create table t (a decimal(30, 2))")
    db.query(f"insert into src values {', '.join(f'({text})' for text in WIDE)}")
    db.query("select a from src", save=f"x.{ending}")
    db.load(f"x.{ending}")
    assert db.value("select count(*) from t where a in (select a from src)") == 3
    assert [row[0] for row in db.rows("select a from t order by a desc")] == [WIDE[0], WIDE[1], 12.5]


@pytest.mark.parametrize("db", ["sqlite", "postgresql", "mysql"], indirect=True)
def test_a_number_in_json_that_no_double_holds_is_text_to_a_new_table(db: Base) -> None:
    db.load(
        write(db, '[{"a": 12345678901234567890.12, "b": 1e999}, {"a": 0.5, "b": 1}]', "f.json"), "made", create=True
    )
    got = db.query("select a, b from made where b <> '1'", fetch="one")
    assert got == {"a": "12345678901234567890.12", "b": "1e999"}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_booleans_stay_booleans(db: Base, ending: str) -> None:
    db.query("create table t (id integer, b boolean)")
    write(db, "id,b\n1,true\n2,FALSE\n3,\n")
    write(db, '{"id": 1, "b": true}\n{"id": 2, "b": false}\n{"id": 3}\n', "f.jsonl")
    own_parquet.parquet.write_table(
        own_parquet.pyarrow.table({"id": [1, 2, 3], "b": [True, False, None]}), db.folder / "f.parquet"
    )
    db.load(f"f.{ending}")
    assert db.rows("select id from t where b is true") == [(1,)]
    assert db.rows("select id from t where b is false") == [(2,)]
    if db.dialect == "sqlite":
        assert db.rows("select typeof(b) from t order by id") == [("integer",), ("integer",), ("null",)]


def test_a_boolean_column_of_parquet_makes_one_of_the_table(db: Base) -> None:
    table = own_parquet.pyarrow.table({"id": [1, 2], "b": [True, False]})
    own_parquet.parquet.write_table(table, db.folder / "f.parquet")
    db.load("f.parquet", "made", create=True)
    assert db.rows("select id from made where b is true") == [(1,)]


def test_create_keeps_as_text_what_a_number_would_not_write_back(db: Base) -> None:
    header = "version,sku,minus,huge,price,count,zero\n"
    db.load(write(db, f"{header}1.10,12e3,-0,1e999,1.5,2,0\n1.1,7,3,2,0.25,-3,0\n"), "made", create=True)
    row = db.query("select * from made where count = 2", fetch="one")
    assert row == {
        "version": "1.10", "sku": "12e3", "minus": "-0", "huge": "1e999", "price": 1.5, "count": 2, "zero": 0,
    }  # fmt: skip


def test_large_whole_numbers_among_others_are_text(db: Base) -> None:
    db.load(write(db, "a\n9007199254740993\n0.5\n"), "made", create=True)
    assert {row[0] for row in db.rows("select a from made")} == {"9007199254740993", "0.5"}


def test_the_names_of_a_file_are_those_of_an_output(db: Base) -> None:
    text = "select 1 as a, 2 as a, 3 as b"
    expected = ["a", "a_2", "b"]
    assert db.query(text)["columns"] == expected
    for ending in ("csv", "json", "jsonl", "parquet"):
        assert db.query(text, save=f"x.{ending}")["columns"] == expected
    assert (db.folder / "x.csv").read_text() == "a,a_2,b\n1,2,3\n"
    assert json.loads((db.folder / "x.json").read_text()) == [{"a": 1, "a_2": 2, "b": 3}]
    assert parquet.read_schema(db.folder / "x.parquet").names == expected


def test_names_that_differ_in_case_are_two_columns_of_duckdb_too(duckdb: Base) -> None:
    duckdb.query('select 1 as a, 2 as "A"', save="x.json")
    assert json.loads((duckdb.folder / "x.json").read_text()) == [{"a": 1, "A": 2}]


@pytest.mark.parametrize("db", ["duckdb", "postgresql"], indirect=True)
def test_no_number_is_null_in_json(db: Base) -> None:
    for ending in ("json", "jsonl"):
        db.query("select 'NaN'::float8 as a, '-inf'::float8 as b, 1.5::float8 as c", save=f"x.{ending}")
        [row] = json.loads(f"[{(db.folder / f'x.{ending}').read_text().strip().strip('[]')}]")
        assert row == {"a": None, "b": None, "c": 1.5}


def test_large_sums_of_duckdb_keep_their_digits_in_parquet(duckdb: Base) -> None:
    duckdb.query("select 9007199254740993::hugeint as a", save="x.parquet")
    assert parquet.read_table(duckdb.folder / "x.parquet").to_pylist() == [{"a": Decimal(9007199254740993)}]


@pytest.mark.parametrize("db", ["duckdb", "postgresql"], indirect=True)
def test_lists_and_json_go_back_into_arrays_and_json(db: Base) -> None:
    types = "a integer[], b text[], c json" if db.dialect == "duckdb" else "a integer[], b text[], c jsonb"
    db.query(f"create table src ({types}); create table t ({types})")
    for text in ('"str"', '{"x":[1]}', "[1,null]", "7"):
        db.query("insert into src values ('{1,NULL}', '{\"q\\\"\\\\,\"}', {{ c }})" if db.dialect == "postgresql" else
                 "insert into src values ([1, null], ['q\"\\,'], {{ c }})", c=text)  # fmt: skip
    db.query("select * from src", save="x.jsonl")
    db.load("x.jsonl")
    assert db.value("select count(*) from t where a = (select min(a) from src) and b = (select min(b) from src)") == 4
    same = "select count(*) from t where cast(c as text) in (select cast(c as text) from src)"
    assert db.value(same) == 4


def kinds(db: Base, name: str) -> list[str]:
    return [str(field.type) for field in parquet.read_schema(db.folder / name)]


def test_parquet_takes_decimals_of_any_length(postgresql: Base) -> None:
    postgresql.query(
        "select x * 1.5 as f, x / 3.0 as g, x::numeric(12, 2) as h from generate_series(1, 30000) x", save="x.parquet"
    )
    assert kinds(postgresql, "x.parquet")[2] == "decimal128(12, 2)"
    rows = parquet.read_table(postgresql.folder / "x.parquet").to_pylist()
    assert (rows[-1]["f"], rows[-1]["h"]) == (Decimal(45000), Decimal(30000))
    with pytest.raises(Fault, match=r"column `f` began as decimal.*cast it"):
        postgresql.query(
            "select case when x < 25000 then x * 1.5 else 1e-60 end as f from generate_series(1, 30000) x",
            save="y.parquet",
        )


def test_parquet_takes_the_types_of_the_database_where_no_value_tells(postgresql: Base) -> None:
    text = """select case when x > 25000 then x end as i, case when x > 25000 then x * 1.5 end as n,
        null::date as d, '10.0.0.1'::inet as net, '1 mon 1 day'::interval as v, int4range(1, 5) as r,
        array[x] as a, 'NaN'::numeric as nan, now() as t from generate_series(1, 30000) x"""
    postgresql.query(text, save="x.parquet")
    assert kinds(postgresql, "x.parquet")[:3] == ["int64", "decimal128(38, 18)", "date32[day]"]
    row = parquet.read_table(postgresql.folder / "x.parquet").to_pylist()[-1]
    assert (row["i"], row["n"], row["net"], row["a"], row["nan"]) == (30000, 45000, "10.0.0.1", "[30000]", None)


def test_parquet_of_sqlite_says_which_column_changes(sqlite: Base) -> None:
    series = "with recursive r(x) as (select 1 union all select x + 1 from r where x < 30000)"
    sqlite.query(f"{series} select x + 0.5 * (x % 2) as a, null as b from r", save="x.parquet")
    assert kinds(sqlite, "x.parquet") == ["double", "string"]
    with pytest.raises(Fault, match="column `a` began as int64, and goes on otherwise: cast it"):
        sqlite.query(f"{series} select case when x < 29000 then x else 'z' end as a from r", save="y.parquet")
    with pytest.raises(Fault, match="column `a` holds bytes and text"):
        sqlite.query("select 'x' as a union all select x'00'", save="y.parquet")


def test_a_batch_is_bounded_by_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[tuple[Any, ...]] = [("x" * 300_000,)] * 100
    assert max(map(len, batches(rows))) <= 32
    assert [len(batch) for batch in batches([(1,)] * 10_000)] == [5000, 5000]
    assert sum(map(len, batches([([0] * 100_000,)] * 100))) == 100
