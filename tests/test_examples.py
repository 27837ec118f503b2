"""Every example is run as a user would run it, and does what its comments say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PIPECTL = Path(sys.executable).with_name("pipectl")
TOKEN = "s3cr3t-t0ken-0f-ours"


class Folder:
    """A copy of the examples, or of one of them, where commands are run."""

    def __init__(self, source: Path, root: Path) -> None:
        self.root = root / source.name
        shutil.copytree(source, self.root, ignore=shutil.ignore_patterns(".pipectl", "build", "flights", "__pycache__"))
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PIPECTL", "PARAM_"))}
        self.env = {**inherited, "API_TOKEN": TOKEN, "NO_COLOR": "1", "COLUMNS": "120"}

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.root, env=self.env, text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False
        )

    def pipectl(self, *args: str, code: int = 0) -> str:
        """What the command says on both streams, once its exit code is as it should be."""
        got = self.run(PIPECTL, *args)
        assert got.returncode == code, got.stdout + got.stderr
        return got.stdout + got.stderr

    def json(self, *args: str) -> Any:
        got = self.run(PIPECTL, *args, "--json")
        assert got.returncode == 0, got.stderr
        return json.loads(got.stdout)

    def instances(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in self.json("show")["instances"]}

    def states(self) -> dict[str, str]:
        return {name: row["state"] for name, row in self.instances().items()}

    def outputs(self) -> dict[str, Any]:
        return {name: row["output"] for name, row in self.instances().items() if row["output"] is not None}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(EXAMPLES, tmp_path)


def names() -> list[str]:
    return sorted(path.stem for path in EXAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("name", names())
def test_example_starts_by_saying_what_it_shows(name: str) -> None:
    assert (EXAMPLES / f"{name}.yaml").read_text().startswith("# ")


@pytest.mark.parametrize("name", [*names(), "flights/flights"])
def test_example_is_valid_without_a_warning(name: str, tmp_path: Path) -> None:
    source = EXAMPLES / f"{name}.yaml"
    folder = Folder(source.parent, tmp_path)
    assert "warning" not in folder.pipectl("validate", "--strict", source.name)


def test_every_example_has_a_case_here() -> None:
    cases = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert [name for name in names() if not any(case.startswith(f"{name}_") for case in cases)] == []


def test_hello_is_all_it_takes(folder: Folder) -> None:
    folder.pipectl("run", "hello.yaml")
    assert folder.states() == {"hello": "success"}
    assert "Hello, world" in folder.pipectl("logs", "latest", "hello")


def test_dependencies_order_tasks_whatever_their_place_in_the_file(folder: Folder) -> None:
    folder.pipectl("run", "dependencies.yaml")
    order = folder.outputs()["last"]
    assert order[0] == "first"
    assert sorted(order[1:]) == ["left", "right"]
    assert folder.states()["both"] == "success"


def test_sequence_runs_in_the_order_of_the_list(folder: Folder) -> None:
    folder.pipectl("run", "sequence.yaml")
    rows = folder.instances()
    assert {row["state"] for row in rows.values()} == {"success"}
    for earlier, later in [("mix", "bake"), ("bake", "eat"), ("set_table", "eat"), ("eat", "wash_up")]:
        assert rows[earlier]["ended"] <= rows[later]["started"]


def test_parameters_reach_scripts_arguments_and_python(folder: Folder) -> None:
    folder.pipectl("run", "parameters.yaml", "-p", "who=Ada", "-p", "language=fr", "-p", 'gifts=["a pen"]')
    script = folder.pipectl("logs", "latest", "by_variables")
    assert "2. Bonjour Ada, today is 2026-01-01" in script
    assert 'gifts: ["a pen"]' in script
    assert "<Ada>\n<20>\n<a pen>" in folder.pipectl("logs", "latest", "by_arguments")
    assert folder.outputs()["in_python"] == "Ada gets 1 gifts"


def test_parameters_come_from_a_file_too(folder: Folder) -> None:
    folder.pipectl("run", "parameters.yaml", "--params-file", "people.json")
    assert folder.outputs()["in_python"] == "GRACE GETS 1 GIFTS"


@pytest.mark.parametrize("given", [[], ["-p", "who=Ada", "-p", "day=2026-13-01"], ["-p", "who=Ada", "-p", "nope=1"]])
def test_parameters_that_are_wrong_keep_the_run_from_starting(folder: Folder, given: list[str]) -> None:
    folder.pipectl("run", "parameters.yaml", *given, code=2)
    assert not (folder.root / ".pipectl/state.db").exists() or folder.json("runs")["runs"] == []


def test_outputs_flow_to_those_that_need_them(folder: Folder) -> None:
    folder.pipectl("run", "outputs.yaml")
    assert folder.outputs() == {
        "pairs": {"name": "flour", "grams": "500"},
        "json": {"temperature": 220, "steps": ["knead", "rest", "bake"]},
        "text": "rye",
        "lines": ["salt", "water"],
        "printed_json": [1, 2, 3],
        "python": {"loaves": 2},
        "shell_reader": ["flour at 220 degrees", "pairs json lines"],
        "python_reader": {"bread": "rye", "with": ["salt", "water"], "loaves": 12},
    }


def test_conditions_decide_what_runs(folder: Folder) -> None:
    folder.pipectl("run", "conditions.yaml")
    assert folder.states() == {
        "deploy": "skipped",
        "announce": "skipped",
        "update": "skipped",
        "lint": "failed",
        "build": "success",
        "mend": "success",
        "celebrate": "skipped",
        "summary": "success",
    }
    assert folder.outputs()["summary"] == "deploy: skipped"


def test_conditions_look_at_parameters(folder: Folder) -> None:
    folder.pipectl("run", "conditions.yaml", "-p", "target=production")
    assert folder.outputs()["summary"] == "deploy: success"
    assert folder.states()["announce"] == "success"


def test_retries_go_on_until_an_attempt_succeeds(folder: Folder) -> None:
    folder.pipectl("run", "retries.yaml")
    assert folder.states() == {
        "simple": "success",
        "flaky": "success",
        "hopeless": "failed",
        "slow_start": "success",
        "connect": "success",
    }
    assert folder.instances()["hopeless"]["attempts"] == 1
    assert folder.outputs() == {"flaky": {"attempt": "3"}, "slow_start": {"attempt": "2"}, "connect": {"attempt": 2}}


def test_environment_is_built_up_in_layers(folder: Folder) -> None:
    folder.env["NOTHING"] = "the caller has it"
    folder.pipectl("run", "environment.yaml")
    outputs = folder.outputs()
    greeting, target, limits, nothing, postcode = outputs["show"]
    assert (greeting, target) == ("Hello from the pipeline", "data-eu/testing")
    assert json.loads(limits) == {"rows": 1000, "retries": None}
    assert (nothing, postcode) == ("unset", "01067")
    assert outputs["elsewhere"] == ["base.yaml"]
    assert outputs["told"] == "environment/told, attempt 1"


def test_secrets_are_masked_and_kept_from_those_that_do_not_name_them(folder: Folder) -> None:
    said = folder.pipectl("run", "secrets.yaml", "--output", "plain")
    outputs = folder.outputs()
    assert outputs["login"][0] == "token: ***"
    assert outputs["login"][2:] == [f"length: {len(TOKEN)}", "url: postgresql://me:***@localhost/flights"]
    assert outputs["outsider"] == "not here"
    kept = b"".join(path.read_bytes() for path in (folder.root / ".pipectl").rglob("*") if path.is_file())
    assert TOKEN not in said
    assert TOKEN.encode() not in kept
    assert b"correct horse-battery" not in kept


def test_secrets_that_are_not_set_keep_the_run_from_starting(folder: Folder) -> None:
    del folder.env["API_TOKEN"]
    assert "API_TOKEN" in folder.pipectl("run", "secrets.yaml", code=2)


def test_checks_pass_on_good_data(folder: Folder) -> None:
    folder.pipectl("run", "checks.yaml")
    assert folder.outputs()["load"] == {"loaded": 120}
    assert folder.outputs()["ready"] == 3


def test_checks_stop_bad_data(folder: Folder) -> None:
    said = folder.pipectl("run", "checks.yaml", "-p", "rows=0", code=1)
    assert "output.rows > 0" in said
    assert folder.states() == {"extract": "failed", "load": "upstream_failed", "ready": "success"}


def test_cleanup_runs_though_a_failure_ended_the_run(folder: Folder) -> None:
    folder.pipectl("run", "cleanup.yaml", code=1)
    assert folder.states() == {
        "prepare": "success",
        "broken": "failed",
        "slow": "cancelled",
        "publish": "cancelled",
        "cleanup": "success",
    }
    assert folder.outputs()["cleanup"] == "cleaned up; broken: failed, slow: cancelled"


def test_python_runs_functions_code_and_scripts(folder: Folder) -> None:
    folder.pipectl("run", "python.yaml")
    assert folder.outputs() == {
        "count": [{"word": "the", "number": 3}, {"word": "quick", "number": 1}],
        "alphabet": "abcdefghijklmnopqrstuvwxyz",
        "mean_length": {"mean": 3.7, "top": "the"},
        "missing_letters": [],
    }


def test_include_takes_in_what_another_file_declares(folder: Folder) -> None:
    folder.pipectl("run", "include.yaml", "-p", "guests=6")
    assert folder.states() == {"shop": "success", "cook": "success"}
    assert folder.outputs()["cook"] == "the kitchen team makes soup for 6, attempt 2"


def test_interpreters_run_scripts_and_arguments_stay_as_they_are(folder: Folder) -> None:
    folder.pipectl("run", "interpreters.yaml")
    run = folder.json("show")["run"]["id"]
    assert folder.outputs() == {
        "bash": "2",
        "sh": "plain 42",
        "python3": "run as a file: 1",
        "awk": "awk 42",
        "program": '$HOME; `ls` && "quoted"',
        "argument": f"hello {run}",
    }


def test_priority_decides_who_starts_first(folder: Folder) -> None:
    folder.pipectl("run", "priority.yaml")
    assert folder.outputs()["order"] == ["bread", "cake", "rolls", "icing"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Folder, str]:
    """The flights example after its demo, and what the demo said."""
    folder = Folder(EXAMPLES / "flights", tmp_path_factory.mktemp("demo"))
    got = folder.run(folder.root / "demo.sh", PIPECTL)
    assert got.returncode == 0, got.stdout + got.stderr
    return folder, got.stdout


@pytest.fixture
def report(demo: tuple[Folder, str]) -> str:
    return (demo[0].root / "build/report.md").read_text(encoding="utf-8")


# Computed from the data by other means: awk and sort.
FIGURES = [
    "77,911 of 80,789 planned flights left and arrived; 2,643 (3.3%) were cancelled, 235 diverted.",
    "On average they left 11.4 minutes late and arrived 5.9 minutes late; 20.4% left more than 15 minutes late.",
    "US Airways Inc. (1.9 minutes late on average), the least ExpressJet Airlines Inc. (24.1 minutes late).",
    "Flights from Newark (EWR) left latest: 15.4 minutes late on average.",
    "1.7 minutes late at 05:00, 20.9 minutes late at 19:00.",
    "| United Air Lines Inc. | 13,656 | 9.3 | 0 | 32 | 17.6% |",
    "| ExpressJet Airlines Inc. | 11,874 | 24.1 | 2 | 87 | 35.5% |",
    "| LaGuardia (LGA) | 23,170 | 7.7 |",
    "| 2013-02 | 24,951 | 1,261 | 79 | 23,611 |",
    "SkyWest Airlines Inc. (1)",
]


def test_flights_report_has_the_figures_of_the_data(report: str) -> None:
    assert [figure for figure in FIGURES if figure not in report] == []


def test_flights_report_draws_a_bar_for_each_hour(report: str) -> None:
    chart = report.split("```")[1].splitlines()[1:]
    assert [line[:5] for line in chart] == [f"{hour:02}:00" for hour in range(5, 24)]
    assert max(chart, key=lambda line: line.count("█")).startswith("19:00")


def test_flights_demo_kills_a_run_and_resumes_it(demo: tuple[Folder, str]) -> None:
    folder, said = demo
    killed, resumed = said.split("$ pipectl resume")
    assert "interrupted" in killed
    assert "# Departures from New York" in resumed
    assert [run["state"] for run in folder.json("runs")["runs"]] == ["success", "success"]
    assert set(folder.states().values()) == {"success"}
    attempts = {name: row["attempts"] for name, row in folder.instances().items()}
    assert attempts["clean_march"] == attempts["all_months"] == 1


def test_flights_of_some_months_are_enough(tmp_path: Path) -> None:
    folder = Folder(EXAMPLES / "flights", tmp_path)
    folder.pipectl("run", "flights.yaml", "-p", "months=[2]", "-p", "min_flights=1000")
    states = folder.states()
    assert {name for name, state in states.items() if state == "skipped"} == {
        "unpack_january",
        "unpack_march",
        "clean_january",
        "clean_march",
    }
    report = (folder.root / "build/report.md").read_text(encoding="utf-8")
    assert report.startswith("# Departures from New York, February 2013\n")
    assert "23,611 of 24,951 planned flights" in report
    assert "fewer than 1,000 flights: Alaska Airlines Inc. (54)" in report


def test_flights_of_a_month_that_is_not_there_are_refused(tmp_path: Path) -> None:
    folder = Folder(EXAMPLES / "flights", tmp_path)
    assert "months" in folder.pipectl("run", "flights.yaml", "-p", "months=[4]", code=2)
