import os
import shutil

import pytest

from tests.product import Product, server_environment


def pytest_collection_modifyitems(config, items):
    """Leave out what does not hold in this profile."""
    server = config.getoption("--profile") == "server"
    for item in items:
        if server and item.get_closest_marker("embedded"):
            item.add_marker(pytest.mark.skip(reason="holds in the embedded profile only"))
        if not server and item.get_closest_marker("server"):
            item.add_marker(pytest.mark.skip(reason="holds in the server profile only"))


@pytest.fixture(scope="session")
def profile(request) -> str:
    return request.config.getoption("--profile")


@pytest.fixture(scope="session")
def product_environment(profile) -> dict[str, str]:
    """What the environment must say for a product of this profile, with a database of its own."""
    if profile == "embedded":
        return {}
    return server_environment(os.environ["DATABASE_URL"], os.environ["REDIS_URL"])


@pytest.fixture(scope="session")
def product(tmp_path_factory, product_environment):
    """The running product, shared by the tests that do not harm it."""
    data_dir = tmp_path_factory.mktemp("product")
    running = Product(data_dir, **product_environment)
    try:
        yield running.start()
    finally:
        running.stop()
        shutil.rmtree(data_dir, ignore_errors=True)


@pytest.fixture
def fresh_product(tmp_path_factory, profile):
    """A running product of the test's own, to be harmed."""
    environment = {}
    if profile == "server":
        environment = server_environment(os.environ["DATABASE_URL"], os.environ["REDIS_URL"])
    data_dir = tmp_path_factory.mktemp("fresh")
    running = Product(data_dir, **environment)
    try:
        yield running.start()
    finally:
        running.stop()
        shutil.rmtree(data_dir, ignore_errors=True)
