import pytest

from tests import schema
from tests.supervisor.processes import Command, Up


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def start(folder):
    """Start commands on a data folder; end what they leave behind after the test."""
    started = []

    def start(*words, in_folder=folder, **environment):
        made = Command(in_folder, *words, **environment)
        started.append(made)
        return made

    yield start
    for command in started:
        command.end()


@pytest.fixture
def up(folder):
    """Start the product and wait until it is ready."""
    started = []

    def up(*, in_folder=folder, ready=True, **environment):
        if not in_folder.exists():
            schema.copy_to_folder(in_folder)
        made = Up(in_folder, **({"MISSION_CONTROL_SAMPLE": "no"} | environment))
        started.append(made)
        return made.await_ready() if ready else made

    yield up
    for product in started:
        product.end()


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """A product for the tests that do not harm it, with the sample data."""
    product = Up(tmp_path_factory.mktemp("served") / "data")
    yield product.await_ready()
    product.end()


@pytest.fixture(scope="session")
def mortal(tmp_path_factory):
    """A product for the tests that kill a part of it and wait until it has recovered."""
    folder = tmp_path_factory.mktemp("mortal") / "data"
    schema.copy_to_folder(folder)
    product = Up(folder, MISSION_CONTROL_SAMPLE="no")
    yield product.await_ready()
    product.end()
