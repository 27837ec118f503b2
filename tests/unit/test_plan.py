"""The plan over random graphs with random outcomes, and by example where a story says more."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from pipectl.engine.resume import below, unfinished
from pipectl.events import (
    AttemptFinished,
    AttemptStarted,
    Event,
    RunFinished,
    RunResumed,
    RunStarted,
    RunStopping,
    TaskClosed,
    TaskOpened,
)
from pipectl.graph import Container, Fan, Node, lookup
from pipectl.model import ENDED, Foreach, Resources, Retry, RunState, State, Task, TriggerRule
from pipectl.plan import Ask, Plan


def tasks(*entries: Task) -> dict[str, Task]:
    return {task.name: task for task in entries}


def shell(name: str, *needs: str, **more: object) -> Task:
    return Task(name, "shell", needs=needs, **more)  # type: ignore[arg-type]


class Story:
    """Drives a plan as the loop does, with chance in place of processes, and keeps what happened."""

    def __init__(self, graph: dict[str, Task], chance: random.Random, slots: int = 3) -> None:
        self.graph = graph
        self.plan = Plan(graph)
        self.plan.admission.limit(slots=slots, memory=100, pools={"db": 2})
        self.events: list[Event] = []
        self.chance = chance
        self.slots = slots
        self.now = 0.0

    def tell(self, event: Event) -> None:
        self.events.append(event)
        self.plan.apply(event)

    def decide(self) -> None:
        while decision := self.plan.next_decision():
            name = decision.node.name
            chance = self.chance.random()
            if decision.ask is Ask.CLOSE:
                self.tell(TaskClosed(self.now, name, decision.state, decision.by))
            elif decision.ask is Ask.JUDGE:
                self.tell(TaskClosed(self.now, name, State.FAILED, "tasks", allowed=chance < 0.5))
            elif chance < 0.8:
                fan = isinstance(decision.node, Fan)
                items = self.chance.choices(["a", "b", {"x": 1}], k=self.chance.randrange(4)) if fan else None
                self.tell(TaskOpened(self.now, name, items))
            elif chance < 0.95:
                self.tell(TaskClosed(self.now, name, State.SKIPPED, "when"))
            else:
                self.tell(TaskClosed(self.now, name, State.FAILED, "foreach", "it cannot be told"))

    def start(self) -> None:
        self.plan.wake(self.now)
        while node := self.plan.next_ready():
            early = node.task.trigger in {TriggerRule.ONE_SUCCESS, TriggerRule.ONE_FAILED, TriggerRule.ONE_DONE}
            for need in node.task.needs:
                upstream = lookup(node, need)
                assert early or upstream.state in ENDED, f"{node.name} starts before {upstream.name} has ended"
            assert all(around.state is State.RUNNING for around in node.ancestors())
            self.tell(AttemptStarted(self.now, node.name, node.attempts + 1))
            self.check_limits()
        for node in self.plan.nodes.values():
            if node.state is State.QUEUED:
                assert self.is_held_back(node), f"{node.name} could start"

    def check_limits(self) -> None:
        running = list(self.plan.running.values())
        holding = [node for node in running if node.task.holds_slot]
        assert sum(node.task.resources.cpu for node in holding) <= self.slots
        assert sum(node.task.resources.memory or 0 for node in running) <= 100
        assert sum(node.task.pool.get("db", 0) for node in running) <= 2
        for container in self.plan.nodes.values():
            if isinstance(container, Container) and container.max_parallel is not None:
                assert sum(container in node.ancestors() for node in holding) <= container.max_parallel

    def is_held_back(self, node: Node) -> bool:
        """Whether some limit is in the way; who comes first at a gate may block smaller ones behind it."""
        running = list(self.plan.running.values())
        full = sum(one.task.resources.cpu for one in running if one.task.holds_slot) + 2 > self.slots
        crowded = any(
            node.task.holds_slot
            and container.max_parallel is not None
            and any(container in one.ancestors() for one in running)
            for container in node.ancestors()
        )
        return full or crowded or bool(node.task.pool) or node.task.resources.memory is not None

    def finish_one(self) -> None:
        node = self.plan.nodes[self.chance.choice(sorted(self.plan.running))]
        state = self.chance.choice([State.SUCCESS] * 5 + [State.FAILED] * 3 + [State.SKIPPED, None])
        retry_at = None
        if state is State.FAILED and node.tries <= node.task.retries.max and not self.plan.stopping:
            retry_at = self.now + self.chance.random()
        allowed = state is State.FAILED and retry_at is None and bool(node.task.allow_failure)
        self.tell(AttemptFinished(self.now, node.name, node.attempts, state, retry_at=retry_at, allowed=allowed))

    def run(self, stop_after: int | None = None) -> None:
        steps = 0
        while True:
            self.now += 0.1
            self.decide()
            for node in self.plan.take_doomed():
                self.tell(AttemptFinished(self.now, node.name, node.attempts, State.CANCELLED))
            self.decide()
            self.start()
            if self.plan.finished:
                break
            steps += 1
            assert steps < 5000, "it does not end"
            if steps == stop_after and not self.plan.stopping:
                reason = self.chance.choice(["cancel", "timeout", "fail_fast"])
                self.tell(RunStopping(self.now, reason, at_once=self.chance.random() < 0.3))
            elif self.plan.running:
                self.finish_one()
            else:
                at = self.plan.wake(self.now)
                assert at is not None, "nothing runs and nothing will"
                self.now = max(self.now, at)
        self.tell(RunFinished(self.now, self.plan.verdict))


@st.composite
def graphs(draw: st.DrawFn, depth: int = 2, base: str = "", outer: tuple[str, ...] = ()) -> dict[str, Task]:
    """Tasks of one level, and of groups in it; those in a group may need what stands before the group."""
    found: dict[str, Task] = {}
    for i in range(draw(st.integers(1, 7 if depth == 2 else 3))):
        name = f"{base}t{i}"
        above = [*(task.name for task in found.values()), *outer]
        inside = [t.name for task in found.values() if task.foreach is None for t in task.tasks.values()]
        needs = draw(st.lists(st.sampled_from(above + inside), unique=True, max_size=3)) if above else []
        kinds = ["shell", "shell", None, "wait"] + ["tasks", "tasks"] * (depth > 0)
        kind = draw(st.sampled_from(kinds))
        foreach = draw(st.sampled_from([None, None, Foreach(items=[])])) if kind else None
        wide = foreach is not None or kind == "tasks"
        children = draw(graphs(depth - 1, f"{name}.", tuple(above))) if kind == "tasks" else {}
        holds = kind == "shell"
        found[f"t{i}"] = Task(
            name,
            kind,
            needs=tuple(needs),
            trigger=draw(st.sampled_from(TriggerRule)),
            when=draw(st.sampled_from([None, None, "x", "item" if foreach else "x"])),
            retries=Retry(max=draw(st.integers(0, 2)) if holds else 0),
            allow_failure=draw(st.sampled_from([False, True, "x"])),
            priority=draw(st.integers(-1, 1)),
            foreach=foreach,
            tasks=children,
            max_parallel=draw(st.sampled_from([None, 1, 2])) if wide else None,
            fail_fast=draw(st.booleans()) if wide else False,
            pool=draw(st.sampled_from([{}, {}, {"db": 1}, {"db": 2}])) if holds else {},
            resources=draw(st.sampled_from([Resources(), Resources(2), Resources(1, 60)])) if holds else Resources(),
        )
    return found


def standing(plan: Plan) -> list[object]:
    return [node.standing() for node in plan.nodes.values()]


def replay(graph: dict[str, Task], events: list[Event]) -> Plan:
    plan = Plan(graph)
    for event in events:
        plan.apply(event)
    return plan


@settings(max_examples=300)
@given(graphs(), st.randoms(use_true_random=False), st.none() | st.integers(1, 10))
def test_every_instance_ends_and_replaying_gives_the_same_plan(
    graph: dict[str, Task], chance: random.Random, stop_after: int | None
) -> None:
    story = Story(graph, chance)
    story.tell(RunStarted(0.0))
    story.run(stop_after)
    assert all(node.state in ENDED for node in story.plan.nodes.values())
    replayed = replay(graph, story.events)
    assert standing(replayed) == standing(story.plan)
    assert (replayed.finished, replayed.verdict) == (True, story.plan.verdict)


@settings(max_examples=200)
@given(graphs(), st.randoms(use_true_random=False), st.integers(0, 60))
def test_a_replay_of_any_beginning_decides_as_the_plan_would_have(
    graph: dict[str, Task], chance: random.Random, cut: int
) -> None:
    story = Story(graph, chance)
    story.tell(RunStarted(0.0))
    story.run()
    first = story.events[:cut]
    live, later = replay(graph, first), replay(graph, first)
    for plan in (live, later):
        plan.wake(1e9)
    ready, decision = live.next_ready(), live.next_decision()
    assert (ready and ready.name) == ((again := later.next_ready()) and again.name)
    assert (decision and decision.node.name) == ((other := later.next_decision()) and other.node.name)
    assert standing(live) == standing(later)


@settings(max_examples=200)
@given(graphs(), st.randoms(use_true_random=False), st.integers(0, 60), st.none() | st.integers(1, 10))
def test_a_run_cut_off_anywhere_is_finished_by_a_resume_without_repeating_a_success(
    graph: dict[str, Task], chance: random.Random, cut: int, stop_after: int | None
) -> None:
    story = Story(graph, chance)
    story.tell(RunStarted(0.0))
    story.run(stop_after)
    resumed = Story(graph, chance)
    for event in story.events[: max(1, cut)]:
        resumed.tell(event)
    leaves = {name: node for name, node in resumed.plan.nodes.items() if not isinstance(node, Container)}
    done = {name for name, node in leaves.items() if node.state is State.SUCCESS}
    attempts = {name: resumed.plan.nodes[name].attempts for name in done}
    resumed.tell(RunResumed(9.0, tuple(unfinished(resumed.plan))))
    for node in list(resumed.plan.running.values()):
        resumed.tell(AttemptFinished(9.0, node.name, node.attempts, None))
    resumed.run()
    assert {name: resumed.plan.nodes[name].attempts for name in done} == attempts
    assert standing(replay(graph, resumed.events)) == standing(resumed.plan)


def finish(plan: Plan, name: str, state: State | None, **more: object) -> None:
    plan.apply(AttemptStarted(0.0, name, plan.nodes[name].attempts + 1))
    plan.apply(AttemptFinished(1.0, name, plan.nodes[name].attempts, state, **more))  # type: ignore[arg-type]


def order(plan: Plan) -> list[str]:
    names = []
    while node := plan.next_ready():
        names.append(node.name)
        finish(plan, node.name, State.SUCCESS)
    return names


def test_priority_starts_first_then_the_longest_chain_then_the_order_of_the_file() -> None:
    plan = Plan(
        tasks(shell("a"), shell("b"), shell("urgent", priority=1), shell("c1"), shell("c2", "c1"), shell("c3", "c2"))
    )
    plan.apply(RunStarted(0.0))
    assert order(plan) == ["urgent", "c1", "c2", "a", "b", "c3"]


def test_a_lost_attempt_does_not_use_up_a_retry() -> None:
    plan = Plan(tasks(shell("a", retries=Retry(max=1))))
    plan.apply(RunStarted(0.0))
    finish(plan, "a", None)
    assert plan.nodes["a"].attempts == 1
    assert plan.nodes["a"].tries == 0
    assert plan.next_ready() is plan.nodes["a"]


def test_a_retry_that_has_started_is_not_started_again_after_a_replay() -> None:
    events: list[Event] = [
        RunStarted(0.0),
        AttemptStarted(0.0, "a", 1),
        AttemptFinished(1.0, "a", 1, State.FAILED, retry_at=2.0),
        AttemptStarted(2.0, "a", 2),
        AttemptFinished(3.0, "a", 2, State.SUCCESS),
    ]
    plan = replay(tasks(shell("a", retries=Retry(max=3))), events)
    assert plan.wake(10.0) is None
    assert plan.next_ready() is None
    assert plan.finished


def test_what_waits_for_a_retry_is_queued_when_it_is_due() -> None:
    plan = Plan(tasks(shell("a", retries=Retry(max=1))))
    plan.apply(RunStarted(0.0))
    finish(plan, "a", State.FAILED, retry_at=5.0)
    assert plan.wake(4.0) == 5.0
    assert plan.next_ready() is None
    assert plan.wake(5.0) is None
    assert plan.next_ready() is plan.nodes["a"]


def test_what_waits_to_start_because_an_upstream_failed_waits_for_it_again_after_a_resume() -> None:
    plan = Plan(tasks(shell("a"), shell("handler", "a", trigger=TriggerRule.ALL_DONE)))
    plan.apply(RunStarted(0.0))
    finish(plan, "a", State.FAILED)
    plan.apply(RunResumed(1.0, ("a",)))
    assert order(plan) == ["a", "handler"]


def test_a_stop_closes_all_but_what_always_runs() -> None:
    plan = Plan(tasks(shell("a"), shell("b", "a"), shell("clean", "a", "b", trigger=TriggerRule.ALWAYS)))
    plan.apply(RunStarted(0.0))
    plan.apply(AttemptStarted(0.0, "a", 1))
    plan.apply(RunStopping(1.0, "cancel"))
    assert plan.next_decision() is None, "b would let `clean` start while a still runs"
    plan.apply(AttemptFinished(1.0, "a", 1, State.CANCELLED))
    decision = plan.next_decision()
    assert decision is not None
    assert (decision.node.name, decision.state, decision.by) == ("b", State.CANCELLED, "stop")
    plan.apply(TaskClosed(1.0, "b", State.CANCELLED, "stop"))
    assert plan.next_ready() is plan.nodes["clean"]
    finish(plan, "clean", State.SUCCESS)
    assert plan.verdict is RunState.CANCELLED


def test_a_stop_at_once_closes_what_always_runs_too() -> None:
    plan = Plan(tasks(shell("a"), shell("clean", "a", trigger=TriggerRule.ALWAYS)))
    plan.apply(RunStarted(0.0))
    plan.apply(RunStopping(1.0, "SIGINT", at_once=True))
    assert {plan.nodes["a"].name, plan.nodes["clean"].name} == {"a", "clean"}
    closed = []
    while decision := plan.next_decision():
        closed.append(decision.node.name)
        plan.apply(TaskClosed(1.0, decision.node.name, State.CANCELLED, "stop"))
    assert closed == ["a", "clean"]


def test_a_run_that_hit_its_time_limit_is_failed_though_nothing_failed() -> None:
    plan = Plan(tasks(shell("clean", trigger=TriggerRule.ALWAYS)))
    plan.apply(RunStarted(0.0))
    plan.apply(RunStopping(1.0, "timeout"))
    finish(plan, "clean", State.SUCCESS)
    assert plan.verdict is RunState.FAILED


def test_an_allowed_failure_does_not_fail_the_run_and_is_not_opened_again() -> None:
    plan = Plan(tasks(shell("a", allow_failure=True)))
    plan.apply(RunStarted(0.0))
    finish(plan, "a", State.FAILED, allowed=True)
    assert plan.verdict is RunState.SUCCESS
    assert unfinished(plan) == []


def test_what_its_when_skipped_stays_skipped_and_what_its_trigger_skipped_is_opened_again() -> None:
    plan = Plan(tasks(shell("a", when="x"), shell("b", trigger=TriggerRule.ONE_FAILED)))
    plan.apply(TaskClosed(0.0, "a", State.SKIPPED, "when"))
    plan.apply(TaskClosed(0.0, "b", State.SKIPPED, "trigger"))
    assert unfinished(plan) == ["b"]


def test_below_is_the_task_and_all_that_needs_it() -> None:
    plan = Plan(tasks(shell("a"), shell("b", "a"), shell("c", "b"), shell("other")))
    assert below(plan.nodes["b"]) == {"b", "c"}


def test_a_chain_of_many_tasks_needs_no_recursion() -> None:
    chain = [shell("t0"), *(shell(f"t{i}", f"t{i - 1}") for i in range(1, 20_000))]
    plan = Plan(tasks(*chain))
    assert plan.nodes["t0"].rank[1] == -20_000
