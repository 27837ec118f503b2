"""How tests of whole commands kill what carries out a run."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path


def kill_runner(process: subprocess.Popen[str]) -> None:
    """Kills the runner that a started command looks after, by `kill -9`, and waits until all of it has ended."""
    (runner,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(runner), signal.SIGKILL)
    assert process.wait(30) == 128 + signal.SIGKILL
