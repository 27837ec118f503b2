"""`resume --updated` and `resume -p`: the edited file, other parameters; what differs is run again, the rest stands."""

from __future__ import annotations

import pytest

from tests.conftest import Project, wait_until
from tests.killing import kill_runner

CHAIN = """
    params: {n: 1, unused: 0}
    vars: {twice: "{{ params.n * 2 }}"}
    tasks:
      a: {shell: echo a >> trace}
      b: {needs: a, shell: 'echo "b $PARAM_N" >> trace'}
      c: {needs: b, shell: "echo c >> trace; test -e ok"}
      d: {needs: a, shell: 'echo "d $T" >> trace', env: {T: "{{ vars.twice }}"}}
    """


def test_edited_file_runs_what_changed_and_all_below_it_and_keeps_the_rest(project: Project) -> None:
    project.run(CHAIN, "-j", "1", code=1)
    project.write("p.yaml", CHAIN.replace("; test -e ok", ""))
    got = project("resume", "--updated")
    assert "`c` has another `shell.script`" in got.stderr
    assert project.lines()[4:] == ["c"]
    assert project.runs()[0]["state"] == "success"


def test_other_parameter_runs_what_names_it_and_shows_what_differs(project: Project) -> None:
    project.write("ok", "")
    project.run(CHAIN, "-j", "1")
    got = project("resume", "latest", "-p", "n=5")
    assert "parameter `n`: 1 -> 5" in got.stderr
    assert "constant `twice`: 2 -> 10" in got.stderr
    assert sorted(project.lines()[4:]) == ["b 5", "c", "d 10"]
    assert project.show()["run"]["params"] == {"n": 5, "unused": 0}
    assert project.instances()["a"]["attempts"] == 1


def test_parameter_that_nothing_names_changes_no_task(project: Project) -> None:
    project.write("ok", "")
    project.run(CHAIN, "-j", "1")
    project("resume", "latest", "-p", "unused=5")
    assert len(project.lines()) == 4


def test_nothing_differs_is_said_and_runs_nothing(project: Project) -> None:
    project.write("ok", "")
    project.run(CHAIN, "-j", "1")
    got = project("resume", "latest", "--updated")
    assert "nothing differs" in got.stderr
    assert len(project.lines()) == 4


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("-p", "n=x"), "parameter `n` must be"),
        (("-p", "nosuch=1"), "unknown parameter `nosuch`"),
    ],
)
def test_unfit_parameters_are_refused_and_change_nothing(project: Project, args: tuple[str, ...], said: str) -> None:
    project.run(CHAIN, "-j", "1", code=1)
    assert said in project("resume", *args, code=2).stderr
    assert project.show()["run"]["params"]["n"] == 1
    assert len(project.lines()) == 4


def test_edited_file_that_is_wrong_is_refused_and_the_run_can_still_go_on_without_it(project: Project) -> None:
    project.run(CHAIN, "-j", "1", code=1)
    project.write("p.yaml", "tasks: {a: {shel: 'true'}}")
    assert "did you mean `shell`" in project("resume", "--updated", code=2).stderr
    project.write("ok", "")
    project("resume")
    assert project.lines()[4:] == ["c"]


def test_task_that_is_gone_is_said_and_one_that_is_new_runs(project: Project) -> None:
    project.run(CHAIN, "-j", "1", code=1)
    project.write("p.yaml", CHAIN.replace("; test -e ok", "").replace("      d: {", "      e: {"))
    got = project("resume", "--updated")
    assert "`d` is gone" in got.stderr
    assert "`e` is new" in got.stderr
    assert sorted(project.lines()[4:]) == ["c", "d 2"]
    assert list(project.states()) == ["a", "b", "c", "e"]


def test_other_name_of_the_pipeline_is_another_pipeline(project: Project) -> None:
    project.run(CHAIN, "-j", "1", code=1)
    project.write("p.yaml", f"    name: other{CHAIN}")
    assert "now declares the pipeline `other`" in project("resume", "--updated", code=2).stderr


def test_killed_in_the_middle_of_an_update_goes_on_by_the_new_definition(project: Project) -> None:
    text = """
        tasks:
          a: {shell: echo a >> trace}
          b: {needs: a, shell: "echo b >> trace; test -e ok"}
        """
    project.run(text, code=1)
    newer = """
        tasks:
          a: {shell: echo a >> trace}
          b: {needs: a, shell: "echo up >> trace; until test -e go; do sleep 0.02; done"}
          c: {needs: b, shell: echo c >> trace}
        """
    project.write("p.yaml", newer)
    process = project.start("resume", "--updated")
    project.wait_for_line("up")
    kill_runner(process)
    project.write("p.yaml", "tasks: {a: {shell: 'echo newest >> trace'}}")
    project.write("go", "")
    project("resume")
    assert project.lines() == ["a", "b", "up", "up", "c"]


EACH = """
    params: {base: 1}
    tasks:
      each: {foreach: %s, shell: 'echo "$ITEM" >> trace; test "$ITEM" != b || test -e ok'}
      after: {needs: each, shell: echo after >> trace}
    """


def test_another_list_runs_the_whole_task_with_it(project: Project) -> None:
    project.run(EACH % "[a, b]", "-j", "1", code=1)
    project.write("p.yaml", EACH % "[a, c]")
    got = project("resume", "--updated")
    assert "`each` has another `foreach`" in got.stderr
    assert list(project.states()) == ["each[a]", "each[c]", "after"]
    assert sorted(project.lines()[2:]) == ["a", "after", "c"]


def test_other_retries_and_limits_change_no_success(project: Project) -> None:
    project.run(EACH % "[a, b]", "-j", "1", code=1)
    project.write("p.yaml", (EACH % "[a, b]").replace("each: {", "each: {retries: 2, timeout: 1h, max_parallel: 1, "))
    project.write("ok", "")
    project("resume", "--updated")
    assert project.lines()[2:] == ["b", "after"]


def test_change_in_a_group_runs_every_copy_of_the_task_and_keeps_the_others(project: Project) -> None:
    text = """
        tasks:
          g:
            foreach: [1, 2]
            tasks:
              a: {shell: echo a$ITEM >> trace}
              b: {needs: a, shell: echo b$ITEM >> trace}
              c: {needs: b, shell: echo c$ITEM >> trace}
          end: {needs: g, shell: echo end >> trace}
        """
    project.run(text, "-j", "1")
    project.write("p.yaml", text.replace("echo b$ITEM", "echo B$ITEM"))
    assert "`g.b` has another `shell.script`" in project("resume", "latest", "--updated").stderr
    assert sorted(project.lines()[7:]) == ["B1", "B2", "c1", "c2", "end"]


def test_task_that_becomes_a_group_and_one_that_was_one(project: Project) -> None:
    project.run(
        "tasks: {a: {shell: echo a >> trace}, g: {tasks: {x: {shell: echo x >> trace}}}, z: {needs: [a, g], shell: exit 1}}",
        code=1,
    )
    project.write(
        "p.yaml",
        "tasks: {a: {tasks: {y: {shell: echo y >> trace}}}, g: {shell: echo g >> trace}, z: {needs: [a, g], shell: 'true'}}",
    )
    project("resume", "--updated")
    assert project.states() == {"a.y": "success", "g": "success", "z": "success"}
    assert sorted(project.lines()) == ["a", "g", "x", "y"]


def test_task_that_gets_or_loses_a_foreach(project: Project) -> None:
    project.run(
        "tasks: {a: {shell: echo a >> trace}, b: {foreach: [1, 2], shell: echo b$ITEM >> trace}, z: {needs: [a, b], shell: exit 1}}",
        "-j",
        "1",
        code=1,
    )
    project.write(
        "p.yaml",
        "tasks: {a: {foreach: [1, 2], shell: echo a$ITEM >> trace}, b: {shell: echo b >> trace}, z: {needs: [a, b], shell: 'true'}}",
    )
    project("resume", "--updated")
    assert set(project.states()) == {"a[1]", "a[2]", "b", "z"}
    assert set(project.states().values()) == {"success"}
    assert sorted(project.lines()[3:]) == ["a1", "a2", "b"]


def test_change_in_a_child_pipeline_runs_what_changed_in_it(project: Project) -> None:
    child = (
        "params: {n: 1}\ntasks: {a: {shell: echo a >> ../trace}, b: {needs: a, shell: 'echo b$PARAM_N >> ../trace'}}"
    )
    project.write("sub/child.yaml", child)
    text = "params: {n: 1}\ntasks: {child: {pipeline: {file: sub/child.yaml, params: {n: '{{ params.n }}'}}}, end: {needs: child, shell: echo end >> trace}}"
    project.run(text, "-j", "1")
    project.write("sub/child.yaml", child.replace("echo b", "echo B"))
    assert "`child.b` has another `shell.script`" in project("resume", "latest", "--updated").stderr
    assert project.lines()[3:] == ["B1", "end"]
    project("resume", "latest", "-p", "n=2")
    assert project.lines()[5:] == ["a", "B2", "end"]


def test_cached_task_of_an_updated_run_is_still_cached_where_nothing_it_depends_on_changed(project: Project) -> None:
    text = """
        params: {n: 1}
        tasks:
          a: {cache: {}, shell: echo a >> trace}
          b: {needs: a, shell: "echo b >> trace; test -e ok"}
        """
    project.run(text, code=1)
    project.run(text, code=1)
    assert project.states()["a"] == "cached"
    project.write("p.yaml", text.replace("echo b", "echo B"))
    project.write("ok", "")
    project("resume", "--updated")
    assert project.lines() == ["a", "b", "b", "B"]


def test_killed_foreach_resumed_with_another_parameter_keeps_items_that_do_not_name_it(project: Project) -> None:
    text = """
        params: {speed: 1}
        tasks:
          each:
            foreach: "{{ lines('items') }}"
            shell: 'echo "$ITEM" >> trace; test "$ITEM" = a || until test -e go; do sleep 0.02; done'
          after: {needs: each, shell: 'echo "after $PARAM_SPEED" >> trace'}
        """
    project.write("items", "a\nb\n")
    process = project.start_run(text, "-j", "1")
    project.wait_for_line("b")
    wait_until(lambda: project.states()["each[a]"] == "success")
    kill_runner(process)
    project.write("items", "x\n")
    project.write("go", "")
    project("resume", "-p", "speed=9")
    assert project.lines() == ["a", "b", "b", "after 9"]
