"""The cookbook is true: its page quotes the files as they are, and they do what it says."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Project
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
        return Answer([], headers={"X-Pages": "4"})

    with serve({"/v1/orders": orders}) as server:
        yield server


def test_nightly_api_loads_the_pages_that_there_are(kitchen: Project, api: Server) -> None:
    for _ in range(2):
        kitchen("run", "nightly_api.yaml", "-p", f"api={api.url}/v1", "--logical-time", "2026-01-03T01:15:00Z")
    assert kitchen.states()["page_3"] == kitchen.states()["load_3"] == "skipped"
    assert kitchen.output("check") == {"orders": 2, "wrong": 0}
    orders = query(kitchen.root / "orders.db", "select id, customer, total from orders order by id")
    assert orders == [(1, "Ada", 16), (2, "Alan", 9.5)]


def test_nightly_api_with_more_pages_than_it_reads_fails(kitchen: Project, api: Server) -> None:
    kitchen("run", "nightly_api.yaml", "-p", f"api={api.url}/v1", "--logical-time", "2026-01-09T01:15:00Z", code=1)
    assert "x-pages" in kitchen.error("page_1")


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
        sites = [f"{name}={server.url}/{path}" for name, path in (("first", "a"), ("second", "b"), ("third", "c"))]
        kitchen("run", "scraping.yaml", *(word for site in sites for word in ("-p", site)))
    found = {"first": "Bread is up", "second": "Rain & wind"}
    assert json.loads(kitchen.read("headlines.json")) == found
    assert kitchen.output("headlines") == {"headlines": found, "down": ["third"]}
    assert kitchen.states()["third"] == "failed"
    assert server.paths().count("/c") == 1


def test_scraping_without_any_site_fails(kitchen: Project) -> None:
    with serve({}) as server:
        sites = [word for name in ("first", "second", "third") for word in ("-p", f"{name}={server.url}/{name}")]
        kitchen("run", "scraping.yaml", *sites, code=1)
    assert not (kitchen.root / "headlines.json").exists()
