"""Count objects of every kind by their status."""

from typing import Any

from django.db.models import Count, QuerySet

from agents.models import Agent
from mission_control.models import Activity, Deliverable, Message, Notification, Project, Task
from mission_control.models.agents import with_runs

Counts = dict[str, Any]


def stats() -> dict[str, Counts]:
    """Return all counts, in a constant number of queries, each answered by an index."""
    notifications = Notification.objects.all()
    return {
        "agents": _by_status(with_runs(), "derived_status", Agent.Status.values),
        "tasks": _by_status(Task.objects.all(), "status", Task.Status.values),
        "projects": _by_status(Project.objects.all(), "status", Project.Status.values),
        "messages": {"total": Message.objects.count()},
        "activities": {"total": Activity.objects.count()},
        "documents": {"total": Deliverable.objects.count()},
        "notifications": {
            "total": notifications.count(),
            "undelivered": notifications.filter(delivered_at=None).count(),
            "unread": notifications.filter(read_at=None).count(),
        },
    }


def _by_status(rows: QuerySet[Any], field: str, statuses: list[str]) -> Counts:
    """Count rows by status, including statuses without rows."""
    counted = rows.order_by().values_list(field).annotate(number=Count("*"))
    by_status = {**dict.fromkeys(statuses, 0), **dict(counted)}
    return {"total": sum(by_status.values()), "by_status": by_status}
