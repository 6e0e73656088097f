import pytest

from agents.models import Agent
from mission_control.models import Project
from tests import make


@pytest.fixture(autouse=True)
def database(transactional_db):
    """Use real transactions, because commits trigger the scheduler, and a new row for the limit."""
    make.limit(5)


@pytest.fixture
def agent() -> Agent:
    return make.agent(backend_options={"chunks": 1, "delay_seconds": 0})


@pytest.fixture
def project() -> Project:
    return make.project(status="executing")
