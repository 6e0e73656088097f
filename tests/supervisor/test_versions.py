"""A program of one version does not touch the database of another."""

import re
import sqlite3
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from mission_control import __version__
from mission_control.health.versions import newest, own_migrations
from tests.supervisor.processes import CHECKOUT, Command
from tests.supervisor.test_start import one_line

pytestmark = [pytest.mark.system, pytest.mark.embedded]
SCHEMA = newest(own_migrations())
THIS = f"this is version {__version__} (schema {SCHEMA})"


class Web(Command):
    """A web server of one's own, up to loading the application."""

    program = (sys.executable, "-c", "import pocketpaw_site.asgi")


def execute(folder, sql: str, *values: str) -> None:
    with closing(sqlite3.connect(folder / "mission_control.sqlite3")) as database, database:
        database.execute(sql, values)


def test_programs_of_an_older_and_a_newer_version_are_refused_in_one_line_that_names_both(start, folder):
    assert start("migrate").await_end() == 0
    version = "SELECT schema_version FROM mission_control_installation"
    with closing(sqlite3.connect(folder / "mission_control.sqlite3")) as database:
        assert database.execute(version).fetchall() == [(__version__,)]

    # The database of a newer version: nothing starts, and `up` changes nothing.
    insert = "INSERT INTO django_migrations (app, name, applied) VALUES ('mission_control', ?, '2027-01-01')"
    execute(folder, insert, "9999_from_the_future")
    execute(folder, "UPDATE mission_control_installation SET schema_version = ?", "99.0")
    newer = f"{THIS}, but the database was prepared by version 99.0 (schema 9999_from_the_future)"
    refused = [start("worker"), start("up"), Web(folder, MISSION_CONTROL_PROCESS="web", PYTHONPATH=str(CHECKOUT))]
    for command in refused:
        assert one_line(command) == f"mission-control: {newer}: update this installation"

    # The database of an older version: `up` would migrate it, the others wait for that.
    execute(folder, "DELETE FROM django_migrations WHERE name IN (?, ?)", "9999_from_the_future", SCHEMA)
    execute(folder, "UPDATE mission_control_installation SET schema_version = ?", "0.0.1")
    refused = [start("worker"), Web(folder, MISSION_CONTROL_PROCESS="web", PYTHONPATH=str(CHECKOUT))]
    for command in refused:
        line = one_line(command)
        assert line.startswith(f"mission-control: {THIS}, but the database was prepared by version 0.0.1 (schema ")
        assert line.endswith("run `manage.py up` or `manage.py migrate` of this version first")


def test_the_version_is_defined_once():
    project = tomllib.loads(Path(CHECKOUT, "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "mission_control.__version__"}


def test_the_newest_release_of_the_changelog_is_this_version():
    headings = re.findall(r"^## (.+)$", Path(CHECKOUT, "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    releases = [heading for heading in headings if heading != "Unreleased"]
    assert re.fullmatch(rf"{re.escape(__version__)} - \d{{4}}-\d\d-\d\d", releases[0])
