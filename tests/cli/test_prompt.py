"""A question of a run, answered at the terminal that it runs in."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.cli.test_live import Terminal
from tests.conftest import Project

Start = Callable[..., Terminal]

ONE = "tasks: {deploy: {approve: 'Deploy {{ 1 + 1 }}?'}, after: {needs: deploy, shell: echo done >> trace}}"


@pytest.fixture
def run(project: Project) -> Iterator[Start]:
    started: list[Terminal] = []

    def start(text: str, *args: object) -> Terminal:
        project.write("p.yaml", text)
        started.append(Terminal(project, "run", "p.yaml", "--durability", "normal", *args))
        return started[-1]

    yield start
    for terminal in started:
        if terminal.code is None:
            os.kill(terminal.pid, signal.SIGKILL)
            terminal.finish()


@pytest.mark.parametrize("mode", ["live", "plain"])
def test_person_at_the_terminal_answers(run: Start, project: Project, mode: str) -> None:
    terminal = run(ONE, "--output", mode)
    terminal.wait_for(lambda text: "deploy asks: Deploy 2? (y or n, and Enter)" in text)
    terminal.type("y\n")
    terminal.finish()
    assert terminal.code == 0
    assert project.lines() == ["done"]


def test_no_is_a_rejection(run: Start, project: Project) -> None:
    terminal = run(ONE, "--output", "plain")
    terminal.wait_for(lambda text: "deploy asks" in text)
    terminal.type("n\n")
    terminal.finish()
    assert terminal.code == 1
    assert project.error("deploy").startswith("rejected by ")


def test_what_was_typed_before_the_question_is_no_answer(run: Start, project: Project) -> None:
    terminal = run(
        "tasks: {w: {wait: {file: go, interval: 50ms}}, deploy: {needs: w, approve: Sure?}}", "--output", "plain"
    )
    terminal.wait_for(lambda text: "waits for" in text)
    terminal.type("y\n")
    project.write("go", "")
    terminal.wait_for(lambda text: "deploy asks" in text)
    terminal.type("what?\n")
    terminal.wait_for(lambda text: "type `y` or `n`" in text)
    assert project.states()["deploy"] == "waiting"
    terminal.type("n\n")
    terminal.finish()
    assert project.states()["deploy"] == "failed"


def test_several_questions_are_answered_by_name_and_values_are_checked(run: Start, project: Project) -> None:
    text = "tasks: {a: {approve: {question: A?, params: {n: {type: integer}}}}, b: {approve: B?}}"
    terminal = run(text, "--output", "plain")
    terminal.wait_for(lambda text: "a asks" in text and "b asks" in text)
    terminal.type("y\n")
    terminal.wait_for(lambda text: "several tasks of run" in text)
    terminal.type("y b\ny a n=x\n")
    terminal.wait_for(lambda text: "parameter `n` must be" in text)
    terminal.type("y a n=4\n")
    terminal.finish()
    assert terminal.code == 0
    assert project.output("a") == {"n": 4}
