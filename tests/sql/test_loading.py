"""What a load reads and replaces is what was named, and what it refuses it tells where."""

from __future__ import annotations

import json

import pytest

from pipectl.tasks.own import Fault
from tests.sql.conftest import Base
from tests.sql.test_files import write


@pytest.fixture
def filled(db: Base) -> Base:
    db.query("create table t (id integer primary key, name varchar(200))")
    db.query("insert into t values (1, 'a'), (2, 'b')")
    return db


def ids(db: Base) -> list[int]:
    return [row[0] for row in db.rows("select id from t order by id")]


@pytest.mark.parametrize("value", ["a", "nme"])
def test_where_names_a_column_of_the_table(filled: Base, value: str) -> None:
    with pytest.raises(Fault, match="has no column `nme`, which `where` names"):
        filled.load(write(filled, "id,name\n3,c\n"), mode="replace", where={"nme": value})
    assert ids(filled) == [1, 2]


def test_where_and_key_are_found_in_other_letters(filled: Base) -> None:
    filled.load(write(filled, "id,name\n3,c\n"), mode="replace", where={"NAME": "a"})
    assert ids(filled) == [2, 3]
    filled.load(write(filled, "id,name\n3,new\n"), mode="upsert", by=["ID"])
    assert filled.value("select name from t where id = 3") == "new"


def test_a_key_is_a_column_of_the_table(filled: Base) -> None:
    with pytest.raises(Fault, match="has no column `idd`, which `key` names"):
        filled.load(write(filled, "id,name\n3,c\n"), mode="upsert", by=["idd"])


def test_an_identifier_that_is_no_column_is_no_text(filled: Base) -> None:
    with pytest.raises(Fault, match="nosuch"):
        filled.query("select {{ name | identifier }} from t", name="nosuch")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json"])
@pytest.mark.parametrize("stem", ["g[1]", "g*", "g?"])
def test_a_file_is_no_pattern(filled: Base, stem: str, ending: str) -> None:
    texts = {"csv": "id,name\n{},x\n", "jsonl": '{{"id": {}, "name": "x"}}\n', "json": '[{{"id": {}, "name": "x"}}]'}
    for number, name in ((7, stem), (8, "g1"), (9, "gg")):
        write(filled, texts[ending].format(number), f"{name}.{ending}")
    filled.load(f"{stem}.{ending}", mode="replace")
    assert ids(filled) == [7]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_the_name_of_a_folder_is_no_value(duckdb: Base, ending: str) -> None:
    (duckdb.folder / "id=77").mkdir()
    duckdb.query("create table t (id integer, name varchar); insert into t values (5, 'x')")
    duckdb.query("select * from t", save=f"id=77/f.{ending}")
    duckdb.load(f"id=77/f.{ending}", mode="replace")
    assert ids(duckdb) == [5]


@pytest.mark.parametrize(
    "statement",
    [
        "copy (select 1 as a) to '{}/state.db' (format csv)",
        "export database '{}'",
        "attach '{}/state.db'",
        "select * from read_blob('{}/state.db')",
        "copy (select 1 as a) to '{}/../.pipectl/state.db-wal' (format csv)",
    ],
)
def test_sq_06_duckdb_cannot_write_to_pipectls_state(duckdb: Base, statement: str) -> None:
    state = duckdb.folder / ".pipectl"
    state.mkdir()
    (state / "state.db").write_text("state")
    with pytest.raises(Fault, match="pipectl's own state"):
        duckdb.query(statement.format(state))
    assert [path.name for path in state.iterdir()] == ["state.db"]
    assert (state / "state.db").read_text() == "state"


@pytest.mark.parametrize(
    "text",
    [
        '[{"id": 3}]\n[{"id": 4}]\n',
        '[{"id": 3}] junk',
        '[{"id": 3}{"id": 4}]',
        '[{"id": 3},]',
        '[,{"id": 3}]',
        '[{"id": 3}',
        '[{"id": 3},',
        '{"id": 3}',
    ],
)
def test_a_list_with_something_else_is_refused(filled: Base, text: str) -> None:
    with pytest.raises(Fault):
        filled.load(write(filled, text, "f.json"))
    assert ids(filled) == [1, 2]


def test_a_long_list_is_read_over_the_ends_of_what_is_read_at_once(sqlite: Base) -> None:
    sqlite.query("create table t (id integer, name text)")
    rows = [{"id": number, "name": "x" * (number % 70_000)} for number in range(0, 200_000, 997)]
    for indent in (None, 1):
        sqlite.load(write(sqlite, json.dumps(rows, indent=indent), "f.json"), mode="replace")
        assert sqlite.rows("select id, length(name) from t order by id") == [(r["id"], len(r["name"])) for r in rows]


def test_a_line_that_is_no_json_is_named_once(filled: Base) -> None:
    with pytest.raises(Fault) as caught:
        filled.load(write(filled, '{"id": 3}\n{"id": 4\n', "f.jsonl"), columns=["id"])
    if filled.dialect != "duckdb":
        assert str(caught.value).endswith("line 2, column 1: Expecting ',' delimiter") or "line 2, column 9" in str(
            caught.value
        )


def test_half_a_surrogate_pair_in_a_file_is_told_of(db: Base) -> None:
    db.query("create table t (a varchar(20))")
    with pytest.raises(Fault):
        db.load(write(db, '[{"a": "\\ud800"}]', "f.json"))


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_a_list_without_objects_loads_no_rows(filled: Base, ending: str) -> None:
    empty = write(filled, "[]\n" if ending == "json" else "", f"f.{ending}")
    assert filled.load(empty) == {"rowcount": 0}
    assert filled.load(empty, mode="upsert", by=["id"]) == {"rowcount": 0}
    assert filled.load(empty, mode="replace", where={"id": 1}, create=True) == {"rowcount": 0}
    assert ids(filled) == [2]
    with pytest.raises(Fault, match="no columns"):
        filled.load(empty, "new", create=True)


def test_objects_without_keys_are_refused(filled: Base) -> None:
    with pytest.raises(Fault, match="no columns"):
        filled.load(write(filled, "[{}]", "f.json"))


def test_an_empty_line_of_one_column_is_a_null(db: Base) -> None:
    db.query("create table t (a varchar(9))")
    db.load(write(db, "a\nx\n\ny\n"))
    assert sorted(db.rows("select coalesce(a, '') from t")) == [("",), ("x",), ("y",)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_empty_lines_of_more_columns_are_no_rows(filled: Base, end: str) -> None:
    text = 'id,name\n\n3,"x\n\n"\n\n\n4,y\n"5","z"\n\n'.replace("\n", end)
    (filled.folder / "f.csv").write_bytes(text.encode())
    assert filled.load("f.csv", mode="replace") == {"rowcount": 3}
    assert filled.rows("select name from t order by id") == [(f"x{end}{end}",), ("y",), ("z",)]


def test_empty_lines_are_left_out_wherever_a_block_ends(postgresql: Base) -> None:
    postgresql.query("create table t (id integer, name text)")
    text = "id,name\n" + "".join(f'{number},"a\n\n{"b" * (number % 50)}"\n\n' for number in range(20_000))
    assert postgresql.load(write(postgresql, text)) == {"rowcount": 20_000}
    assert postgresql.value("select count(*) from t where name like E'a\\n\\n%'") == 20_000


@pytest.mark.parametrize("db", ["duckdb", "postgresql", "mysql"], indirect=True)  # SQLite takes any value
@pytest.mark.parametrize("header", ["id,name\n", '"id",name\n\n\n'])
@pytest.mark.parametrize("columns", [None, ["id"]])
def test_a_bad_value_is_told_of_with_its_line(db: Base, header: str, columns: list[str] | None) -> None:
    db.query("create table t (id integer, name varchar(200))")
    text = header + "".join(f'{number},"a\n"\n' for number in range(6000)) + "bad,b\n" + "7,c\n" * 50
    line = text[: text.index("bad")].count("\n") + 1
    with pytest.raises(Fault, match=rf"line {line}\b") as caught:
        db.load(write(db, text), columns=columns)
    assert "bad" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_row_without_its_key_is_told_of_with_its_line(sqlite: Base) -> None:
    sqlite.query("create table t (id integer primary key, name text)")
    with pytest.raises(Fault, match="line 5 has no `id`"):
        sqlite.load(write(sqlite, 'id,name\n1,"x\ny"\n\n,z\n'), mode="upsert", by=["id"])


DEFERRED = """create table p (a int primary key); create table c (a int references p deferrable initially deferred)"""


def test_a_file_holds_no_rows_that_were_rolled_back(postgresql: Base) -> None:
    postgresql.query(DEFERRED)
    write(postgresql, "before", "x.csv")
    with pytest.raises(Fault, match="commit"):
        postgresql.query("insert into c values (5) returning a", save="x.csv")
    assert [path.name for path in postgresql.folder.iterdir()] == ["x.csv"]
    assert (postgresql.folder / "x.csv").read_text() == "before"


def test_with_once_the_file_is_there_before_the_commit(postgresql: Base) -> None:
    postgresql.query(DEFERRED)
    with pytest.raises(Fault, match="commit"):
        postgresql.query("insert into c values (5) returning a", save="x.csv", key="k")
    assert (postgresql.folder / "x.csv").read_text() == "a\n5\n"


def test_what_python_cannot_hold_comes_with_a_hint(postgresql: Base) -> None:
    with pytest.raises(Fault, match=r"too large.*::text"):
        postgresql.query("select 'infinity'::date as d")
    with pytest.raises(Fault, match=r"too small.*::text"):
        postgresql.query("select '0044-03-15 BC'::timestamp as d", save="x.jsonl")
