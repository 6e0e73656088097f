"""What an end means for the task's project: it is completed with its last task, or goes on with the next."""

import logging
import uuid

from django.db import DatabaseError, transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from mission_control import hooks
from mission_control.actions.activity import note_project
from mission_control.hooks import Hook
from mission_control.models import Project, Task

logger = logging.getLogger(__name__)


def advance_on_commit(project_id: uuid.UUID | None) -> None:
    """Let the project go on, if it is executing, right after the caller's commit and in the caller's process.

    A hint: where it is lost, the reaper's next look makes up for it.
    """
    if project_id is not None:
        transaction.on_commit(lambda: _advance(project_id))


def _advance(project_id: uuid.UUID) -> None:
    try:
        hooks.call(Hook.ADVANCE_PROJECT, project_id)
    except DatabaseError as error:  # what was committed stands, and its caller must hear so
        logger.warning("the project goes on with the next look (%s)", type(error).__name__)


def sweep() -> None:
    """Let everything go on whose hint was lost, or whose time has come."""
    hooks.call(Hook.ADVANCE_ALL)


def complete_if_resolved(project_id: uuid.UUID | None, *, also_empty: bool = False) -> bool:
    """Complete an executing project whose tasks are all done or skipped, in the caller's transaction.

    One without tasks is completed only with `also_empty`: who starts a project may be about to add its tasks.

    Locks the project's row: of two who resolve its last tasks at once, the second sees what the first committed.
    The lock (FOR NO KEY UPDATE) lets pass what only refers to the project, as each end of a run does; call it
    behind the locks of runs and tasks.
    """
    if project_id is None:
        return False
    executing = Project.objects.filter(pk=project_id, status=Project.Status.EXECUTING)
    if not executing.select_for_update(no_key=True).values_list("pk").first():
        return False
    tasks = Task.objects.filter(project_id=project_id)
    if tasks.unresolved().exists() or not (also_empty or tasks.exists()):
        return False
    now = timezone.now()
    executing.update(status=Project.Status.COMPLETED, completed_at=Coalesce("completed_at", now), updated_at=now)
    project = Project.objects.get(pk=project_id)
    note_project(project, f"Project completed: {project.title}", before="executing", status=project.status)
    return True


def reopen(project_id: uuid.UUID | None) -> None:
    """Let a project that was executed and completed go on, in the transaction that gives it a task to begin.

    A project that was never executed and was set to completed by hand stays as it is. Locks the project's row as
    `complete_if_resolved` does, so that a project that is just being completed is seen.
    """
    if project_id is None:
        return
    project = Project.objects.select_for_update(no_key=True).filter(pk=project_id).first()
    if project is None or project.status != Project.Status.COMPLETED or project.started_at is None:
        return
    project.status = Project.Status.EXECUTING
    project.save(update_fields=["status", "updated_at"])
    message = f"Project goes on with a new task: {project.title}"
    note_project(project, message, before="completed", status=project.status)
