"""What a pipeline needs of the machine it runs on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from sqlalchemy import make_url

from pipectl.errors import PipelineError, Problem
from pipectl.model import Pipeline
from pipectl.spec import extras, world
from pipectl.spec.build import build
from pipectl.spec.load import load


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pipeline(text: str) -> Pipeline:
    Path("p.yaml").write_text(text)
    return build(load("p.yaml").document)


def problems(text: str, environ: Mapping[str, str] | None = None) -> list[Problem]:
    return world.problems(pipeline(text), environ or {})


def secret_faults(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(PipelineError) as raised:
        world.secret_values(pipeline(text), environ or {})
    return [problem.message for problem in raised.value.problems]


def test_unset_empty_and_short_secrets_are_told_where_they_are_declared() -> None:
    text = "secrets:\n  A: {env: A}\n  B: {env: B}\n  C: {env: C}\n  D: {env: D}\ntasks: {a: {}}"
    found = problems(text, {"B": "", "C": "abc", "D": "abcd"})
    assert [(p.place, p.message) for p in found] == [
        ("p.yaml:2:3", "secret `A` is not set: there is no variable `A`"),
        ("p.yaml:3:3", "secret `B` is empty"),
        ("p.yaml:4:3", "secret `C` is too short to hide: it has fewer than 4 characters"),
    ]


def test_place_of_a_secret_of_a_list_is_its_entry() -> None:
    (problem,) = problems("secrets: [ONE, TWO]\ntasks: {a: {}}", {"ONE": "1111"})
    assert (problem.line, problem.column) == (1, 16)


def test_secrets_come_from_variables_files_and_commands_without_the_last_newline() -> None:
    Path("token").write_text("from file\n\n")
    text = f"""
secrets:
  A: {{env: X}}
  B: {{file: token}}
  C: {{command: [{sys.executable}, -c, "print('from command')"]}}
tasks: {{a: {{}}}}
"""
    values = world.secret_values(pipeline(text), {"X": "from env"})
    assert values == {"A": "from env", "B": "from file\n", "C": "from command"}


def test_secret_may_come_from_the_env_file() -> None:
    Path(".env").write_text("TOKEN=from-env-file\n")
    made = pipeline("env_file: .env\nsecrets: [TOKEN]\ntasks: {a: {}}")
    assert world.secret_values(made, world.env_file_values(made, {})) == {"TOKEN": "from-env-file"}


def test_all_secrets_without_a_value_are_told_at_once() -> None:
    Path("latin").write_bytes(b"caf\xe9")
    found = secret_faults("""
secrets:
  A: {file: missing}
  B: {file: latin}
  C: {command: [sh, -c, "echo no such entry >&2; exit 3"]}
  D: {command: [no-such-program]}
  E: {command: ["true"]}
tasks: {a: {}}
""", {"PATH": os.environ["PATH"]})  # fmt: skip
    assert found[0].endswith("missing`: no such file or directory")
    assert found[1].endswith("latin`: it is not UTF-8")
    assert found[2] == "secret `C` has no value: `sh` exited with 3: no such entry"
    assert found[3] == "secret `D` has no value: `no-such-program`: no such file or directory"
    assert found[4] == "secret `E` is empty"


def test_command_of_a_secret_is_not_run_to_look_for_problems() -> None:
    assert problems("secrets: {A: {command: [touch, ran]}}\ntasks: {a: {}}", {"PATH": os.environ["PATH"]}) == []
    assert not Path("ran").exists()


def test_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "_COMMAND_SECONDS", 0.05)
    (found,) = secret_faults("secrets: {A: {command: [sleep, '60']}}\ntasks: {a: {}}", {"PATH": os.environ["PATH"]})
    assert found == "secret `A` has no value: `sleep` took more than 0.05 s"


def test_missing_env_file_is_told_unless_it_is_optional() -> None:
    (problem,) = problems("env_file: .env\ntasks: {a: {}}")
    assert (problem.place, problem.message) == ("p.yaml:1:11", "env_file `.env`: no such file or directory")
    assert problem.hint == "write `.env?` where it may be missing"
    assert problems("env_file: .env?\ntasks: {a: {}}") == []


def test_values_of_the_env_file_are_taken_as_written() -> None:
    Path(".env").write_text("export A=1\nB='$HOME'\nC=${A}x\n# comment\n\nE=\nF='two\nlines'")
    got = world.env_file_values(pipeline("env_file: .env?\ntasks: {a: {}}"), {})
    assert got == {"A": "1", "B": "$HOME", "C": "${A}x", "E": "", "F": "two\nlines"}


def test_lines_of_the_env_file_that_set_nothing_are_told_in_their_places(caplog: pytest.LogCaptureFixture) -> None:
    Path("sub").mkdir()
    Path("sub/.env").write_text("A=1\nthis is garbage\n\n  B: 2\nC\nexport D='x\n")
    found = problems("env_file: sub/.env\ntasks: {a: {}}")
    assert [p.place for p in found] == ["sub/.env:2:1", "sub/.env:4:3", "sub/.env:5:1", "sub/.env:6:1"]
    assert {p.message for p in found} == {"this line is not `NAME=value`"}
    assert caplog.text == ""


def test_variables_of_pipectl_cannot_be_set_in_the_env_file() -> None:
    Path(".env").write_text("A=1\nITEM=2\nPARAM_X=3\nPIPECTL_TASK=4\n")
    found = problems("env_file: .env\ntasks: {a: {}}")
    assert [(p.line, p.message) for p in found] == [
        (2, "`ITEM` cannot be set: pipectl sets it"),
        (3, "`PARAM_X` cannot be set: pipectl sets it"),
        (4, "`PIPECTL_TASK` cannot be set: pipectl sets it"),
    ]


def test_env_file_that_is_not_utf8_is_told() -> None:
    Path(".env").write_bytes(b"A=\xff\n")
    assert [p.message for p in problems("env_file: .env\ntasks: {a: {}}")] == ["env_file `.env`: it is not UTF-8"]


def test_missing_script_folder_and_interpreter_are_told_where_they_are_named() -> None:
    found = problems("""
tasks:
  a: {python: missing.py, cwd: nowhere}
  b: {python: {code: output = 1, interpreter: .venv/bin/python}}
  c: {shell: {script: echo, interpreter: ./run --fast}}
  d: {shell: {script: echo, interpreter: no-path}, cwd: "{{ run.dir }}"}
""")
    assert [(p.line, p.column, p.message, p.warning) for p in found] == [
        (3, 32, "task `a`: there is no folder `nowhere`", False),
        (3, 3, "task `a`: there is no script `missing.py`", False),
        (4, 47, "task `b`: there is no interpreter `.venv/bin/python`", False),
        (5, 42, "task `c`: there is no interpreter `./run`", False),
    ]


def test_what_an_upstream_may_make_is_a_warning() -> None:
    (problem,) = problems("tasks: {a: {shell: mkdir build}, b: {needs: a, shell: make, cwd: build}}")
    assert problem.warning


def test_pipeline_that_lacks_nothing_has_no_problems() -> None:
    Path("build").mkdir()
    Path("train.py").touch()
    text = f"tasks: {{a: {{python: {{script: train.py, interpreter: {sys.executable}}}, cwd: build}}}}"
    assert problems(text) == []


def without(*modules: str) -> Callable[[str], object]:
    """Looks for modules, of which these are not installed."""
    return lambda name: None if name in modules else object()


DATABASES = """
connections:
  pg: {url: "postgresql://h/x"}
  my: {url: "mariadb+pymysql://h/x"}
  duck: duckdb:///x.duckdb
  lite: sqlite:///x.db
  other: "{{ env.URL }}"
  unused: "postgresql://h/y"
"""
DATABASES_USED = ("pg", "my", "duck", "lite", "other")


def test_missing_drivers_are_told_with_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", without("psycopg", "pymysql", "duckdb"))
    tasks = "".join(f"  {name}: {{sql: {{connection: {name}, query: select 1}}}}\n" for name in DATABASES_USED)
    found = problems(f"{DATABASES}tasks:\n{tasks}  again: {{sql: {{connection: pg, query: select 2}}}}")
    assert [(p.line, p.message, p.hint) for p in found] == [
        (3, "connection `pg`: the driver of `postgresql://` is not installed", "pip install 'pipectl[postgres]'"),
        (4, "connection `my`: the driver of `mariadb+pymysql://` is not installed", "pip install 'pipectl[mysql]'"),
        (5, "connection `duck`: the driver of `duckdb://` is not installed", "pip install 'pipectl[duckdb]'"),
    ]


@pytest.mark.parametrize(
    ("scheme", "module", "package"),
    [
        ("mssql", "pyodbc", "pyodbc"),
        ("mssql+pymssql", "pymssql", "pymssql"),
        ("oracle", "oracledb", "oracledb"),
        ("postgresql+psycopg2", "psycopg2", "psycopg2-binary"),
        ("mysql+mysqldb", "MySQLdb", "mysqlclient"),
    ],
)
def test_missing_drivers_of_other_databases_are_told(
    scheme: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"connections: {{db: '{scheme}://h/x'}}\ntasks: {{a: {{sql: {{connection: db, query: select 1}}}}}}"
    monkeypatch.setattr(extras, "find_spec", without(module))
    (found,) = problems(text)
    assert found.message == f"connection `db`: the driver of `{scheme}://` is not installed"
    assert found.hint == f"pip install {package}"
    monkeypatch.setattr(extras, "find_spec", without())
    assert problems(text) == []


def test_default_drivers_are_those_that_sqlalchemy_takes() -> None:
    taken = {name: make_url(f"{name}://").get_dialect().driver for name in ("mssql", "oracle", "postgresql")}
    assert taken == {name: extras._DEFAULT_DRIVERS[name] for name in taken}


def test_missing_reader_of_parquet_is_told_at_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", without("pyarrow"))
    (found,) = problems("""
connections: {db: sqlite:///x.db}
defaults: {sql: {connection: db}}
tasks:
  a: {sql: {query: select 1, save: "{{ run.date }}.parquet"}}
  b: {sql: {query: select 1, save: a.csv}}
""")
    assert (found.line, found.hint) == (5, "pip install 'pipectl[parquet]'")


def test_database_that_sqlalchemy_does_not_know_is_told() -> None:
    (found,) = problems("connections: {db: 'postgres://h/x'}\ntasks: {a: {sql: {connection: db, query: select 1}}}")
    assert found.message == "connection `db`: SQLAlchemy knows no database `postgres://`"
    assert found.hint == "did you mean `postgresql`?"


def test_looking_for_drivers_imports_none() -> None:
    code = (
        "import sys; from pipectl.spec import world; from pipectl.spec.build import build;"
        "from pipectl.spec.load import load; world.problems(build(load('p.yaml').document), {});"
        "print({'sqlalchemy', 'psycopg', 'duckdb', 'pyarrow', 'urllib3'} & {*sys.modules})"
    )
    tasks = (
        "a: {sql: {connection: pg, query: select 1, save: x.parquet}}, b: {sql: {connection: duck, query: select 1}}"
    )
    Path("p.yaml").write_text(f"{DATABASES}tasks: {{{tasks}}}")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_files_that_a_task_reads_are_told_where_they_are_named() -> None:
    Path("there.csv").touch()
    found = problems("""
connections: {db: sqlite:///x.db, api: {url: https://x, verify: ca.pem}}
defaults: {sql: {connection: db}, http: {verify: gone.pem}}
tasks:
  a: {sql: {load: {file: gone.csv, table: t}}}
  b: {sql: {load: {file: there.csv, table: t}}}
  c: {sql: {load: {file: "{{ run.date }}.csv", table: t}}}
  d: {needs: a, http: {url: https://x, body_file: gone.bin, verify: ca.pem}}
  e: {http: https://x}
""")
    assert [(p.line, p.column, p.message, p.warning) for p in found] == [
        (5, 26, "task `a`: there is no file `gone.csv`", False),
        (8, 51, "task `d`: there is no file `gone.bin`", True),
        (8, 69, "task `d`: there is no file `ca.pem`", True),
        (9, 3, "task `e`: there is no file `gone.pem`", False),
        (2, 35, "connection `api`: there is no file `ca.pem`", False),
    ]
