"""Values: what an expression sees and gives, what reaches a task and how, and what never does (design 3.4)."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from urllib.parse import quote

import pytest

from tests.conftest import PIPECTL, Project

SECRET = "p@ss/w0rd&\"quoted\" 'single' é"
SHOW_ENV = '{python: "import os; output = dict(os.environ)"}'


def test_attempt_gets_the_variables_of_the_design(project: Project) -> None:
    project.run(
        f"""
        params: {{day-of: "2026-01-01", n: 3, list: [1, "é"], map: {{type: object, default: {{a: null}}}}, flag: true, none: {{type: "null", default: null}}}}
        tasks:
          up: {{python: output = 1}}
          a: {{needs: up, python: "import os; output = dict(os.environ)"}}
          alone: {SHOW_ENV}
        """,
        "--logical-time",
        "2026-02-03T03:05:06+00:00",
    )
    got = project.output("a")
    run = project.runs()[0]["id"]
    expected = {
        "PARAM_DAY_OF": "2026-01-01",
        "PARAM_N": "3",
        "PARAM_LIST": '[1, "é"]',
        "PARAM_MAP": '{"a": null}',
        "PARAM_FLAG": "true",
        "PIPECTL_RUN_ID": run,
        "PIPECTL_PIPELINE": "p",
        "PIPECTL_TASK": "a",
        "PIPECTL_INSTANCE": "a",
        "PIPECTL_ATTEMPT": "1",
        "PIPECTL_LOGICAL_TIME": "2026-02-03T03:05:06+00:00",
        "PIPECTL_DATE": "2026-02-03",
        "PIPECTL_INTERVAL_START": "2026-02-03T03:05:06+00:00",
        "PIPECTL_INTERVAL_END": "2026-02-03T03:05:06+00:00",
        "PIPECTL_RUN_DIR": str(project.root / ".pipectl/runs" / run),
    }
    assert {name: got.get(name) for name in expected} == expected
    ours = {name for name in got if name.startswith(("PIPECTL_", "PARAM_", "ITEM"))}
    assert ours - expected.keys() == {"PIPECTL_OUTPUT", "PIPECTL_INPUTS", "PIPECTL_IDEMPOTENCY_KEY"}
    assert "PIPECTL_INPUTS" not in project.output("alone")


def test_idempotency_key_is_one_per_instance_and_run(project: Project) -> None:
    text = """
        tasks:
          a: {retries: {max: 1, delay: 0}, shell: "echo $PIPECTL_IDEMPOTENCY_KEY >> trace; test $PIPECTL_ATTEMPT = 2"}
          b: {needs: a, shell: "echo $PIPECTL_IDEMPOTENCY_KEY >> trace"}
        """
    project.run(text)
    project.run(text)
    first = project.lines()
    assert first[0] == first[1]
    assert len(set(first)) == 4


def test_inputs_file_holds_the_outputs_of_the_direct_upstreams(project: Project) -> None:
    project.run(
        """
        tasks:
          far: {python: output = 0}
          a: {needs: far, python: "output = {'rows': [1]}"}
          b: {shell: "true"}
          c: {needs: [a, b], shell: 'cat "$PIPECTL_INPUTS"'}
        """
    )
    assert json.loads(project.log("c")) == {"a": {"rows": [1]}, "b": None}


def test_environment_is_layered_and_each_entry_may_use_those_above(project: Project) -> None:
    project.write("vars.env", "B=file\nC=file\nexport D='with space'\n# comment\nE=$HOME\n")
    project.run(
        """
        env_file: vars.env
        env: {C: pipeline, F: "{{ env.C }}+{{ env.B }}", G: "{{ env.F }}!"}
        tasks:
          a:
            env: {F: task, H: "{{ env.F }}-{{ env.A }}", I: "{{ env.H }}"}
            python: "import os; output = {k: os.environ[k] for k in 'ABCDEFGHI'}"
        """,
        env={"A": "caller", "B": "caller", "C": "caller"},
    )
    assert project.output("a") == {
        "A": "caller",
        "B": "file",
        "C": "pipeline",
        "D": "with space",
        "E": "$HOME",
        "F": "task",
        "G": "pipeline+file!",
        "H": "task-caller",
        "I": "task-caller",
    }


def test_values_of_an_environment_are_text_null_unsets_all_else_is_json(project: Project) -> None:
    project.run(
        """
        vars: {list: [1, "é", null], map: {a: {b: true}}, none: null, number: 1.5}
        tasks:
          a:
            env:
              TEXT: "{{ 'a b' }}"
              LIST: "{{ vars.list }}"
              MAP: "{{ vars.map }}"
              NUMBER: "{{ vars.number }}"
              TRUE: "{{ true }}"
              PLAIN: true
              COUNT: 3
              MIXED: "n={{ vars.none }} t={{ true }} l={{ vars.list }}"
              CALLER: "{{ vars.none }}"
              GONE: null
            python: "import os; output = {k: os.environ.get(k) for k in 'TEXT LIST MAP NUMBER TRUE PLAIN COUNT MIXED CALLER GONE'.split()}"
        """,
        env={"CALLER": "set", "GONE": "set"},
    )
    assert project.output("a") == {
        "TEXT": "a b",
        "LIST": '[1, "é", null]',
        "MAP": '{"a": {"b": true}}',
        "NUMBER": "1.5",
        "TRUE": "true",
        "PLAIN": "true",
        "COUNT": "3",
        "MIXED": 'n=null t=true l=[1, "é", null]',
        "CALLER": None,
        "GONE": None,
    }


@pytest.mark.parametrize("name", ["PIPECTL_OUTPUT", "PARAM_X", "ITEM", "ITEM_A"])
def test_variables_of_ours_cannot_be_set(project: Project, name: str) -> None:
    project.write("p.yaml", f"env: {{{name}: x}}\ntasks: {{a: {{env: {{{name}: x}}, shell: 'true'}}}}")
    assert project("validate", "p.yaml", code=2).stdout.count("error:") == 2


def test_pipectl_inside_a_task_ignores_the_variables_of_the_outer_run(project: Project) -> None:
    project.write("inner/q.yaml", f"params: {{own: 1}}\ntasks: {{a: {SHOW_ENV}}}")
    project.run(
        f"params: {{outer: x}}\ntasks: {{a: {{shell: [{PIPECTL}, run, inner/q.yaml]}}}}", env={"ITEM": "leaked"}
    )
    inner = project.show("latest", "--state", project.root / "inner/.pipectl")
    got = inner["instances"][0]["output"]
    assert got["PIPECTL_RUN_ID"] == inner["run"]["id"]
    assert got["PARAM_OWN"] == "1"
    assert "PARAM_OUTER" not in got
    assert "ITEM" not in got


def test_pipectl_inside_a_task_keeps_the_state_that_was_asked_for(project: Project) -> None:
    project.write("inner/q.yaml", "tasks: {a: {shell: 'true'}}")
    project.write("p.yaml", f"tasks: {{a: {{shell: [{PIPECTL}, run, inner/q.yaml]}}}}")
    env = {"PIPECTL_STATE": str(project.root / "one")}
    project("run", "p.yaml", env=env)
    rows = json.loads(project("runs", "--json", env=env).stdout)["runs"]
    assert [row["pipeline"] for row in rows] == ["q", "p"]


def test_whole_expression_keeps_its_type_and_mixed_text_is_text(project: Project) -> None:
    project.run(
        """
        params: {n: 2, list: [1, {a: null}]}
        vars: {sum: "{{ params.n + 1 }}", text: "{{ params.n }} x", half: "{{ params.n / 4 }}", all: {l: "{{ params.list }}"}}
        tasks:
          a:
            python:
              with: {n: "{{ params.n }}", mixed: "{{ params.n }}{{ params.n }}", list: "{{ params.list }}", nested: ["{{ vars.all }}"]}
              code: output = [vars, n, mixed, list, nested]
        """
    )
    full = {"sum": 3, "text": "2 x", "half": 0.5, "all": {"l": [1, {"a": None}]}}
    assert project.output("a") == [full, 2, "22", [1, {"a": None}], [full["all"]]]


def test_what_a_value_holds_is_never_rendered_again_and_never_code(project: Project) -> None:
    evil = [
        "{{ 7 * 7 }}",
        "$(touch pwned)",
        "`touch pwned`",
        "'; touch pwned; '",
        '"; touch pwned; "',
        "--x",
        "%s",
        "a\nb",
        "\\",
    ]
    project.run(
        """
        params: {v: {type: array}}
        tasks:
          argv: {shell: [python3, -c, "import sys, json; print(json.dumps(sys.argv[1:]))", "{{ params.v }}", "x{{ params.v[0] }}"]}
          code: {needs: argv, python: "output = params['v']"}
          env: {env: {V: "{{ params.v[1] }}"}, shell: {script: 'printf %s "$V"', output: text}}
        """,
        "-p",
        f"v={json.dumps(evil)}",
    )
    assert json.loads(project.log("argv")) == [*evil, "x{{ 7 * 7 }}"]
    assert project.output("code") == evil
    assert project.output("env") == evil[1]
    assert not (project.root / "pwned").exists()


def test_names_of_the_design_are_there(project: Project) -> None:
    project.run(
        """
        name: my-pipeline
        params: {items: dots}
        vars: {v: 1}
        tasks:
          up-1: {shell: "echo 7 > $PIPECTL_OUTPUT"}
          bad: {allow_failure: true, shell: exit 4}
          a:
            needs: [up-1, bad]
            trigger: all_done
            python:
              with:
                got:
                  - "{{ params.items }}"
                  - "{{ vars.v }}"
                  - "{{ env.FROM }}"
                  - "{{ inputs['up-1'] }}"
                  - "{{ tasks['up-1'].output }}"
                  - "{{ tasks['up-1'].state }}"
                  - "{{ tasks['up-1'].exit_code }}"
                  - "{{ tasks.bad.output }}"
                  - "{{ tasks.bad.state }}"
                  - "{{ tasks.bad.exit_code }}"
                  - "{{ tasks.bad.error }}"
                  - "{{ run.date }} {{ run.logical_time }} {{ run.interval_start }} {{ run.interval_end }}"
                  - "{{ run.cause }} {{ run.is_latest }}"
                  - "{{ pipeline.name }}"
                  - "{{ pipeline.dir }}"
                  - "{{ run.dir }}"
                  - "{{ run.id }}"
              code: output = [got, inputs, states, run['date'], sorted(params)]
        """,
        "--logical-time",
        "2026-01-02",
        env={"FROM": "caller"},
    )
    got, inputs, states, date, params = project.output("a")
    time, run = "2026-01-02T00:00:00+00:00", project.runs()[0]["id"]
    assert got == [
        *("dots", 1, "caller", 7, 7, "success", 0, None, "failed", 4, "exit code 4"),
        f"2026-01-02 {time} {time} {time}",
        *("manual true", "my-pipeline", str(project.root), str(project.root / ".pipectl/runs" / run), run),
    ]
    assert inputs == {"up-1": 7, "bad": None}
    assert states == {"up-1": "success", "bad": "failed"}
    assert (date, params) == ("2026-01-02", ["items"])


def test_filters_functions_and_tests_of_the_design(project: Project) -> None:
    project.write("data/b.txt", "x\ny\n")
    project.write("data/a.txt", "")
    project.run(
        """
        vars: {path: data/sub/raw.tar.gz}
        tasks:
          a:
            python:
              with:
                got:
                  - "{{ run.logical_time | date }} {{ run.logical_time | date('%Y%m%d') }} {{ run.logical_time | plus('-1d') | date }}"
                  - "{{ vars.path | name }} {{ vars.path | stem }} {{ vars.path | suffix }} {{ vars.path | parent }}"
                  - "{{ exists('data/a.txt') }} {{ exists('nope') }}"
                  - "{{ glob('data/*.txt') }}"
                  - "{{ lines('data/b.txt') }}"
                  - "{{ 'devel' is match('^dev') }}"
                  - "{{ [3, 1] | sort | join('-') | upper }}"
                  - "{{ null is none }}"
              code: output = got
        """,
        "--logical-time",
        "2026-03-01",
    )
    assert project.output("a") == [
        "2026-03-01 20260301 2026-02-28",
        "raw.tar.gz raw.tar .gz data/sub",
        "true false",
        ["data/a.txt", "data/b.txt"],
        ["x", "y"],
        True,
        "1-3",
        True,
    ]


def test_expression_that_fails_when_the_task_starts_fails_that_attempt_alone(project: Project) -> None:
    project.run(
        """
        tasks:
          make: {python: "output = {'n': 0}"}
          a: {needs: make, shell: [echo, "{{ 1 // tasks.make.output.n }}"]}
          b: {needs: make, shell: [echo, "{{ tasks.make.output.nope }}"]}
          c: {needs: make, env: {X: "{{ tasks.make.output.m.n }}"}, shell: "true"}
          d: {needs: make, shell: echo d}
        """,
        code=1,
    )
    assert project.states() == {"make": "success", "a": "failed", "b": "failed", "c": "failed", "d": "success"}
    assert "nope" in project.error("b")
    assert project.instances()["a"]["exit_code"] is None


def test_vars_are_computed_once_and_in_order(project: Project) -> None:
    project.run(
        """
        params: {n: 2}
        vars: {a: "{{ params.n * 2 }}", b: ["{{ vars.a }}", {c: "{{ vars.a + 1 }}"}], home: "{{ env.HERE }}"}
        env: {HERE: pipeline}
        tasks: {t: {python: output = vars}}
        """,
        env={"HERE": "caller"},
    )
    assert project.output("t") == {"a": 4, "b": [4, {"c": 5}], "home": "caller"}


def test_value_too_large_for_an_environment_fails_the_attempt_and_names_the_way_out(project: Project) -> None:
    project.run(
        """
        tasks:
          big: {python: "output = 'x' * 200_000"}
          env: {needs: big, env: {BIG: "{{ tasks.big.output }}"}, shell: "true"}
          argv: {needs: big, shell: [echo, "{{ tasks.big.output }}"]}
          nul: {needs: big, env: {NUL: "{{ tasks.big.output[0] }}\\0"}, shell: "true"}
          file: {needs: big, shell: 'test "$(wc -c < "$PIPECTL_INPUTS")" -gt 200000'}
        """,
        code=1,
    )
    rows = project.instances()
    for name in ("env", "argv", "nul"):
        assert "PIPECTL_INPUTS" in rows[name]["error"]
    assert rows["file"]["state"] == "success"


def test_huge_parameter_reaches_python_but_not_an_environment_by_accident(project: Project) -> None:
    project.write("big.json", json.dumps({"text": "x" * 300_000}))
    project.run(
        "params: {text: {type: string}}\ntasks: {a: {python: 'output = len(params[\"text\"])'}}",
        "--params-file",
        "big.json",
        code=1,
    )
    assert "PIPECTL_INPUTS" in project.error("a") or "128" in project.error("a")


def everywhere(project: Project, *more: str) -> str:
    """All that pipectl shows or keeps, as text."""
    kept = [path for path in (project.root / ".pipectl").rglob("*") if path.is_file()]
    with closing(sqlite3.connect(project.root / ".pipectl/state.db")) as connection:
        texts = [*more, *connection.iterdump()]
    texts += [path.read_bytes().decode(errors="replace") for path in kept]
    texts += [project(*command).stdout for command in (["show", "--json"], ["show"], ["logs"])]
    return "\n".join(texts)


@pytest.mark.parametrize("mode", ["plain", "json", "quiet"])
def test_secret_is_masked_wherever_it_is_shown_or_kept(project: Project, mode: str) -> None:
    got = project.run(
        """
        secrets: {TOKEN: {env: MY_TOKEN}}
        tasks:
          log: {env: {T: "{{ secrets.TOKEN }}"}, shell: 'echo "$T"; echo "$T" >&2; printf %s "$T" | base64 -w0; head -c 100000 /dev/zero | tr "\\0" x; echo "$T"'}
          out: {env: {T: "{{ secrets.TOKEN }}"}, python: "import os; output = {'t': os.environ['T'], os.environ['T']: [os.environ['T'] + '!']}"}
          url: {env: {T: "{{ secrets.TOKEN }}"}, python: "import os, urllib.parse; print(urllib.parse.quote(os.environ['T'])); output = 1"}
          error: {env: {T: "{{ secrets.TOKEN }}"}, python: "import os; raise ValueError('bad ' + os.environ['T'])"}
          expect: {env: {T: "{{ secrets.TOKEN }}"}, python: "import os; output = os.environ['T']", expect: "output == 'x'"}
          program: {env: {T: "{{ secrets.TOKEN }}"}, shell: '"$T"'}
        """,
        "--output",
        mode,
        env={"MY_TOKEN": SECRET},
        code=1,
    )
    text = everywhere(project, got.stdout, got.stderr)
    for form in (SECRET, json.dumps(SECRET)[1:-1], json.dumps(SECRET, ensure_ascii=False)[1:-1], quote(SECRET)):
        assert form not in text
    assert project.output("out") == {"t": "***", "***": ["***!"]}
    assert project.error("error") == "ValueError: bad ***"
    assert "***" in project.log("log")


def test_variable_of_a_secret_reaches_only_tasks_that_name_the_secret(project: Project) -> None:
    project.run(
        """
        secrets: {TOKEN: {env: MY_TOKEN}}
        tasks:
          without: {shell: 'echo "${MY_TOKEN-none}" "${T-none}" > without'}
          named: {env: {T: "{{ secrets.TOKEN }}"}, shell: 'echo "${MY_TOKEN-none}" "${T-none}" > named'}
        """,
        env={"MY_TOKEN": "abcdefgh"},
    )
    assert project.lines("without") == ["none none"]
    assert project.lines("named") == ["abcdefgh abcdefgh"]


def test_secrets_come_from_variables_files_and_commands(project: Project) -> None:
    project.write("token.txt", "from-file\n")
    project.write("local.env", "DOTENV=from-dotenv\n")
    project.run(
        """
        env_file: local.env
        secrets:
          A: {env: CALLER}
          B: {file: token.txt}
          C: {command: [printf, from-command]}
          D: {env: DOTENV}
        tasks:
          a:
            env: {A: "{{ secrets.A }}", B: "{{ secrets.B }}", C: "{{ secrets.C }}", D: "{{ secrets.D }}"}
            shell: 'echo $A $B $C $D > got'
        """,
        env={"CALLER": "from-env"},
    )
    assert project.lines("got") == ["from-env from-file from-command from-dotenv"]


def test_short_form_of_secrets_names_variables(project: Project) -> None:
    project.run(
        "secrets: [TOKEN]\ntasks: {a: {env: {T: '{{ secrets.TOKEN }}'}, shell: 'echo $T | rev > got'}}",
        env={"TOKEN": "abcdef"},
    )
    assert project.lines("got") == ["fedcba"]


@pytest.mark.parametrize(
    "place",
    [
        "vars: {x: '{{ secrets.T }}'}",
        "tasks: {a: {shell: [echo, '{{ secrets.T }}']}}",
        "tasks: {a: {when: \"secrets.T == 'x'\", shell: 'true'}}",
    ],
)
def test_secret_may_go_only_where_secrets_belong(project: Project, place: str) -> None:
    tasks = "" if "tasks:" in place else "\ntasks: {a: {shell: 'true'}}"
    project.write("p.yaml", f"secrets: [T]\n{place}{tasks}")
    assert "secret" in project("validate", "p.yaml", code=2).stdout


def test_secret_split_over_writes_is_masked(project: Project) -> None:
    project.run(
        """
        secrets: [TOKEN]
        tasks:
          a:
            env: {T: "{{ secrets.TOKEN }}"}
            python: |
              import os, sys, time
              for c in os.environ["T"]:
                  os.write(1, c.encode()); time.sleep(0.01)
        """,
        env={"TOKEN": "abcdefgh"},
    )
    assert project.log("a") == "***"


def test_pipeline_that_is_a_symbolic_link_has_one_folder_for_state_and_tasks(project: Project) -> None:
    project.write("real/p.yaml", "tasks: {a: {shell: pwd > $PIPECTL_RUN_DIR/where}}")
    (project.root / "link.yaml").symlink_to("real/p.yaml")
    project("run", "link.yaml")
    project("run", "real/p.yaml")
    for state in (project.root / ".pipectl", project.root / "real/.pipectl"):
        for where in state.glob("runs/*/where"):
            assert where.read_text().strip() == str(state.parent)


def test_conditions_see_the_environment_of_their_task(project: Project) -> None:
    project.run("""
        env: {WHERE: here}
        tasks:
          a: {env: {WHERE: there}, when: env.WHERE == 'there', shell: 'true', expect: env.WHERE == 'there'}
          b: {when: env.WHERE == 'there', shell: 'true'}
          c: {env: {CODE: "3"}, shell: exit $CODE, allow_failure: env.CODE == '3'}
    """)
    assert project.states() == {"a": "success", "b": "skipped", "c": "failed"}
