"""The command `pipectl`: finds the command that is meant, and turns what goes wrong into a message and an exit code."""

from __future__ import annotations

import errno
import functools
import io
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from pipectl import __version__
from pipectl.errors import InternalError, PipectlError, PipelineError, UsageError, render_problem

COMMANDS = {
    "run": "Run a pipeline.",
    "resume": "Run the rest of a run that is not a success.",
    "validate": "Check pipeline files, and show every error at once.",
    "plan": "Show what would run, in what order, why and for how long.",
    "simulate": "Run a pipeline in simulated time.",
    "graph": "Draw how the tasks of a pipeline need each other.",
    "runs": "List the runs, newest first.",
    "show": "Show one run with its tasks.",
    "logs": "Show what the tasks of a run printed.",
    "cancel": "End a run from another terminal.",
    "approve": "Answer a question of a run with yes.",
    "reject": "Answer a question of a run with no.",
    "init": "Write a first pipeline.",
    "schema": "Print the JSON Schema of pipeline files.",
    "doctor": "Check this machine, a state, and what a pipeline needs.",
}
"""Every command with its line of help: the `main` of a module of this package, imported when it is asked for."""


class Commands(TyperGroup):
    """The commands, of which only the one that is meant is imported."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = cast("Any", dict.fromkeys(COMMANDS))  # their names are enough for lists and "did you mean"

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name)(_ending(import_module(f"pipectl.cli.commands.{cmd_name}").main))
        return typer.main.get_command(single)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(
    name="pipectl",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def pipectl(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Run pipelines declared in one YAML file, and resume what was interrupted."""
    if version:
        typer.echo(f"pipectl {__version__}")
        raise typer.Exit


def main() -> None:
    """Runs the command line; ends the process with the exit code that is documented for what happened."""
    if sys.platform == "win32":
        sys.exit("pipectl runs on Linux and macOS; on Windows, run it in WSL")
    _hold_standard_streams()
    app(prog_name="pipectl")


def _hold_standard_streams() -> None:
    """Where the caller closed one, Python has none: what is printed goes nowhere, and no file takes its place.

    Characters that the encoding of standard output lacks are shown as `?`.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _check_surroundings() -> None:
    """Raises UsageError where no command can do its work: in a folder that is gone, or with words that are no text."""
    try:
        words = [os.getcwd(), *sys.argv[1:]]  # noqa: PTH109
    except FileNotFoundError:
        raise UsageError("the folder that you are in is gone", "go to one that is there: `cd ~`") from None
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(word).decode(errors="replace")
            raise UsageError(f"`{shown}` is not UTF-8, as paths and arguments have to be") from None


def _ending(command: Callable[..., int | None]) -> Callable[..., None]:
    """The command, whose return value or failure becomes the exit code."""

    @functools.wraps(command)
    def ending(*args: Any, **kwargs: Any) -> None:
        try:
            _check_surroundings()
            code = command(*args, **kwargs)
        except PipectlError as error:
            from pipectl.cli.state_option import with_state

            error.hint = with_state(error.hint, kwargs)
            explain(error)
            code = error.exit_code
        except BrokenPipeError:
            _silence_stdout()
            code = 0
        except Exception as error:  # noqa: BLE001  (the last line of defence: explained, with a report to send)
            code = _failed(error)
        raise typer.Exit(code or 0)

    return ending


def _failed(error: Exception) -> int:
    """Explains what no command should raise; gives the exit code."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EIO}:
        typer.echo(f"error: what was to be printed cannot be written: {error.strerror}", err=True)
        return 1
    explain(_internal(error))
    return InternalError.exit_code


def explain(error: PipectlError) -> None:
    """Writes what went wrong to standard error."""
    if isinstance(error, PipelineError):
        text = "\n\n".join(render_problem(problem) for problem in error.problems)
    else:
        text = f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else "")
    typer.echo(text, err=True)


def _internal(error: Exception) -> InternalError:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="pipectl-", suffix=".txt", delete=False) as report:
        report.write(f"pipectl {__version__}, Python {sys.version}\n")
        traceback.print_exception(error, file=report)
    return InternalError(
        f"a bug of pipectl's own: {type(error).__name__}: {error}",
        f"please report it with the file {report.name}",
    )


def _silence_stdout() -> None:
    """Keeps Python from complaining at its exit that nobody reads standard output any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
