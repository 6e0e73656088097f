"""Create notifications for agents and people, and mark them as delivered or read."""

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from agents.models import Agent
from mission_control.models import Activity, Message, Notification, Task

PEOPLE: tuple[None] = (None,)
Type = Notification.Type


def create(
    type: Activity.Type | Notification.Type,
    content: str,
    *,
    to: Iterable[Agent | None] = PEOPLE,
    task: Task | None = None,
    message: Message | None = None,
    **metadata: Any,
) -> None:
    """Store a notification for each agent in `to`, by default one for all people, in the caller's transaction."""
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


def notify_assigned(task: Task, agents: Iterable[Agent]) -> None:
    """Notify agents that they were assigned to a task."""
    create(Activity.Type.TASK_ASSIGNED, f"You were assigned to: {task.title}", to=agents, task=task)


def notify_review_needed(task: Task, reason: str = "") -> None:
    """Notify people that a task waits for their review, with the reason if the review was not requested."""
    because = f" ({reason})" if reason else ""
    create(Type.REVIEW_NEEDED, f"Review needed: {task.title}{because}", task=task)


def mark_delivered(notification: Notification) -> None:
    """Record the delivery; the time of the first delivery is kept."""
    Notification.objects.filter(pk=notification.pk, delivered_at=None).update(delivered_at=timezone.now())


def mark_read(notification: Notification) -> None:
    """Record that it was read; the time of the first reading is kept."""
    Notification.objects.filter(pk=notification.pk, read_at=None).update(read_at=timezone.now())


def mark_all_read() -> None:
    """Record that people have read all their notifications."""
    Notification.objects.for_people().unread().update(read_at=timezone.now())
