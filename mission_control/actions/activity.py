"""Write activities. Every change by any caller writes one; the relay reads from them which objects changed."""

import uuid
from collections.abc import Iterable
from typing import Any, Literal

from agents.models import Agent
from agents.rules import ACTIVITY_CHARS
from mission_control.actions.permissions import acting_user
from mission_control.models import Activity, Deliverable, Project, Run, Task
from mission_control.realtime.publisher import publish_new_activity
from mission_control.text import as_uuid

OBJECTS_AT_ONCE = 500


def note(
    type: Activity.Type,
    message: str,
    *,
    task: Task | None = None,
    agent: Agent | None = None,
    document: Deliverable | None = None,
    project_id: uuid.UUID | None = None,
    subject: Activity.Subject | None = None,
    is_edit: bool = False,
    **metadata: Any,
) -> Activity:
    """Store one activity in the caller's transaction and send `mc_activity_created` after its commit.

    Its metadata names the acting user, if there is one, and the values of `affected_metadata` name the other
    objects that show the change.
    """
    if person := acting_user():
        metadata = {**metadata, "person": person.get_username()}
    activity = Activity.objects.create(
        type=type,
        subject=subject or Activity.SUBJECTS.get(type, Activity.Subject.TASK),
        message=message if len(message) <= ACTIVITY_CHARS else message[: ACTIVITY_CHARS - 1] + "…",
        task=task,
        agent=agent,
        document=document,
        project_id=project_id or (task.project_id if task else None),
        is_edit=is_edit,
        metadata=metadata,
    )
    publish_new_activity()
    return activity


def note_project(project: Project, message: str, **metadata: Any) -> Activity:
    """Store one activity about a project itself, with its id in the metadata; otherwise like `note`."""
    return note(
        Activity.Type.TASK_UPDATED,
        message,
        subject=Activity.Subject.PROJECT,
        project_id=project.pk,
        **{**metadata, "project": str(project.pk)},
    )


def note_run(
    run: Run, message: str, *, type: Activity.Type = Activity.Type.TASK_UPDATED, **metadata: Any
) -> Activity:
    """Store one activity about a run, with its id in the metadata; otherwise like `note`."""
    return note(
        type,
        message,
        subject=Activity.Subject.RUN,
        task=run.task,
        agent=run.agent,
        project_id=run.project_id,
        **{**metadata, "run_id": str(run.pk)},
    )


def affected_metadata(
    *, tasks: Iterable[uuid.UUID] = (), projects: Iterable[uuid.UUID | None] = ()
) -> dict[str, Any]:
    """Return metadata that names the other tasks and the projects that show the change of a task."""
    named = {"touched_tasks": tasks, "touched_projects": (key for key in projects if key)}
    found = {name: sorted({str(key) for key in keys}) for name, keys in named.items()}
    return {name: keys for name, keys in found.items() if keys}


def affected_ids(activity: Activity, kind: Literal["tasks", "projects"]) -> list[uuid.UUID]:
    """Return the ids of the affected objects that the activity names.

    Ignore invalid ones of imported activities.
    """
    named = activity.metadata.get(f"touched_{kind}")
    keys = map(as_uuid, named) if isinstance(named, list) else ()
    return [key for key in keys if key]


def moved(before: str, after: str) -> str:
    """Return the part of a sentence that says how a status changed."""
    words = [status.replace("_", " ").capitalize() for status in (before, after)]
    return "moved from {} to {}".format(*words)
