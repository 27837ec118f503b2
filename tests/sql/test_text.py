"""SQL text is read as the database reads it: quotes, comments, ends of statements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl.sql_text import quoted, statements

FOUR = ("sqlite", "duckdb", "postgresql", "mysql")


def split(text: str, dialect: str = "postgresql") -> list[str]:
    return ["".join(one.parts) for one in statements([text], dialect)]


@pytest.mark.parametrize("dialect", FOUR)
@pytest.mark.parametrize(
    "text",
    [
        "select ';', 'it''s;'",
        'select ";" from t',
        "select 1 -- not; the end\n, 2",
        "select 1 /* not; the end */",
        "create rule r as on insert to a do (insert into b values (1); insert into c values (2))",
    ],
)
def test_a_semicolon_in_quotes_comments_and_parentheses_ends_nothing(dialect: str, text: str) -> None:
    assert split(f"{text};\n select 2 ;", dialect) == [text, "select 2"]


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("postgresql", "select $$a;b$$, $x$ $$;' $x$"),
        ("postgresql", r"select E'it\'s;', 'C:\', 1"),
        ("postgresql", "select /* a /* b; */ c; */ 1"),
        ("postgresql", "select a #> '{x;y}', b # 1 from t"),
        ("postgresql", "select a$1$b, 'x;' from t"),
        ("duckdb", "select /* a /* b; */ c; */ $$;$$"),
        ("sqlite", "select [a;b], `c;d`, 'C:\\' from t"),
        ("mysql", r"select 'it\'s;', ';\\'"),
        ("mysql", 'select "a\\";", `b;`'),
        ("mysql", "select 1 # it's; a comment\n, 2"),
        ("mysql", "select 1 --1"),
        ("mysql", "/*!40101 SET NAMES utf8; */"),
    ],
)
def test_each_database_has_rules_of_its_own(dialect: str, text: str) -> None:
    assert split(f"{text};\nselect 2", dialect) == [text, "select 2"]


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        (
            "sqlite",
            "create trigger t after insert on a begin update b set x = case when 1 then 2 end; delete from c; end",
        ),
        (
            "sqlite",
            "CREATE TEMP TRIGGER IF NOT EXISTS t AFTER INSERT ON a BEGIN SELECT case new.end when 1 then 2 END; END",
        ),
        ("postgresql", "create or replace function f() returns int begin atomic select 1; select 2; end"),
        ("postgresql", "create function f() returns int as $f$ begin; return 1; end $f$ language plpgsql"),
        (
            "mysql",
            "create procedure p() begin declare i int default 0; while i < 3 do set i = i + 1; end while; "
            "if i = 3 then select 1; else select case i when 1 then 2 end; end if; "
            "case i when 1 then select 1; end case; repeat set i = i - 1; until i = 0 end repeat; end",
        ),
        ("mysql", "create procedure p() begin begin select 1; end; l: loop leave l; end loop l; end"),
        ("mysql", "begin not atomic select 1; select 2; end"),
        ("mysql", "create trigger r before insert on t for each row if new.a < 0 then set new.a = 0; end if"),
        (
            "mysql",
            "create trigger r before insert on t for each row if new.a < 0 then if new.b then set new.a = 0; "
            "else set new.a = if(new.c, 1, case when new.d then 2 else 3 end); end if; elseif new.e then "
            "case new.a when 1 then set new.a = 2; else begin end; end case; end if",
        ),
        ("mysql", "create trigger r before insert on t for each row case new.a when 1 then set new.a = 2; end case"),
        ("mysql", "create trigger r before insert on t for each row set new.a = case when new.b then 1 else 2 end"),
        ("mysql", "create event e on schedule every 1 day do while f() do delete from t limit 9; end while"),
        ("mysql", "create procedure p() l: repeat set @a = repeat('x', 2); until @a end repeat l"),
        (
            "mysql",
            "create procedure if not exists p() begin select case a when 1 then 2 end for update; "
            "declare exit handler for not found begin end; drop table if exists t; end",
        ),
        ("postgresql", "create function f(begin int, n int) returns int language sql return n"),
        ("sqlite", "explain query plan create trigger r after insert on a begin delete from b; end"),
    ],
)
def test_the_body_of_a_routine_is_one_statement(dialect: str, text: str) -> None:
    assert split(f"{text};\nselect 2", dialect) == [text, "select 2"]


@pytest.mark.parametrize(
    "text", ["begin", "begin transaction", "end", "select t.begin, t.end from t", "create table t (begin int)"]
)
def test_begin_outside_of_a_routine_opens_nothing(text: str) -> None:
    assert split(f"{text}; select 2") == [text, "select 2"]


def test_empty_statements_and_mere_comments_are_left_out() -> None:
    assert split(" ; ; -- nothing\n ; /* nothing */ ; select 1 ; -- end") == ["select 1"]


def test_statements_keep_their_comments() -> None:
    assert split("/* app=x */ select 1 -- one\n;") == ["/* app=x */ select 1 -- one"]


def test_values_stay_where_they_stand() -> None:
    parts = ["insert into t values (", 1, ",", 2, "); ", 3, 4, ";"]
    assert [one.parts for one in statements(parts, "sqlite")] == [("insert into t values (", 1, ",", 2, ")"), (3, 4)]


def test_a_statement_is_named_by_its_first_line_that_is_no_comment() -> None:
    one = statements(["-- about\nselect ", 1, "\nfrom t"], "sqlite")[0]
    assert (one.number, one.line, one.words) == (1, "select {{ … }}", ("SELECT", "FROM", "T"))


@pytest.mark.parametrize("dialect", [*FOUR, None])
def test_a_value_in_quotes_or_a_comment_is_found(dialect: str | None) -> None:
    parts = ["select ", None, ", '", None, "', \"", None, '" /* ', None, " */ -- ", None, "\n, ", None]
    assert quoted(parts, dialect) == [3, 5, 7, 9]


def test_what_only_some_databases_take_for_quotes_depends_on_the_dialect() -> None:
    backslash = ["select 'C:\\', ", None, ", 'D:\\'"]
    assert (quoted(backslash, "postgresql"), quoted(backslash, "mysql"), quoted(backslash)) == ([], [1], [])
    hash_sign = ["select 1 # ", None]
    assert (quoted(hash_sign, "postgresql"), quoted(hash_sign, "mysql"), quoted(hash_sign)) == ([], [1], [])


@given(st.text(alphabet="abE'\"`$;-/*#()[]\\ \n\r\0;é", max_size=60), st.sampled_from(FOUR))
def test_no_text_is_lost_but_what_separates_statements(text: str, dialect: str) -> None:
    found = split(text, dialect)
    rest = text
    for one in found:
        assert one in rest
        assert not one[0].isspace()
        rest = rest.partition(one)[2]
