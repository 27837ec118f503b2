"""Pipelines as tasks of others: found, checked and made part of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from pipectl.errors import PipelineError, Problem
from pipectl.model import Pool
from pipectl.spec.build import build
from pipectl.spec.load import load, load_text
from pipectl.spec.source import Source
from pipectl.spec.world import problems

Write = Callable[[str, str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return str(path)

    return written


def faults(path: str) -> list[Problem]:
    with pytest.raises(PipelineError) as raised:
        load(path)
    return list(raised.value.problems)


def test_task_holds_the_pipeline_of_the_file_that_it_names(write: Write, tmp_path: Path) -> None:
    child = write("sub/child.yaml", "name: kid\nparams: {n: 1}\ntasks: {a: {shell: echo}, b: {needs: a, shell: echo}}")
    parent = write("p.yaml", "tasks: {c: {pipeline: {file: sub/child.yaml, params: {n: 2}}}, d: {needs: [c.a, c]}}")
    got = load(parent)
    assert [path for path, _ in got.sources] == [parent, child]
    task = build(json.loads(json.dumps(got.document))).tasks["c"]
    assert task.pipeline is not None
    assert (task.type, task.is_group, list(task.children)) == ("pipeline", True, ["a", "b"])
    assert (task.body["params"], task.pipeline.name) == ({"n": 2}, "kid")
    assert (task.pipeline.folder, task.pipeline.file) == (str(tmp_path.resolve() / "sub"), child)
    assert task.pipeline.tasks["b"].needs == ("a",)


def test_file_is_relative_to_the_file_that_says_it(write: Write) -> None:
    write("common/steps/child.yaml", "tasks: {a: {shell: echo}}")
    write("common/base.yaml", "tasks: {c: {pipeline: steps/child.yaml}}")
    assert load(write("p.yaml", "include: common/base.yaml\ntasks: {d: {needs: c}}")).document["tasks"]["c"]["pipeline"]


def test_file_of_standard_input_is_relative_to_the_folder(write: Write, tmp_path: Path) -> None:
    write("child.yaml", "tasks: {a: {shell: echo}}")
    assert load_text("tasks: {c: {pipeline: child.yaml}}", str(tmp_path), "stdin").document["tasks"]["c"]["pipeline"]


def test_file_that_is_named_twice_is_read_once(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipectl.spec import load as module

    names: list[str] = []
    plain = module._read

    def read(path: str, shown: str) -> Source:
        names.append(Path(path).name)
        return plain(path, shown)

    monkeypatch.setattr(module, "_read", read)
    write("child.yaml", "tasks: {a: {shell: echo}}")
    write("middle.yaml", "tasks: {a: {pipeline: child.yaml}}")
    tasks = "{a: {pipeline: child.yaml}, b: {pipeline: ./child.yaml}, c: {pipeline: middle.yaml}}"
    got = load(write("p.yaml", f"tasks: {tasks}"))
    assert names == ["p.yaml", "child.yaml", "middle.yaml"]
    assert len(got.sources) == 3


def test_faults_of_a_sub_pipeline_are_told_with_those_of_its_parent(write: Write) -> None:
    child = write("sub/child.yaml", "tasks:\n  a: {shel: echo}\n  b: {needs: c}\n")
    found = faults(
        write("p.yaml", "tasks:\n  c: {pipeline: sub/child.yaml, needs: x}\n  d: {pipeline: sub/child.yaml}\n")
    )
    assert [(Path(one.file).name, one.line) for one in found] == [("p.yaml", 2), ("child.yaml", 2), ("child.yaml", 3)]
    assert found[1].file == child


def test_warnings_of_a_sub_pipeline_are_told(write: Write) -> None:
    write("child.yaml", "params: {python: 3.10}\ntasks: {a: {shell: echo}}")
    (warning,) = load(write("p.yaml", "tasks: {c: {pipeline: child.yaml}}")).warnings
    assert Path(warning.file).name == "child.yaml"


def test_cycle_is_told_with_the_files_that_make_it_links_or_not(write: Write, tmp_path: Path) -> None:
    write("b.yaml", "tasks: {c: {pipeline: link.yaml}}")
    parent = write("a.yaml", "tasks: {c: {pipeline: b.yaml}}")
    (tmp_path / "link.yaml").symlink_to("a.yaml")
    (found,) = faults(parent)
    assert Path(found.file).name == "b.yaml"
    assert found.message == "the pipelines run one another in a cycle: a.yaml -> b.yaml -> a.yaml"


def test_chain_of_files_is_bounded(write: Write) -> None:
    for number in range(30):
        write(f"p{number}.yaml", f"tasks: {{c: {{pipeline: p{number + 1}.yaml}}}}")
    write("p30.yaml", "tasks: {a: {shell: echo}}")
    (found,) = faults(write("p.yaml", "tasks: {c: {pipeline: p0.yaml}}"))
    assert found.message == "pipelines run one another more than 20 deep"
    assert load(write("q.yaml", "tasks: {c: {pipeline: p15.yaml}}"))


def test_files_that_double_their_tasks_are_bounded(write: Write) -> None:
    for number in range(18):
        write(f"p{number}.yaml", f"tasks: {{a: {{pipeline: p{number + 1}.yaml}}, b: {{pipeline: p{number + 1}.yaml}}}}")
    write("p18.yaml", "tasks: {" + ", ".join(f"t{i}: {{}}" for i in range(10)) + "}")
    found = faults(write("p.yaml", "tasks: {c: {pipeline: p0.yaml}}"))
    assert {one.message for one in found} == {
        "with those of its sub-pipelines the pipeline has more than 1,000,000 tasks"
    }


def test_groups_and_files_together_are_bounded_in_depth(write: Write) -> None:
    inner = "x: {shell: echo}"
    for _ in range(35):
        inner = f"g: {{tasks: {{{inner}}}}}"
    write("child.yaml", f"tasks: {{{inner}}}")
    assert load(write("p.yaml", "tasks: {c: {pipeline: child.yaml}}"))
    deep = inner.replace("shell: echo", "pipeline: child.yaml")
    (found,) = faults(write("q.yaml", f"tasks: {{{deep}}}"))
    assert found.message == "tasks stand one within another more than 60 deep"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("{}", "`child.yaml` requires the parameter `day`"),
        ("{day: 5}", "parameter `day` of `child.yaml` must be text, not `5`"),
        ("{day: '2026-01-01', x: 1}", "`child.yaml` has no parameter `x`"),
        ("{day: '2026-01-01', n: 0}", "parameter `n` of `child.yaml` must be at least 1, not `0`"),
    ],
)
def test_parameters_are_checked_against_the_declarations(write: Write, params: str, message: str) -> None:
    write("child.yaml", "params: {day: {type: string}, n: {type: integer, minimum: 1, default: 1}}\ntasks: {a: {}}")
    (found,) = faults(write("p.yaml", f"tasks: {{c: {{pipeline: {{file: child.yaml, params: {params}}}}}}}"))
    assert found.message == message


def test_parameters_may_be_computed(write: Write) -> None:
    write("child.yaml", "params: {n: {type: integer}}\ntasks: {a: {}}")
    text = "tasks: {c: {foreach: [1], pipeline: {file: child.yaml, params: {n: '{{ item }}'}}}}"
    assert load(write("p.yaml", text)).document["tasks"]["c"]["body"]["params"] == {"n": "{{ item }}"}


@pytest.mark.parametrize("key", ["tasks: {c: {pipeline: NAME}}", "tasks: {a: {}}\ninclude: NAME"])
def test_name_of_a_file_that_no_system_takes_is_an_error_of_the_pipeline(write: Write, key: str) -> None:
    (found,) = faults(write("p.yaml", key.replace("NAME", "x" * 300)))
    assert found.message.endswith("cannot be read: file name too long")


def test_pools_of_sub_pipelines_join_and_those_of_the_parent_win(write: Write) -> None:
    write("child.yaml", "pools: {db: 4, web: {slots: 2, rate: 60/1m}}\ntasks: {a: {shell: echo, pool: db}}")
    pools = build(load(write("p.yaml", "pools: {db: 2}\ntasks: {c: {pipeline: child.yaml}}")).document).pools
    assert pools == {"db": Pool(2), "web": Pool(2, (60, 60.0))}


def test_pool_of_the_parent_must_hold_what_tasks_of_a_sub_pipeline_take(write: Write) -> None:
    write("child.yaml", "pools: {db: 4}\ntasks: {g: {tasks: {a: {shell: echo, pool: {db: 3}}}}}")
    (found,) = faults(write("p.yaml", "pools: {db: 2}\ntasks: {c: {pipeline: child.yaml}}"))
    assert found.message == "pool `db` is too small here: task `c.g.a` takes 3 slots"


def test_pools_of_two_sub_pipelines_must_be_the_same(write: Write) -> None:
    write("a.yaml", "pools: {db: 4}\ntasks: {a: {}}")
    write("b.yaml", "pools: {db: 3}\ntasks: {a: {}}")
    tasks = "tasks: {a: {pipeline: a.yaml}, b: {pipeline: b.yaml}}"
    (found,) = faults(write("p.yaml", tasks))
    assert (found.message, found.hint) == (
        "`a.yaml` and `b.yaml` each declare a pool `db`, and not the same",
        "declare it here: `pools: {db: …}`",
    )
    assert load(write("q.yaml", f"pools: {{db: 4}}\n{tasks}"))


def test_what_a_sub_pipeline_lacks_of_the_world_is_told_once(write: Write, tmp_path: Path) -> None:
    write("sub/child.yaml", "secrets: [TOKEN_THAT_IS_NOT_SET]\nenv_file: none.env\ntasks: {a: {python: no.py}}")
    tasks = "{c: {pipeline: sub/child.yaml}, d: {pipeline: sub/child.yaml}, g: {tasks: {x: {python: gone.py}}}}"
    found = problems(build(load(write("p.yaml", f"tasks: {tasks}")).document), {})
    assert sorted((Path(one.file).name, one.message) for one in found) == [
        ("child.yaml", "env_file `none.env`: no such file or directory"),
        ("child.yaml", "secret `TOKEN_THAT_IS_NOT_SET` is not set: there is no variable `TOKEN_THAT_IS_NOT_SET`"),
        ("child.yaml", "task `a`: there is no script `no.py`"),
        ("p.yaml", "task `g.x`: there is no script `gone.py`"),
    ]


def test_scripts_of_a_sub_pipeline_that_runs_after_others_may_be_made_by_them(write: Write) -> None:
    write("child.yaml", "tasks: {a: {python: no.py}}")
    text = "tasks: {m: {shell: echo}, g: {needs: m, tasks: {c: {pipeline: child.yaml}}}}"
    (found,) = problems(build(load(write("p.yaml", text)).document), {})
    assert found.warning


def test_edited_sub_pipeline_is_another_source(write: Write) -> None:
    child = write("child.yaml", "tasks: {a: {shell: echo}}")
    parent = write("p.yaml", "tasks: {c: {pipeline: child.yaml}}")
    before = load(parent).sources
    write("child.yaml", "tasks: {a: {shell: echo 2}}")
    after = load(parent).sources
    assert before[0] == after[0]
    assert before[1] != after[1]
    assert os.path.realpath(after[1][0]) == os.path.realpath(child)
