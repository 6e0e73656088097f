"""Run a task with its first assignee, and stop the run that a task has."""

from django.contrib.auth.models import User

from agents.models import Agent
from mission_control.errors import Invalid, NotRunning
from mission_control.models import Run, Task
from mission_control.runs.admission import admit
from mission_control.runs.lifecycle import STOP_SECONDS, stop


def first_assignee(task: Task) -> Agent | None:
    """Return the agent that runs the task if the request names none."""
    first = task.assignments.select_related("agent").first()
    return first.agent if first else None


def run_assigned(task: Task, *, by: User) -> Run:
    """Run the task with its first assignee, or let the run wait for a slot.

    Raises Invalid if no agent is assigned, and whatever `admit` raises.
    """
    agent = first_assignee(task)
    if agent is None:
        raise Invalid("assignees", "Assign an agent first")
    return admit(task, agent, by=by, when_full="queue")


def stop_task(task: Task, *, wait_seconds: float = STOP_SECONDS) -> Run:
    """Stop the task's active run and return it, as `stop` does. Raises NotRunning when there is none."""
    run = Run.objects.light().active().filter(task=task).first()
    if run is None:
        raise NotRunning
    return stop(run, wait_seconds=wait_seconds)
