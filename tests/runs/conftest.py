import pytest

from agents.models import Agent
from mission_control.models import Capacity, Task


@pytest.fixture(autouse=True)
def database(transactional_db):
    """Use real transactions, with commits, their callbacks and constraints, and a new row for the limit."""
    Capacity.objects.update_or_create(pk=Capacity.THE_ROW, defaults={"limit": 5})


@pytest.fixture
def agent() -> Agent:
    return Agent.objects.create(name="Demo", role="Rehearser", backend="demo", backend_options={"chunks": 3})


@pytest.fixture
def tasks() -> list[Task]:
    return [Task.objects.create(title=f"Task {number}") for number in range(8)]


@pytest.fixture
def task(tasks) -> Task:
    return tasks[0]
