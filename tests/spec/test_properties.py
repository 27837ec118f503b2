"""Whatever the text: a document or a PipelineError, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pipectl.errors import PipelineError, render_problem
from pipectl.spec.build import build
from pipectl.spec.load import load_text

VALID = """\
name: flights_daily
params:
  date: {type: string, format: date, description: Day to load}
  limit: 1000
vars: {raw: "data/{{ params.date }}.csv"}
env: {TZ: UTC, V: 3.10}
env_file: .env?
secrets:
  API_TOKEN: {env: API_TOKEN}
connections:
  warehouse: {url: "postgresql://etl:{{ secrets.API_TOKEN }}@db:5432/{{ params.limit }}"}
  api: {url: https://example.org/v1, headers: {A: "{{ secrets.API_TOKEN }}"}, auth: {user: a}}
x-common: &d {retries: 2, timeout: 10m}
defaults: {<<: *d, sql: {connection: warehouse}, http: {timeout: 5, headers: {B: c}}}
max_parallel: 8
tasks:
  fetch:
    shell: [curl, -o, "{{ vars.raw }}", "https://example.org/{{ params.date }}"]
    env: {TOKEN: "{{ secrets.API_TOKEN }}"}
  clean:
    needs: fetch
    python: {call: "etl.flights:clean", with: {source: "{{ vars.raw }}", limit: "{{ params.limit }}"}}
    expect: [output.rows > 0, "{{ output.rows < 10 }}"]
    retries: {max: 3, delay: 1s, on: [75, timeout]}
  get:
    http: {connection: api, url: "/x/{{ params.date }}", json: {a: [1, null]}, expect_status: [2xx, 404]}
  load:
    needs: clean
    sql: {load: {file: "{{ vars.raw }}", table: t, mode: upsert, key: id}}
  sum:
    needs: load
    sql: |
      select 'it''s', count(*) from {{ 'flights' | identifier }} -- all
      where day = {{ params.date }} and n in ({{ inputs.load }})
  report:
    <<: *d
    needs: [clean]
    trigger: all_done
    when: tasks.clean.state == 'success'
    shell: |
      echo "best: $BEST" | tee report.txt
  end: {needs: '*', trigger: always, python: "output = inputs"}
"""
PIECES = [
    *"{}[]:,-\n\t \"'|>&*#!%@`?~0\\", "{{", "}}", "{% if %}", "&a ", "*a", "*d", "<<: ", "- ", "\n  ", "\n    ",
    "null", "3.10", "!!str ", "---\n", "tasks:", "needs:", "foreach: [1]", "params", "{{ tasks.fetch.output }}",
    "{{ secrets.X }}", "'*'", "\x00", "\u2028", "é", "\ufeff",
    "true", "[]", "{}", "''", "shell:", "python:", "sql:", "http:", "url:", "query:", "connections:",
    "http://a:b@[", "sqlite://", "{{ connections.api.url }}", "| literal", "--", "/*", "$$", "name: x", "- shell: x", "x-", ": ",
]  # fmt: skip
GOLDENS = sorted((Path(__file__).parent.parent / "errors").glob("*.yaml"))
SEEDS = [VALID, *(path.read_text(encoding="utf-8", errors="replace") for path in GOLDENS if path.stat().st_size < 2000)]


def outcome(text: str) -> str:
    try:
        document = load_text(text, ".", "stdin").document
    except PipelineError as error:
        problems = error.problems
    else:
        assert build(json.loads(json.dumps(document))) == build(document)
        return "document"
    assert problems
    for problem in problems:
        assert problem.message
        assert not problem.message.endswith(".")
        assert (problem.message + problem.hint).isprintable()
        assert render_problem(problem)
    return "error"


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from([VALID, VALID, draw(st.sampled_from(SEEDS))]))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 1, 3, 10, 40])))
        text = text[:start] + draw(st.sampled_from(["", *PIECES])) + text[end:]
    return text


def test_valid_text_is_valid() -> None:
    assert outcome(VALID) == "document"


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_mutated_text_is_a_document_or_a_pipeline_error(text: str) -> None:
    assert outcome(text) in ("document", "error")


@given(st.text(max_size=60))
def test_any_text_is_a_document_or_a_pipeline_error(text: str) -> None:
    assert outcome(text) in ("document", "error")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 300) | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def replaced(draw: st.DrawFn) -> str:
    """A valid pipeline with one value, anywhere, put in place of another."""
    import yaml

    data = yaml.safe_load(VALID)
    container = data
    while True:
        keys = list(container) if isinstance(container, dict) else range(len(container))
        key = draw(st.sampled_from(list(keys)))
        inner = container[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            container[key] = draw(JSON)
            return json.dumps(data)
        container = inner


@settings(max_examples=200, deadline=None)
@given(replaced())
def test_any_value_in_any_place_is_a_document_or_a_pipeline_error(text: str) -> None:
    assert outcome(text) in ("document", "error")
