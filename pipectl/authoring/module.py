"""What `pipectl run gen.py:pipeline` starts to get the pipeline: an interpreter that imports the program.

    python -m pipectl.authoring.module FILE NAME DESCRIPTOR

FILE is absolute, NAME may be empty. The answer is JSON, `{"generated": …}` or `{"problems": […]}`.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from pipectl.authoring.generated import Generated
from pipectl.authoring.places import Origin
from pipectl.authoring.tasks import Pipeline
from pipectl.errors import PipectlError, PipelineError, Problem
from pipectl.spec.words import did_you_mean


def main() -> None:
    """Answers, and leaves."""
    file, name, descriptor = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    answer = _answer(Path(file), name)
    with open(int(descriptor), "w", encoding="utf-8") as channel:  # noqa: PTH123
        json.dump(answer, channel)


def _answer(file: Path, name: str) -> dict[str, Any]:
    here = Path.cwd()
    try:
        os.chdir(file.parent)
        return {"generated": _pipeline(_imported(file), name, file).to_json()}
    except PipelineError as error:
        problems: Sequence[Problem] = error.problems
    except PipectlError as error:
        problems = [_problem(error, file, error.message, error.hint)]
    except SystemExit as leaving:
        problems = [_problem(leaving, file, f"the program left before it made a pipeline: {leaving}")]
    except Exception as error:  # noqa: BLE001 - it is the user's, whatever it is
        if not isinstance(error, SyntaxError):
            traceback.print_exception(error.with_traceback(_theirs(error.__traceback__)))
        said = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
        problems = [_problem(error, file, f"the program failed: {said}")]
    return {"problems": [{**asdict(one), "file": _shown(file.parent / one.file, here)} for one in problems]}


def _shown(file: Path, folder: Path) -> str:
    return str(file).removeprefix(f"{folder}/")


def _imported(file: Path) -> ModuleType:
    """The program as a module of its name, which is how its tasks import it. What it raises passes."""
    if "." in file.stem:
        raise _refused(
            file, f"`{file.name}` cannot be imported by its name", "rename it to one with letters, digits and `_`"
        )
    sys.path.insert(0, str(file.parent))
    module = importlib.import_module(file.stem)
    if os.path.realpath(getattr(module, "__file__", None) or "") != os.path.realpath(file):
        raise _refused(
            file, f"there is a module `{file.stem}` already, which tasks would import in its place", "rename it"
        )
    return module


def _pipeline(module: ModuleType, name: str, file: Path) -> Generated:
    """What the pipeline of this name is made of, whose paths are those of the program that the user named."""
    there = {key: value for key, value in vars(module).items() if isinstance(value, Pipeline)}
    if not name:
        name = "pipeline" if "pipeline" in vars(module) else _only(there, file)
    if not hasattr(module, name):
        hint = did_you_mean(name, there) or _choice(there, file)
        raise _refused(file, f"`{file.name}` has no `{name}`", hint)
    found = getattr(module, name)
    made = found() if callable(found) else found
    if not isinstance(made, Pipeline):
        what = f"`{name}()` gives a value" if callable(found) else f"`{name}` is"
        raise _refused(file, f"{what} of type `{type(made).__name__}`, not a Pipeline")
    made.origin = Origin(str(file), str(file.parent))
    return made.generated()


def _only(there: dict[str, Pipeline], file: Path) -> str:
    if len({id(one) for one in there.values()}) != 1:
        what = "several pipelines" if there else "no pipeline at its top level"
        raise _refused(file, f"`{file.name}` has {what}", _choice(there, file))
    return next(iter(there))


def _choice(there: dict[str, Pipeline], file: Path) -> str:
    names = [f"`{file.name}:{name}`" for name in there]
    return f"name one: {', '.join(names)}" if names else f"name a function that returns one: `{file.name}:NAME`"


def _refused(file: Path, message: str, hint: str = "") -> PipelineError:
    return PipelineError([Problem(str(file), 0, 0, message, hint)])


def _problem(error: BaseException, file: Path, message: str, hint: str = "") -> Problem:
    """A problem at the innermost line of the program that had a part in it."""
    if isinstance(error, SyntaxError) and error.filename:
        return Problem(error.filename, error.lineno or 0, error.offset or 0, message)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    line = (frames[-1].lineno or 0) if frames else 0
    return Problem(str(file), line, 1 if line else 0, message, hint)


def _theirs(found: TracebackType | None) -> TracebackType | None:
    """The traceback from where it leaves our code and that of the import system."""
    own = (os.path.dirname(__file__), os.path.dirname(importlib.__file__))  # noqa: PTH120
    while found is not None and found.tb_frame.f_code.co_filename.startswith((*own, "<frozen")):
        found = found.tb_next
    return found


if __name__ == "__main__":
    main()
