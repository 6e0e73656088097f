import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.product import Product, server_environment
from tests.profile import can_differ


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Leave out what does not hold in this profile, and begin with the longest tests, so that no core idles."""
    server = config.getoption("--profile") == "server"
    if config.getoption("--differing"):
        left_out = [item for item in items if not can_differ(item)]
        items[:] = [item for item in items if can_differ(item)]
        config.hook.pytest_deselected(items=left_out)
    items[:] = longest_first(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    for item in items:
        if server and item.get_closest_marker("embedded"):
            item.add_marker(pytest.mark.skip(reason="holds in the embedded profile only"))
        if not server and item.get_closest_marker("server"):
            item.add_marker(pytest.mark.skip(reason="holds in the server profile only"))


def longest_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Order tests so that the slice of the list that each of the workers gets begins with its longest ones."""
    slow = [item for item in items if item.get_closest_marker("system")]
    quick = [item for item in items if not item.get_closest_marker("system")]
    return [
        item
        for worker in range(workers)
        for part in (slow, quick)
        for item in part[worker * len(part) // workers : (worker + 1) * len(part) // workers]
    ]


@pytest.fixture(scope="session")
def profile(request) -> str:
    return request.config.getoption("--profile")


@pytest.fixture(scope="session")
def product(tmp_path_factory, profile):
    """The running product, shared by the tests that do not harm it."""
    with running(tmp_path_factory.mktemp("product"), environment_of(profile)) as shared:
        yield shared


@pytest.fixture
def fresh_product(tmp_path_factory, profile):
    """A running product of the test's own, to be harmed."""
    with running(tmp_path_factory.mktemp("fresh"), environment_of(profile)) as fresh:
        yield fresh


@contextmanager
def running(data_dir: Path, environment: dict[str, str]):
    product = Product(data_dir, **environment)
    try:
        yield product.start()
    finally:
        product.stop()
        shutil.rmtree(data_dir, ignore_errors=True)


def environment_of(profile: str) -> dict[str, str]:
    """Return what the environment must say for a product of this profile, with a database of its own."""
    if profile == "embedded":
        return {}
    return server_environment(os.environ["DATABASE_URL"], os.environ["REDIS_URL"])
