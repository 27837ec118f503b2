"""What tests of whole commands share: a folder with files, in which the installed command is run as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("pipectl", deadline=None, derandomize="CI" in os.environ)  # speed belongs in benchmarks
settings.load_profile("pipectl")

PIPECTL = Path(sys.executable).with_name("pipectl")
OWN_VARIABLES = ("PIPECTL_", "PARAM_", "ITEM")

Finished = subprocess.CompletedProcess[str]


def wait_until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Waits until the condition holds, and returns what it came to."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


class Project:
    """A folder of a user's. Runs are of durability `normal` unless a test asks for `full`: no test cuts the power."""

    def __init__(self, root: Path) -> None:
        self.root = root
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OWN_VARIABLES)}
        self.env = {**inherited, "NO_COLOR": "1", "COLUMNS": "160", "PYTHONDONTWRITEBYTECODE": "1"}
        self.processes: list[subprocess.Popen[str]] = []

    def write(self, name: str, text: str, *, mode: int = 0o644) -> Path:
        """Writes a file, its text without the indentation that it has in a test."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
        path.chmod(mode)
        return path

    def read(self, name: str) -> str:
        """The text of a file, empty where there is none."""
        path = self.root / name
        return path.read_text() if path.exists() else ""

    def lines(self, name: str = "trace") -> list[str]:
        """The lines of a file that tasks wrote to, none where there is no such file."""
        return self.read(name).splitlines()

    def __call__(
        self, *args: object, code: int | None = 0, env: dict[str, str] | None = None, **options: Any
    ) -> Finished:
        """Runs the command, and checks its exit code unless that is None."""
        options = {"cwd": self.root, "timeout": 60, "stdin": subprocess.DEVNULL, **options}
        if "input" in options:
            del options["stdin"]
        for stream in ("stdout", "stderr"):
            options.setdefault(stream, subprocess.PIPE)
        command = [PIPECTL, *map(str, args)]
        got = subprocess.run(
            command, env={**self.env, **(env or {})}, text=True, errors="replace", check=False, **options
        )
        assert code is None or got.returncode == code, f"exit {got.returncode}, not {code}\n{got.stdout}\n{got.stderr}"
        return got

    def run(self, text: str, *args: object, code: int = 0, **options: Any) -> Finished:
        """Writes a pipeline and runs it."""
        self.write("p.yaml", text)
        return self("run", "p.yaml", "--durability", "normal", *args, code=code, **options)

    def start(self, *args: object, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
        """Starts the command in a session of its own. Whatever is left of it is ended after the test."""
        options = {
            "cwd": self.root,
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "start_new_session": True,
            **options,
        }
        process = subprocess.Popen(
            [PIPECTL, *map(str, args)], env={**self.env, **(env or {})}, text=True, errors="replace", **options
        )
        self.processes.append(process)
        return process

    def start_run(self, text: str, *args: object, **options: Any) -> subprocess.Popen[str]:
        """Writes a pipeline and starts it."""
        self.write("p.yaml", text)
        return self.start("run", "p.yaml", "--durability", "normal", *args, **options)

    def show(self, run: str = "latest", *args: object) -> dict[str, Any]:
        """What `show --json` tells of a run."""
        document: dict[str, Any] = json.loads(self("show", run, "--json", *args).stdout)
        return document

    def instances(self, run: str = "latest") -> dict[str, dict[str, Any]]:
        """The rows of `show --json` by name."""
        return {row["name"]: row for row in self.show(run)["instances"]}

    def states(self, run: str = "latest") -> dict[str, str]:
        """The state of each instance."""
        return {name: row["state"] for name, row in self.instances(run).items()}

    def output(self, task: str, run: str = "latest") -> Any:
        """The recorded output of a task."""
        return self.instances(run)[task]["output"]

    def error(self, task: str, run: str = "latest") -> str:
        """Why a task failed."""
        error: str = self.instances(run)[task]["error"]
        return error

    def runs(self, *args: object) -> list[dict[str, Any]]:
        """The rows of `runs --json`."""
        rows: list[dict[str, Any]] = json.loads(self("runs", "--json", *args).stdout)["runs"]
        return rows

    def log(self, task: str, *args: object) -> str:
        """What a task of the newest run printed."""
        return self("logs", "latest", task, *args).stdout

    def wait_for_line(self, line: str, name: str = "trace") -> None:
        """Waits until a task has written the line."""
        wait_until(lambda: line in self.lines(name))

    def clean_up(self) -> None:
        """Ends what a failed test left running."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr, process.stdin):
                if stream is not None:
                    stream.close()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    made.clean_up()


def is_alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def wait_until_gone(pids: list[int], seconds: float = 20.0) -> None:
    """Waits until none of the processes is left."""
    wait_until(lambda: not any(is_alive(pid) for pid in pids), seconds)
