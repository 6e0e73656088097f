"""Start, pause and resume a project's execution."""

from django.db import transaction
from django.db.models import Q

from mission_control.actions.locking import locked
from mission_control.actions.projects import change
from mission_control.errors import NotRunning, WrongState
from mission_control.models import Project, Run
from mission_control.runs.lifecycle import STOP_SECONDS, stop, stop_all
from mission_control.runs.project_completion import advance_on_commit, complete_if_resolved

Status = Project.Status
NOTHING_TO_START = "Add a task before starting the project"


def approve(project: Project) -> Project:
    """Execute a project whose plan awaits approval. Raises WrongState, NotFound."""
    return _move(project, Status.AWAITING_APPROVAL, to=Status.EXECUTING)


def start(project: Project) -> Project:
    """Execute a project whose tasks were written by hand. Raises WrongState, also without a task, and NotFound."""
    with transaction.atomic():
        project = locked(project)
        if project.status in Project.STARTABLE and not project.tasks.exists():
            raise WrongState(NOTHING_TO_START)
        return _move(project, *Project.STARTABLE, to=Status.EXECUTING)


def resume(project: Project) -> Project:
    """Resume the execution of a paused project. Raises WrongState, NotFound."""
    return _move(project, Status.PAUSED, to=Status.EXECUTING)


def pause(project: Project, *, wait_seconds: float = STOP_SECONDS) -> Project:
    """Pause an executing project and stop its runs; its running tasks become assigned again.

    The status is committed first: the scheduler locks the same row and requires it to be executing, so it starts
    no run after the stop. For a project that is paused already, stops the runs that are left. Waits up to
    `wait_seconds` for the agents to end. Raises WrongState, NotFound.
    """
    project = _move(project, Status.EXECUTING, Status.PAUSED, to=Status.PAUSED)
    stop_all(Q(task__project=project), cause=Run.EndCause.PAUSED, wait_seconds=wait_seconds)
    return project


def stop_planning(project: Project) -> Run:
    """Stop the run that plans the project and return it, as `stop` does. Raises NotRunning when there is none."""
    run = Run.objects.light().active().filter(project=project, kind=Run.Kind.PLANNING).first()
    if run is None:
        raise NotRunning
    return stop(run)


def _move(project: Project, *expected: Status, to: Status) -> Project:
    """Change the status from one of the expected. Locks the row. Completes the project if no task is left.

    A project that starts to execute starts its tasks right after the commit.
    """
    with transaction.atomic():
        project = locked(project)
        if project.status not in expected:
            raise WrongState(f"Project status is not {expected[0]}")
        project = change(project, status=to)
        complete_if_resolved(project.pk)
        if to == Status.EXECUTING:
            advance_on_commit(project.pk)
    return project
