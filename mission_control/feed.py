"""Write the activity feed: every change leaves one line, whoever made it."""

import uuid
from typing import Any

from django.db import transaction

from agents.models import Agent
from mission_control.broadcast import publish_activity
from mission_control.models import Activity, Deliverable, Task

MESSAGE_CHARS = 500


def note(
    type: Activity.Type,
    message: str,
    *,
    task: Task | None = None,
    agent: Agent | None = None,
    document: Deliverable | None = None,
    project_id: uuid.UUID | None = None,
    **metadata: Any,
) -> Activity:
    """Store one activity in the caller's transaction and send `mc_activity_created` after its commit."""
    activity = Activity.objects.create(
        type=type,
        message=message if len(message) <= MESSAGE_CHARS else message[: MESSAGE_CHARS - 1] + "…",
        task=task,
        agent=agent,
        document=document,
        project_id=project_id or (task.project_id if task else None),
        metadata=metadata,
    )
    transaction.on_commit(lambda: publish_activity(activity))
    return activity
