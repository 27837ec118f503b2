"""What this machine, or the part of it that a container leaves us, has to give to tasks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipectl.programs import find_program

_LONGEST_LOOK = 30  # seconds; a driver that has to wake up takes some


def machine_memory(process: Path = Path("/proc/self")) -> int:
    """The bytes of memory that all processes here may use together: the machine's, or less by a control group's limit.

    `process` is this process's folder of /proc, where there is one.
    """
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([whole, *_limits(process)])


def gpu_ids(environ: Mapping[str, str], declared: int | None = None, root: Path = Path("/")) -> Sequence[str]:
    """What CUDA_VISIBLE_DEVICES may name: the devices that the caller's own variable leaves, else all of the machine.

    `declared` is how many there are, where the file says so: of those that the variable names, the first ones.
    """
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return list(_listed(visible))[:declared]
    count = _gpu_count(root, environ) if declared is None else declared
    return [str(number) for number in range(count)]


def _listed(visible: str) -> Iterator[str]:
    """Up to the first that is none, as CUDA takes it: `-1` hides all."""
    for name in map(str.strip, visible.split(",")):
        if not name or name.startswith("-"):
            return
        yield name


def _gpu_count(root: Path, environ: Mapping[str, str]) -> int:
    """The device files are those of our container, what the driver lists are those of the machine."""
    files = len(list(root.glob("dev/nvidia[0-9]*")))
    return files or len(list(root.glob("proc/driver/nvidia/gpus/*"))) or _gpus_by_tool(environ)


def _gpus_by_tool(environ: Mapping[str, str]) -> int:
    """As NVIDIA's tool says where the driver shows no files, such as under WSL."""
    import subprocess

    tool = find_program("nvidia-smi", environ.get("PATH"))
    if tool is None:
        return 0
    try:
        said = subprocess.run(
            [tool, "-L"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_LONGEST_LOOK
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith(b"GPU ") for line in said.stdout.splitlines())


def _limits(process: Path) -> Iterator[int]:
    """The limits of all control groups that this process is in, of both versions."""
    try:
        groups = (process / "cgroup").read_text().splitlines()
        mounts = (process / "mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in groups:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            file, kind, option = "memory.max", "cgroup2", ""
        elif "memory" in controllers.split(","):
            file, kind, option = "memory.limit_in_bytes", "cgroup", "memory"
        else:
            continue
        for folder in _folders(mounts, kind, option, path):
            yield from _limit(folder / file)


def _folders(mounts: Sequence[str], kind: str, option: str, path: str) -> Iterator[Path]:
    """The folder of a control group and those above it, as far as they are mounted here."""
    for mount in mounts:
        left, _, right = mount.partition(" - ")
        root, point = left.split()[3:5]
        found, _, options = right.split()[:3]
        if found != kind or (option and option not in options.split(",")):
            continue
        inside = Path(path).relative_to(root) if Path(path).is_relative_to(root) else Path()
        folder = Path(point) / inside
        yield from (folder, *folder.parents[: len(inside.parts)])
        return


def _limit(file: Path) -> Iterator[int]:
    try:
        text = file.read_text().strip()
    except OSError:
        return
    if text.isdecimal():  # else it says `max`
        yield int(text)
