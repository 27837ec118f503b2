"""Rows to files and files to tables."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pipectl.tasks.own import Fault
from tests.sql.conftest import Base

ROWS: list[tuple[Any, ...]] = [
    (1, "plain", 1.5),
    (2, 'quote " comma , line\nbreak\r\nand lone \r', -0.25),
    (3, "Zoë 漢字 %s :x ? \\.", None),
    (4, None, 1e-9),
    (5, "007", 100.0),
]
ENDINGS = ("csv", "csv.gz", "json", "json.gz", "jsonl", "jsonl.gz", "ndjson", "parquet")


@pytest.fixture
def filled(db: Base) -> Base:
    number = "double precision" if db.dialect == "postgresql" else "double"
    db.query(f"create table src (id integer primary key, name varchar(200), value {number}); {table('t', number)}")
    for row in ROWS:
        db.query("insert into src values ({{ row }})", row=list(row))
    return db


def table(name: str, number: str) -> str:
    return f"create table {name} (id integer primary key, name varchar(200), value {number})"


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_was_saved_is_loaded_as_it_was(filled: Base, ending: str) -> None:
    file = f"out/new/rows.{ending}"
    got = filled.query("select * from src where id > {{ n }} order by id", n=0, save=file)
    assert got == {"columns": ["id", "name", "value"], "rowcount": 5, "path": str(filled.folder / file)}
    assert [path.name for path in (filled.folder / "out/new").iterdir()] == [f"rows.{ending}"]
    assert filled.load(file) == {"rowcount": 5}
    assert filled.rows("select * from t order by id") == ROWS


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl"])
def test_a_saved_file_is_what_other_programs_read(filled: Base, ending: str) -> None:
    filled.query("select id, name from src order by id", save=f"rows.{ending}")
    text = (filled.folder / f"rows.{ending}").read_bytes().decode()
    expected = [{"id": row[0], "name": row[1]} for row in ROWS]
    if ending == "csv":
        got: Any = [
            {"id": int(row["id"]), "name": row["name"] or None}
            for row in csv.DictReader(text.splitlines(keepends=True) if "\r" not in text else _csv_lines(text))
        ]
    else:
        got = json.loads(text) if ending == "json" else [json.loads(line) for line in text.split("\n") if line]
    assert got == expected


def _csv_lines(text: str) -> list[str]:
    return text.split("\n")[:1] and [part + "\n" for part in text.removesuffix("\n").split("\n")]


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet"])
def test_a_query_without_rows_saves_a_file_without_rows(filled: Base, ending: str) -> None:
    got = filled.query("select id, name from src where id > 100", save=f"none.{ending}")
    assert (got["columns"], got["rowcount"]) == (["id", "name"], 0)
    if ending in ("csv", "parquet"):
        assert filled.load(f"none.{ending}") == {"rowcount": 0}


@pytest.mark.parametrize("db", ["duckdb", "postgresql"], indirect=True)
def test_booleans_are_words_in_csv(db: Base) -> None:
    db.query("select true as yes, false as no, cast(null as boolean) as unknown", save="b.csv")
    assert (db.folder / "b.csv").read_text() == "yes,no,unknown\ntrue,false,\n"


def test_a_failed_save_leaves_no_file_and_keeps_the_one_before(filled: Base) -> None:
    target = filled.folder / "rows.csv"
    target.write_text("before")
    with pytest.raises(Fault):
        filled.query("select 1 / value, nosuch from src", save="rows.csv")
    assert target.read_text() == "before"
    assert not list(filled.folder.glob(".*part*"))


def test_a_file_of_unknown_form_is_refused(sqlite: Base) -> None:
    with pytest.raises(Fault, match=r"`.*rows\.txt` is not known"):
        sqlite.query("select 1", save="rows.txt")


def test_save_needs_rows(sqlite: Base) -> None:
    with pytest.raises(Fault, match="no rows to `save`"):
        sqlite.query("create table x (a)", save="x.csv")


def write(db: Base, text: str, name: str = "f.csv") -> str:
    (db.folder / name).write_text(text)
    return name


def test_an_empty_field_is_null_and_the_header_may_have_a_mark(filled: Base) -> None:
    filled.load(write(filled, '\ufeffid,name,value\n1,,2\n2,"",\n3," x ",0\n'))
    assert filled.rows("select * from t order by id") == [(1, None, 2), (2, None, None), (3, " x ", 0)]


def test_columns_go_by_name_in_any_order_and_case(filled: Base) -> None:
    filled.load(write(filled, "VALUE,Id\r\n1.5,1\r\n2.5,2\r\n"))
    assert filled.rows("select * from t order by id") == [(1, None, 1.5), (2, None, 2.5)]


def test_only_the_columns_that_are_named_are_loaded(filled: Base) -> None:
    filled.load(write(filled, "id,other,name\n1,x,a\n2,y,b\n"), columns=["name", "id"])
    assert filled.rows("select id, name from t order by id") == [(1, "a"), (2, "b")]


def test_replace_deletes_all_or_what_where_says(filled: Base) -> None:
    filled.load(write(filled, "id,name\n1,a\n2,b\n3,\n"))
    filled.load(write(filled, "id,name\n4,b\n"), mode="replace", where={"name": "b"})
    assert filled.rows("select id from t order by id") == [(1,), (3,), (4,)]
    filled.load(write(filled, "id,name\n5,z\n"), mode="replace", where={"name": None})
    assert filled.rows("select id from t order by id") == [(1,), (4,), (5,)]
    filled.load(write(filled, "id,name\n9,z\n"), mode="replace")
    assert filled.rows("select id from t order by id") == [(9,)]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_upsert_goes_by_key_and_the_last_row_of_a_key_counts(filled: Base, ending: str) -> None:
    filled.query("insert into t values (1, 'old', 1), (2, 'kept', 2)")
    rows = [(1, "new"), (3, "first"), (3, "last")]
    text = "id,name\n" + "".join(f"{a},{b}\n" for a, b in rows)
    if ending == "jsonl":
        text = "".join(json.dumps({"id": a, "name": b}) + "\n" for a, b in rows)
    assert filled.load(write(filled, text, f"f.{ending}"), mode="upsert", by=["id"]) == {"rowcount": 3}
    assert filled.rows("select * from t order by id") == [(1, "new", 1), (2, "kept", 2), (3, "last", None)]


def test_upsert_of_the_key_alone_changes_nothing_that_is_there(filled: Base) -> None:
    filled.query("insert into t values (1, 'old', 1)")
    filled.load(write(filled, "id\n1\n2\n"), mode="upsert", by=["id"])
    assert filled.rows("select id, name from t order by id") == [(1, "old"), (2, None)]


def test_upsert_refuses_a_row_without_its_key(filled: Base) -> None:
    with pytest.raises(Fault, match="has no `id`"):
        filled.load(write(filled, "id,name\n1,a\n,b\n"), mode="upsert", by=["id"])
    assert filled.rows("select * from t") == []


def test_create_makes_the_table_with_the_types_of_the_columns(db: Base) -> None:
    text = "id,code,ratio,big,note\n1,007,1.5,9223372036854775807,\n-2,12,3,12345678901234567890,\n"
    db.load(write(db, text), table="made", create=True)
    query = "select id + 1 as id, code, ratio * 2 as ratio, big, note from made order by id"
    assert db.rows(query) == [
        (-1, "12", 6, "12345678901234567890", None), (2, "007", 3, "9223372036854775807", None),
    ]  # fmt: skip
    db.load(write(db, text), table="made", create=True)
    assert db.value("select count(*) from made") == 4


def test_create_with_a_key_makes_it_the_primary_key(db: Base) -> None:
    for _ in range(2):
        db.load(write(db, "code,n\na,1\nb,2\n"), table="made", mode="upsert", by=["code"], create=True)
    assert db.rows("select * from made order by code") == [("a", 1), ("b", 2)]


def test_create_from_json_takes_the_keys_of_all_objects(db: Base) -> None:
    objects = [{"a": 1}, {"a": 2.5, "b": "x", "c": {"d": [1]}}, {"b": "01"}]
    db.load(write(db, json.dumps(objects), "f.json"), table="made", create=True)
    got = db.query("select * from made order by a")
    assert got["columns"] == ["a", "b", "c"]
    assert {row["b"] for row in got["rows"]} == {None, "x", "01"}
    [nested] = [row["c"] for row in got["rows"] if row["c"]]
    assert json.loads(nested) == {"d": [1]}


def test_create_from_parquet_takes_its_types(db: Base) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"i": [1, 2], "x": [0.5, None], "s": ["a", None]}), db.folder / "f.parquet")
    db.load("f.parquet", table="made", create=True)
    assert db.rows("select * from made order by i") == [(1, 0.5, "a"), (2, None, None)]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("f.csv", "id,nosuch\n1,2\n", "has no column `nosuch`"),
        ("f.csv", "id,id\n1,2\n", "two columns of one name"),
        ("f.csv", "", "no columns"),
        ("f.json", '{"id": 1}', "it holds no list"),
        ("f.json", '[{"id": 1}', "does not end"),
        ("f.jsonl", '{"id": 1}\n{"id": \n', "line 2"),
        ("f.jsonl", "[1]\n", "something else than objects"),
        ("f.txt", "id\n1\n", "is not known"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_told_of_in_words(filled: Base, name: str, text: str, message: str) -> None:
    with pytest.raises(Fault, match=message):
        filled.load(write(filled, text, name))


@pytest.mark.parametrize(
    "text", ["id,name\n1,a\n2\n", "id,name\n1,a\n2,b,c\n", "id,name\n1,a\nx,b\n", "id,name\n1,a\n1,b\n"]
)
def test_a_load_that_fails_changes_nothing(filled: Base, text: str) -> None:
    if filled.dialect == "sqlite" and "x,b" in text:
        text = "id,name\n1,a\nx,b\n".replace("x,b", "1,b")
    filled.query("insert into t values (7, 'kept', 0)")
    with pytest.raises(Fault):
        filled.load(write(filled, text), mode="replace")
    assert filled.rows("select id from t") == [(7,)]


def test_a_missing_file_and_a_missing_table_are_named(db: Base) -> None:
    with pytest.raises(Fault, match=r"there is no file `.*no\.csv`"):
        db.load("no.csv")
    with pytest.raises(Fault, match="nosuch"):
        db.load(write(db, "a\n1\n"), table="nosuch")


def test_a_table_may_be_in_a_schema(postgresql: Base) -> None:
    postgresql.query('create schema staging; create table staging.flights (a int); create table "odd.name" (a int)')
    postgresql.load(write(postgresql, "a\n1\n"), table="staging.flights")
    postgresql.load(write(postgresql, "a\n1\n"), table='"odd.name"')
    assert postgresql.value('select count(*) from staging.flights, "odd.name"') == 1


def test_a_compressed_file_that_is_cut_off_is_refused(filled: Base) -> None:
    (filled.folder / "f.csv.gz").write_bytes(gzip.compress(b"id,name\n" + b"1,a\n" * 100_000)[:-20])
    with pytest.raises(Fault):
        filled.load("f.csv.gz")
    assert filled.rows("select * from t") == []


def test_postgresql_is_not_stopped_early_by_its_own_mark(postgresql: Base, tmp_path: Path) -> None:
    postgresql.query("create table t (a text)")
    with pytest.raises(Fault, match="put it in quotes"):
        postgresql.load(write(postgresql, "a\nx\n\\.\ny\n"))
    assert postgresql.value("select count(*) from t") == 0
