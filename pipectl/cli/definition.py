"""From what the command line names to a checked definition, from the state where it is unchanged."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipectl import __version__
from pipectl.errors import UsageError
from pipectl.store.definitions import Definition
from pipectl.store.folder import of_pipeline
from pipectl.store.store import Store


@dataclass(frozen=True, slots=True)
class Found:
    """A checked definition, and the state of its pipeline: opened where there is one."""

    definition: Definition
    folder: Path
    store: Store | None

    def opened(self) -> Store:
        """The state, made where there is none yet."""
        return self.store or Store.open(self.folder)


def find_definition(file: str, state: str | None) -> Found:
    """The definition of a file, or of standard input for `-`. Raises PipelineError for an invalid one."""
    if file == "-":
        from pipectl.spec.load import load_text

        text = sys.stdin.read()
        loaded = load_text(text, str(Path.cwd()), "stdin")
        sources = [("-", hashlib.sha256(text.encode()).hexdigest()), *loaded.sources]
        folder = of_pipeline(str(Path.cwd()), state)
        return Found(Definition(loaded.document, sources, __version__), folder, None)
    path = Path(file).parent.resolve() / Path(file).name
    folder = of_pipeline(str(path.parent), state)
    store = Store.open(folder) if (folder / "state.db").exists() else None
    compiled = store.compiled(str(path), __version__) if store else None
    if compiled is None:
        from pipectl.spec.load import load

        loaded = load(file)
        compiled = Definition(loaded.document, loaded.sources, __version__)
    return Found(compiled, folder, store)


def given_params(options: Sequence[str], file: Path | None) -> tuple[dict[str, str], Mapping[str, Any]]:
    """The parameters of the command line as text, and those of the parameter file. Raises UsageError."""
    given = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            raise UsageError(f"`-p {option}` is not NAME=VALUE", f"write `-p {option}=VALUE`")
        given[name] = value
    return given, _read_params(file) if file else {}


def _read_params(file: Path) -> Mapping[str, Any]:
    from pipectl.spec.compose import decode, parse

    try:
        raw = file.read_bytes()
    except OSError as error:
        raise UsageError(f"the parameter file `{file}` cannot be read: {error.strerror}") from error
    values = parse(decode(raw, str(file)), str(file)).data
    if not isinstance(values, dict):
        raise UsageError(f"the parameter file `{file}` is not a mapping of names to values")
    return values
