"""What MySQL does in a way of its own."""

from __future__ import annotations

import json

import pytest

from pipectl.tasks.own import Fault
from tests.sql.conftest import Base


def write(db: Base, *rows: dict[str, object]) -> str:
    (db.folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "rows.jsonl"


@pytest.mark.parametrize("key", ["", ", unique (a, b)", ", primary key (b)", ", unique (a), key (b)"])
def test_an_upsert_needs_a_unique_key_of_exactly_its_columns(mysql: Base, key: str) -> None:
    mysql.query(f"create table t (a int, b int{key})")
    by = "b" if key == ", unique (a), key (b)" else "a"
    with pytest.raises(Fault, match=f"`{by}` is no primary or unique key"):
        mysql.load(write(mysql, {"a": 1, "b": 2}), mode="upsert", by=[by])
    assert mysql.rows("select * from t") == []


def test_a_unique_key_on_a_part_of_a_column_is_none(mysql: Base) -> None:
    mysql.query("create table t (a varchar(20), unique (a(3)))")
    with pytest.raises(Fault, match="`a` is no primary or unique key"):
        mysql.load(write(mysql, {"a": "x"}), mode="upsert", by=["a"])


def test_an_upsert_changes_no_row_of_another_key(mysql: Base) -> None:
    mysql.query("create table t (id int primary key, v varchar(9) unique, d int); insert into t values (9, 'yy', 1)")
    with pytest.raises(Fault, match="another unique key"):
        mysql.load(write(mysql, {"id": 1, "v": "x", "d": 1}, {"id": 3, "v": "yy", "d": 2}), mode="upsert", by=["id"])
    assert mysql.rows("select * from t") == [(9, "yy", 1)]


def test_an_upsert_goes_by_its_key_beside_other_unique_keys(mysql: Base) -> None:
    mysql.query("create table t (n int auto_increment primary key, id int, v varchar(9), unique (v, id))")
    mysql.query("alter table t add d int; insert into t (id, v, d) values (9, 'yy', 1)")
    rows = [{"id": 9, "v": "yy", "d": 2}, {"id": 3, "v": "x", "d": 3}]
    assert mysql.load(write(mysql, *rows), mode="upsert", by=["id", "v"]) == {"rowcount": 2}
    assert mysql.rows("select id, v, d from t order by id") == [(3, "x", 3), (9, "yy", 2)]


def test_keys_that_only_a_collation_takes_for_one_stay_apart(mysql: Base) -> None:
    keys = ["abc", "ABC", "abc ", "straße", "strasse", "é", "e"]
    mysql.load(write(mysql, *({"k": key, "v": 1} for key in keys)), mode="upsert", by=["k"], create=True)
    assert sorted(key for (key,) in mysql.rows("select k from t")) == sorted(keys)


def test_a_time_with_an_offset_is_told_with_what_to_write(mysql: Base) -> None:
    with pytest.raises(Fault, match=r"\| date\('%Y-%m-%d %H:%M:%S'\)"):
        mysql.query("create table t (a datetime); insert into t values ({{ at }})", at="2026-11-23T02:32:12+00:00")
    mysql.query("insert into t values ({{ at | date('%Y-%m-%d %H:%M:%S') }})", at="2026-11-23T02:32:12+00:00")
    assert mysql.value("select a from t") == "2026-11-23T02:32:12"


def test_a_trigger_without_begin_is_one_statement(mysql: Base) -> None:
    mysql.query(
        "create table t (a int);"
        "create trigger r before insert on t for each row if new.a < 0 then set new.a = 0; end if;"
        "insert into t values (-1), (1)"
    )
    assert mysql.rows("select a from t order by a") == [(0,), (1,)]


def test_the_clients_delimiter_is_told_to_be_left_out(mysql: Base) -> None:
    with pytest.raises(Fault, match=r"statement 1 .*`delimiter` is a command of MySQL's client"):
        mysql.query("DELIMITER //\ncreate procedure p() begin select 1; end //\nDELIMITER ;")
