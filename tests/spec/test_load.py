"""Valid files: what the document says of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from pipectl.errors import PipelineError
from pipectl.model import NO_RETRY, Pipeline, Retry, TriggerRule
from pipectl.spec.build import build
from pipectl.spec.load import Loaded, load, load_text


def loaded(text: str) -> Loaded:
    return load_text(dedent(text), ".", "stdin")


def pipeline(text: str) -> Pipeline:
    return build(loaded(text).document)


def messages(text: str) -> list[str]:
    with pytest.raises(PipelineError) as raised:
        loaded(text)
    return [problem.message for problem in raised.value.problems]


def body(task: str) -> dict[str, Any]:
    return dict(pipeline(f"tasks: {{a: {task}}}").tasks["a"].body)


def test_smallest_pipeline_has_every_default() -> None:
    got = pipeline("tasks: {a: {shell: echo}}")
    task = got.tasks["a"]
    assert (got.name, got.max_parallel, got.fail_fast, got.durability) == ("stdin", None, False, "full")
    assert (task.type, task.body, task.needs, task.retries) == ("shell", {"script": "echo"}, (), NO_RETRY)
    assert (task.grace, task.stop_signal, task.trigger) == (10.0, "SIGTERM", TriggerRule.ALL_SUCCESS)


def test_file_and_folder_are_absolute_and_the_source_is_named_by_its_hash(tmp_path: Path) -> None:
    file = tmp_path / "etl v2.yaml"
    file.write_text("tasks: {a: {}}")
    got = load(str(file))
    assert got.document["file"] == str(file.resolve())
    assert got.document["folder"] == str(tmp_path.resolve())
    assert got.document["name"] == "etl-v2"
    assert got.sources == ((str(file.resolve()), hashlib.sha256(b"tasks: {a: {}}").hexdigest()),)


def test_folder_of_a_linked_file_is_where_the_link_stands(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "p.yaml").write_text("tasks: {a: {}}")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real" / "p.yaml")
    assert load(str(tmp_path / "link.yaml")).document["folder"] == str(tmp_path.resolve())


def test_faults_of_standard_input_are_shown_as_such() -> None:
    with pytest.raises(PipelineError, match=r"<stdin>:1:13: unknown key"):
        loaded("tasks: {a: {shel: echo}}")


def test_missing_file_is_told_with_the_near_one(tmp_path: Path) -> None:
    (tmp_path / "etl.yaml").write_text("")
    with pytest.raises(PipelineError) as raised:
        load(str(tmp_path / "elt.yaml"))
    assert raised.value.problems[0].message == "no such file"
    assert raised.value.problems[0].hint == f"did you mean `{tmp_path / 'etl.yaml'}`?"


def test_device_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(PipelineError, match="more than 32 MiB"):
        load("/dev/zero")


def test_folder_in_place_of_a_file_is_told_with_the_file_in_it(tmp_path: Path) -> None:
    (tmp_path / "etl.yaml").write_text("")
    with pytest.raises(PipelineError) as raised:
        load(str(tmp_path))
    assert raised.value.problems[0].hint == f"name the file in it: `{tmp_path / 'etl.yaml'}`"


def test_document_is_plain_json_and_builds_the_same_pipeline() -> None:
    document = loaded("""
        params: {day: {type: string, format: date, default: "2026-01-01"}, n: 0x10}
        vars: {v: [1, "{{ params.n }}"]}
        secrets: [TOKEN]
        env: {V: 3.10, W: null}
        timeout: 1h
        tasks:
          a: {shell: [echo, 1.50, true], retries: {max: 3, delay: 1m, on: [75, timeout]}, expect: output > 1}
          b: {needs: a, python: "m:f", trigger: always, tags: x, when: true}
    """).document
    assert build(json.loads(json.dumps(document))) == build(document)


def test_values_of_the_environment_and_arguments_arrive_as_typed() -> None:
    got = pipeline("""
        env: {A: 3.10, B: 1e3, C: 010, D: no, E: 12:30:45, F: 1_000, G: 2026-01-01, H: ~, I: +5, J: true}
        tasks: {a: {shell: [echo, 3.10, 0x1f, yes, true], env: {K: 1.0}}}
    """)
    assert got.env == {
        "A": "3.10", "B": "1e3", "C": "010", "D": "no", "E": "12:30:45", "F": "1_000", "G": "2026-01-01", "H": None,
        "I": "+5", "J": True,
    }  # fmt: skip
    assert got.tasks["a"].env == {"K": "1.0"}
    assert got.tasks["a"].body["argv"] == ["echo", "3.10", "0x1f", "yes", "true"]


def test_default_of_a_parameter_gives_its_type() -> None:
    params = pipeline("params: {a: 1, b: 1.5, c: x, d: true, e: [1], f: null, g: no}\ntasks: {a: {}}").params
    kinds = {name: declared.get("type") for name, declared in params.items()}
    assert kinds == {
        "a": "integer",
        "b": "number",
        "c": "string",
        "d": "boolean",
        "e": "array",
        "f": None,
        "g": "string",
    }


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("{shell: echo}", {"script": "echo"}),
        ("{shell: [echo, 1]}", {"argv": ["echo", "1"]}),
        ("{shell: {script: echo, output: text}}", {"script": "echo", "output": "text"}),
        ("{python: 'etl.flights:clean'}", {"call": "etl.flights:clean"}),
        ("{python: 'etl.flights:Loader.run'}", {"call": "etl.flights:Loader.run"}),
        ("{python: tools/train.py}", {"script": "tools/train.py"}),
        ("{python: output = 1}", {"code": "output = 1"}),
        ("{python: pass}", {"code": "pass"}),
        ('{python: "import m\\nm.run()"}', {"code": "import m\nm.run()"}),
        ("{python: {script: a.py, args: [1, x]}}", {"script": "a.py", "args": ["1", "x"]}),
        ("{python: {call: 'm:f', preload: numpy}}", {"call": "m:f", "preload": ["numpy"]}),
    ],
)  # fmt: skip
def test_body_has_its_long_form(task: str, expected: dict[str, Any]) -> None:
    assert body(task) == expected


def test_task_without_a_type_is_a_join() -> None:
    assert pipeline("tasks: {a: {}, b: {needs: a}}").tasks["b"].type is None


def test_list_of_tasks_is_a_sequence() -> None:
    tasks = pipeline("""
        tasks:
          - b: {shell: echo}
          - a: {shell: echo}
          - free: {needs: [], shell: echo}
          - join: {needs: [a, free]}
          - end: {shell: echo}
    """).tasks
    assert {name: task.needs for name, task in tasks.items()} == {
        "b": (), "a": ("b",), "free": (), "join": ("a", "free"), "end": ("join",),
    }  # fmt: skip


def test_star_is_every_task_that_does_not_need_this_one() -> None:
    tasks = pipeline("""
        tasks:
          a: {shell: echo}
          clean: {needs: '*', trigger: always, shell: echo}
          after: {needs: clean, shell: echo}
          b: {needs: a, shell: echo}
    """).tasks
    assert tasks["clean"].needs == ("a", "b")


def test_two_tasks_with_a_star_do_not_wait_for_each_other() -> None:
    tasks = pipeline("""
        tasks:
          a: {shell: echo}
          clean: {needs: '*', shell: echo}
          mail: {needs: ['*', clean], shell: echo}
          tell: {needs: '*', shell: echo}
    """).tasks
    assert (tasks["clean"].needs, tasks["mail"].needs, tasks["tell"].needs) == (("a",), ("clean", "a"), ("a",))


def test_output_of_a_task_reached_by_a_star_may_be_used() -> None:
    assert pipeline("tasks: {a: {}, z: {needs: '*', shell: [echo, '{{ tasks.a.state }}']}}").tasks["z"].needs == ("a",)


def test_chain_of_five_thousand_tasks_is_valid_and_its_cycle_is_found() -> None:
    chain = [f"  t{i}: {{needs: t{i - 1}, when: \"tasks.t0.state == 'success'\"}}" for i in range(1, 5000)]
    assert len(pipeline("\n".join(["tasks:", "  t0: {}", *chain])).tasks) == 5000
    (message,) = messages("\n".join(["tasks:", "  t0: {needs: t4999}", *chain]))
    assert message.startswith("the tasks need one another in a cycle: t0 -> t4999 -> t4998")


def test_defaults_hold_where_a_task_says_nothing() -> None:
    tasks = pipeline("""
        defaults: {retries: 2, timeout: 10m, env: {A: 1, B: 2}, shell: {interpreter: sh, output: text}}
        tasks:
          a: {shell: echo}
          b: {shell: {script: echo, output: json}, retries: {max: 1, delay: 5s}, timeout: 5, env: {B: 3}}
          c: {shell: [echo]}
          d: {python: output = 1}
    """).tasks
    assert tasks["a"].retries == Retry(max=2)
    assert (tasks["a"].timeout, tasks["a"].env) == (600.0, {"A": "1", "B": "2"})
    assert tasks["a"].body == {"script": "echo", "interpreter": "sh", "output": "text"}
    assert (tasks["b"].retries, tasks["b"].timeout) == (Retry(max=1, delay=5.0), 5.0)
    assert tasks["b"].env == {"A": "1", "B": "3"}
    assert tasks["b"].body["output"] == "json"
    assert tasks["c"].body == {"argv": ["echo"], "output": "text"}
    assert "interpreter" not in tasks["d"].body


@pytest.mark.parametrize(
    ("defaults", "own", "expected"),
    [
        ('{A: "1", B: "{{ env.A }}"}', '{C: "5", A: "{{ env.C }}"}', ["C", "A", "B"]),
        ('{STAGE: dev, BUCKET: "b-{{ env.STAGE }}"}', '{STAGE: prod, URL: "{{ env.BUCKET }}"}',
         ["STAGE", "BUCKET", "URL"]),
        ("{A: a, B: b}", "{C: c}", ["A", "B", "C"]),
        ("{A: a, B: b}", "{B: c, A: c}", ["B", "A"]),
    ],
)  # fmt: skip
def test_each_variable_stands_after_the_own_and_the_default_ones_above_it(
    defaults: str, own: str, expected: list[str]
) -> None:
    task = pipeline(f"defaults: {{env: {defaults}}}\ntasks: {{a: {{env: {own}}}}}").tasks["a"]
    assert list(task.env) == expected


def test_place_of_the_env_file_goes_with_the_document() -> None:
    got = build(json.loads(json.dumps(loaded("tasks: {a: {}}\nenv_file: .env").document)))
    assert got.env_file == ".env"
    assert (getattr(got.env_file, "line", 0), getattr(got.env_file, "column", 0)) == (2, 11)


def test_secrets_know_their_source_and_place() -> None:
    secrets = pipeline("secrets:\n  A: {file: a.txt}\n  B: {command: [pass, b]}\ntasks: {a: {}}").secrets
    assert (secrets["A"].source, secrets["A"].value, secrets["A"].line, secrets["A"].column) == ("file", "a.txt", 2, 3)
    assert secrets["B"].value == ("pass", "b")
    short = pipeline("secrets: [TOKEN]\ntasks: {a: {}}").secrets["TOKEN"]
    assert (short.source, short.value) == ("env", "TOKEN")


def test_number_that_loses_a_zero_in_a_list_is_a_warning() -> None:
    got = loaded("params: {v: [3.10]}\nvars: {w: {x: [1.20]}}\nenv: {X: [2.30], Y: 2.40}\ntasks: {a: {}}")
    assert [(p.line, p.column) for p in got.warnings] == [(1, 14), (2, 16), (3, 11)]


def test_warnings_are_told_beside_errors() -> None:
    with pytest.raises(PipelineError) as raised:
        loaded("vars: {v: 3.10}\ntasks: {a: {needs: b}}")
    assert [problem.warning for problem in raised.value.problems] == [True, False]


def test_number_that_loses_a_zero_is_a_warning() -> None:
    (warning,) = loaded("params: {python: 3.10, ratio: 0.50, limit: 1.0}\ntasks: {a: {}}").warnings
    assert warning.message == "`python`: `3.10` is the number 3.1"
    assert warning.warning


def test_python_that_this_python_cannot_read_is_a_warning() -> None:
    (warning,) = loaded("tasks:\n  a:\n    python: |\n      x = 1\n      output = = 2\n").warnings
    assert warning.message.startswith("this is not Python")
    assert (warning.line, warning.column) == (5, 16)


def test_extension_keys_are_ignored() -> None:
    got = pipeline("x-common: &c {retries: 3}\ntasks: {a: {<<: *c, shell: echo}}")
    assert got.tasks["a"].retries == Retry(max=3)


def test_what_the_schema_faulted_makes_no_further_noise() -> None:
    text = """
        params: {n: {type: [1]}}
        vars: {a: "{{ params.n }}"}
        secrets: {T: 5}
        tasks:
          a: {shell: [echo, "{{ vars.a }}"], env: {T: "{{ secrets.T }}"}, needs: 5}
          b: wrong
          c: {needs: [a, b], shell: [echo, "{{ tasks.b.output }}"]}
    """
    assert messages(text) == [
        "`1` is not a JSON Schema type",
        "secret `T` must be a mapping, not a number (`5`)",
        "`needs` must be text or a list, not a number (`5`)",
        "task `b` must be a mapping, not text (`wrong`)",
    ]


def test_braces_of_an_f_string_are_left_alone() -> None:
    assert body("{python: 'output = f\"{{item}} {{ index }}\"'}")["code"] == 'output = f"{{item}} {{ index }}"'


def test_with_written_as_a_block_is_one_expression() -> None:
    got = pipeline("""
        params: {m: {type: object, default: {x: 1}}}
        tasks:
          a:
            python:
              code: output = x
              with: |
                {{ params.m }}
    """)
    assert got.tasks["a"].body["with"] == "{{ params.m }}"


def test_go_templates_in_scripts_are_left_alone() -> None:
    script = "docker ps --format '{{.ID}} {{ index .Labels 0 }} {{ json .Config }}'"
    assert pipeline(f'tasks: {{a: {{shell: "{script}"}}}}').tasks["a"].body == {"script": script}


def test_garbage_collector_is_left_as_it_was() -> None:
    import gc

    gc.disable()
    try:
        loaded("tasks: {a: {}}")
        assert not gc.isenabled()
    finally:
        gc.enable()
    with pytest.raises(PipelineError):
        loaded("tasks: [")
    assert gc.isenabled()


def test_whole_number_with_a_point_is_an_integer() -> None:
    got = pipeline("max_parallel: 4.0\ntasks: {a: {shell: echo, priority: 1e1, retries: {max: 2.0, on: 75.0}}}")
    task = got.tasks["a"]
    numbers = [got.max_parallel, task.priority, task.retries.max, *task.retries.on]
    assert numbers == [4, 10, 2, 75]
    assert all(type(number) is int for number in numbers)
