"""The consequences of a planning run's end for its project."""

import uuid
from typing import Any

from django.utils import timezone

from mission_control.actions.activity import note_project
from mission_control.models import Project, Run, RunEvent
from mission_control.runs import events

Status = Project.Status


def settle_project(run: Run, outcome: str, error: str) -> list[RunEvent]:
    """Write the consequences of a planning run's end, in the caller's transaction, which holds the run's row lock.

    With a plan the project awaits approval; without one it has failed, with the reason in its metadata as
    `planning_error`. If the project is no longer in planning its status stays. Locks the project's row. Returns
    the event that reports the end; no event for a run that plans no project.
    """
    project = _project_of(run)
    if project is None:
        return []
    why = _reason(outcome, error)
    metadata = {name: value for name, value in project.metadata.items() if name != "planning_error"}
    changes: dict[str, Any] = {"metadata": metadata | ({"planning_error": why} if why else {})}
    before = project.status
    if before == Status.PLANNING:
        changes["status"] = Status.FAILED if why else Status.AWAITING_APPROVAL
    Project.objects.filter(pk=project.pk).update(**changes, updated_at=timezone.now())
    project.refresh_from_db()
    message = why or f"Plan for “{project.title}” is ready for approval"
    note_project(project, message, before=before, status=project.status)
    event_metadata = {"phase": "planned", "status": project.status, "title": project.title, "error": why}
    return [events.append_unfenced(run.pk, events.Draft(RunEvent.Type.STATUS, message, event_metadata))]


def _project_of(run: Run) -> Project | None:
    key: uuid.UUID | None = run.project_id if run.kind == Run.Kind.PLANNING else None
    return Project.objects.select_for_update(no_key=True).filter(pk=key).first() if key else None


def _reason(outcome: str, error: str) -> str | None:
    """Return why there is no plan; None if there is one."""
    if outcome == Run.Status.COMPLETED:
        return None
    if outcome == Run.Status.STOPPED:
        return f"Planning was stopped: {error}" if error else "Planning was stopped"
    return f"Planning failed: {error}"
