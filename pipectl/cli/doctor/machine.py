"""What `doctor` looks at on this machine, whatever the pipeline."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from pipectl import __version__
from pipectl.cli.doctor.check import Check
from pipectl.engine.session import usable_cores
from pipectl.executors.platform import is_portable
from pipectl.programs import find_program

_EXTRAS = {"postgres": "psycopg", "mysql": "PyMySQL", "duckdb": "duckdb", "parquet": "pyarrow"}


def checks() -> Iterator[Check]:
    """What is installed, and what the system offers."""
    yield Check("pipectl", "ok", f"pipectl {__version__}, Python {platform.python_version()} at {sys.executable}")
    yield _libyaml()
    yield _sqlite(sqlite3.sqlite_version_info)
    yield _processes()
    yield _shell()
    for extra, package in _EXTRAS.items():
        yield _extra(extra, package)
    yield _terminal()


def _libyaml() -> Check:
    import yaml

    if yaml.__with_libyaml__:
        return Check("YAML", "ok", f"PyYAML {yaml.__version__} with libyaml")
    hint = "`pip install --force-reinstall --only-binary :all: pyyaml`"
    return Check("YAML", "error", f"PyYAML {yaml.__version__} is without libyaml, and no file can be read", hint)


def _sqlite(found: tuple[int, int, int]) -> Check:
    """Whether commits can be lost by the fault that https://sqlite.org/wal.html#walresetbug describes."""
    shown = f"SQLite {'.'.join(map(str, found))}"
    mended = found >= (3, 51, 3) or (3, 50, 7) <= found < (3, 51, 0) or (3, 44, 6) <= found < (3, 45, 0)
    if mended:
        return Check("SQLite", "ok", f"{shown} has no fault that pipectl knows of")
    return Check(
        "SQLite",
        "warning",
        f"{shown} has the WAL-reset bug (3.7.0 to 3.51.2); pipectl works around it by a lock over all that it writes",
        "let no other program write to state.db; a Python with SQLite 3.51.3 or newer is free of it",
    )


def _processes() -> Check:
    cores = f"{usable_cores()} cores may be used"
    if not is_portable():
        return Check("processes", "ok", f"{platform.system()} with subreapers: no process outlives its run; {cores}")
    what = f"{platform.system()} without subreapers: what leaves its group and clears its environment may outlive a run"
    return Check("processes", "warning", f"{what}; Python tasks start cold; {cores}")


def _shell() -> Check:
    bash = find_program("bash", os.environ.get("PATH"))
    if bash:
        return Check("shell", "ok", f"scripts are run by {bash}")
    return Check(
        "shell", "warning", "there is no bash: scripts are run by /bin/sh, which knows no `pipefail`", "install bash"
    )


def _extra(extra: str, package: str) -> Check:
    try:
        found = f"{package} {version(package)}"
    except PackageNotFoundError:
        return Check(
            f"extra {extra}", "ok", "is not installed", f"where it is needed: `pip install 'pipectl[{extra}]'`"
        )
    return Check(f"extra {extra}", "ok", found)


def _terminal() -> Check:
    encoding = sys.stdout.encoding or "unknown"
    place = "a terminal" if sys.stdout.isatty() else "no terminal"
    colour = "no colour" if "NO_COLOR" in os.environ or not sys.stdout.isatty() else "colour"
    what = f"{place}, {shutil.get_terminal_size().columns} columns, {encoding}, {colour}"
    if encoding.lower().replace("-", "") == "utf8":
        return Check("output", "ok", what)
    return Check(
        "output", "warning", f"{what}: characters that it lacks are shown as `?`", "`export PYTHONIOENCODING=utf-8`"
    )
