"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class OutputMode(StrEnum):
    """How a run is told."""

    AUTO = "auto"
    LIVE = "live"
    PLAIN = "plain"
    JSON = "json"
    QUIET = "quiet"


class DurabilityChoice(StrEnum):
    """What a recorded success survives."""

    FULL = "full"
    NORMAL = "normal"


File = Annotated[str, typer.Argument(metavar="FILE", help="The pipeline file; - for standard input.")]
Param = Annotated[
    list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter; may be given again.")
]
ParamsFile = Annotated[Path | None, typer.Option("--params-file", metavar="FILE", help="Parameters as YAML or JSON.")]
State = Annotated[
    str | None, typer.Option("--state", metavar="DIR", help="The state folder [default: .pipectl beside the file].")
]
Output = Annotated[
    OutputMode,
    typer.Option(
        "--output",
        help="live: what goes on, on a terminal; plain: lines to standard error; json: an event a line;"
        " quiet: only failures; auto: live or plain.",
    ),
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, metavar="N", help="So many tasks at once [default: the cores].")
]
Durability = Annotated[
    DurabilityChoice | None,
    typer.Option("--durability", help="full: a success survives a power cut; normal: it survives kill -9."),
]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Leave the run where only approvals are awaited, with exit code 75.")
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="TASK",
        help="Just this task or group; a pattern such as load_* or a tag as tag:NAME, too; may be given again.",
    ),
]
From = Annotated[
    list[str] | None, typer.Option("--from", metavar="TASK", help="This task and all below it; may be given again.")
]
Until = Annotated[
    list[str] | None, typer.Option("--until", metavar="TASK", help="This task and all it needs; may be given again.")
]
Skip = Annotated[list[str] | None, typer.Option("--skip", metavar="TASK", help="Not this task; may be given again.")]
RunName = Annotated[str, typer.Argument(metavar="[RUN]", help="An id, a unique beginning of one, or latest.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


def selected(**names: list[str] | None) -> dict[str, list[str]]:
    """What these four chose, without those that were not given; see `selection.Selection`."""
    return {key: given for key, given in names.items() if given}
