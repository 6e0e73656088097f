"""The consequences of a task's end for its project: complete it after the last task, or start the next tasks."""

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
    """Start the next tasks of an executing project right after the caller's commit, in the caller's process.

    Best effort: if this is lost, the reaper's next tick does it.
    """
    if project_id is not None:
        transaction.on_commit(lambda: _advance(project_id))


def _advance(project_id: uuid.UUID) -> None:
    try:
        hooks.call(Hook.ADVANCE_PROJECT, project_id)
    except DatabaseError as error:  # must not reach the caller, whose transaction is committed
        logger.warning("the project continues at the reaper's next tick (%s)", type(error).__name__)


def advance_all() -> None:
    """Advance all projects, also those whose `advance_on_commit` was lost, and start due tasks."""
    hooks.call(Hook.ADVANCE_ALL)


def complete_if_resolved(project_id: uuid.UUID | None, *, also_empty: bool = False) -> bool:
    """Complete an executing project whose tasks are all done or skipped, in the caller's transaction.

    A project without tasks is completed only with `also_empty`: its tasks may be added right after its start.

    Locks the project's row: if two transactions resolve its last tasks at once, the second sees what the first
    committed. The lock (FOR NO KEY UPDATE) does not block rows that only refer to the project, as each end of a
    run writes them; take it after the locks of runs and tasks.
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
    """Set a project that was executed and completed to executing again, in the transaction that adds a task to it.

    A project that was never executed, only set to completed by hand, is left alone. Locks the project's row as
    `complete_if_resolved` does, so that it sees a project that is being completed at the same time.
    """
    if project_id is None:
        return
    project = Project.objects.select_for_update(no_key=True).filter(pk=project_id).first()
    if project is None or project.status != Project.Status.COMPLETED or project.started_at is None:
        return
    project.status = Project.Status.EXECUTING
    project.save(update_fields=["status", "updated_at"])
    message = f"Project continues with a new task: {project.title}"
    note_project(project, message, before="completed", status=project.status)
