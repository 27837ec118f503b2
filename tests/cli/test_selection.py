"""Runs of a part of a pipeline: what runs, and what the rest gave before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Project, wait_until
from tests.killing import kill_runner

PIPELINE = """
tasks:
  a: {shell: 'echo a >> trace; echo v=1 > $PIPECTL_OUTPUT'}
  b: {needs: a, tags: [nightly], shell: 'echo b >> trace; echo "[3, 4]" > $PIPECTL_OUTPUT'}
  region:
    needs: a
    foreach: [eu, us]
    tasks:
      extract: {shell: 'echo "\\"x$ITEM\\"" > $PIPECTL_OUTPUT'}
      load:
        needs: extract
        env: {SEEN: "{{ tasks.extract.output }} {{ tasks.a.output.v }}"}
        shell: {script: 'echo "$SEEN"; cat "$PIPECTL_INPUTS"', output: text}
  each: {needs: b, foreach: "{{ tasks.b.output }}", shell: echo each-$ITEM >> trace}
  mend: {needs: b, trigger: one_failed, shell: echo mended >> trace}
  end: {needs: [region, each], python: "output = [inputs, states]"}
"""


def ran(project: Project) -> list[str]:
    return list(project.states())


def test_without_an_earlier_success_what_would_be_used_is_named_and_nothing_is_written(project: Project) -> None:
    project.write("p.yaml", PIPELINE)
    got = project("run", "p.yaml", "--only", "region.load", code=2)
    assert "`region.load` uses the output of `a`, which is left out and has never succeeded" in got.stderr
    assert "uses the output of `region.extract`" in got.stderr
    assert "hint: `--until region.load`" in got.stderr
    assert not (project.root / ".pipectl").exists()


def test_rest_is_not_in_the_run_and_gives_what_it_gave_before(project: Project) -> None:
    project.run(PIPELINE)
    project.run(PIPELINE, "--only", "load")
    assert ran(project) == ["region[eu].load", "region[us].load"]
    assert project.output("region[us].load") == 'xus 1\n{"extract":"xus"}'
    project.run(PIPELINE, "--only", "end")
    (inputs, states) = project.output("end")
    assert inputs["each"] == [None, None]
    assert inputs["region"][0]["extract"] == "xeu"
    assert states == {"region": "success", "each": "success"}


def test_items_come_from_what_was_given_before(project: Project) -> None:
    project.run(PIPELINE)
    project.run(PIPELINE, "--from", "each", "--skip", "end")
    assert ran(project) == ["each[3]", "each[4]"]


def test_newest_success_counts_also_of_a_run_that_failed(project: Project) -> None:
    project.run("tasks: {a: {shell: 'echo v=1 > $PIPECTL_OUTPUT'}, b: {needs: a, shell: 'exit 1'}}", code=1)
    text = "tasks: {a: {shell: 'exit 1'}, b: {needs: a, shell: {script: 'cat $PIPECTL_INPUTS', output: json}}}"
    project.run(text, code=1)
    project.run(text, "--only", "b")
    assert project.output("b") == {"a": {"v": "1"}}


def test_what_is_missing_of_a_group_is_in_its_output(project: Project) -> None:
    project.run(PIPELINE)
    project.run(PIPELINE, "--skip", "extract", "--skip", "each")
    inputs, _ = project.output("end")
    assert [sorted(copy) for copy in inputs["region"]] == [["extract", "load"], ["extract", "load"]]


def test_item_that_is_new_fails_with_what_it_lacks(project: Project) -> None:
    project.run(PIPELINE)
    project.run(PIPELINE.replace("[eu, us]", "[eu, ap]"), "--only", "load", code=1)
    assert project.states() == {"region[eu].load": "success", "region[ap].load": "failed"}
    assert "it needs `region[ap].extract`, which is left out" in project.error("region[ap].load")


def test_handler_runs_where_it_was_named_and_not_because_something_is_left_out(project: Project) -> None:
    project.run(PIPELINE)
    project.run(PIPELINE, "--only", "mend")
    assert project.states() == {"mend": "success"}
    project.run(PIPELINE, "--skip", "tag:nightly")
    assert project.states()["mend"] == "skipped"


def test_resume_show_and_logs_know_the_same_part(project: Project) -> None:
    text = "tasks: {a: {shell: 'echo v=1 > $PIPECTL_OUTPUT'}, b: {needs: a, shell: 'cat $PIPECTL_INPUTS; %s'}}"
    project.run(text % "true")
    project.write("p.yaml", text % "test -e ready")
    project("run", "p.yaml", "--only", "b", code=1)
    project.write("ready", "")
    project("resume")
    assert project.states() == {"b": "success"}
    assert project.log("b").strip() == '{"a":{"v":"1"}}'
    assert "no task `a`" in project("logs", "latest", "a", code=2).stderr


def test_run_with_resume_goes_on_only_with_the_same_part(project: Project) -> None:
    text = "tasks: {a: {shell: 'true'}, b: {shell: 'test -e ready'}}"
    project.run(text, "--only", "b", code=1)
    project.write("ready", "")
    got = project.run(text, "--resume")
    assert "of another part of the pipeline" in got.stderr
    assert len(project.runs()) == 2
    (project.root / "ready").unlink()
    project.run(text, "--only", "b", code=1)
    project.write("ready", "")
    project.run(text, "--resume", "--only", "b")
    assert len(project.runs()) == 3


def test_updated_run_keeps_its_part(project: Project) -> None:
    project.run("tasks: {a: {shell: 'true'}, b: {shell: 'exit 1'}}", "--only", "b", code=1)
    project.write("p.yaml", "tasks: {a: {shell: 'true'}, b: {shell: 'true'}}")
    project("resume", "--updated")
    assert project.states() == {"b": "success"}


def planned(project: Project, *args: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(project("plan", "p.yaml", "--json", *args).stdout)
    return document


def test_plan_and_simulate_see_the_same_part_and_warn_where_a_run_would_be_refused(project: Project) -> None:
    project.write("p.yaml", PIPELINE)
    document = planned(project, "--only", "each")
    assert [row["name"] for row in document["tasks"]] == ["each"]
    assert "never succeeded" in document["warnings"][0]["message"]
    assert document["assumed_items"] == [{"task": "each", "count": 3, "source": "guess"}]
    project.run(PIPELINE)
    document = planned(project, "--only", "each")
    assert (document["tasks"][0]["instances"], document["assumed_items"], document["warnings"]) == (2, [], [])
    simulated = json.loads(project("simulate", "p.yaml", "--json", "--until", "b", "--fail", "a").stdout)
    assert {row["name"]: row["state"] for row in simulated["instances"]} == {"a": "failed", "b": "upstream_failed"}


@pytest.mark.parametrize("command", ["run", "plan", "simulate"])
def test_names_of_nothing_are_exit_2(project: Project, command: str) -> None:
    project.write("p.yaml", PIPELINE)
    assert "did you mean `region`?" in project(command, "p.yaml", "--from", "regoin", code=2).stderr
    assert "nothing is left" in project(command, "p.yaml", "--only", "a", "--skip", "a", code=2).stderr


def test_part_that_was_killed_is_resumed_with_the_outputs_that_it_had_of_the_rest(project: Project) -> None:
    text = """
        tasks:
          a: {python: "output = 1"}
          b: {needs: a, python: "output = inputs['a'] + 1"}
          c: {needs: b, shell: 'echo "$B" >> trace; until test -e go; do sleep 0.02; done', env: {B: "{{ inputs['b'] }}"}}
          d: {needs: c, shell: echo d >> trace}
        """
    (project.root / "go").touch()
    project.run(text)
    (project.root / "go").unlink()
    process = project.start("run", "p.yaml", "--from", "c")
    wait_until(lambda: project.lines("trace") == ["2", "d", "2"])
    kill_runner(process)
    killed = project.runs()[0]["id"]
    project("run", "p.yaml", "--only", "a", code=0)
    (project.root / "go").touch()
    project("resume", code=0)
    assert project.lines("trace") == ["2", "d", "2", "2", "d"]
    assert project.states(killed) == {"c": "success", "d": "success"}


def test_updated_part_gets_what_it_newly_uses_of_the_rest_or_is_refused(project: Project) -> None:
    text = """
        tasks:
          a: {python: "output = 1"}
          z: {python: "output = 5"}
          b: {needs: a, python: "output = inputs['a']"}
          k: {needs: b, shell: test -e ok}
        """
    (project.root / "ok").touch()
    project.run(text)
    (project.root / "ok").unlink()
    project("run", "p.yaml", "--from", "b", code=1)
    edited = text.replace("b: {needs: a, ", "b: {needs: [a, z], ").replace("inputs['a']", "inputs['a'] + inputs['z']")
    project.write("p.yaml", edited)
    (project.root / "ok").touch()
    assert "`b` has another `python.code`" in project("resume", "--updated", code=0).stderr
    assert project.output("b") == 6
    project.write("p.yaml", edited.replace("z: ", "never: ").replace("z]", "never]").replace("['z']", "['never']"))
    refused = project("resume", "--updated", code=2)
    assert "`never`" in refused.stderr
    assert project.output("b") == 6
