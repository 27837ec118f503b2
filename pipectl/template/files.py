"""What an expression may ask of the file system: whether a path exists, which do, and the lines of a text."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipectl.template.errors import TemplateError
from pipectl.template.limits import allow
from pipectl.template.values import kind


def functions(folder: str) -> dict[str, Callable[[Any], Any]]:
    """`exists(path)`, `glob(pattern)` and `lines(path)`, which take paths relative to the folder."""

    def exists(path: Any) -> bool:
        return os.path.exists(os.path.join(folder, _path("exists", path)))  # noqa: PTH110, PTH118

    def glob_(pattern: Any) -> list[str]:
        found: set[str] = set()
        total = 0
        for path in glob.iglob(_path("glob", pattern), root_dir=folder, recursive=True):
            found.add(path)
            total += len(path)
            allow(total)
        return sorted(found - {""})

    def lines(path: Any) -> list[str]:
        return _lines(Path(folder) / _path("lines", path), path)

    return {"exists": exists, "glob": glob_, "lines": lines}


def _path(function: str, path: Any) -> str:
    if not isinstance(path, str):
        raise TemplateError(f"`{function}` takes a path, and this is {kind(path)}")
    if "\0" in path:
        raise TemplateError(f"`{function}` takes a path, and this text holds a NUL")
    return path


def _lines(file: Path, shown: str) -> list[str]:
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
            raise TemplateError(f"`{shown}` is not a file")
        allow(status.st_size)
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise TemplateError(f"cannot read `{shown}`: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise TemplateError(f"`{shown}` is not UTF-8 text: byte {error.start} is not") from None
    return text.removesuffix("\n").split("\n") if text else []
