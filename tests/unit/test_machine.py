"""What a machine has, as its files show it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipectl.machine import gpu_ids, machine_memory
from pipectl.model import Pipeline, Resources, Task
from pipectl.sizes import format_size
from pipectl.spec.devices import too_many_gpus

WHOLE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def process(root: Path, cgroup: str, mounts: list[str], files: dict[str, str]) -> Path:
    """A folder as /proc/self is, and the control groups below `root`."""
    (root / "cgroup").write_text(cgroup + "\n")
    (root / "mountinfo").write_text("".join(f"{line.format(root=root)}\n" for line in mounts))
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


def test_memory_is_the_machine_s_without_control_groups(tmp_path):
    assert machine_memory(tmp_path) == WHOLE


def test_memory_is_that_of_the_smallest_control_group_above(tmp_path):
    found = process(
        tmp_path,
        "0::/user.slice/app/run",
        ["22 1 0:21 / {root}/sys rw - cgroup2 cgroup2 rw"],
        {"sys/user.slice/app/run/memory.max": "max", "sys/user.slice/app/memory.max": "3000000"},
    )
    assert machine_memory(found) == 3000000


def test_memory_of_a_container_is_that_of_its_own_group(tmp_path):
    found = process(
        tmp_path,
        "0::/",
        ["22 1 0:21 / {root}/sys rw - cgroup2 cgroup2 rw"],
        {"sys/memory.max": "5000000"},
    )
    assert machine_memory(found) == 5000000


def test_memory_is_found_in_control_groups_of_the_first_version(tmp_path):
    found = process(
        tmp_path,
        "7:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/",
        [
            "30 1 0:27 /docker/abc {root}/cpu rw - cgroup cgroup rw,cpu,cpuacct",
            "31 1 0:28 /docker/abc {root}/mem rw - cgroup cgroup rw,memory",
        ],
        {"mem/memory.limit_in_bytes": "7000000", "cpu/memory.limit_in_bytes": "1"},
    )
    assert machine_memory(found) == 7000000


def test_limit_above_the_machine_s_memory_is_none(tmp_path):
    found = process(
        tmp_path,
        "4:memory:/",
        ["31 1 0:28 / {root}/mem rw - cgroup cgroup rw,memory"],
        {"mem/memory.limit_in_bytes": "9223372036854771712"},
    )
    assert machine_memory(found) == WHOLE


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        ("2,3", ["2", "3"]),
        ("GPU-5ebe9f43, MIG-GPU-1/2/0", ["GPU-5ebe9f43", "MIG-GPU-1/2/0"]),
        ("", []),
        ("-1", []),
        ("0,-1,2", ["0"]),
    ],
)
def test_devices_are_those_that_the_caller_s_variable_leaves(tmp_path, visible, found):
    assert gpu_ids({"CUDA_VISIBLE_DEVICES": visible}, root=tmp_path) == found


def test_declared_devices_are_the_first_of_those_that_the_caller_leaves(tmp_path):
    assert gpu_ids({"CUDA_VISIBLE_DEVICES": "4,5,6"}, 2, tmp_path) == ["4", "5"]
    assert gpu_ids({"CUDA_VISIBLE_DEVICES": "4"}, 2, tmp_path) == ["4"]


def test_declared_devices_need_not_be_found(tmp_path):
    assert gpu_ids({}, 2, tmp_path) == ["0", "1"]


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_caller_that_hides_all_devices_is_heeded(tmp_path, hidden):
    assert gpu_ids({"CUDA_VISIBLE_DEVICES": hidden}, 2, tmp_path) == []


def test_devices_are_found_by_their_files_then_by_the_driver(tmp_path):
    (tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/gpus/0000:02:00.0").mkdir()
    assert gpu_ids({"PATH": ""}, root=tmp_path) == ["0", "1"]
    (tmp_path / "dev").mkdir()
    for name in ("nvidia3", "nvidiactl", "nvidia-uvm"):
        (tmp_path / "dev" / name).touch()
    assert gpu_ids({"PATH": ""}, root=tmp_path) == ["0"]


def test_devices_are_found_by_the_tool_where_there_are_no_files(tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: A100 (UUID: GPU-1)'\necho '  MIG 1g.5gb Device 0: (UUID: MIG-1)'\n")
    assert gpu_ids({"PATH": str(tmp_path)}, root=tmp_path) == []
    tool.chmod(0o755)
    assert gpu_ids({"PATH": str(tmp_path)}, root=tmp_path) == ["0"]


def asking(*gpus: int, declared: int | None = None) -> Pipeline:
    inner = {"in": Task("g.in", "shell", resources=Resources(gpu=gpus[-1]))}
    tasks = {str(number): Task(str(number), "shell", resources=Resources(gpu=gpu)) for number, gpu in enumerate(gpus)}
    return Pipeline("p", "p.yaml", "/", {**tasks, "g": Task("g", "tasks", tasks=inner)}, gpus=declared)


def test_tasks_that_ask_for_more_devices_than_there_are_are_named_also_in_groups():
    found = list(too_many_gpus(asking(1, 2), {"CUDA_VISIBLE_DEVICES": "7"}))
    message = "`gpu` asks for 2, and there is 1 in CUDA_VISIBLE_DEVICES"
    assert [(task.name, text) for task, text, _ in found] == [("1", message), ("g.in", message)]


def test_tasks_that_ask_for_as_many_devices_as_there_are_can_start():
    assert not list(too_many_gpus(asking(0, 2, declared=2), {}))


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (512 << 20, "512 MiB"), (4 << 30, "4 GiB"), (10 << 40, "10 TiB")],
)
def test_sizes_are_written_for_people(count, text):
    assert format_size(count) == text
