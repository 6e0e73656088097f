"""Why a task does not start, in words."""

import uuid
from collections.abc import Iterable
from datetime import UTC

from django.utils import timezone

from mission_control.models import Project, Review, Run, Task

NAMED = 3  # blockers that a reason names
RESOLVED = (Task.Status.DONE, Task.Status.SKIPPED)
GIVEN_BACK = (Run.EndCause.PAUSED, Run.EndCause.CANCELLED)  # stops after which a task may start by itself
OPEN = (Task.Status.INBOX, Task.Status.ASSIGNED)


def waiting_for(project: Project, tasks: Iterable[Task]) -> dict[str, str]:
    """Return by id what each of the project's tasks waits for; what is done, skipped or at work is left out.

    `tasks` are all of the project's, with their newest run, assignees and dependencies read: at most one query.
    """
    tasks = list(tasks)
    titles = {task.pk: task.title for task in tasks if task.status not in RESOLVED}
    concerns = _concerns([task.pk for task in tasks if task.status == Task.Status.REVIEW])
    reasons = ((str(task.pk), _reason(project, task, titles, concerns)) for task in tasks if task.pk in titles)
    return {key: reason for key, reason in reasons if reason}


def _concerns(in_review: list[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return by task why a review is needed that nobody asked for."""
    if not in_review:
        return {}
    reviews = Review.objects.filter(task__in=in_review, status=Review.Status.OPEN).exclude(reason="")
    return dict(reviews.values_list("task_id", "reason"))


def _reason(project: Project, task: Task, unresolved: dict[uuid.UUID, str], concerns: dict[uuid.UUID, str]) -> str:
    """Return what holds the task back, empty when nothing does: what it is in before what it is behind."""
    run = task.last_run
    is_in_line = run is not None and run.status == Run.Status.WAITING
    if task.status == Task.Status.IN_PROGRESS and not is_in_line:
        return "" if run and run.is_active else "in progress by hand"
    if task.status in OPEN or is_in_line:
        return _hindrance(project, task, unresolved)
    if task.status == Task.Status.REVIEW:
        concern = concerns.get(task.pk)
        return f"waits for a review: {concern}" if concern else "waits for a review"
    return _failure(run)


def _hindrance(project: Project, task: Task, unresolved: dict[uuid.UUID, str]) -> str:
    """Return why a task that could be begun is not."""
    run = task.last_run
    if blockers := [unresolved[key] for key in task.blocker_ids if key in unresolved]:
        return f"blocked by {_names(blockers)}"
    if run and run.status == Run.Status.WAITING:
        return "waits for a slot"
    if task.task_type == Task.Type.AGENT and not task.assignee_ids:
        return "no agent assigned"
    if project.status != Project.Status.EXECUTING:
        return f"the project is {project.get_status_display().lower()}"
    if task.task_type != Task.Type.AGENT:
        return "waits for a person" if task.task_type == Task.Type.HUMAN else "waits for a review"
    if task.retry_at is not None and task.retry_at > timezone.now():
        return f"retry at {task.retry_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if run and run.status == Run.Status.STOPPED and run.slot is None and run.end_cause not in GIVEN_BACK:
        return "stopped while it waited; run it by hand"
    return "waits for a slot"


def _failure(run: Run | None) -> str:
    if run is not None and run.status == Run.Status.ERROR:
        return f"failed: {run.error}"
    if run is not None and run.status == Run.Status.STOPPED:
        return f"stopped: {run.error or 'by hand'}"
    return "blocked by hand"


def _names(titles: Iterable[str]) -> str:
    """Return the first few titles, and how many more there are."""
    first, *rest = sorted(titles)
    named = ", ".join(f"'{title}'" for title in [first, *rest[: NAMED - 1]])
    more = len(rest) - (NAMED - 1)
    return f"{named} and {more} more" if more > 0 else named
