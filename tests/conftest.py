import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from coverage import Coverage
from django.db import connections

from tests import schema
from tests.needs import lacks
from tests.product import Product
from tests.profile import can_differ

PROPERTIES = Path(__file__).parent / "properties"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Deselect tests that do not apply to this profile, and start with the longest, so that no core is idle."""
    server = config.getoption("--profile") == "server"
    if config.getoption("--differing"):
        left_out = [item for item in items if not can_differ(item)]
        items[:] = [item for item in items if can_differ(item)]
        config.hook.pytest_deselected(items=left_out)
    items[:] = longest_first(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    for item in items:
        if "chromium" in getattr(item, "fixturenames", []) and lacks("chromium"):
            # Here, because a product that the test needs too would be started before its `chromium` fixture skips.
            item.add_marker(pytest.mark.skip(reason="chromium not found, needed for the journeys in a browser"))
        if server and item.get_closest_marker("embedded"):
            item.add_marker(pytest.mark.skip(reason="holds in the embedded profile only"))
        if not server and item.get_closest_marker("server"):
            item.add_marker(pytest.mark.skip(reason="holds in the server profile only"))


# Fixtures that start the product, and share it or start one for each test.
STARTS = ["empty", "workshop", "office", "fresh_product", "up", "mortal", "served", "product"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Do not measure the coverage of tests that repeat the same code with many inputs: it doubles their time.

    Threads that exist by then are not measured any more, so these tests come last.
    """
    measured = Coverage.current()
    if measured is None or not repeats(item):
        return (yield)
    measured.stop()
    try:
        return (yield)
    finally:
        measured.start()


def starts(item: pytest.Item) -> int:
    """Return which of these a test needs, as a number to sort by."""
    names = getattr(item, "fixturenames", [])
    return next((number for number, name in enumerate(STARTS) if name in names), len(STARTS))


def repeats(item: pytest.Item) -> bool:
    """Return whether a test repeats the same code of this process with many inputs."""
    if item.get_closest_marker("system"):
        return False
    return item.get_closest_marker("exhaustive") is not None or PROPERTIES in item.path.parents


def longest_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Order tests so that each worker's slice of the list begins with its longest tests. Repetitions are last.

    Tests that share a started product stay together, so that few workers start one of their own.
    """
    slow = sorted([item for item in items if item.get_closest_marker("system")], key=starts)
    quick = [item for item in items if not (item.get_closest_marker("system") or repeats(item))]
    repeated = [item for item in items if repeats(item)]
    return [
        item
        for worker in range(workers)
        for part in (slow, quick, repeated)
        for item in part[worker * len(part) // workers : (worker + 1) * len(part) // workers]
    ]


@pytest.fixture(scope="session")
def profile(request) -> str:
    return request.config.getoption("--profile")


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_modify_db_settings) -> bool:
    """Create the tests' own database before pytest-django migrates it, which then finds nothing to do."""
    database = connections["default"]
    name = database.settings_dict["TEST"]["NAME"] or f"test_{database.settings_dict['NAME']}"
    if database.vendor == "sqlite":
        schema.copy_to_file(Path(name))
    else:
        schema.copy_on_server(os.environ["DATABASE_URL"], name)
    return True


@pytest.fixture(scope="session")
def product(tmp_path_factory, profile):
    """The running product, shared by the tests that do not harm it."""
    with running(tmp_path_factory.mktemp("product"), environment_of(profile)) as shared:
        yield shared


@pytest.fixture
def fresh_product(tmp_path_factory, profile):
    """A running product of the test's own, which it may harm."""
    with running(tmp_path_factory.mktemp("fresh"), environment_of(profile)) as fresh:
        yield fresh


@contextmanager
def running(data_dir: Path, environment: dict[str, str]):
    if "DATABASE_URL" not in environment:
        schema.copy_to_folder(data_dir)
    product = Product(data_dir, **environment)
    try:
        yield product.start()
    finally:
        product.stop()
        shutil.rmtree(data_dir, ignore_errors=True)


def environment_of(profile: str) -> dict[str, str]:
    """Return the environment for a product of this profile, with a database of its own."""
    if profile == "embedded":
        return {}
    return {
        "DATABASE_URL": schema.copy_on_server(os.environ["DATABASE_URL"]),
        "REDIS_URL": os.environ["REDIS_URL"],
    }
