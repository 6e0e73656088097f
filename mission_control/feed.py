"""Write the activity feed: every change leaves one line, whoever made it."""

import time
import uuid
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Q

from agents.models import Agent
from mission_control.broadcast import publish_activity
from mission_control.models import Activity, Deliverable, Project, Task

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


def note_project(project: Project, message: str, **metadata: Any) -> Activity:
    """Store one activity about a project itself, which `metadata` names; else as `note`."""
    return note(
        Activity.Type.TASK_UPDATED, message, project_id=project.pk, **{**metadata, "project": str(project.pk)}
    )


class Unread:
    """What a reader has not had of the feed, from its making on; each line once.

    On PostgreSQL a number can be committed after a higher one. One that was passed over is looked for again, until
    it has been missing for so long that its transaction must have been rolled back.
    """

    GAP_SECONDS = 60.0
    MOST_GAPS = 200

    def __init__(self) -> None:
        newest = Activity.objects.order_by("-number").values_list("number", flat=True)[: self.MOST_GAPS]
        there = set(newest)
        self.number = max(there, default=0)
        self.gaps: dict[int, float] = {}
        lowest = max(self.number - self.MOST_GAPS, 1)
        self._pass_over([number for number in range(lowest, self.number) if number not in there])

    def read(self, limit: int) -> list[Activity]:
        """Return the lines that `had` was not told of, lowest first, at most so many."""
        wanted = Q(number__gt=self.number)
        if self.gaps:
            wanted |= Q(number__in=list(self.gaps))
        return list(Activity.objects.filter(wanted).order_by("number")[:limit])

    def had(self, activity: Activity) -> None:
        """Take note that a line was read for good."""
        now = time.monotonic()
        self.gaps = {gap: since for gap, since in self.gaps.items() if now - since < self.GAP_SECONDS}
        if activity.number > self.number:
            self._pass_over(range(self.number + 1, activity.number)[-self.MOST_GAPS :])
            self.number = activity.number
        else:
            self.gaps.pop(activity.number, None)

    def _pass_over(self, numbers: Iterable[int]) -> None:
        self.gaps |= dict.fromkeys(numbers, time.monotonic())
