"""Another file as one task: it keeps what is its own, and its tasks are resumed one by one."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.conftest import Project, wait_until
from tests.killing import kill_runner

CHILD = """
    params: {n: {type: integer}, note: none}
    tasks:
      dbl: {python: {code: "output = params['n'] * 2"}}
      mark:
        needs: dbl
        shell: |
          echo "$PIPECTL_INSTANCE $PARAM_N $PARAM_NOTE" >> "$MARKS"
          until test "$PARAM_N" != 3 || test -e go; do sleep 0.02; done
    """

PARENT = """
    env: {MARKS: "{{ pipeline.dir }}/trace"}
    tasks:
      list: {shell: {script: "cat numbers", output: json}}
      child:
        needs: list
        foreach: "{{ tasks.list.output }}"
        pipeline: {file: sub/child.yaml, params: {n: "{{ item }}"}}
      sum: {needs: child, python: "output = sum(one['dbl'] for one in inputs['child'])"}
    """


def marked(project: Project) -> None:
    """The environment of a child is its own: where it marks what it did comes from the caller."""
    project.env["MARKS"] = str(project.root / "trace")


def test_child_has_parameters_and_its_outputs_are_one_mapping(project: Project) -> None:
    marked(project)
    project.write("sub/child.yaml", CHILD)
    project.write("numbers", "[1, 2]")
    project.run(PARENT)
    assert project.output("sum") == 6
    assert sorted(project.lines()) == ["child[1].mark 1 none", "child[2].mark 2 none"]
    assert project.instances()["child[2].dbl"]["task"] == "child.dbl"


def test_killed_run_goes_on_in_the_middle_of_its_children(project: Project) -> None:
    marked(project)
    project.write("sub/child.yaml", CHILD)
    project.write("numbers", "[2, 3]")
    process = project.start_run(PARENT)
    project.wait_for_line("child[3].mark 3 none")
    wait_until(lambda: project.states()["child[2].mark"] == "success")
    kill_runner(process)
    project.write("sub/child.yaml", "tasks: {}")
    project.write("numbers", "[7]")
    project.write("sub/go", "")
    project("resume")
    assert project.output("sum") == 10
    assert sorted(project.lines()) == ["child[2].mark 2 none", *["child[3].mark 3 none"] * 2]
    assert project.instances()["child[3].dbl"]["attempts"] == 1


@pytest.mark.parametrize(
    ("again", "ran"),
    [
        ("child[2].mark", ["child[2].mark 2 none"]),
        ("child[1]", ["child[1].mark 1 none"]),
        ("child.mark", ["child[1].mark 1 none", "child[2].mark 2 none"]),
    ],
)
def test_resume_from_a_part_of_a_child(project: Project, again: str, ran: list[str]) -> None:
    marked(project)
    project.write("sub/child.yaml", CHILD)
    project.write("numbers", "[1, 2]")
    project.run(PARENT)
    project("resume", "latest", "--from", again)
    assert sorted(project.lines()[2:]) == ran
    assert project.instances()["sum"]["attempts"] == 2


def test_child_in_another_folder_keeps_all_that_is_its_own(project: Project) -> None:
    project.write(
        "sub/child.yaml",
        """
        name: inner
        params: {table: t}
        vars: {greeting: "hello {{ params.table }}"}
        env_file: .env
        env: {OWN: "{{ vars.greeting }}", SECRET: "{{ secrets.KEY }}"}
        secrets: {KEY: {file: key}}
        connections: {db: "sqlite:///inner.db"}
        defaults: {retries: {max: 1, delay: 0}, shell: {output: text}}
        tasks:
          shell: {shell: 'echo "$PWD|$OWN|$FROM_FILE|${OUTER-none}|$PIPECTL_PIPELINE|$SECRET"'}
          python: {python: {call: "inner_module:where", with: {dir: "{{ pipeline.dir }}", name: "{{ pipeline.name }}"}}}
          create: {sql: {connection: db, query: "create table t (a); insert into t values (7)"}}
          query: {needs: create, sql: {connection: db, query: "select a from t", fetch: scalar}}
          flaky: {shell: "test $PIPECTL_ATTEMPT -ge 2 && echo ok"}
        """,
    )
    project.write("sub/.env", "FROM_FILE=inner file\n")
    project.write("sub/key", "child-secret-value\n")
    project.write("sub/inner_module.py", "def where(dir, name): return [__file__, dir, name]\n")
    project.write(".env", "FROM_FILE=outer file\n")
    project.run(
        """
        name: outer
        env_file: .env
        env: {OUTER: outer, OWN: outer}
        secrets: {KEY: {env: OUTER_KEY}}
        connections: {db: "sqlite:///outer.db"}
        defaults: {retries: 0}
        tasks:
          child: {pipeline: sub/child.yaml}
          own: {shell: 'echo "$PWD|$OWN|$FROM_FILE|$PIPECTL_PIPELINE"'}
        """,
        env={"OUTER_KEY": "outer-secret-value"},
    )
    sub = str(project.root / "sub")
    assert project.output("child.shell") == f"{sub}|hello t|inner file|none|inner|***"
    assert project.output("child.python") == [f"{sub}/inner_module.py", sub, "inner"]
    assert project.output("child.query") == 7
    assert project.instances()["child.flaky"]["attempts"] == 2
    assert project.log("own") == f"{project.root}|outer|outer file|outer\n"
    assert not (project.root / "outer.db").exists()
    with closing(sqlite3.connect(project.root / "sub/inner.db")) as db:
        assert db.execute("select a from t").fetchall() == [(7,)]


def test_child_sees_nothing_of_its_caller_but_its_parameters(project: Project) -> None:
    project.write(
        "child.yaml",
        """
        params: {n: 0}
        tasks:
          env: {shell: {script: 'echo "${ITEM-none} ${PARAM_OUTER-none} ${KEY-none} $PARAM_N"', output: text}}
          code: {python: "output = 'item' in globals()"}
          each: {foreach: [x], shell: {script: echo $ITEM, output: text}}
        """,
    )
    project.run(
        """
        secrets: [KEY]
        params: {outer: 1}
        tasks: {child: {foreach: [5], pipeline: {file: child.yaml, params: {n: "{{ item }}"}}}}
        """,
        env={"KEY": "sesame-open"},
    )
    assert project.output("child[5].env") == "none none none 5"
    assert project.output("child[5].code") is False
    assert project.output("child[5].each[x]") == "x"


def test_variable_of_a_secret_that_child_and_caller_share_reaches_the_task_that_names_it(project: Project) -> None:
    project.write(
        "child.yaml",
        """
        secrets: [KEY]
        tasks:
          named: {shell: 'echo "${KEY-none} $K"', env: {K: "{{ secrets.KEY }}"}}
          other: {shell: 'echo "${KEY-none}"'}
        """,
    )
    project.run("secrets: [KEY]\ntasks: {child: {pipeline: child.yaml}}", env={"KEY": "sesame-open"})
    assert project.log("child.named") == "*** ***\n"
    assert project.log("child.other") == "none\n"


def test_parameters_that_do_not_fit_are_found_before_anything_runs_where_they_are_known(project: Project) -> None:
    project.write("sub/child.yaml", CHILD)
    for params, said in [
        ("{n: x}", "parameter `n` of `sub/child.yaml` must be a whole number"),
        ("{m: 1}", "`m`"),
        ("{}", "`n`"),
    ]:
        text = f"tasks: {{first: {{shell: echo first >> trace}}, child: {{pipeline: {{file: sub/child.yaml, params: {params}}}}}}}"
        got = project.run(text, code=2)
        assert said in got.stderr
    assert not project.lines()


def test_parameters_known_only_at_run_time_fail_the_child_alone(project: Project) -> None:
    marked(project)
    project.write("sub/child.yaml", CHILD)
    project.write("numbers", '[1, "x"]')
    project.run(PARENT, code=1)
    assert project.states() == {
        "list": "success",
        "child[1].dbl": "success",
        "child[1].mark": "success",
        "child[x]": "failed",
        "child[x].dbl": "upstream_failed",
        "child[x].mark": "upstream_failed",
        "sum": "upstream_failed",
    }
    assert "parameter `n` must be a whole number" in project.error("child[x]")


def test_faults_of_a_child_are_told_where_they_are(project: Project) -> None:
    project.write("sub/child.yaml", "tasks: {a: {shell: 'true', needs: nosuch}}\n")
    got = project.run("tasks: {child: {pipeline: sub/child.yaml}, b: {shell: 'true', nedds: a}}", code=2)
    assert "sub/child.yaml:1:" in got.stderr
    assert "p.yaml:1:" in got.stderr
    project.write("sub/child.yaml", "tasks: {a: {pipeline: ../p.yaml}}\n")
    assert "p.yaml" in project.run("tasks: {child: {pipeline: sub/child.yaml}}", code=2).stderr
    assert "nosuch.yaml" in project.run("tasks: {child: {pipeline: nosuch.yaml}}", code=2).stderr


def test_secrets_of_a_child_are_asked_for_before_anything_runs(project: Project) -> None:
    project.write(
        "sub/child.yaml", "secrets: [CHILD_KEY]\ntasks: {a: {shell: 'echo $K', env: {K: '{{ secrets.CHILD_KEY }}'}}}"
    )
    text = "tasks: {first: {shell: echo first >> trace}, child: {pipeline: sub/child.yaml}}"
    assert "CHILD_KEY" in project.run(text, code=2).stderr
    assert not project.lines()
    project.run(text, env={"CHILD_KEY": "very-secret"})
    assert project.log("child.a") == "***\n"


def test_child_in_a_child_in_foreach_in_a_group(project: Project) -> None:
    project.write(
        "sub/deep/leaf.yaml",
        "params: {x: 0}\ntasks: {leaf: {foreach: [a, b], python: \"output = [item, params['x']]\"}}",
    )
    project.write(
        "sub/middle.yaml",
        """
        params: {y: 0}
        tasks:
          g:
            foreach: [1, 2]
            tasks:
              inner: {pipeline: {file: deep/leaf.yaml, params: {x: "{{ item + params.y }}"}}}
              use: {needs: inner, python: "output = inputs['inner']['leaf']"}
        """,
    )
    project.run(
        """
        tasks:
          top:
            foreach: [10, 20]
            tasks:
              middle: {pipeline: {file: sub/middle.yaml, params: {y: "{{ item }}"}}}
              all: {needs: middle, python: "output = [one['use'] for one in inputs['middle']['g']]"}
        """
    )
    assert project.output("top[20].middle.g[2].inner.leaf[b]") == ["b", 22]
    assert project.output("top[10].all") == [[["a", 11], ["b", 11]], [["a", 12], ["b", 12]]]
    project("resume", "latest", "--from", "top[20].middle.g[2].inner.leaf[b]")
    again = {name for name, row in project.instances().items() if row["attempts"] == 2}
    assert again == {"top[20].middle.g[2].inner.leaf[b]", "top[20].middle.g[2].use", "top[20].all"}


def test_one_file_may_be_several_tasks_with_other_parameters(project: Project) -> None:
    project.write("child.yaml", "params: {n: 1}\ntasks: {a: {python: \"output = params['n']\"}}")
    project.run(
        """
        tasks:
          one: {pipeline: child.yaml}
          two: {pipeline: {file: child.yaml, params: {n: 2}}, needs: one}
          both: {needs: [one, two], python: "output = inputs"}
        """
    )
    assert project.output("both") == {"one": {"a": 1}, "two": {"a": 2}}


def test_pools_and_slots_of_a_child_join_those_of_the_run(project: Project) -> None:
    project.write(
        "child.yaml",
        """
        pools: {db: 1}
        max_parallel: 2
        tasks:
          a: {foreach: [1, 2, 3], pool: db, shell: &use 'mkdir now-db || echo two >> trace; sleep 0.05; rmdir now-db'}
          b: {foreach: [1, 2, 3, 4], shell: 'd=now/$$; mkdir -p $d; ls now | wc -l >> many; sleep 0.05; rmdir $d'}
        """,
    )
    project.run(
        """
        pools: {db: 1}
        tasks:
          child: {pipeline: child.yaml}
          own: {foreach: [1, 2], pool: db, shell: 'mkdir now-db || echo two >> trace; sleep 0.05; rmdir now-db'}
        """,
        "-j",
        "6",
    )
    assert not project.lines()
    assert max(map(int, project.lines("many"))) <= 2


def test_failure_in_a_child_and_its_fail_fast_stay_in_it(project: Project) -> None:
    project.write(
        "child.yaml",
        """
        fail_fast: true
        tasks:
          slow: {shell: "echo up >> trace; exec sleep 60"}
          bad: {shell: "until grep -q up trace; do sleep 0.02; done; exit 1"}
        """,
    )
    project.run(
        """
        tasks:
          child: {pipeline: child.yaml, allow_failure: true}
          other: {shell: "until grep -q up trace; do sleep 0.02; done; echo other >> trace"}
          after: {needs: child, shell: echo after >> trace}
        """,
        "-j",
        "3",
    )
    assert project.states() == {
        "child.slow": "cancelled",
        "child.bad": "failed",
        "other": "success",
        "after": "success",
    }


def test_cancel_ends_children_too(project: Project) -> None:
    project.write("child.yaml", "tasks: {a: {shell: 'echo up >> trace; exec sleep 60'}, b: {needs: a, shell: 'true'}}")
    process = project.start_run("tasks: {child: {pipeline: child.yaml}}")
    project.wait_for_line("up")
    project("cancel")
    assert process.wait(20) == 1
    assert project.states() == {"child.a": "cancelled", "child.b": "cancelled"}


def test_variable_of_a_childs_secret_is_not_known_to_its_parent(project: Project) -> None:
    project.write("child.yaml", "secrets: [TOKEN]\ntasks: {a: {shell: 'true'}}")
    text = "vars: {seen: \"{{ env['TOKEN'] }}\"}\ntasks: {c: {pipeline: child.yaml}}"
    refused = project.run(text, env={"TOKEN": "geheim1234567"}, code=2)
    assert "geheim1234567" not in refused.stderr
