"""Every example is run as a user would run it, and does what its comments say."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest

from tests.loopback import Answer, Asked, Server, serve
from tests.sql import servers
from tests.sql.conftest import postgresql_server  # noqa: F401 - a fixture

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PIPECTL = Path(sys.executable).with_name("pipectl")
TOKEN = "s3cr3t-t0ken-0f-ours"


class Folder:
    """A copy of the examples, or of one of them, where commands are run."""

    def __init__(self, source: Path, root: Path) -> None:
        self.root = root / source.name
        shutil.copytree(
            source,
            self.root,
            ignore=shutil.ignore_patterns(
                ".pipectl", "build", "*.db", "*.duckdb", "flights", "cookbook", "__pycache__"
            ),
        )
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

    def rows(self, database: str, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.root / database)) as connection:
            return connection.execute(sql).fetchall()

    def outputs(self) -> dict[str, Any]:
        return {name: row["output"] for name, row in self.instances().items() if row["output"] is not None}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(EXAMPLES, tmp_path)


NESTED = ["flights/flights", "flights/search", "incremental/incremental"]


def names() -> list[str]:
    return sorted(path.stem for path in EXAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("name", names())
def test_example_starts_by_saying_what_it_shows(name: str) -> None:
    assert (EXAMPLES / f"{name}.yaml").read_text().startswith("# ")


@pytest.mark.parametrize("name", [*names(), *NESTED])
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
    assert outputs["elsewhere"] == ["base.yaml", "bread.yaml"]
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


def test_sql_takes_values_as_values(folder: Folder) -> None:
    folder.pipectl("run", "sql.yaml")
    outputs = folder.outputs()
    assert outputs["orders"] == {"rowcount": 4}
    assert outputs["chosen"]["columns"] == ["customer", "total"]
    assert outputs["chosen"]["rows"] == [{"customer": "Ada", "total": 16}, {"customer": "Grace", "total": 3}]
    assert outputs["most"] == {"customer": "Ada", "item": "cake", "price": 12}
    assert outputs["missing"] == 0
    assert outputs["by_column"]["rows"] == [
        {"name": "Ada", "orders": 2},
        {"name": "Alan", "orders": 1},
        {"name": "Grace", "orders": 1},
    ]


@pytest.mark.parametrize("name", ["Robert'); drop table orders; --", "{{ 1 }}", "%s :x ? \\"])
def test_sql_values_stay_data_whatever_they_hold(folder: Folder, name: str) -> None:
    folder.pipectl("run", "sql.yaml", "-p", f"customers={json.dumps([name, 'Ada'])}", "-p", "by=item")
    outputs = folder.outputs()
    assert outputs["chosen"]["rows"] == [{"customer": "Ada", "total": 16}]
    assert {row["name"] for row in outputs["by_column"]["rows"]} == {"bread", "cake", "rolls", "pie"}


def test_sql_takes_an_empty_list(folder: Folder) -> None:
    folder.pipectl("run", "sql.yaml", "-p", "customers=[]")
    assert folder.outputs()["chosen"]["rows"] == []


def test_load_and_save_move_rows_between_files_and_tables(folder: Folder) -> None:
    for _ in range(2):  # whatever was loaded before is replaced
        folder.pipectl("run", "load.yaml")
    assert folder.outputs()["menu"]["rowcount"] == 5
    lines = (folder.root / "build/menu.csv").read_text().splitlines()
    assert lines == ["item,price", "apple pie,9.0", "cheese cake,12.5", "pretzel,1.2", "rolls,0.6", "rye bread,4.5"]
    assert folder.outputs()["history"] == {"rowcount": 2}


def test_http_asks_and_hears(folder: Folder) -> None:
    item = "/v1/items/bread%2Frye%20%26%20rolls%3F"

    def busy(asked: Asked) -> Answer:
        return Answer("soon", 503, {"Retry-After": "0"}) if server.paths().count(asked.path) == 1 else Answer({})

    routes = {
        "/v1/menu": lambda _: Answer(["bread", "pie"]),
        item: lambda asked: Answer({"price": 4, "asked": asked.query}),
        "/v1/orders": lambda _: Answer({"number": 1}, 201),
        "/v1/busy": busy,
        "/v1/prices.csv": lambda _: Answer("item,price\n"),
    }
    with serve(routes) as server:
        folder.pipectl("run", "http.yaml", "-p", f"base={server.url}/v1")
    outputs = folder.outputs()
    assert outputs["menu"]["json"] == ["bread", "pie"]
    assert outputs["item"]["json"] == {"price": 4, "asked": {"fields": ["price", "stock"], "lang": ["en"]}}
    assert (outputs["order"]["status"], outputs["cake"]["status"]) == (201, 404)
    assert folder.instances()["busy"]["attempts"] == 2
    assert (folder.root / "build/prices.csv").read_text() == "item,price\n"
    [order] = [one for one in server.asked if one.method == "POST"]
    assert json.loads(order.body) == {"item": "bread/rye & rolls?", "pieces": 2}
    assert {one.headers["Authorization"] for one in server.asked} == {f"Bearer {TOKEN}"}


def test_connections_are_names_for_what_they_stand_for(folder: Folder) -> None:
    folder.pipectl("run", "connections.yaml", "-p", "where=there")
    assert folder.outputs() == {
        "count": {"tables": 0},
        "dump": "pg_dump on db.example.org:5432 as etl, password ***, of flights",
    }
    assert [path.name for path in folder.root.glob("*.db")] == ["there.db"]


def test_foreach_repeats_for_lists_matrices_and_outputs(folder: Folder) -> None:
    folder.pipectl("run", "foreach.yaml")
    assert folder.states() == {
        **{f"bake[{flour}]": "success" for flour in ("rye", "spelt", "wheat")},
        "taste[bread=rye,spread=butter]": "success",
        "taste[bread=spelt,spread=butter]": "success",
        "taste[bread=spelt,spread=honey]": "success",
        "taste[bread=wheat,spread=jam]": "success",
        "orders": "success",
        "sell[Ada]": "success",
        "sell[Alan]": "skipped",
        "sell[Grace]": "success",
        "takings": "success",
    }
    outputs = folder.outputs()
    assert outputs["bake[spelt]"] == "spelt bread"
    assert outputs["taste[bread=wheat,spread=jam]"] == "wheat with jam"
    assert outputs["takings"] == {"each": [8, None, 12], "all": 20}
    assert folder.pipectl("logs", "latest", "bake[rye]") == "rye bread\n"


def test_groups_are_needed_and_repeated_as_one(folder: Folder) -> None:
    folder.pipectl("run", "groups.yaml")
    rows = folder.instances()
    sales = {f"shop[{shop}].sell[{item}]" for shop in ("north", "south") for item in ("bread", "rolls")}
    openings = {"shop[north].open", "shop[south].open"}
    assert set(rows) == {"plan", "kitchen.mix", "kitchen.bake", *openings, *sales, "report"}
    assert {row["state"] for row in rows.values()} == {"success"}
    assert rows["kitchen.bake"]["ended"] <= min(rows[name]["started"] for name in openings)
    assert rows["report"]["output"] == "bread of dough for 3; rolls in the south"


def test_sub_pipeline_runs_another_file_as_one_task(folder: Folder) -> None:
    folder.pipectl("run", "sub_pipeline.yaml", "-p", "guests=6")
    parts = [f"{bread}.{step}" for bread in ("rye", "more[spelt]", "more[wheat]") for step in ("weigh", "bake")]
    assert folder.states() == dict.fromkeys([*parts, "table"], "success")
    assert folder.outputs()["table"] == [
        "bread of 1500 g of rye flour",
        "bread of 500 g of spelt flour",
        "bread of 500 g of wheat flour",
    ]


def test_sub_pipeline_is_a_pipeline_by_itself(folder: Folder) -> None:
    folder.pipectl("run", "common/bread.yaml", "-p", "flour=rye", "--state", ".pipectl")
    assert folder.outputs()["bake"] == "bread of 500 g of rye flour"


def test_pools_let_so_many_through(folder: Folder) -> None:
    folder.pipectl("run", "pools.yaml", "-j", "8")
    assert set(folder.states().values()) == {"success"}
    assert folder.outputs()["most"] == 2


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are kept on Linux")
def test_resources_are_shared_out_and_kept_to(folder: Folder) -> None:
    folder.pipectl("run", "resources.yaml")
    rows = folder.instances()
    assert {name for name, row in rows.items() if row["state"] != "success"} == {"greedy"}
    assert "64 MiB" in rows["greedy"]["error"]
    devices = {rows[f"train[{size}]"]["output"].removeprefix(f"{size} on device ") for size in ("small", "large")}
    assert devices <= {"0", "1"}
    alone = [row for name, row in rows.items() if name != "solve"]
    assert all(row["started"] >= rows["solve"]["ended"] or row["ended"] <= rows["solve"]["started"] for row in alone)


def test_wait_holds_no_slot_and_gives_up_in_time(folder: Folder) -> None:
    folder.pipectl("run", "wait.yaml")
    states = folder.states()
    assert states.pop("yeast") == "skipped"
    assert set(states.values()) == {"success"}
    assert folder.outputs()["dough"] == "flour-rye, yeast: skipped"


def test_regions_are_loaded_into_one_database(folder: Folder) -> None:
    for _ in range(2):  # the same orders again change nothing
        folder.pipectl("run", "regions.yaml")
    assert set(folder.states().values()) == {"success"}
    report = (folder.root / "build/regions.csv").read_text()
    assert report.splitlines() == ["region,orders,euros", "asia,3,18.3", "eu,3,27.75", "us,2,38.64"]
    assert folder.rows("orders.db", "select * from loads order by region") == [("asia", 2), ("eu", 2), ("us", 2)]


def test_regions_that_are_well_go_on_without_the_one_that_failed(folder: Folder) -> None:
    orders = folder.root / "regions/us.csv"
    good = orders.read_text()
    orders.write_text(good.replace("12.00", "-12.00"))
    folder.pipectl("run", "regions.yaml", code=1)
    states = folder.states()
    assert (states["region[us].transform"], states["region[us].load"]) == ("failed", "upstream_failed")
    assert (states["region[eu].count"], states["report"]) == ("success", "upstream_failed")
    orders.write_text(good)
    folder.pipectl("resume", "--from", "region[us]")
    rows = folder.instances()
    assert {row["state"] for row in rows.values()} == {"success"}
    assert {name for name, row in rows.items() if row["attempts"] == 2} == {
        "region[us].extract",
        "region[us].transform",
    }
    assert folder.rows("orders.db", "select * from loads order by region") == [("asia", 1), ("eu", 1), ("us", 1)]


def test_publish_waits_for_a_person(folder: Folder) -> None:
    said = folder.pipectl("run", "publish.yaml", "--no-wait", code=75)
    assert "Publish 1.4, 10 bytes?" in said
    assert folder.states() == {"build": "success", "check": "success", "ask": "waiting", "publish": "pending"}
    folder.pipectl("approve", "latest", "-p", "channel=gamma", code=2)
    folder.pipectl("approve", "latest", "-p", "channel=stable", "--comment", "looks good")
    assert "looks good" in folder.pipectl("resume")
    assert (folder.root / "build/stable/bread.txt").read_text() == "bread 1.4\n"


def test_publish_does_nothing_where_the_answer_is_no(folder: Folder) -> None:
    folder.pipectl("run", "publish.yaml", "--no-wait", code=75)
    folder.pipectl("reject", "latest")
    folder.pipectl("resume")
    assert folder.states() == {"build": "success", "check": "success", "ask": "skipped", "publish": "skipped"}
    assert not (folder.root / "build").exists()


@pytest.fixture
def incremental(tmp_path: Path) -> Folder:
    folder = Folder(EXAMPLES / "incremental", tmp_path)
    folder.pipectl("run", "incremental.yaml")
    return folder


def done_anew(folder: Folder) -> set[str]:
    """What the newest run did by itself; all else was cached."""
    states = folder.states()
    assert set(states.values()) <= {"success", "cached"}
    return {name for name, state in states.items() if state == "success"}


CITIES = {f"convert[raw/{city}.csv]" for city in ("oslo", "paris", "rome")}


def test_incremental_does_all_of_it_once(incremental: Folder) -> None:
    assert done_anew(incremental) == {*CITIES, "summary"}
    lines = (incremental.root / "build/summary.csv").read_text().splitlines()
    assert lines == ["station,days,mean", "oslo,3,24.44", "paris,2,44.24", "rome,3,52.34"]
    incremental.pipectl("run", "incremental.yaml")
    assert done_anew(incremental) == set()
    incremental.pipectl("run", "incremental.yaml", "--force")
    assert done_anew(incremental) == {*CITIES, "summary"}


def test_incremental_does_again_what_changed(incremental: Folder) -> None:
    with (incremental.root / "raw/oslo.csv").open("a") as file:
        file.write("2026-01-04,-1.0\n")
    (incremental.root / "raw/rome.csv").touch()  # its time is no change
    (incremental.root / "build/paris.json").unlink()
    incremental.pipectl("run", "incremental.yaml")
    assert done_anew(incremental) == {"convert[raw/oslo.csv]", "convert[raw/paris.csv]", "summary"}
    (incremental.root / "raw/lima.csv").write_text("day,celsius\n2026-01-01,22.5\n")
    incremental.pipectl("run", "incremental.yaml")
    assert done_anew(incremental) == {"convert[raw/lima.csv]", "summary"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Folder, str]:
    """The flights example after its demo, and what the demo said."""
    folder = Folder(EXAMPLES / "flights", tmp_path_factory.mktemp("demo"))
    got = folder.run(folder.root / "demo.sh", PIPECTL)
    assert got.returncode == 0, got.stdout + got.stderr
    return folder, got.stdout


# Computed from the data by other means: awk and sort.
FIGURES = [
    "77,911 of 80,789 planned flights left and arrived; 2,643 (3.3%) were cancelled, 235 diverted.",
    "On average they left 11.4 minutes late and arrived 5.9 minutes late; 20.4% left more than 15 minutes late.",
    "US Airways Inc. (1.9 minutes late on average), the least ExpressJet Airlines Inc. (24.1 minutes late).",
    "Flights from Newark (EWR) left latest: 15.4 minutes late on average.",
    "1.7 minutes late at 05:00, 20.9 minutes late at 19:00.",
    "United Air Lines Inc. | 13,656 | 9.3 | 0 | 32 | 17.6%",
    "ExpressJet Airlines Inc. | 11,874 | 24.1 | 2 | 87 | 35.5%",
    "LaGuardia (LGA) | 23,170 | 7.7 |",
    "February | 24,951 | 1,261 | 79 | 23,611",
    "SkyWest Airlines Inc. (1).",
]


def read_report(folder: Folder) -> str:
    """The text of the report, the cells of its tables with bars between them."""
    page = (folder.root / "build/report.html").read_text(encoding="utf-8")
    return html.unescape(re.sub(r"<[^>]+>", "", page.replace("</td><td>", " | ")))


def test_flights_report_has_the_figures_of_the_data(demo: tuple[Folder, str]) -> None:
    report = read_report(demo[0])
    assert [figure for figure in FIGURES if figure not in report] == []


def test_flights_report_is_one_well_formed_page(demo: tuple[Folder, str]) -> None:
    page = (demo[0].root / "build/report.html").read_text(encoding="utf-8")
    charts = [ElementTree.fromstring(chart) for chart in re.findall(r"<svg.*?</svg>", page, re.S)]
    bars = [len(chart.findall("rect")) for chart in charts]
    assert bars[:3] == [19, 11, 0]  # hours, airlines, calibration
    assert re.findall(r"(?:src|href)=|url\(|@import", page) == []


def test_flights_model_beats_a_rule_of_thumb_on_days_it_has_not_seen(demo: tuple[Folder, str]) -> None:
    evaluation = demo[0].outputs()["evaluate"]
    assert evaluation["flights"] > 10000
    assert evaluation["auc"] > 0.7 > evaluation["hour_auc"] > 0.5
    assert all(abs(part["predicted"] - part["late"]) < 0.05 for part in evaluation["calibration"])


def test_flights_demo_kills_a_run_and_resumes_it(demo: tuple[Folder, str]) -> None:
    folder, said = demo
    killed, resumed = said.split("$ pipectl resume")
    assert "interrupted" in killed
    assert "77,911 of 80,789 planned flights" in resumed
    assert [run["state"] for run in folder.json("runs")["runs"]] == ["success"]
    assert set(folder.states().values()) == {"success"}
    attempts = {name: row["attempts"] for name, row in folder.instances().items()}
    assert attempts["train"] == 2
    assert {attempts[name] for name in ("fetch_march", "load_march", "check", "features")} == {1}


@pytest.fixture
def flights(tmp_path: Path) -> Iterator[tuple[Folder, Server]]:
    """The flights example, and a server of its files."""
    folder = Folder(EXAMPLES / "flights", tmp_path)
    routes = {f"/{path.name}": lambda _, path=path: Answer(path.read_bytes()) for path in folder.root.glob("data/*.*")}
    with serve(routes) as server:
        yield folder, server


def test_flights_of_some_months_are_enough(flights: tuple[Folder, Server]) -> None:
    folder, server = flights
    folder.pipectl("run", "flights.yaml", "-p", f"source={server.url}", "-p", "months=[2]", "-p", "min_flights=1000")
    skipped = {name for name, state in folder.states().items() if state == "skipped"}
    assert skipped == {f"{step}_{month}" for step in ("fetch", "clean", "load") for month in ("january", "march")}
    report = read_report(folder)
    assert "Departures from New York, February 2013" in report
    assert "23,611 of 24,951 planned flights" in report
    assert "fewer than 1,000: AirTran Airways Corporation (" in report


@pytest.mark.parametrize("database", ["duckdb", "postgresql"])
def test_flights_are_the_same_in_every_database(
    flights: tuple[Folder, Server], database: str, request: pytest.FixtureRequest
) -> None:
    folder, server = flights
    other = "duckdb:///flights.duckdb"
    if database == "postgresql":
        at = request.getfixturevalue("postgresql_server")
        other = f"postgresql://{servers.USER}:{quote(servers.PASSWORD, safe='')}@{at.host}:{at.port}/postgres"
    given = ["-p", f"source={server.url}", "-p", "months=[1]"]
    pages = []
    for url in ("sqlite:///flights.db", other):
        folder.pipectl("run", "flights.yaml", *given, "-p", f"database={url}")
        pages.append((folder.root / "build/report.html").read_text(encoding="utf-8"))
    assert pages[0] == pages[1]


def test_flights_model_that_is_not_good_enough_is_refused(flights: tuple[Folder, Server]) -> None:
    folder, server = flights
    given = ["-p", f"source={server.url}", "-p", "months=[1]", "-p", "min_auc=0.99"]
    assert "output.auc >= params.min_auc" in folder.pipectl("run", "flights.yaml", *given, code=1)
    states = folder.states()
    assert (states["evaluate"], states["report"], states["keep_model"]) == ("failed", *["upstream_failed"] * 2)
    assert "no new report (upstream_failed)" in folder.pipectl("logs", "latest", "closing")
    assert not (folder.root / "build/model.joblib").exists()


def test_flights_of_a_month_that_is_not_there_are_refused(tmp_path: Path) -> None:
    folder = Folder(EXAMPLES / "flights", tmp_path)
    assert "months" in folder.pipectl("run", "flights.yaml", "-p", "months=[4]", code=2)


def test_flights_search_scores_all_settings_and_then_only_new_ones(demo: tuple[Folder, str], tmp_path: Path) -> None:
    folder = Folder(EXAMPLES / "flights", tmp_path)
    shutil.copy(demo[0].root / "flights.db", folder.root)
    given = ["run", "search.yaml", "-p", "months=[1]", "-p", "folds=[1, 2]", "-p", "depths=[3]"]
    folder.pipectl(*given, "-p", "rates=[0.1]")
    scores = {f"fold[{fold}].score[max_depth=3,learning_rate=0.1]" for fold in (1, 2)}
    assert done_anew(folder) == {"features", "fold[1].split", "fold[2].split", *scores, "best", "train", "evaluate"}
    folder.pipectl(*given, "-p", "rates=[0.1, 0.3]")
    scores = {f"fold[{fold}].score[max_depth=3,learning_rate=0.3]" for fold in (1, 2)}
    assert done_anew(folder) == {"features", *scores, "best", "train", "evaluate"}
    outputs = folder.outputs()
    assert outputs["best"]["tried"] == 2
    assert outputs["evaluate"]["auc"] > outputs["evaluate"]["hour_auc"] > 0.5
