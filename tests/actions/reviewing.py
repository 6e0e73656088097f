"""Helpers that read what reviews have done."""

from mission_control.models import Activity, Notification, Review, Run, Task
from mission_control.runs.admission import admit
from mission_control.runs.execution import execute


def rounds(task: Task) -> list[tuple[int, str, str]]:
    return list(Review.objects.filter(task=task).order_by("round").values_list("round", "status", "feedback"))


def review_notifications(task: Task, **which) -> list[str]:
    """Return the notifications of reviews of the task that people got, oldest first."""
    found = Notification.objects.filter(type="review_needed", source_task=task, **which)
    return list(found.order_by("created_at").values_list("content", flat=True))


def activities(task: Task) -> list[str]:
    return list(Activity.objects.filter(task=task).order_by("number").values_list("message", flat=True))


def executed(task: Task, agent) -> Run:
    run = admit(task, agent)
    execute(run.pk)
    return Run.objects.get(pk=run.pk)
