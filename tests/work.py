"""What workers and people do to the tasks of a project, with the product's own actions."""

from django.db.models import Q

from agents.models import Agent
from mission_control.actions import tasks
from mission_control.models import Project, Run, Task
from mission_control.runs.lifecycle import claim, finish
from tests import make


def a_task(project: Project | None, agent: Agent | None = None, *blockers: Task, **fields) -> Task:
    return make.task(project=project, assignees=[agent] if agent else [], blocked_by=blockers, **fields)


def status(task: Task) -> str:
    return Task.objects.get(pk=task.pk).status


def runs(task: Task) -> list[str]:
    """Return the statuses of the task's runs, oldest first."""
    return list(Run.objects.filter(task=task).order_by("queued_at", "attempt").values_list("status", flat=True))


def active(task: Task) -> Run:
    return Run.objects.active().get(task=task)


def end(task: Task, outcome: str = "completed", **options) -> Run:
    """Claim the task's queued run and end it, as a worker does."""
    run = claim(active(task).pk, worker="test")
    assert run is not None, "it is not queued"
    assert finish(run.pk, outcome, guard=Q(claim_token=run.claim_token), **options)
    return run


def set_status(task: Task, status: str) -> Task:
    return tasks.set_status(task, status)
