"""`kill -9` at any moment of a run whose shape depends on values: nothing lost, no success repeated."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import Project, wait_until_gone

CHILD = """
    params: {n: 0}
    pools: {site: {slots: 2, rate: 500/1s}}
    tasks:
      one: {pool: site, shell: &say 'echo "start $PIPECTL_INSTANCE $$" >> "$TRACE"; sleep 0.01; echo "end $PIPECTL_INSTANCE" >> "$TRACE"'}
      two: {needs: one, foreach: "{{ range(params.n) | list }}", shell: *say}
    """

PIPELINE = """
    pools: {db: 1}
    tasks:
      list: {python: "import random; output = random.sample(range(100), 4)"}
      each:
        needs: list
        foreach: "{{ tasks.list.output }}"
        pool: db
        shell: &say 'echo "start $PIPECTL_INSTANCE $$" >> "$TRACE"; sleep 0.01; echo "end $PIPECTL_INSTANCE" >> "$TRACE"'
      g:
        foreach: "{{ tasks.list.output }}"
        needs: list
        max_parallel: 2
        tasks:
          pause: {wait: {for: 30ms}}
          made:
            needs: pause
            cache: {outputs: ["{{ item }}.out"]}
            shell: 'echo "start $PIPECTL_INSTANCE $$" >> "$TRACE"; echo half > "$ITEM.out"; sleep 0.02; echo whole > "$ITEM.out"; echo "end $PIPECTL_INSTANCE" >> "$TRACE"'
          odd: {needs: made, when: item % 2 == 1, shell: *say}
          last: {needs: [made, odd], trigger: none_failed, shell: *say}
      child: {needs: list, pipeline: {file: sub/child.yaml, params: {n: 3}}}
      items: {needs: [each, g, child], python: "output = [list(inputs['g'][0]), len(inputs['each']), len(inputs['child']['two'])]"}
    """


def successes(project: Project) -> dict[str, int]:
    """How many attempts each instance took that is a success."""
    return {name: row["attempts"] for name, row in project.instances().items() if row["state"] == "success"}


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_anywhere_in_a_run_of_many_shapes_repeats_no_success(project: Project, seed: int) -> None:
    chance = random.Random(seed)
    project.env["TRACE"] = str(project.root / "trace")
    project.write("sub/child.yaml", CHILD)
    project.write("p.yaml", PIPELINE)
    command = ["run", "p.yaml", "-j", "4"]
    recorded: dict[str, int] = {}
    for _ in range(60):
        process = project.start(*command)
        try:
            process.wait(chance.uniform(0.1, 0.6))
        except subprocess.TimeoutExpired:
            runner = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(chance.choice([process.pid, *map(int, runner)]), signal.SIGKILL)
            process.wait(30)
        process.communicate()
        if process.returncode == 0:
            break
        if (project.root / ".pipectl/state.db").exists() and project.runs():
            assert recorded.items() <= successes(project).items(), "a success was lost, or repeated"
            recorded = successes(project)
            command = ["resume"]
    assert process.returncode == 0
    assert recorded.items() <= successes(project).items()
    assert set(project.states().values()) <= {"success", "skipped"}
    assert project.output("items") == [["pause", "made", "odd", "last"], 4, 3]
    ends = Counter(line for line in project.lines() if line.startswith("end "))
    attempts = successes(project)
    assert all(count <= attempts[line.removeprefix("end ")] for line, count in ends.items())
    assert all(f"end {name}" in ends for name in attempts if name.rpartition(".")[2] in {"odd", "last", "one"})
    assert {path.read_text() for path in project.root.glob("*.out")} == {"whole\n"}
    wait_until_gone([int(line.split()[2]) for line in project.lines() if line.startswith("start ")])
