"""Test an agent: a run of one short prompt, as any other run."""

import uuid

from django.contrib.auth.models import User
from django.db import IntegrityError

from agents.models import Agent
from mission_control.actions import tasks
from mission_control.models import Run, Task
from mission_control.runs.admission import admit

PROMPT = "Say in one sentence who you are."


def test_agent(agent: Agent, *, by: User) -> Run:
    """Run the agent's test task and return the run, which waits if no slot is free. Raises as `admit` does."""
    return admit(_test_task(agent), agent, by=by, when_full="queue")


def test_task_id(agent: Agent) -> uuid.UUID:
    """Return the id of the task that tests an agent. It never changes, so every test is a run of the same task."""
    return uuid.uuid5(agent.pk, "mission-control test")


def _test_task(agent: Agent) -> Task:
    """Return the task for the agent's tests; create it for the first test."""
    key = test_task_id(agent)
    task = Task.objects.filter(pk=key).first()
    if task is not None:
        return task
    try:
        return tasks.create(
            id=key,
            title=f"Test of {agent.name}",
            description=PROMPT,
            priority=Task.Priority.HIGH,
            assignees=[agent],
            tags=["agent-test"],
            creator_id="human",
        )
    except IntegrityError:  # another request has just created it
        return Task.objects.get(pk=key)
