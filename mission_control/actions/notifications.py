"""Tell agents and people what concerns them, and note that they have it."""

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from agents.models import Agent
from mission_control.models import Activity, Message, Notification, Task

PEOPLE: tuple[None] = (None,)
Type = Notification.Type


def make(
    type: Activity.Type | Notification.Type,
    content: str,
    *,
    to: Iterable[Agent | None] = PEOPLE,
    task: Task | None = None,
    message: Message | None = None,
    **metadata: Any,
) -> None:
    """Store one notification for each of `to`, by default one for the people, in the caller's transaction."""
    Notification.objects.bulk_create(
        Notification(
            agent=agent,
            type=type,
            content=content,
            source_task=task,
            source_message=message,
            metadata=metadata,
        )
        for agent in to
    )


def make_assigned(task: Task, agents: Iterable[Agent]) -> None:
    """Tell agents that a task is theirs now."""
    make(Activity.Type.TASK_ASSIGNED, f"You were assigned to: {task.title}", to=agents, task=task)


def make_review_needed(task: Task, reason: str = "") -> None:
    """Tell the people that a task waits for their review, and why where nobody asked for one."""
    because = f" ({reason})" if reason else ""
    make(Type.REVIEW_NEEDED, f"Review needed: {task.title}{because}", task=task)


def mark_delivered(notification: Notification) -> None:
    """Note that it was delivered; the time of the first delivery stays."""
    Notification.objects.filter(pk=notification.pk, delivered_at=None).update(delivered_at=timezone.now())


def mark_read(notification: Notification) -> None:
    """Note that it was read; the time of the first reading stays."""
    Notification.objects.filter(pk=notification.pk, read_at=None).update(read_at=timezone.now())
