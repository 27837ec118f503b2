"""Files that take in others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipectl.errors import PipelineError
from pipectl.model import Pipeline, Retry
from pipectl.spec.build import build
from pipectl.spec.load import Loaded, load

Files = dict[str, str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Files], Loaded]:
    monkeypatch.chdir(tmp_path)

    def load_files(files: Files) -> Loaded:
        for name, text in files.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(text)
        return load("p.yaml")

    return load_files


def built(got: Loaded) -> Pipeline:
    return build(got.document)


def test_everything_is_taken_in_and_the_file_itself_wins(project: Callable[[Files], Loaded]) -> None:
    base = """
params: {n: 1, day: x}
vars: {word: theirs, own: theirs}
env: {A: theirs, B: theirs}
secrets: {S: {env: THEIRS}}
connections: {db: "sqlite:///theirs.db", api: {url: "https://theirs", headers: {A: b}}}
defaults: {retries: 1, timeout: 1m}
tasks: {first: {shell: echo}}
"""
    own = """
include: common/base.yaml
params: {n: 2}
vars: {own: mine}
env: {B: mine}
secrets: {S: {env: MINE}}
connections: {api: {url: "https://mine"}}
defaults: {retries: 2}
tasks: {a: {needs: first, shell: echo}}
"""
    got = built(project({"common/base.yaml": base, "p.yaml": own}))
    assert {name: declared["default"] for name, declared in got.params.items()} == {"n": 2, "day": "x"}
    assert got.vars == {"word": "theirs", "own": "mine"}
    assert got.env == {"A": "theirs", "B": "mine"}
    assert got.secrets["S"].value == "MINE"
    assert {name: one.url for name, one in got.connections.items()} == {
        "db": "sqlite:///theirs.db", "api": "https://mine"
    }  # fmt: skip
    assert got.connections["api"].headers == {}
    assert [(task.name, task.retries.max, task.timeout) for task in got.tasks.values()] == [
        ("first", 2, 60),
        ("a", 2, 60),
    ]


def test_defaults_of_a_mapping_are_taken_in_key_by_key(project: Callable[[Files], Loaded]) -> None:
    base = "defaults: {retries: {max: 1, delay: 1}, env: {A: base, B: base}, shell: {interpreter: sh}}"
    main = """
include: base.yaml
defaults: {retries: {max: 2}, env: {A: main}, shell: {output: text}}
tasks: {a: {shell: echo}}
"""
    task = built(project({"base.yaml": base, "p.yaml": main})).tasks["a"]
    assert task.env == {"A": "main", "B": "base"}
    assert task.body == {"script": "echo", "interpreter": "sh", "output": "text"}
    assert task.retries == Retry(max=2)


def test_faults_of_defaults_that_are_put_together_are_told_in_their_files(project: Callable[[Files], Loaded]) -> None:
    base = "defaults: {env: {PARAM_A: x}}"
    main = 'include: base.yaml\ndefaults: {env: {B: "{{ nope }}"}}\ntasks: {a: {shell: echo}}'
    with pytest.raises(PipelineError) as raised:
        project({"base.yaml": base, "p.yaml": main})
    assert [problem.place for problem in raised.value.problems] == ["p.yaml:2:25", "base.yaml:1:18"]


def test_paths_are_relative_to_the_file_that_includes(project: Callable[[Files], Loaded]) -> None:
    got = project({
        "p.yaml": "include: [lib/one.yaml]\ntasks: {a: {}}",
        "lib/one.yaml": "include: two.yaml\ntasks: {b: {}}",
        "lib/two.yaml": "tasks: {c: {}}",
    })  # fmt: skip
    assert list(got.document["tasks"]) == ["c", "b", "a"]
    assert [Path(file).name for file, _ in got.sources] == ["p.yaml", "two.yaml", "one.yaml"]


def test_file_that_is_included_twice_is_taken_once(project: Callable[[Files], Loaded]) -> None:
    got = project({
        "p.yaml": "include: [one.yaml, two.yaml, ./one.yaml]\ntasks: {a: {}}",
        "one.yaml": "tasks: {b: {}}",
        "two.yaml": "include: one.yaml",
    })  # fmt: skip
    assert list(got.document["tasks"]) == ["b", "a"]


def test_later_include_wins_over_an_earlier_one(project: Callable[[Files], Loaded]) -> None:
    files = {
        "p.yaml": "include: [one.yaml, two.yaml]\ntasks: {a: {}}",
        "one.yaml": "vars: {v: 1}",
        "two.yaml": "vars: {v: 2}",
    }
    assert built(project(files)).vars == {"v": 2}


def test_constant_put_in_place_of_an_included_one_may_use_its_own(project: Callable[[Files], Loaded]) -> None:
    got = project({
        "p.yaml": 'include: base.yaml\nvars: {day: monday, raw: "data/{{ vars.day }}"}\ntasks: {a: {}}',
        "base.yaml": 'vars: {raw: data, path: "{{ vars.raw }}/x"}',
    })  # fmt: skip
    assert list(got.document["vars"]) == ["day", "raw", "path"]


def test_constants_of_two_files_that_use_one_another_are_a_cycle(project: Callable[[Files], Loaded]) -> None:
    files = {
        "p.yaml": 'include: base.yaml\nvars: {raw: "{{ vars.path }}"}\ntasks: {a: {}}',
        "base.yaml": 'vars: {raw: data, path: "{{ vars.raw }}/x"}',
    }
    with pytest.raises(PipelineError, match="constants use one another in a cycle: raw -> path -> raw"):
        project(files)


def test_key_without_effect_in_an_included_file_is_a_warning(project: Callable[[Files], Loaded]) -> None:
    got = project({"p.yaml": "include: b.yaml\ntasks: {a: {}}", "b.yaml": "name: b\nmax_parallel: 2\ntasks: {b: {}}"})
    assert [(w.file, w.line, w.message) for w in got.warnings] == [
        ("b.yaml", 2, "`max_parallel` of an included file has no effect"),
    ]


def test_list_of_tasks_is_a_sequence_within_its_file(project: Callable[[Files], Loaded]) -> None:
    got = project({"p.yaml": "include: b.yaml\ntasks: [{c: {}}, {d: {}}]", "b.yaml": "tasks: [{a: {}}, {b: {}}]"})
    assert {n: t.needs for n, t in built(got).tasks.items()} == {"a": (), "b": ("a",), "c": (), "d": ("c",)}


def test_chain_of_includes_is_bounded(project: Callable[[Files], Loaded]) -> None:
    files = {f"{i}.yaml": f"include: {i + 1}.yaml\ntasks: {{t{i}: {{}}}}" for i in range(40)} | {
        "40.yaml": "tasks: {z: {}}"
    }
    with pytest.raises(PipelineError, match="more than 20 deep"):
        project({**files, "p.yaml": "include: 0.yaml\ntasks: {a: {}}"})


def test_problems_come_in_file_order_with_the_own_file_first(project: Callable[[Files], Loaded]) -> None:
    files = {"p.yaml": "include: b.yaml\nnam: x\ntasks: {a: {shel: x}}", "b.yaml": "tasks: {b: {shel: x}}"}
    with pytest.raises(PipelineError) as raised:
        project(files)
    assert [problem.place for problem in raised.value.problems] == ["p.yaml:2:1", "p.yaml:3:13", "b.yaml:1:13"]
