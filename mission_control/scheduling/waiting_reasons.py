"""Explain in words why a task does not start."""

import uuid
from collections.abc import Iterable

from django.utils import timezone

from mission_control.formatting import duration, utc_time
from mission_control.models import Project, Review, Run, Task
from mission_control.models.quota import account_name
from mission_control.runs.quota_gates import waits_for_quota

NAMED = 3  # how many blockers a reason names
# Stops after which the scheduler may start the task again.
RESTARTING_STOPS = (Run.EndCause.PAUSED, Run.EndCause.CANCELLED)


def waiting_for(project: Project, tasks: Iterable[Task]) -> dict[str, str]:
    """Return why each of the project's tasks waits, by id, without those that are done, skipped or running.

    `tasks` are all tasks of the project, with last run, assignees and dependencies loaded. At most two queries.
    """
    tasks = list(tasks)
    quotas = waits_for_quota(_next_agents(tasks))
    titles = {task.pk: task.title for task in tasks if not task.is_resolved}
    review_reasons = _review_reasons([task.pk for task in tasks if task.status == Task.Status.REVIEW])
    reasons = (
        (str(task.pk), _reason(project, task, titles, review_reasons, quotas))
        for task in tasks
        if task.pk in titles
    )
    return {key: reason for key, reason in reasons if reason}


def _review_reasons(in_review: list[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return by task the reason of reviews that were not requested."""
    if not in_review:
        return {}
    reviews = Review.objects.filter(task__in=in_review, status=Review.Status.OPEN).exclude(reason="")
    return dict(reviews.values_list("task_id", "reason"))


def _reason(
    project: Project,
    task: Task,
    unresolved: dict[uuid.UUID, str],
    review_reasons: dict[uuid.UUID, str],
    quotas: dict[uuid.UUID, str],
) -> str:
    """Return why the task waits, empty if it does not: its current state first, then its blockers."""
    run = task.last_run
    is_waiting = run is not None and run.status == Run.Status.WAITING
    if run is not None and run.status == Run.Status.PARKED:
        return parked_reason(run)
    if task.status == Task.Status.IN_PROGRESS and not is_waiting:
        return "" if run and run.is_active else "set to in progress manually"
    if task.status in Task.NOT_STARTED or is_waiting:
        return _why_not_started(project, task, unresolved, quotas)
    if task.status == Task.Status.REVIEW:
        review_reason = review_reasons.get(task.pk)
        return f"needs review: {review_reason}" if review_reason else "needs review"
    return _failure(run)


def parked_reason(run: Run) -> str:
    """Return what a parked run waits for, in the middle of a sentence."""
    if run.parked_for == Run.ParkedFor.QUESTION:
        return "waits for an answer"
    until = f" until {utc_time(run.resumes_at)}" if run.resumes_at else ""
    return f"waits for {account_name(run.quota_account)}{until}"


def _next_agents(tasks: list[Task]) -> set[uuid.UUID]:
    """Return the agents that start next: the first of each task that is not started."""
    return {task.assignee_ids[0] for task in tasks if task.status in Task.NOT_STARTED and task.assignee_ids}


def _why_not_started(
    project: Project, task: Task, unresolved: dict[uuid.UUID, str], quotas: dict[uuid.UUID, str]
) -> str:
    """Return why a task that is not started has no run yet."""
    run = task.last_run
    if blockers := [unresolved[key] for key in task.blocker_ids if key in unresolved]:
        return f"blocked by {_names(blockers)}"
    if run and run.status == Run.Status.WAITING:
        return "queued"
    if task.task_type == Task.Type.AGENT and not task.assignee_ids:
        return "no agent assigned"
    if project.status != Project.Status.EXECUTING:
        return f"the project is {project.get_status_display().lower()}"
    if task.task_type != Task.Type.AGENT:
        return "human task" if task.task_type == Task.Type.HUMAN else "needs review"
    if task.retry_at is not None and task.retry_at > timezone.now():
        return f"retrying in {duration((task.retry_at - timezone.now()).total_seconds())}"
    if run and _was_removed_from_queue(run):
        return "removed from the queue; run it manually"
    if quota := quotas.get(task.assignee_ids[0]) if task.assignee_ids else None:
        return quota
    return "queued"


def _was_removed_from_queue(run: Run) -> bool:
    """Return whether a person stopped the run before it had started."""
    never_started = run.slot is None and run.started_at is None
    return run.status == Run.Status.STOPPED and never_started and run.end_cause not in RESTARTING_STOPS


def _failure(run: Run | None) -> str:
    if run is not None and run.status == Run.Status.ERROR:
        return f"failed: {run.error}"
    if run is not None and run.status == Run.Status.STOPPED:
        return f"stopped: {run.error or 'manually'}"
    return "set to blocked manually"


def _names(titles: Iterable[str]) -> str:
    """Return the first few titles, and the number of the others."""
    first, *rest = sorted(titles)
    named = ", ".join(f"“{title}”" for title in [first, *rest[: NAMED - 1]])
    more = len(rest) - (NAMED - 1)
    return f"{named} and {more} more" if more > 0 else named
