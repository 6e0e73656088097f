"""Decide what happens to a task whose run failed or was lost: when it is retried, with an activity about it."""

from datetime import datetime
from typing import Any

from mission_control.actions.activity import note_run
from mission_control.formatting import utc_time
from mission_control.models import Project, Run, Task
from mission_control.models.retry import RetryPolicy
from mission_control.models.run import EndCause

LOST = (EndCause.WORKER_LOST, EndCause.DATABASE_LOST)
MAX_LOSSES = 3  # a task that crashes its worker or database must not be restarted for ever


def policy_of(task: Task) -> RetryPolicy | None:
    """Return the task's retry policy; None if absent or invalid."""
    try:
        return RetryPolicy.read(task.metadata["retry"])
    except (KeyError, TypeError, ValueError):
        return None


def after_failure(task: Task, run: Run, *, now: datetime) -> dict[str, Any]:
    """Return the changes to a task whose run ended in error or was stopped, in the caller's transaction.

    In an executing project, a run that was lost with its worker or database, or interrupted by a shutdown, is
    started again: that is not the task's fault. An error is retried if the task has a retry policy. Any other end
    blocks the task. Writes an activity if there will be another attempt.
    """
    if _restarts_automatically(task, run):
        _note(task, run, "interrupted; it restarts automatically")
        return {"status": Task.Status.ASSIGNED}
    policy = policy_of(task)
    if policy is None or run.status != Run.Status.ERROR:
        return {"status": Task.Status.BLOCKED}
    failures = task.failed_attempts + 1
    if failures >= policy.attempts:
        return {"status": Task.Status.BLOCKED, "failed_attempts": failures, "retry_at": None}
    retry_at = now + policy.pause(failures)
    _note(
        task,
        run,
        f"retrying at {utc_time(retry_at, with_seconds=True)} (attempt {failures + 1} of {policy.attempts})",
    )
    return {"status": Task.Status.ASSIGNED, "failed_attempts": failures, "retry_at": retry_at}


def _restarts_automatically(task: Task, run: Run) -> bool:
    if run.end_cause not in (EndCause.INTERRUPTED, *LOST):
        return False
    if task.project is None or task.project.status != Project.Status.EXECUTING:
        return False
    return run.end_cause == EndCause.INTERRUPTED or _losses(run) <= MAX_LOSSES


def _losses(run: Run) -> int:
    """Count the task's latest consecutive lost runs, back to the last one that a person started."""
    newest = Run.objects.filter(task=run.task).exclude(end_cause=EndCause.INTERRUPTED).order_by("-queued_at", "id")
    losses = 0
    for cause, person in newest.values_list("end_cause", "requested_by_id")[: MAX_LOSSES + 1]:
        if cause not in LOST:
            break
        losses += 1
        if person is not None:
            break
    return losses


def _note(task: Task, run: Run, what: str) -> None:
    note_run(run, f"“{task.title}”: {what}")
