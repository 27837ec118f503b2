"""The twelve trigger rules, `when`, `allow_failure`, and what a run comes to."""

from __future__ import annotations

import pytest

from pipectl.model import TriggerRule
from tests.conftest import Project

UP = {
    "S": "{shell: 'true'}",
    "F": "{shell: 'false'}",
    "K": "{when: 'false', shell: 'true'}",
    "U": "{needs: broken, shell: 'true'}",
    "A": "{allow_failure: true, shell: 'false'}",
}
RULES = [
    "all_success",
    "all_done",
    "all_failed",
    "all_skipped",
    "all_done_min_one_success",
    "one_success",
    "one_failed",
    "one_done",
    "none_failed",
    "none_failed_min_one_success",
    "none_skipped",
    "always",
]

# Airflow's truth table, read from airflow/ti_deps/deps/trigger_rule_dep.py: for each pair of upstreams what the rule says,
# in the order of RULES: runs (+), skipped (k), upstream_failed (u).
TABLE = {
    "SS": "+ + k k + + k + + + + +",
    "SF": "u + k k + + + + u u + +",
    "SK": "k + k k k + k + + + k +",
    "FF": "u + + k u u + + u u + +",
    "FK": "u + k k k u + + u u k +",
    "KK": "k + k + k k k k + k k +",
    "SU": "u + k k + + + + u u + +",
    "UU": "u + + k u u + + u u + +",
    "AS": "+ + k k + + + + + + + +",
    "AA": "+ + + k + + + + + + + +",
    "AF": "u + + k + + + + u u + +",
}
STATES = {"+": "success", "k": "skipped", "u": "upstream_failed"}


def test_trigger_rules_decide_as_in_airflow(project: Project) -> None:
    lines = ["tasks:", "  broken: {shell: 'false'}"]
    expected = {}
    for pair, row in TABLE.items():
        for number, letter in enumerate(pair):
            lines.append(f"  {pair}-{number}: {UP[letter]}")
        for rule, mark in zip(RULES, row.split(), strict=True):
            name = f"{pair}-{rule}"
            lines.append(f"  {name}: {{needs: [{pair}-0, {pair}-1], trigger: {rule}, shell: 'true'}}")
            expected[name] = STATES[mark]
    project.run("\n".join(lines), "--output", "quiet", code=1)
    states = project.states()
    assert {name: states[name] for name in expected} == expected


def test_table_names_every_rule_there_is() -> None:
    assert {rule.value for rule in TriggerRule} == set(RULES)


def test_one_rules_start_as_soon_as_one_is_there(project: Project) -> None:
    project.run(
        """
        max_parallel: 4
        tasks:
          slow: {shell: "until test -e one_done && test -e one_success && test -e one_failed; do sleep 0.02; done"}
          good: {shell: "true"}
          bad: {allow_failure: true, shell: "false"}
          done: {needs: [slow, good], trigger: one_done, shell: touch one_done}
          success: {needs: [slow, good], trigger: one_success, shell: touch one_success}
          failed: {needs: [slow, bad], trigger: one_failed, shell: touch one_failed}
        """
    )


def test_join_takes_the_state_that_its_trigger_gives(project: Project) -> None:
    project.run(
        """
        tasks:
          good: {shell: "true"}
          bad: {shell: "false"}
          skipped: {when: "false"}
          joined: {needs: good}
          blocked: {needs: [good, bad]}
          left_out: {needs: [good, skipped]}
          done: {needs: [good, bad], trigger: all_done}
          alone: {}
        """,
        code=1,
    )
    states = project.states()
    assert states["joined"] == states["done"] == states["alone"] == "success"
    assert (states["blocked"], states["left_out"], states["skipped"]) == ("upstream_failed", "skipped", "skipped")
    assert project.instances()["joined"]["attempts"] == 0


def test_later_success_does_not_turn_a_failed_run_green(project: Project) -> None:
    project.run("tasks: {bad: {shell: exit 1}, end: {needs: bad, trigger: all_done, shell: echo end >> trace}}", code=1)
    assert project.lines() == ["end"]
    assert project.runs()[0]["state"] == "failed"


def test_run_of_skipped_tasks_alone_is_a_success(project: Project) -> None:
    project.run("tasks: {a: {when: 'false', shell: 'false'}, b: {needs: a, shell: 'false'}}")
    assert project.states() == {"a": "skipped", "b": "skipped"}


def test_when_sees_values_and_may_leave_the_braces_out(project: Project) -> None:
    project.run(
        """
        params: {env: dev, n: 2}
        vars: {big: "{{ params.n > 1 }}"}
        tasks:
          up: {shell: {script: echo 5, output: json}}
          bare: {when: "params.env == 'dev'", shell: "true"}
          braces: {when: "{{ params.env == 'dev' }}", shell: "true"}
          var: {when: vars.big, shell: "true"}
          yes: {when: true, shell: "true"}
          no: {when: false, shell: "true"}
          output: {needs: up, when: tasks.up.output > 4 and inputs.up == 5, shell: "true"}
          env: {when: "env.CALLER == 'x'", shell: "true"}
          date: {when: "run.date is match('^2026')", shell: "true"}
          other: {when: "params.env == 'prod'", shell: "true"}
        """,
        "--logical-time",
        "2026-01-01",
        env={"CALLER": "x"},
    )
    states = project.states()
    skipped = {name for name, state in states.items() if state == "skipped"}
    assert skipped == {"no", "other"}


def test_when_is_true_or_false_and_nothing_else(project: Project) -> None:
    project.run(
        """
        params: {n: 1, text: "false"}
        tasks:
          number: {when: params.n, shell: touch ran}
          text: {when: params.text, shell: touch ran}
        """,
        code=1,
    )
    assert project.states() == {"number": "failed", "text": "failed"}
    assert "true or false" in project.error("number")
    assert not (project.root / "ran").exists()


def test_when_is_looked_at_only_where_the_trigger_is_met(project: Project) -> None:
    project.run("tasks: {bad: {shell: exit 1}, a: {needs: bad, when: 'tasks.bad.output.x > 1', shell: 'true'}}", code=1)
    assert project.states()["a"] == "upstream_failed"


def test_allowed_failure_stays_failed_and_lets_the_rest_go_on(project: Project) -> None:
    project.run(
        """
        params: {lenient: true}
        tasks:
          soft: {allow_failure: true, shell: exit 3}
          told: {allow_failure: params.lenient, shell: exit 3}
          strict: {allow_failure: "{{ not params.lenient }}", shell: "true"}
          next: {needs: [soft, told], shell: "true"}
          handler: {needs: soft, trigger: one_failed, shell: "true"}
          sees: {needs: soft, shell: {script: 'echo $STATE', output: text}, env: {STATE: "{{ tasks.soft.state }}"}}
        """
    )
    rows = project.instances()
    assert (rows["soft"]["state"], rows["soft"]["allowed"], rows["told"]["allowed"]) == ("failed", True, True)
    assert rows["next"]["state"] == rows["handler"]["state"] == "success"
    assert rows["sees"]["output"] == "failed"
    project("run", "p.yaml", "-p", "lenient=false", code=1)


@pytest.mark.parametrize("stop", ["timeout", "fail_fast"])
def test_always_runs_after_the_run_was_stopped_and_only_that(project: Project, stop: str) -> None:
    top = "timeout: 700ms" if stop == "timeout" else "fail_fast: true"
    project.run(
        f"""
        {top}
        max_parallel: 2
        tasks:
          work: {{shell: "echo work >> trace; exec sleep 60"}}
          bad: {{shell: "until test -e trace; do sleep 0.02; done; {"true" if stop == "timeout" else "false"}"}}
          next: {{needs: bad, trigger: all_done, shell: "sleep 60"}}
          done: {{needs: work, trigger: all_done, shell: echo done >> trace}}
          clean: {{needs: '*', trigger: always, shell: 'echo clean $STATE >> trace', env: {{STATE: "{{{{ tasks.work.state }}}}"}}}}
        """,
        code=1,
    )
    assert project.lines() == ["work", "clean cancelled"]
    states = project.states()
    assert states["work"] == states["next"] == states["done"] == "cancelled"
    assert states["clean"] == "success"
    assert project.runs()[0]["state"] == "failed"


def test_always_that_runs_when_the_run_is_stopped_gets_its_grace(project: Project) -> None:
    project.run(
        """
        timeout: 500ms
        tasks:
          quick: {shell: "true"}
          clean: {needs: quick, trigger: always, grace: 5s, shell: "touch up; until test -e go; do sleep 0.02; done; echo end >> trace"}
          work: {shell: "until test -e up; do sleep 0.02; done; trap 'touch go; exit 1' TERM; while :; do sleep 0.02; done"}
        """,
        "-j",
        "2",
        code=1,
    )
    assert project.lines() == ["end"]
    assert project.states()["clean"] == "success"


def test_always_is_itself_bounded_by_its_grace_after_a_stop(project: Project) -> None:
    project.run(
        """
        timeout: 300ms
        tasks:
          work: {shell: exec sleep 60}
          clean: {needs: work, trigger: always, grace: 300ms, shell: exec sleep 60}
        """,
        code=1,
    )
    assert project.states() == {"work": "cancelled", "clean": "failed"}
    assert "time limit" in project.error("clean")
