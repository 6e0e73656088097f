"""The query for the task of a page, with its related rows."""

from typing import Any

from django.db.models import Prefetch, QuerySet

from mission_control.models import Assignment, Task
from mission_control.web.task.refusals import RELATED


def shown_task() -> QuerySet[Task]:
    """Return a queryset of tasks with the related rows that the page shows. Four queries."""
    waits_for: Prefetch[Any] = Prefetch("blocked_by", RELATED.order_by("created_at", "id"))
    holds_back: Prefetch[Any] = Prefetch("blocks", RELATED.order_by("created_at", "id"))
    return (
        Task.objects.select_related("project", "last_run")
        .defer("last_run__output", "last_run__prompt", "project__description")
        .prefetch_related(
            Prefetch("assignments", Assignment.objects.select_related("agent")), waits_for, holds_back
        )
    )
