"""How a command gets a pipeline that a program makes: by starting the program, or from one that started the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

from pipectl.authoring.generated import Generated
from pipectl.errors import PipelineError, Problem
from pipectl.spec.files import read_text


def generate(file: str, name: str) -> Generated:
    """What a program makes, by the name of a pipeline in it, empty for the only one. It is run each time anew.

    It has an interpreter of its own; what it prints goes to standard error. Raises PipelineError where it makes none.
    """
    path = Path(file).parent.resolve() / Path(file).name
    read_text(str(path), file)
    with TemporaryFile() as channel:
        argv = [sys.executable, "-P", "-m", "pipectl.authoring.module", str(path), name, str(channel.fileno())]
        ended = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=2, pass_fds=[channel.fileno()], check=False)
        channel.seek(0)
        answer = channel.read().decode()
    if not answer:
        how = f"exit code {ended.returncode}"
        raise PipelineError([Problem(file, 0, 0, f"the program ended before it made a pipeline ({how})")])
    told = json.loads(answer)
    if "problems" in told:
        raise PipelineError([Problem(**problem) for problem in told["problems"]])
    return Generated.from_json(told["generated"])


def take(descriptor: int) -> Generated:
    """What another process left behind a descriptor, which is at its end then."""
    os.set_inheritable(descriptor, False)
    with open(descriptor, "rb", closefd=False) as channel:
        channel.seek(0)
        return Generated.from_json(channel.read().decode())
