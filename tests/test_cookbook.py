"""The cookbook is true: its page quotes the files as they are, and they do what it says."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Project, wait_until
from tests.loopback import Answer, Asked, Server, serve

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "examples" / "cookbook"
PAGE = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")


@pytest.fixture
def kitchen(project: Project) -> Project:
    """A copy of the recipes, and of what they need."""
    shutil.copytree(RECIPES, project.root, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".pipectl", "*.db"))
    return project


def query(database: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


def test_page_quotes_each_recipe_as_it_is() -> None:
    quoted = dict(re.findall(r"\[`(\S+\.yaml)`\]\(\S+\):\n\n```yaml\n(.*?)```", PAGE, re.S))
    assert quoted == {path.name: path.read_text(encoding="utf-8") for path in RECIPES.glob("*.yaml")}


def test_page_links_to_what_is_there() -> None:
    targets = re.findall(r"\]\(([^)#]\S*?)\)", PAGE)
    assert [target for target in targets if not (ROOT / "docs" / target).exists()] == []
    headings = {line[3:].lower().replace(" ", "-").replace(",", "") for line in PAGE.splitlines() if line[:3] == "## "}
    assert set(re.findall(r"\]\(#(\S+)\)", PAGE)) <= headings


@pytest.mark.parametrize("recipe", sorted(path.name for path in RECIPES.glob("*.yaml")))
def test_recipe_is_valid_without_a_warning(recipe: str, kitchen: Project) -> None:
    assert "warning" not in kitchen("validate", "--strict", recipe).stderr


@pytest.mark.parametrize("line", re.findall(r"^(?:#   )?[\d*/]+ .*(pipectl .*)$", PAGE, re.M))
def test_crontab_lines_name_commands_that_exist(line: str, kitchen: Project) -> None:
    *command, path = line.split()[1:]
    assert (RECIPES / Path(path).name).exists()
    assert "No such option" not in kitchen(*command, "nothing.yaml", code=2).stderr


def fill_shop(kitchen: Project) -> None:
    with closing(sqlite3.connect(kitchen.root / "shop.db")) as connection:
        connection.executescript(
            "create table orders (id integer, customer text); insert into orders values (1, 'Ada')"
        )
    kitchen.write("uploads/cake.txt", "a picture of a cake")


def test_backup_holds_what_was_there(kitchen: Project) -> None:
    fill_shop(kitchen)
    kitchen("run", "backup.yaml", "--logical-time", "2026-01-02T02:30:00Z")
    assert kitchen.output("verify") == "ok"
    with tarfile.open(kitchen.root / "backups" / "2026-01-02T023000.tar.gz") as archive:
        archive.extractall(kitchen.root / "restored", filter="data")
    assert query(kitchen.root / "restored" / "database.db", "select * from orders") == [(1, "Ada")]
    assert kitchen.read("restored/uploads/cake.txt") == "a picture of a cake"


def test_backup_keeps_the_newest(kitchen: Project) -> None:
    fill_shop(kitchen)
    for day in (1, 2, 3):
        kitchen("run", "backup.yaml", "-p", "keep=2", "--logical-time", f"2026-01-0{day}T02:30:00Z")
    kept = sorted(path.name[:10] for path in (kitchen.root / "backups").iterdir())
    assert kept == ["2026-01-02", "2026-01-03"]


def test_backup_that_fails_removes_nothing_and_is_mailed(kitchen: Project) -> None:
    fill_shop(kitchen)
    kitchen("run", "backup.yaml", "-p", "keep=1", "--logical-time", "2026-01-01T02:30:00Z")
    said = kitchen("run", "--output", "quiet", "backup.yaml", "-p", "keep=1", "-p", "files=nowhere", code=1)
    assert "nowhere" in said.stderr
    assert "pipectl resume" in said.stderr
    assert [path.name for path in (kitchen.root / "backups").glob("*.gz")] == ["2026-01-01T023000.tar.gz"]


def test_quiet_success_sends_no_mail(kitchen: Project) -> None:
    fill_shop(kitchen)
    said = kitchen("run", "--output", "quiet", "backup.yaml")
    assert (said.stdout, said.stderr) == ("", "")


ORDERS = {
    "1": [{"id": 1, "day": "2026-01-02", "customer": "Ada", "total": 16}],
    "2": [{"id": 2, "day": "2026-01-02", "customer": "Alan", "total": 9.5}],
}


@pytest.fixture
def api() -> Iterator[Server]:
    def orders(asked: Asked) -> Answer:
        page = asked.query["page"][0]
        if asked.query["day"] == ["2026-01-02"]:
            return Answer(ORDERS[page], headers={"X-Pages": "2"})
        return Answer([], headers={"X-Pages": "1"})

    with serve({"/v1/orders": orders}) as server:
        yield server


def test_nightly_api_loads_the_pages_that_there_are(kitchen: Project, api: Server) -> None:
    for _ in range(2):
        kitchen("run", "nightly_api.yaml", "-p", f"api={api.url}/v1", "--logical-time", "2026-01-03T01:15:00Z")
    states = {name: state for name, state in kitchen.states().items() if "[" in name}
    assert states == dict.fromkeys(["others[2]", "load[1]", "load[2]"], "success")
    assert kitchen.output("check") == {"orders": 2, "wrong": 0}
    orders = query(kitchen.root / "orders.db", "select id, customer, total from orders order by id")
    assert orders == [(1, "Ada", 16), (2, "Alan", 9.5)]


def test_nightly_api_is_content_with_one_page(kitchen: Project) -> None:
    answer = Answer([{"id": 7, "day": "2026-01-08", "customer": "Ada", "total": 1}], headers={"X-Pages": "1"})
    with serve({"/v1/orders": lambda _: answer}) as server:
        kitchen("run", "nightly_api.yaml", "-p", f"api={server.url}/v1", "--logical-time", "2026-01-09T01:15:00Z")
    assert kitchen.states()["others"] == "skipped"
    assert kitchen.output("check") == {"orders": 1, "wrong": 0}


@pytest.mark.parametrize("database", ["sqlite:///shop.db", "duckdb:///shop.duckdb"])
def test_sql_models_build_on_each_other(kitchen: Project, database: str) -> None:
    kitchen("run", "sql_models.yaml", "-p", f"database={database}")
    assert kitchen.output("orders_are_sound") == {"orders": 4, "repeated": 0, "nameless": 0, "negative": 0}
    assert kitchen.output("marts_agree")["orders"] == 0


def test_sql_models_stop_at_data_that_is_not_sound(kitchen: Project) -> None:
    with (kitchen.root / "orders.csv").open("a") as file:
        file.write("3,2026-01-03,Alan,9.00,paid\n")
    kitchen("run", "sql_models.yaml", code=1)
    assert "output.repeated == 0" in kitchen.error("orders_are_sound")
    assert kitchen.states()["daily_sales"] == "upstream_failed"


def test_data_quality_tells_errors_from_warnings(kitchen: Project) -> None:
    kitchen("run", "sql_models.yaml")
    kitchen("run", "data_quality.yaml")
    assert kitchen.output("summary") == {"checks": 6, "failed": ["few_open_orders"]}
    assert kitchen.error("few_open_orders") == "expected `output < 0.2`, which is not true of the output 0.25"


def test_data_quality_fails_by_an_error_and_still_checks_the_rest(kitchen: Project) -> None:
    kitchen("run", "sql_models.yaml")
    kitchen("run", "data_quality.yaml", "-p", "newest=2026-02-01", code=1)
    assert kitchen.output("summary") == {"checks": 6, "failed": ["fresh", "few_open_orders"]}


def test_scraping_comes_back_to_the_busy_and_does_without_the_lost(kitchen: Project) -> None:
    def busy_at_first(asked: Asked) -> Answer:
        is_first = server.paths().count(asked.path) == 1
        return Answer("later", 429, {"Retry-After": "0"}) if is_first else Answer("<h1>Rain &amp; <b>wind</b></h1>")

    with serve({"/a": lambda _: Answer("<h1>Bread is up</h1>"), "/b": busy_at_first}) as server:
        good, busy, lost = sites = [f"{server.url}/{path}" for path in "abc"]
        kitchen("run", "scraping.yaml", "-p", f"sites={json.dumps(sites)}")
    found = {good: "Bread is up", busy: "Rain & wind"}
    assert json.loads(kitchen.read("headlines.json")) == found
    assert kitchen.output("headlines") == {"headlines": found, "down": [lost]}
    assert kitchen.states()[f"site[{lost}]"] == "failed"
    assert server.paths().count("/c") == 1


def test_scraping_without_any_site_fails(kitchen: Project) -> None:
    with serve({}) as server:
        kitchen("run", "scraping.yaml", "-p", f'sites=["{server.url}/a", "{server.url}/b"]', code=1)
    assert not (kitchen.root / "headlines.json").exists()


def test_inbox_loads_the_good_and_leaves_the_bad(kitchen: Project) -> None:
    shutil.copy(kitchen.root / "orders.csv", kitchen.write("inbox/good.csv", ""))
    kitchen.write("inbox/bad.csv", "id,day\n,2026-01-02\n")
    kitchen("run", "inbox.yaml", code=1)
    assert kitchen.states()["file[bad.csv].load"] == "upstream_failed"
    assert kitchen.output("summary") == {"files": 2, "loaded": 1, "rows": 5}
    assert [path.name for path in (kitchen.root / "inbox").glob("*.csv")] == ["bad.csv"]
    assert (kitchen.root / "inbox/done/good.csv").exists()
    kitchen.write("inbox/bad.csv", "id,day\n6,2026-01-02\n")
    kitchen("resume", "--from", "summary")
    assert kitchen.output("summary") == {"files": 2, "loaded": 2, "rows": 6}
    assert query(kitchen.root / "orders.db", "select count(*) from orders") == [(6,)]


def test_inbox_without_files_is_a_success(kitchen: Project) -> None:
    kitchen("run", "inbox.yaml")
    assert kitchen.output("summary") == {"files": 0, "loaded": 0, "rows": 0}


def test_matrix_passes_over_what_is_not_installed(kitchen: Project) -> None:
    for suite, passes in (("unit", True), ("integration", False)):
        kitchen.write(
            f"tests/{suite}/test_it.py",
            f"""
            import unittest
            class It(unittest.TestCase):
                def test_it(self): self.assertTrue({passes})
            """,
        )
    kitchen("run", "test_matrix.yaml", "-p", 'pythons=["python3", "python3.99"]', "-p", "newest=python3.99", code=1)
    assert kitchen.states() == {
        "test[python=python3,suite=unit]": "success",
        "test[python=python3,suite=integration]": "failed",
        "test[python=python3.99,suite=unit]": "skipped",
        "tested": "upstream_failed",
    }


def test_matrix_forgives_the_newest(kitchen: Project) -> None:
    kitchen.write("tests/unit/test_it.py", "import nothing_of_that_name")
    kitchen("run", "test_matrix.yaml", "-p", 'pythons=["python3"]', "-p", "newest=python3")
    assert kitchen.states() == {"test[python=python3,suite=unit]": "failed", "tested": "success"}


def test_delivery_waits_for_the_file(kitchen: Project) -> None:
    recipe = kitchen.root / "delivery.yaml"
    recipe.write_text(recipe.read_text().replace("interval: 30s", "interval: 50ms"))
    kitchen.write("deliveries/prices-2026-01-02.csv", "item,price\nrye,4\n")
    process = kitchen.start("run", "delivery.yaml", "--logical-time", "2026-01-02T01:00:00Z")
    wait_until(lambda: (kitchen.root / ".pipectl/state.db").exists() and kitchen.runs())
    wait_until(lambda: kitchen.states()["delivered"] == "waiting")
    kitchen.write("deliveries/prices-2026-01-02.done", "2\n")
    assert process.wait(30) == 0
    assert query(kitchen.root / "prices.db", "select * from prices") == [("rye", 4)]


def test_delivery_that_is_not_complete_is_not_loaded(kitchen: Project) -> None:
    kitchen.write("deliveries/prices-2026-01-02.csv", "item,price\nrye,4\n")
    kitchen.write("deliveries/prices-2026-01-02.done", "3\n")
    kitchen("run", "delivery.yaml", "--logical-time", "2026-01-02T01:00:00Z", code=1)
    assert kitchen.states() == {"delivered": "success", "complete": "failed", "load": "upstream_failed"}


@pytest.mark.parametrize("end", ["done", "refused"])
def test_export_job_is_asked_after_until_it_has_ended(kitchen: Project, end: str) -> None:
    recipe = kitchen.root / "export_job.yaml"
    recipe.write_text(recipe.read_text().replace("interval: 5s", "interval: 20ms"))

    def job(asked: Asked) -> Answer:
        looks = server.paths().count(asked.path)
        return Answer({"state": "running"} if looks < 3 else {"state": end, "reason": "too large"})

    routes = {
        "/v1/exports": lambda _: Answer({"id": "e/7"}, 202),
        "/v1/exports/e%2F7": job,
        "/v1/exports/e%2F7/file": lambda _: Answer("name\nAda\n"),
    }
    with serve(routes) as server:
        kitchen("run", "export_job.yaml", "-p", f"api={server.url}/v1", code=0 if end == "done" else 1)
    states = kitchen.states()
    if end == "done":
        assert (states["fetch"], states["refused"]) == ("success", "skipped")
        assert kitchen.read("exports/customers.csv") == "name\nAda\n"
    else:
        assert (states["fetch"], states["refused"]) == ("skipped", "failed")
        assert "no export - too large" in kitchen.log("refused")


def publish(kitchen: Project, version: str, code: int = 0) -> None:
    kitchen("run", "deploy.yaml", "-p", f"version={version}", "--no-wait", code=75)
    kitchen("approve", "latest", "-p", "note=it was asked for")
    kitchen("resume", code=code)


def test_deployment_is_live_after_the_answer(kitchen: Project) -> None:
    for page in ("index", "bread"):
        kitchen.write(f"pages/{page}.html", "<html></html>")
    kitchen("run", "deploy.yaml", "-p", "version=1.0", "--no-wait", code=75)
    assert not (kitchen.root / "www/live").exists()
    kitchen("reject", "latest")
    kitchen("resume", code=1)
    assert not (kitchen.root / "www/live").exists()
    publish(kitchen, "1.1")
    assert kitchen.read("www/live/version.txt") == kitchen.read("www/staging/version.txt") == "1.1\n"
    assert kitchen.read("www/history") == "1.1 it was asked for\n"


def test_deployment_that_is_wrong_is_taken_back(kitchen: Project) -> None:
    recipe = kitchen.root / "deploy.yaml"
    recipe.write_text(recipe.read_text().replace("retries: 2", "retries: 0"))
    kitchen.write("pages/index.html", "<html></html>")
    publish(kitchen, "1.0")
    (kitchen.root / "pages/index.html").rename(kitchen.root / "pages/home.html")
    publish(kitchen, "1.1", code=1)
    assert kitchen.states()["take_back"] == "success"
    assert kitchen.read("www/live/version.txt") == "1.0\n"


def test_every_table_is_exported(kitchen: Project) -> None:
    kitchen("run", "shop_tables.yaml")
    kitchen("run", "four_at_once.yaml", "-p", "like=c%")
    assert kitchen.states() == {"tables": "success", "export[customers]": "success"}
    with gzip.open(kitchen.root / "exports/customers.csv.gz", "rt") as file:
        assert file.read().startswith("name,city\nAda,London\n")


def test_site_makes_again_what_changed(kitchen: Project) -> None:
    kitchen.write("template.html", "<title>TITLE</title><p>TEXT</p></html>")
    for page in ("rye", "spelt"):
        kitchen.write(f"pages/{page}.txt", f"{page}\nbread & butter\n")
    kitchen("run", "site.yaml")
    assert kitchen.read("html/rye.html") == "<title>rye</title><p>bread &amp; butter</p></html>"
    kitchen.write("pages/rye.txt", "rye\njam\n")
    kitchen("run", "site.yaml")
    assert kitchen.states() == {"page[pages/rye.txt]": "success", "page[pages/spelt.txt]": "cached", "index": "cached"}
    (kitchen.root / "pages/rye.txt").unlink()
    kitchen("run", "site.yaml")
    assert kitchen.states() == {"page[pages/spelt.txt]": "cached", "index": "success"}
    assert sorted(path.name for path in (kitchen.root / "html").iterdir()) == ["index.html", "spelt.html"]


def test_table_that_is_not_sound_keeps_its_old_rows(kitchen: Project) -> None:
    kitchen("run", "shop_tables.yaml")
    assert kitchen.output("report") == 8
    for name, row in (("customers", "Ada,Paris"), ("orders", "6,2026-01-03,Ada,1.00,paid")):
        with (kitchen.root / f"{name}.csv").open("a") as file:
            file.write(f"{row}\n")
    kitchen("run", "shop_tables.yaml", code=1)
    assert kitchen.states()["load[customers].check"] == "failed"
    counts = "select (select count(*) from orders), (select count(*) from customers)"
    assert query(kitchen.root / "shop.db", counts) == [(6, 3)]


def test_page_shows_what_another_parameter_changes(kitchen: Project) -> None:
    kitchen("run", "sql_models.yaml")
    [block] = re.findall(r"```console\n(.*?)```", PAGE, re.S)
    first, second, *shown = block.splitlines()
    kitchen(*first.split()[2:])
    said = kitchen(*second.split()[2:])
    assert (said.stdout + said.stderr).splitlines()[: len(shown)] == shown
    assert {name for name, row in kitchen.instances().items() if row["attempts"] == 2} == {"fresh", "summary"}
