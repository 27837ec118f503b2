"""Where connections lead and how one gets in: URLs that cannot be right, and tasks that name the wrong connection."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipectl.connections import WEB_PORTS, is_port
from pipectl.errors import Problem
from pipectl.spec.check_access import access_problems, password_in_clear
from pipectl.spec.declaration import Declaration
from pipectl.spec.source import Part
from pipectl.spec.words import did_you_mean
from pipectl.template import TemplateError, is_expression

EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)

_IN_FILES = frozenset({"sqlite", "duckdb"})
_HOLE = "\0"  # where an expression stands; no YAML text holds a NUL
_SCHEME = re.compile(r"([A-Za-z][\w+.-]*)://")
_AFTER_USER = r"(?P<host>\[[^\]]*\]|[^:/?#]*)(?::(?P<port>[^/?#]*))?(?P<rest>[/?#].*)?"
_WEB_URL = re.compile(r"[A-Za-z][\w+.-]*://(?:[^:/?#@]*(?::(?P<password>[^@/?#]*))?@)?" + _AFTER_USER, re.DOTALL)
_DATABASE_URL = re.compile(r"[A-Za-z][\w+.-]*://(?:[^:/?#@]*(?::(?P<password>[^@]*))?@)?" + _AFTER_USER, re.DOTALL)
_DATABASE_FILE = re.compile(r"[^:]*\.(?:db|sqlite3?|duckdb)")


def connection_problems(declaration: Declaration) -> Iterator[Problem]:
    """What is wrong with the connections themselves."""
    for name, part in declaration.connections.items():
        url = url_of(part)
        if url is None:
            continue  # the schema tells
        yield from _declared_url_problems(name, url)
        scheme = scheme_of(url.value)
        for key, option in part.items():
            if key != "url" and scheme and scheme not in WEB_PORTS:
                message = f"connection `{name}` is a database: `{key}` belongs to web services"
                hint = "write `user` and `password` into the `url`" if key == "auth" else "remove it"
                yield option.problem(message, hint, key=True)
        yield from access_problems(part)


def url_of(connection: Part) -> Part | None:
    """The URL of a connection; None where its declaration has none."""
    return connection if isinstance(connection.value, str) else connection.get("url")


def scheme_of(url: str) -> str:
    """The scheme of a URL in lower case; empty where it has none, or none that is constant."""
    found = _SCHEME.match(url)
    return found[1].lower() if found else ""


def dialect_of(task: Part, declaration: Declaration) -> str | None:
    """The name of the database that an SQL task speaks to, where it is known."""
    named = declaration.option(task, "sql", "connection")
    scheme = "" if named is None else _scheme_of_connection(named.value, declaration)
    return scheme.partition("+")[0] if scheme and scheme not in WEB_PORTS else None


def used_connection(name: str, task: Part, kind: str, declaration: Declaration) -> Iterator[Problem]:
    """What is wrong with the connection that a task of type `kind` names, by itself or by `defaults`."""
    named = declaration.option(task, kind, "connection")
    if named is not None:
        yield from named_connection(named, kind, declaration)
    elif kind == "sql" and names_none(task, kind, declaration):
        hint = _hint_to_name_one(declaration)
        yield task["sql"].problem(f"task `{name}` has no connection", hint, key=True)


def names_none(task: Part, kind: str, declaration: Declaration) -> bool:
    """Whether neither a task of type `kind` nor `defaults` name a connection, as far as faults let that be told."""
    parts = (task[kind], *declaration.defaults.get(kind, ()))
    return declaration.option(task, kind, "connection") is None and not any(part.taken for part in parts)


def named_connection(named: Part, kind: str, declaration: Declaration) -> Iterator[Problem]:
    """What is wrong with a name of a connection, of which a task of type `kind` makes use."""
    if named.value not in declaration.connections:
        yield from _unknown(named, declaration)
    elif scheme := _scheme_of_connection(named.value, declaration):
        if kind == "sql" and scheme in WEB_PORTS:
            message = f"connection `{named.value}` is a web service, and an sql task needs a database"
            yield named.problem(message, _hint_of_kind(declaration, web=False))
        elif kind == "http" and scheme not in WEB_PORTS:
            message = f"connection `{named.value}` is `{scheme}://`, and an http task needs `http://` or `https://`"
            yield named.problem(message, _hint_of_kind(declaration, web=True))


def url_problems(what: str, url: Part) -> Iterator[Problem]:
    """What is wrong with an address on the web: no host, a bad port, spaces, a password in clear."""
    text = EXPRESSION.sub(_HOLE, url.value)
    found = _WEB_URL.fullmatch(text)
    if found is None or not found["host"]:
        yield url.problem(f"the url of {what} names no host", "write `https://HOST/PATH`")
        return
    if re.search(r"\s", text):
        yield url.problem(f"the url of {what} holds white space", "in a URL a space is `%20`")
    yield from _of_its_parts(what, url, found)


def _of_its_parts(what: str, url: Part, found: re.Match[str]) -> Iterator[Problem]:
    port = found["port"]
    if port and _HOLE not in port and not is_port(port):
        yield url.problem(f"the port in the url of {what} is no number below 65536", "write `HOST:PORT`")
    if found["password"] and _HOLE not in found["password"]:
        yield password_in_clear(url, f"a password in the url of {what}")


def _declared_url_problems(name: str, url: Part) -> Iterator[Problem]:
    what, text, scheme = f"connection `{name}`", url.value, scheme_of(url.value)
    if text.startswith("{{"):
        if not is_whole(text):
            hint = "write the scheme itself, such as `https://{{ params.host }}/v1`"
            yield url.problem(f"the url of {what} begins with an expression and goes on after it", hint)
    elif not scheme:
        yield url.problem(f"the url of {what} is no URL", _hint_for_no_url(text))
    elif scheme in WEB_PORTS:
        yield from url_problems(what, url)
    elif text != text.strip():
        yield url.problem(f"the url of {what} has white space around it", "write it on one line")
    elif found := _DATABASE_URL.fullmatch(EXPRESSION.sub(_HOLE, text)):
        if scheme.partition("+")[0] in _IN_FILES and found["host"]:
            written = text.replace("://", ":///", 1)
            yield url.problem(f"the url of {what} names a host, and `{scheme}` has none", f"write `{written}`")
        else:
            yield from _of_its_parts(what, url, found)


def is_whole(text: str) -> bool:
    """Whether a text is one expression; also where that cannot be told, which is told with all other expressions."""
    try:
        return is_expression(text)
    except TemplateError:
        return True


def _hint_for_no_url(text: str) -> str:
    if text.startswith("jdbc:"):
        return f"write `{text.removeprefix('jdbc:')}`" if scheme_of(text.removeprefix("jdbc:")) else _FORM
    if _DATABASE_FILE.fullmatch(text):
        return f"write `{'duckdb' if text.endswith('.duckdb') else 'sqlite'}:///{text}`"
    return _FORM


_FORM = "write `https://HOST/PATH`, or `postgresql://USER:PASSWORD@HOST/DATABASE`"


def _scheme_of_connection(name: str, declaration: Declaration) -> str:
    connection = declaration.connections.get(name)
    url = url_of(connection) if connection is not None else None
    return scheme_of(url.value) if url is not None else ""


def _unknown(named: Part, declaration: Declaration) -> Iterator[Problem]:
    if "{{" in named.value:
        return  # told as what must be constant
    if scheme_of(named.value):
        hint = "declare it at the top, `connections: {NAME: {url: …}}`, and write `connection: NAME`"
        yield named.problem("`connection` is the name of a connection, not a URL", hint)
        return
    hint = did_you_mean(named.value, declaration.connections)
    declare = f"declare it at the top: `connections: {{{named.value}: {{url: …}}}}`"
    yield named.problem(f"connection `{named.value}` is not declared", hint or declare)


def _hint_to_name_one(declaration: Declaration) -> str:
    known = _of_kind(declaration, web=False)
    if not known:
        return "declare one at the top, `connections: {db: {url: …}}`, and write `sql: {connection: db, query: …}`"
    listed = " or ".join(f"`connection: {name}`" for name in known[:5])
    if declaration.default("sql", "connection") is not None:
        return f"write {listed}"
    return f"write {listed}, here or once in `defaults: {{sql: {{connection: {known[0]}}}}}`"


def _hint_of_kind(declaration: Declaration, *, web: bool) -> str:
    known = [f"`{name}`" for name in _of_kind(declaration, web=web)[:5]]
    return f"there is {' and '.join(known)}" if known else ""


def _of_kind(declaration: Declaration, *, web: bool) -> list[str]:
    schemes = {name: _scheme_of_connection(name, declaration) for name in declaration.connections}
    return [name for name, scheme in schemes.items() if not scheme or (scheme in WEB_PORTS) == web]
