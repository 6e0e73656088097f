"""Create, change and delete projects."""

from collections.abc import Sequence
from functools import partial
from threading import Thread
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from agents.backends.programs.sandbox_files import delete_cache
from agents.models import Agent
from mission_control.actions import validation
from mission_control.actions.activity import OBJECTS_AT_ONCE, affected_metadata, moved, note_project
from mission_control.actions.locking import locked
from mission_control.actions.permissions import require_start
from mission_control.errors import HasActiveRuns
from mission_control.models import Project, Run, Task

Status = Project.Status


def create(*, team_agents: Sequence[Agent] = (), **fields: Any) -> Project:
    """Create a project, by default a draft. Writes an activity.

    Raises Invalid, and NotAllowed if it is executing and the acting user may not start agents.
    """
    if fields.get("status") == Status.EXECUTING:
        require_start()
    project = Project(**fields)
    validation.check(project, {"title", *fields})
    with transaction.atomic():
        project.save(force_insert=True)
        project.team_agents.set(team_agents)
        note_project(project, f"Project created: {project.title}", status=project.status)
    return project


def change(project: Project, *, team_agents: Sequence[Agent] | None = None, **fields: Any) -> Project:
    """Change the given fields; `team_agents` replaces the team. Locks the row.

    Sets `started_at` the first time it is executing, `completed_at` the first time it is completed. Writes an
    activity if anything changes. Raises Invalid, NotFound, and NotAllowed if it becomes executing and the acting
    user may not start agents.
    """
    with transaction.atomic():
        project = locked(project)
        before = project.status
        changes = {name: value for name, value in fields.items() if getattr(project, name) != value}
        now = timezone.now()
        if changes.get("status") == Status.EXECUTING:
            require_start()
        if changes.get("status") == Status.EXECUTING and project.started_at is None:
            changes["started_at"] = now
        if changes.get("status") == Status.COMPLETED and project.completed_at is None:
            changes["completed_at"] = now
        if changes or team_agents is not None:
            for name, value in changes.items():
                setattr(project, name, value)
            validation.check(project, changes)
            project.save(update_fields=[*changes, "updated_at"])
            _note_change(project, before)
        if team_agents is not None:
            project.team_agents.set(team_agents)
    return project


def delete(project: Project) -> None:
    """Delete a project with its tasks, their runs, its documents and its tools' caches; keep its working folder.

    Locks the rows of its tasks, then its own: an admission locks its task first and its project at the commit.
    Raises HasActiveRuns while a run of it is active, and NotFound.
    """
    with transaction.atomic():
        list(Task.objects.select_for_update().filter(project=project).order_by("pk").values_list("pk"))
        project = locked(project)
        if Run.objects.active().filter(Q(project=project) | Q(task__project=project)).exists():
            raise HasActiveRuns("Project has an active run")
        affected = affected_metadata(tasks=_related_tasks_outside(project))
        note_project(project, f"Project deleted: {project.title}", deleted_project=str(project.pk), **affected)
        transaction.on_commit(partial(_delete_cache, project.folder.name), robust=True)
        project.delete()


def _delete_cache(folder: str) -> None:
    """Delete the caches in the background: they may be large."""
    Thread(target=delete_cache, args=(settings.CACHES_DIR, folder)).start()


def _related_tasks_outside(project: Project) -> list[UUID]:
    """Return the tasks outside the project that are blocked by, block, or are a subtask of one of its tasks."""
    at_its_tasks = Q(blocked_by__project=project) | Q(blocks__project=project) | Q(parent_task__project=project)
    outside = Task.objects.exclude(project=project).filter(at_its_tasks).order_by("pk")
    return list(outside.distinct().values_list("pk", flat=True)[:OBJECTS_AT_ONCE])


def _note_change(project: Project, before: str) -> None:
    if project.status == before:
        note_project(project, f"Project updated: {project.title}")
    else:
        message = f"Project “{project.title}” {moved(before, project.status)}"
        note_project(project, message, before=before, status=project.status)
