"""The command `pipectl`: finds the command that is meant, and turns what goes wrong into a message and an exit code."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipectl import __version__
from pipectl.errors import InternalError, PipectlError, PipelineError, render_problem

COMMANDS = {
    "run": "Run a pipeline.",
    "resume": "Run the rest of a run that is not a success.",
    "validate": "Check pipeline files, and show every error at once.",
    "runs": "List the runs, newest first.",
    "show": "Show one run with its tasks.",
    "logs": "Show what the tasks of a run printed.",
    "cancel": "End a run from another terminal.",
    "init": "Write a first pipeline.",
}
"""Every command with its line of help: the `main` of a module of this package, imported when it is asked for."""


class Commands(TyperGroup):
    """The commands, of which only the one that is meant is imported."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name)(_ending(import_module(f"pipectl.cli.{cmd_name}").main))
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
    app(prog_name="pipectl")


def _ending(command: Callable[..., int | None]) -> Callable[..., None]:
    """The command, whose return value or failure becomes the exit code."""

    @functools.wraps(command)
    def ending(*args: Any, **kwargs: Any) -> None:
        try:
            code = command(*args, **kwargs)
        except PipectlError as error:
            explain(error)
            code = error.exit_code
        except BrokenPipeError:
            _silence_stdout()
            code = 0
        except Exception as error:  # noqa: BLE001  (the last line of defence: explained, with a report to send)
            explain(_internal(error))
            code = InternalError.exit_code
        raise typer.Exit(code or 0)

    return ending


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
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
