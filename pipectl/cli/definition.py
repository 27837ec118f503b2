"""From what the command line names to a checked definition, from the state where it is unchanged."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipectl import __version__
from pipectl.authoring import CHANNEL
from pipectl.errors import Problem, UsageError
from pipectl.model import Pipeline
from pipectl.store.definitions import Definition
from pipectl.store.folder import has_state, of_pipeline
from pipectl.store.store import Store

if TYPE_CHECKING:
    from pipectl.authoring.generated import Generated  # what most pipelines are not


@dataclass(slots=True)
class Found:
    """A checked definition, and the state of its pipeline: opened where there is one.

    `warnings` are those of a file that was checked just now; `channel` is the descriptor by which a program that left
    its pipeline there is told of the run.
    """

    definition: Definition
    folder: Path
    store: Store | None
    warnings: Sequence[Problem] = ()
    channel: int | None = None

    def opened(self) -> Store:
        """The state, made where there is none yet."""
        self.store = self.store or Store.open(self.folder)
        return self.store

    def announce(self, run: str) -> None:
        """Tells the program that left its pipeline, if one did, which run it became."""
        if self.channel is not None:
            os.write(self.channel, run.encode())


_PROGRAM = re.compile(r"(.+\.py)(?::(\w*))?")


def find_definition(file: str, state: str | None, store: Store | None = None) -> Found:
    """The definition of a file, of what a program makes, or of standard input for `-`.

    `store` is the state where this process has opened it: it must not do so twice. Raises PipelineError for an invalid
    pipeline.
    """
    if generated := _generated(file):
        return _of_program(*generated, state, store)
    path = Path(file).parent.resolve() / Path(file).name
    folder = of_pipeline(str(path.parent), state)
    store = store or (Store.open(folder) if has_state(folder) else None)
    if file == "-":
        return Found(_from_standard_input(), folder, store)
    compiled = store.compiled(str(path), __version__) if store else None
    if compiled is None:
        from pipectl.spec.load import load

        loaded = load(file)
        compiled = Definition(loaded.document, loaded.sources, __version__)
        return Found(compiled, folder, store, loaded.warnings)
    return Found(compiled, folder, store)


def read_pipeline(file: str) -> tuple[Pipeline, list[Problem]]:
    """The pipeline of such a FILE, with what it lacks outside of itself among its warnings.

    No state is looked at. Raises PipelineError for an invalid one.
    """
    if generated := _generated(file):
        from pipectl.authoring.checks import checked

        return checked(generated[0])
    from pipectl.spec.build import build
    from pipectl.spec.load import load, load_text
    from pipectl.spec.world import problems

    loaded = load_text(standard_input(), str(Path.cwd()), "stdin") if file == "-" else load(file)
    pipeline = build(loaded.document)
    missing = [replace(problem, warning=True) for problem in problems(pipeline, os.environ)]
    return pipeline, [*loaded.warnings, *missing]


def _generated(file: str) -> tuple[Generated, int | None] | None:
    """What FILE means where it is no pipeline file: what another process left, with its descriptor, or a program."""
    if left := os.environ.pop(CHANNEL, ""):
        from pipectl.authoring.program import take

        return take(int(left)), int(left)
    if program := _PROGRAM.fullmatch(file):
        from pipectl.authoring.program import generate

        return generate(program[1], program[2] or ""), None
    return None


def _of_program(made: Generated, channel: int | None, state: str | None, store: Store | None) -> Found:
    from pipectl.authoring.checks import load

    loaded = load(made)
    folder = of_pipeline(made.folder, state)
    store = store or (Store.open(folder) if has_state(folder) else None)
    return Found(Definition(loaded.document, loaded.sources, __version__), folder, store, loaded.warnings, channel)


def _from_standard_input() -> Definition:
    from pipectl.spec.load import load_text

    text = standard_input()
    loaded = load_text(text, str(Path.cwd()), "stdin")
    sources = [(f"{Path.cwd()}/-", hashlib.sha256(text.encode()).hexdigest()), *loaded.sources]
    return Definition(loaded.document, sources, __version__)


def standard_input() -> str:
    """The pipeline file that is standard input. Raises PipelineError where it is no text."""
    from pipectl.spec.compose import decode

    return decode(sys.stdin.buffer.read(), "<stdin>")


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
