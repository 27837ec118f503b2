"""Groups as their users see them: one upstream to others, each copy a chain of its own, what holds for all in them."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Project, wait_until
from tests.killing import kill_runner

SAY = 'echo \\"$PIPECTL_INSTANCE\\" >> trace'

REGIONS = f"""
    tasks:
      start: {{shell: "{SAY}"}}
      region:
        needs: start
        foreach: [eu, us]
        tasks:
          extract: {{shell: "{SAY}; echo where=$ITEM > $PIPECTL_OUTPUT"}}
          load: {{needs: extract, shell: "{SAY}; test $ITEM = eu || test -e ok || exit 7"}}
      end: {{needs: region, shell: "{SAY}"}}
    """

BLOCKING = f"""
    tasks:
      start: {{shell: "{SAY}"}}
      region:
        needs: start
        foreach: "{{{{ lines('regions.txt') }}}}"
        tasks:
          extract: {{shell: "{SAY}; echo where=$ITEM > $PIPECTL_OUTPUT"}}
          load: {{needs: extract, shell: "{SAY}; test $ITEM = eu || until test -e go; do sleep 0.02; done"}}
      end: {{needs: region, python: "output = [one['extract']['where'] for one in inputs['region']]"}}
    """


def test_copies_of_a_group_are_chains_that_do_not_wait_for_each_other(project: Project) -> None:
    project.run(
        """
        tasks:
          region:
            foreach: [eu, us]
            tasks:
              extract: {shell: 'test $ITEM = eu || until grep -q "eu loaded" trace; do sleep 0.02; done'}
              load: {needs: extract, shell: echo $ITEM loaded >> trace}
        """
    )
    assert project.lines() == ["eu loaded", "us loaded"]
    assert list(project.states()) == [
        *("region[eu].extract", "region[eu].load", "region[us].extract", "region[us].load"),
    ]


def test_only_the_failed_copy_goes_on_at_a_resume_and_what_it_blocked(project: Project) -> None:
    project.run(REGIONS, "-j", "1", code=1)
    assert project.states() == {
        "start": "success",
        "region[eu].extract": "success",
        "region[eu].load": "success",
        "region[us].extract": "success",
        "region[us].load": "failed",
        "end": "upstream_failed",
    }
    assert project.instances()["region[us].load"]["exit_code"] == 7
    before = len(project.lines())
    project.write("ok", "")
    project("resume")
    assert project.lines()[before:] == ["region[us].load", "end"]


@pytest.mark.parametrize(
    ("again", "ran"),
    [
        ("region[us].extract", ["region[us].extract", "region[us].load", "end"]),
        ("region.load", ["region[eu].load", "region[us].load", "end"]),
        ("region[eu]", ["region[eu].extract", "region[eu].load", "end"]),
        ("region", ["region[eu].extract", "region[us].extract", "region[eu].load", "region[us].load", "end"]),
        ("end", ["end"]),
    ],
)
def test_resume_from_a_part_runs_that_and_what_is_below_it(project: Project, again: str, ran: list[str]) -> None:
    project.write("ok", "")
    project.run(REGIONS, "-j", "1")
    before = len(project.lines())
    project("resume", "latest", "--from", again)
    assert sorted(project.lines()[before:]) == sorted(ran)
    assert set(project.states().values()) == {"success"}


def test_killed_run_goes_on_with_the_copies_it_had(project: Project) -> None:
    project.write("regions.txt", "eu\nus\n")
    process = project.start_run(BLOCKING)
    project.wait_for_line("region[us].load")
    wait_until(lambda: project.states()["region[eu].load"] == "success")
    kill_runner(process)
    project.write("regions.txt", "us\nmars\n")
    project.write("go", "")
    project("resume")
    assert project.output("end") == ["eu", "us"]
    assert {name: project.lines().count(name) for name in set(project.lines())} == {
        **dict.fromkeys(["start", "region[eu].extract", "region[eu].load", "region[us].extract"], 1),
        "region[us].load": 2,
    }


def test_names_are_looked_up_in_the_group_first_then_outwards(project: Project) -> None:
    project.run(
        """
        tasks:
          a: {python: "output = 'outer a'"}
          b: {python: "output = 'outer b'"}
          g:
            tasks:
              a: {python: "output = 'inner a'"}
              use:
                needs: [a, b]
                python: {code: "output = {'inputs': inputs, 'said': said}", with: {said: ["{{ tasks.a.output }}", "{{ tasks.b.output }}"]}}
          last: {needs: [g, g.use], python: {code: "output = got", with: {got: "{{ tasks.g.output.use.said }}"}}}
        """
    )
    said = ["inner a", "outer b"]
    assert project.output("g.use") == {"inputs": {"a": "inner a", "b": "outer b"}, "said": said}
    assert project.output("last") == said


def test_group_gives_its_environment_and_folder_to_its_tasks_which_may_say_otherwise(project: Project) -> None:
    project.write("sub/here", "")
    project.run(
        """
        env: {A: top, B: top, C: top}
        tasks:
          g:
            env: {B: "group of $A", C: "{{ env.A }}+group"}
            cwd: sub
            tasks:
              one: {shell: "test -e here; echo $A/$B/$C >> ../trace"}
              deep:
                env: {A: deep}
                tasks:
                  two: {needs: one, cwd: ., env: {C: "{{ env.C }}+task"}, shell: "test -e p.yaml; echo $A/$B/$C >> trace"}
        """
    )
    assert project.lines() == ["top/group of $A/top+group", "deep/group of $A/top+group+task"]


def test_group_gives_its_retries_and_its_time_limit_to_its_tasks(project: Project) -> None:
    project.run(
        """
        tasks:
          g:
            retries: {max: 1, delay: 0}
            timeout: 300ms
            grace: 100ms
            tasks:
              flaky: {shell: "test $PIPECTL_ATTEMPT -ge 2"}
              slow: {retries: 0, shell: exec sleep 60}
        """,
        code=1,
    )
    rows = project.instances()
    assert (rows["g.flaky"]["state"], rows["g.flaky"]["attempts"]) == ("success", 2)
    assert (rows["g.slow"]["state"], rows["g.slow"]["attempts"]) == ("failed", 1)


@pytest.mark.parametrize(
    ("extra", "state", "code"),
    [
        ("when: params.no", "skipped", 0),
        ("trigger: one_failed", "skipped", 0),
        ("needs: bad", "upstream_failed", 1),
    ],
)
def test_group_that_may_not_run_gives_its_state_to_every_task_in_it(
    project: Project, extra: str, state: str, code: int
) -> None:
    bad = "bad: {shell: exit 1}" if "bad" in extra else "ok: {shell: 'true'}"
    needs = "" if "needs" in extra else "needs: ok, "
    project.run(
        f"""
        params: {{no: false}}
        tasks:
          {bad}
          g:
            {{{needs}{extra}, tasks: {{a: {{shell: echo a >> trace}}, h: {{tasks: {{b: {{trigger: always, shell: echo b >> trace}}}}}}}}}}
          after: {{needs: g, trigger: all_done, shell: echo after >> trace}}
        """,
        code=code,
    )
    states = project.states()
    assert (states["g.a"], states["g.h.b"], states["after"]) == (state, state, "success")
    assert project.lines() == ["after"]


def test_fail_fast_of_a_group_ends_what_runs_in_it_and_lets_its_clean_up_run(project: Project) -> None:
    project.run(
        """
        tasks:
          g:
            fail_fast: true
            tasks:
              slow: {shell: "echo up >> trace; exec sleep 60"}
              bad: {shell: "until grep -q up trace; do sleep 0.02; done; exit 1"}
              next: {needs: slow, shell: "true"}
              tidy: {needs: [slow, bad], trigger: always, shell: "echo tidy >> trace"}
          other: {shell: "until grep -q tidy trace; do sleep 0.02; done; echo other >> trace"}
        """,
        "-j",
        "4",
        code=1,
    )
    assert project.states() == {
        "g.slow": "cancelled",
        "g.bad": "failed",
        "g.next": "cancelled",
        "g.tidy": "success",
        "other": "success",
    }


def test_always_task_in_a_group_runs_after_a_cancel_and_has_its_grace_as_time_limit(project: Project) -> None:
    process = project.start_run(
        """
        tasks:
          g:
            foreach: [a, b]
            tasks:
              work: {shell: "echo up >> trace; exec sleep 60"}
              tidy: {needs: work, trigger: always, grace: 300ms, shell: "echo tidy $ITEM >> trace; test $ITEM = a || exec sleep 60"}
        """,
        "-j",
        "2",
    )
    wait_until(lambda: project.lines().count("up") == 2)
    project("cancel")
    assert process.wait(20) == 1
    assert sorted(project.lines()) == ["tidy a", "tidy b", "up", "up"]
    states = project.states()
    assert (states["g[a].tidy"], states["g[a].work"]) == ("success", "cancelled")
    assert states["g[b].tidy"] != "success"


def test_no_more_tasks_of_a_group_run_at_once_than_it_allows(project: Project) -> None:
    project.run(
        """
        tasks:
          g:
            max_parallel: 2
            tasks:
              a: {foreach: [1, 2, 3], shell: &work 'd=now/$$; mkdir -p $d; ls now | wc -l >> trace; sleep 0.05; rmdir $d'}
              b: {foreach: [1, 2, 3], shell: *work}
        """,
        "-j",
        "6",
    )
    assert max(map(int, project.lines())) <= 2


def test_failure_of_a_group_may_be_allowed_and_stays_a_failure_for_what_asks(project: Project) -> None:
    project.run(
        """
        tasks:
          g: {allow_failure: true, tasks: {bad: {shell: exit 1}, next: {needs: bad, shell: "true"}}}
          good: {needs: g, shell: "true"}
          rescue: {needs: g, trigger: one_failed, python: {code: "output = state", with: {state: "{{ tasks.g.state }}"}}}
        """
    )
    assert project.states() == {
        "g.bad": "failed",
        "g.next": "upstream_failed",
        "good": "success",
        "rescue": "success",
    }
    assert project.output("rescue") == "failed"
    assert "nothing to resume" in project("resume").stderr


def test_group_of_nothing_but_skipped_tasks_is_skipped(project: Project) -> None:
    project.run(
        """
        tasks:
          g: {tasks: {a: {when: "false", shell: "true"}, b: {needs: a, shell: "true"}}}
          after: {needs: g, shell: "true"}
        """
    )
    assert set(project.states().values()) == {"skipped"}


def test_groups_in_groups_under_foreach_know_all_items_around_them(project: Project) -> None:
    project.write("ok", "")
    project.run(
        """
        tasks:
          a:
            foreach: [1, 2]
            tasks:
              b:
                tasks:
                  c:
                    foreach: "{{ [item * 10, item * 10 + 1] }}"
                    tasks:
                      d:
                        foreach: [x, y]
                        key: item ~ '-' ~ outer.item ~ '-' ~ outer.outer.item
                        python: "import os; output = [item, outer['item'], outer['outer']['item'], index, os.environ['ITEM']]"
                      e: {needs: d, python: "output = len(inputs['d'])"}
        """
    )
    rows = project.instances()
    assert len(rows) == 12
    assert rows["a[2].b.c[21].d[y-21-2]"]["output"] == ["y", 21, 2, 1, "y"]
    assert rows["a[1].b.c[10].e"]["output"] == 2
    project("resume", "latest", "--from", "a[2].b.c[21].d[y-21-2]")
    again = {name for name, row in project.instances().items() if row["attempts"] == 2}
    assert again == {"a[2].b.c[21].d[y-21-2]", "a[2].b.c[21].e"}
    project("resume", "latest", "--from", "a.b.c.e")
    assert [project.instances()[f"a[{n}].b.c[{n}{m}].e"]["attempts"] for n, m in ((1, 0), (2, 1))] == [2, 3]


def test_condition_over_an_upstream_in_a_group_is_asked_for_each_copy(project: Project) -> None:
    project.run(
        """
        tasks:
          g:
            foreach: [1, 2]
            when: item > 0
            tasks:
              n: {python: "output = item"}
              big: {needs: n, when: tasks.n.output > 1, shell: "true"}
              after: {needs: big, trigger: none_failed, shell: "true"}
        """
    )
    states = project.states()
    assert (states["g[1].big"], states["g[2].big"]) == ("skipped", "success")
    assert (states["g[1].after"], states["g[2].after"]) == ("success", "success")


def test_logs_of_a_group_are_those_of_all_in_it(project: Project) -> None:
    project.run("tasks: {g: {foreach: [a, b], tasks: {t: {shell: echo from $ITEM}, u: {shell: echo other}}}}")
    assert "from a" in project.log("g[a]")
    assert "from b" not in project.log("g[a]")
    assert {"from a", "from b"} <= {line.split("| ")[-1].strip() for line in project.log("g.t").splitlines()}
    assert json.loads(project("show", "--json").stdout)["run"]["state"] == "success"


def test_killed_fail_fast_stays_one_when_the_run_goes_on(project: Project) -> None:
    text = """
        tasks:
          g:
            fail_fast: true
            tasks:
              bad: {shell: "echo bad >> trace; test -e ok"}
              next: {needs: bad, shell: echo next >> trace}
              tidy: {needs: bad, trigger: always, shell: "echo tidy >> trace; until test -e go; do sleep 0.02; done"}
          after: {needs: g, shell: echo after >> trace}
        """
    process = project.start_run(text)
    project.wait_for_line("tidy")
    kill_runner(process)
    project.write("ok", "")
    project.write("go", "")
    project("resume")
    assert set(project.states().values()) == {"success"}
    assert project.lines().count("next") == 1


@pytest.mark.parametrize("again", ["a", "g"])
def test_attempt_lost_in_a_group_that_is_run_again_as_a_whole_is_worth_no_retry(project: Project, again: str) -> None:
    text = """
        tasks:
          a: {shell: echo a >> trace}
          g:
            needs: a
            tasks:
              x:
                retries: {max: 1, delay: 0}
                shell: 'echo "x$PIPECTL_ATTEMPT" >> trace; test ! -e go || exit 1; exec sleep 60'
        """
    process = project.start_run(text, "-j", "1")
    project.wait_for_line("x1")
    kill_runner(process)
    project.write("go", "")
    project("resume", "--from", again, code=1)
    assert [line for line in project.lines() if line != "a"] == ["x1", "x2", "x3"]
