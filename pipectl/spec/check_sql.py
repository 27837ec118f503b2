"""What an sql task may not be, past its schema: options that do not go together, and files of no known form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

from pipectl.errors import Problem
from pipectl.spec.check_connections import dialect_of, used_connection
from pipectl.spec.declaration import Declaration
from pipectl.spec.source import Part
from pipectl.spec.sql_files import sql_of
from pipectl.spec.words import did_you_mean
from pipectl.sql_text import Statement, objection, statements
from pipectl.template import TemplateError
from pipectl.template.text import split

_ENDINGS = (".csv", ".json", ".jsonl", ".ndjson", ".parquet", ".csv.gz", ".json.gz", ".jsonl.gz", ".ndjson.gz")
_SQL_FILE = re.compile(r"[^\s;]+\.sql")


def sql_problems(name: str, task: Part, declaration: Declaration) -> Iterator[Problem]:
    """What is wrong with one sql task."""
    sql = task["sql"]
    yield from used_connection(name, task, "sql", declaration)
    yield from _statement_problems(task, declaration)
    if isinstance(sql.value, str):
        if _SQL_FILE.fullmatch(sql.value.strip()):
            hint = f"write `sql: {{file: {sql.value.strip()}}}`"
            yield sql.problem(f"`{sql.value.strip()}` is the name of a file, not SQL", hint)
        return
    yield from _one_source(name, sql)
    yield from _of_rows(sql)
    yield from _of_transactions(task, declaration)
    load = sql.get("load")
    if load is not None:
        yield from _load_problems(load)
    for file in (load.get("file") if load is not None else None, sql.get("save")):
        if file is not None:
            yield from _ending_problems(file)


def _one_source(name: str, sql: Part) -> Iterator[Problem]:
    given = [key for key in ("query", "file", "load") if key in sql.value]
    if not given and not sql.taken:
        sources = "`query` or `file`" if "wait" in sql.path[2:] else "`query`, `file` or `load`"
        yield sql.problem(f"task `{name}` has nothing to run", f"add {sources} to its `sql`", key=True)
    for key in given[1:]:
        yield sql[key].problem(f"task `{name}` has both `{given[0]}` and `{key}`", "keep one of them", key=True)
    query = sql.get("query")
    if query is not None and _SQL_FILE.fullmatch(query.value.strip()):
        yield query.problem(
            f"`{query.value.strip()}` is the name of a file, not SQL", f"write `file: {query.value.strip()}`"
        )


def _of_rows(sql: Part) -> Iterator[Problem]:
    """Options of rows where there are none, or none that are held."""
    if "load" in sql.value:
        for key in ("fetch", "max_rows", "save", "render"):
            if key in sql.value:
                yield sql[key].problem(f"`{key}` is for queries, and `load` is none", "remove it", key=True)
        return
    fetch = sql.get("fetch")
    if fetch is not None and "save" in sql.value:
        yield fetch.problem(
            "with `save` the rows go to the file, and none are fetched", "keep one of the two", key=True
        )
    elif fetch is not None and fetch.value != "all" and "max_rows" in sql.value:
        yield sql["max_rows"].problem(f"`max_rows` has no effect with `fetch: {fetch.value}`", "remove it", key=True)


def _of_transactions(task: Part, declaration: Declaration) -> Iterator[Problem]:
    if "load" in task["sql"].value:
        own = task["sql"].get("transaction")
        if own is not None and not own.value:
            yield own.problem("`load` is always one transaction", "remove it", key=True)
        return
    transaction = declaration.option(task, "sql", "transaction")
    if transaction is None or transaction.value:
        return
    once = declaration.option(task, "sql", "once")
    if once is not None and once.value:
        hint = "remove `transaction: false`, or write `once: false`"
        yield once.problem("`once` needs the transaction, in which it notes that the work is done", hint, key=True)


def _statement_problems(task: Part, declaration: Declaration) -> Iterator[Problem]:
    """Statements that no such task can run; where the database is not known, nor is where its statements end."""
    text, dialect = sql_of(task["sql"], declaration), dialect_of(task, declaration)
    if text is None or dialect is None or task["sql"].taken:
        return
    transaction, once, render = (_is_on(key, task, declaration) for key in ("transaction", "once", "render"))
    try:
        parts = split(text.value) if render else [text.value]
    except TemplateError:
        return  # told with all other expressions
    plain = "".join(part if isinstance(part, str) else "\0" * (len(part.source) + 4) for part in parts)
    found: list[Statement[str]] = statements([plain], dialect)
    for statement in found:
        if wrong := objection(statement, dialect, transaction=transaction, once=once):
            yield text.problem(*wrong, offset=statement.offset)


def _is_on(key: str, task: Part, declaration: Declaration) -> bool:
    option = declaration.option(task, "sql", key)
    return key != "once" if option is None else bool(option.value)


def _load_problems(load: Part) -> Iterator[Problem]:
    if load.taken:
        return
    mode = load.value.get("mode", "append")
    if mode == "upsert" and "key" not in load.value:
        yield load["mode"].problem("`upsert` needs a `key`, by which it knows a row", "write `key: [COLUMN]`")
    elif mode != "upsert" and "key" in load.value:
        yield load["key"].problem(
            f"`key` is for `mode: upsert`, and this is `{mode}`", "write `mode: upsert`", key=True
        )
    if mode != "replace" and "where" in load.value:
        message = f"`where` is for `mode: replace`, and this is `{mode}`"
        yield load["where"].problem(message, "write `mode: replace`", key=True)


def _ending_problems(file: Part) -> Iterator[Problem]:
    """What is wrong with the ending of a file's name, as far as it is constant."""
    _, braces, tail = file.value.rpartition("}}")
    name = tail.rpartition("/")[2]
    if name.endswith(_ENDINGS) or (braces and "." not in name):
        return
    ending = "".join(PurePath(f"x{name}").suffixes[-2 if name.endswith(".gz") else -1 :])
    near = did_you_mean(ending, _ENDINGS) if ending else ""
    what = f"`{ending}` is no ending of a file that is read or written" if ending else "the file's name has no ending"
    yield file.problem(what, near or f"endings are {', '.join(f'`{one}`' for one in _ENDINGS[:5])}")
