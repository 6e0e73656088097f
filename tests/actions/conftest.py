import pytest

from mission_control.models import Task
from mission_control.runs.admission import admit
from tests import make
from tests.scheduling.conftest import agent, database, project
from tests.work import end

__all__ = ["agent", "database", "project"]


@pytest.fixture
def intern():
    return make.agent(name="Ina", level="intern", backend_options={"chunks": 1, "delay_seconds": 0})


@pytest.fixture
def handed_in(intern) -> Task:
    """Return a task in review, with the deliverable of an intern."""
    task = make.task(title="Draft")
    admit(task, intern)
    end(task)
    return Task.objects.get(pk=task.pk)
