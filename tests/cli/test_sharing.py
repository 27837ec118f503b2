"""Pools and resources as their users see them: never more at once than there is, whoever asks, and nothing is stale."""

from __future__ import annotations

import pytest

from tests.conftest import Project, wait_until
from tests.killing import kill_runner

HOLD = 'echo \\"$PIPECTL_INSTANCE up\\" >> trace; until test -e go; do sleep 0.02; done'


def test_no_more_slots_of_a_pool_are_in_use_than_it_has(project: Project) -> None:
    project.run(
        """
        pools: {db: 3}
        tasks:
          one: {foreach: [1, 2, 3, 4], pool: db, shell: &work 'd=now/$$.$N; mkdir -p $d; for i in $(seq $N); do echo; done > $d/n; cat now/*/n 2> /dev/null | wc -l >> trace; sleep 0.05; rm -r $d', env: {N: 1}}
          two: {foreach: [1, 2, 3], pool: {db: 2}, env: {N: 2}, shell: *work}
        """,
        "-j",
        "8",
    )
    assert max(map(int, project.lines())) <= 3
    assert set(project.states().values()) == {"success"}


def test_pool_is_shared_by_all_runs_of_a_state(project: Project) -> None:
    text = """
        name: %s
        pools: {db: 1}
        tasks: {t: {foreach: [1, 2, 3], pool: db, shell: 'mkdir busy || echo clash >> trace; echo t >> trace; sleep 0.05; rmdir busy'}}
        """
    project.write("a.yaml", text % "a")
    project.write("b.yaml", text % "b")
    processes = [project.start("run", f"{name}.yaml", "-j", "3") for name in "ab"]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert project.lines() == ["t"] * 6


def test_slots_of_a_killed_run_are_free_for_the_next(project: Project) -> None:
    text = f'pools: {{db: 1}}\ntasks: {{t: {{pool: db, shell: "{HOLD}"}}}}'
    process = project.start_run(text)
    project.wait_for_line("t up")
    project.write("b.yaml", "pools: {db: 1}\ntasks: {u: {pool: db, shell: echo u >> trace}}")
    waiting = project.start("run", "b.yaml")
    wait_until(lambda: len(project.runs()) == 2)
    assert "u" not in project.lines()
    kill_runner(process)
    assert waiting.wait(30) == 0
    project.write("go", "")
    project("resume")
    assert project.lines() == ["t up", "u", "t up"]


def test_run_that_waits_for_a_pool_may_be_killed_and_leaves_nothing_taken(project: Project) -> None:
    text = f'pools: {{db: 1}}\ntasks: {{t: {{pool: db, shell: "{HOLD}"}}}}'
    holder = project.start_run(text)
    project.wait_for_line("t up")
    project.write("b.yaml", "pools: {db: 1}\ntasks: {u: {pool: db, shell: echo u >> trace}}")
    waiting = project.start("run", "b.yaml")
    wait_until(lambda: len(project.runs()) == 2)
    kill_runner(waiting)
    project.write("go", "")
    assert holder.wait(30) == 0
    project("resume")
    assert project.lines() == ["t up", "u"]


def test_cancel_reaches_a_run_that_waits_for_a_pool(project: Project) -> None:
    text = f'pools: {{db: 1}}\ntasks: {{t: {{pool: db, shell: "{HOLD}"}}}}'
    holder = project.start_run(text)
    project.wait_for_line("t up")
    project.write("b.yaml", "name: b\npools: {db: 1}\ntasks: {u: {pool: db, shell: echo u >> trace}}")
    waiting = project.start("run", "b.yaml")
    wait_until(lambda: len(project.runs()) == 2)
    project("cancel", project.runs()[0]["id"])
    assert waiting.wait(20) == 1
    project.write("go", "")
    assert holder.wait(30) == 0
    assert project.lines() == ["t up"]


def test_what_needs_no_pool_goes_on_beside_what_waits_for_one(project: Project) -> None:
    project.run(
        """
        pools: {db: 1}
        tasks:
          a: {pool: db, shell: "until grep -q free trace; do sleep 0.02; done; echo a >> trace"}
          b: {pool: db, shell: "until grep -q free trace; do sleep 0.02; done; echo b >> trace"}
          free: {shell: echo free >> trace}
        """,
        "-j",
        "2",
    )
    assert project.lines()[0] == "free"


def test_rate_of_a_pool_counts_the_starts_of_the_run_before_too(project: Project) -> None:
    text = """
        pools: {site: {slots: 9, rate: 2/1s}}
        tasks: {t: {foreach: [1, 2, 3, 4, 5], pool: site, shell: 'date +%s%N >> trace; test $ITEM != 2 || test -e ok'}}
        """
    project.run(text, "-j", "5", code=1)
    project.write("ok", "")
    project("resume")
    starts = sorted(int(line) / 1e9 for line in project.lines())
    assert len(starts) == 6
    assert min(third - first for first, third in zip(starts, starts[2:], strict=False)) > 0.5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pools: {site: 2}\ntasks: {a: {pool: sit, shell: 'true'}}", "did you mean `site`"),
        ("pools: {db: 2}\ntasks: {a: {pool: {db: 3}, shell: 'true'}}", "has 2 slots, not 3"),
        ("pools: {db: 0}\ntasks: {a: {pool: db, shell: 'true'}}", "db"),
        ("tasks: {a: {resources: {memory: lots}, shell: 'true'}}", "lots"),
        ("gpus: 1\ntasks: {a: {resources: {gpu: 2}, shell: 'true'}}", "`gpu` asks for 2, and there are 1"),
    ],
)
def test_what_can_never_be_had_is_refused_before_anything_runs(project: Project, text: str, said: str) -> None:
    got = project.run(text, code=2)
    assert said in got.stderr
    assert not (project.root / ".pipectl").exists()


def test_cpus_count_as_slots_and_one_that_wants_more_than_there_are_runs_alone(project: Project) -> None:
    project.run(
        """
        tasks:
          small: {foreach: [1, 2, 3], shell: &work 'd=now/$$; mkdir -p $d; ls now | wc -l >> "$PIPECTL_TASK"; sleep 0.05; rmdir $d'}
          big: {resources: {cpu: 9}, shell: *work}
        """,
        "-j",
        "2",
    )
    assert project.lines("big") == ["1"]
    assert max(map(int, project.lines("small"))) <= 2


def test_devices_are_told_apart_and_free_again_after_a_kill(project: Project) -> None:
    text = """
        gpus: 2
        tasks:
          t: {foreach: [1, 2, 3, 4], resources: {gpu: 1}, shell: 'mkdir "g$CUDA_VISIBLE_DEVICES" || echo clash >> trace; echo "$ITEM" >> trace; until test -e go; do sleep 0.02; done; rmdir "g$CUDA_VISIBLE_DEVICES"'}
        """
    process = project.start_run(text, "-j", "4")
    wait_until(lambda: len(project.lines()) == 2)
    kill_runner(process)
    for folder in project.root.glob("g[0-9]"):
        folder.rmdir()
    project.write("go", "")
    project("resume")
    assert "clash" not in project.lines()
    assert set(project.states().values()) == {"success"}


def test_memory_is_a_limit_of_the_attempt(project: Project) -> None:
    project.run(
        """
        tasks:
          big: {resources: {memory: 200M}, python: {code: "len(bytearray(1 << 30))", interpreter: python3}}
          fits: {resources: {memory: 200M}, shell: "true"}
        """,
        code=1,
    )
    assert project.states() == {"big": "failed", "fits": "success"}
    assert "memory" in project.error("big").lower()


def test_retry_waits_for_its_delay_without_a_slot_of_the_pool(project: Project) -> None:
    project.run(
        """
        pools: {db: 1}
        tasks:
          again: {pool: db, priority: 1, retries: {max: 1, delay: 300ms, jitter: 0}, shell: 'echo again >> trace; test $PIPECTL_ATTEMPT = 2'}
          other: {pool: db, shell: echo other >> trace}
        """
    )
    assert project.lines() == ["again", "other", "again"]
