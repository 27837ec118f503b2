"""A program's pipeline handed to the command, in a process of its own: the caller's is neither forked nor changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from tempfile import TemporaryFile
from threading import Thread
from typing import Any

from pipectl import errors
from pipectl.authoring import CHANNEL
from pipectl.authoring.checks import checked
from pipectl.authoring.generated import Generated
from pipectl.authoring.places import importing
from pipectl.authoring.tasks import Task
from pipectl.authoring.text import to_yaml
from pipectl.authoring.values import plain
from pipectl.errors import PipectlError, UsageError
from pipectl.model import RunState
from pipectl.spec.params import resolve
from pipectl.store.folder import of_pipeline
from pipectl.store.store import Store


@dataclass(frozen=True, slots=True)
class Result:
    """A run as it ended. `exit_code` is that of the command, for `sys.exit`."""

    id: str
    state: RunState
    exit_code: int
    outputs: Mapping[str, Any]

    def output(self, instance: str) -> Any:
        """What an instance gave, None where it gave nothing."""
        return self.outputs.get(instance)


def run(generated: Generated, options: Mapping[str, Any]) -> Result:
    """See `Pipeline.run`."""
    code, run_id, _ = _call("run", generated, options)
    if not run_id:
        raise _refusal("run", code)
    store = Store.open_for_reading(of_pipeline(generated.folder, options.get("state")))
    try:
        found = store.find(run_id)
        outputs = {instance: json.loads(text) for instance, text in store.outputs(found).items()}
    finally:
        store.close()
    return Result(run_id, found.state, code, outputs)


def simulate(generated: Generated, options: Mapping[str, Any]) -> dict[str, Any]:
    """See `Pipeline.simulate`."""
    code, _, printed = _call("simulate", generated, {**options, "json": True}, capture=True)
    if code:
        raise _refusal("simulate", code)
    told: dict[str, Any] = json.loads(printed)
    return told


def _call(
    command: str, generated: Generated, options: Mapping[str, Any], *, capture: bool = False
) -> tuple[int, str, str]:
    """The exit code of a command, the id of the run that it started, and what it printed where that is captured."""
    if module := importing():
        raise UsageError(
            f"`{command}` is called while `{module}` is being imported, as every task of it would do again",
            'put it under `if __name__ == "__main__":`',
        )
    params = _params(generated, options)
    options = {name: value for name, value in options.items() if name != "params"}
    file = os.path.relpath(generated.file) if generated.file else "-"
    with TemporaryFile() as channel, TemporaryFile() as given:
        written = channel.write(generated.to_json().encode())
        channel.flush()
        if params:
            given.write(to_yaml(params).encode())
            given.seek(0)
            options["params_file"] = f"/dev/fd/{given.fileno()}"
        argv = [sys.executable, "-P", "-m", "pipectl", command, file, *_words(options)]
        code, printed = _wait_for(argv, channel.fileno(), given.fileno(), capture=capture)
        channel.seek(written)
        return code, channel.read().decode(), printed


def _params(generated: Generated, options: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as plain data. Raises PipelineError and UsageError, as the command would, but in this process."""
    try:
        params: dict[str, Any] = plain(options.get("params", {}))
    except ValueError as fault:
        raise UsageError(f"`params`: {fault}") from fault
    pipeline, _ = checked(generated)
    if "params_file" not in options:
        resolve(pipeline, {}, params)
    elif params:
        raise UsageError("parameters are given in two ways", "give `params` or `params_file`")
    return params


def _wait_for(argv: list[str], channel: int, given: int, *, capture: bool) -> tuple[int, str]:
    """Runs the command to its end. What interrupts the wait ends the command, too, in its own good time."""
    process = subprocess.Popen(
        argv,
        env={**os.environ, CHANNEL: str(channel)},
        pass_fds=(channel, given),
        stdout=subprocess.PIPE if capture else None,
        text=True,
    )
    printed: list[str | None] = []
    waiting = Thread(target=lambda: printed.append(process.communicate()[0]))
    waiting.start()
    try:
        waiting.join()
    except BaseException:
        process.send_signal(signal.SIGINT)  # at once: the ^C of a terminal reached it too, and two of them are one
        process.wait()
        raise
    return process.returncode, printed[0] or ""


def _words(options: Mapping[str, Any]) -> Iterator[str]:
    """Options as the command takes them: `fail_fast=True` is `--fail-fast`, `fail=["a", "b"]` is given twice."""
    for key, value in options.items():
        name = f"--{key.strip('_').replace('_', '-')}"
        if value is True:
            yield name
        elif isinstance(value, Mapping):
            yield from (f"{name}={_word(one)}={_word(text)}" for one, text in value.items())
        elif value is not None and value is not False:
            yield from (f"{name}={_word(one)}" for one in (value if isinstance(value, list | tuple) else [value]))


def _word(value: Any) -> str:
    return ".".join(value.path) if isinstance(value, Task) else str(value)


def _refusal(command: str, code: int) -> PipectlError:
    """The error behind an exit code, of which the command has told on standard error."""
    kinds = (errors.UsageError, errors.AlreadyRunning, errors.StateError)
    kind = next((kind for kind in kinds if kind.exit_code == code), PipectlError)
    return kind(f"`pipectl {command}` ended with exit code {code}, and said why on standard error")
