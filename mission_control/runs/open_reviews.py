"""The open review of a task with status `review`: opened and withdrawn here, decided in `actions/reviews.py`."""

from django.utils import timezone

from mission_control.actions import notifications
from mission_control.models import Notification, Review, Run, Task


def open_review(task: Task, run: Run | None = None, *, reason: str = "") -> Review:
    """Open the review of a run's output, by default of the task's last run, notify users, and return the review.

    `reason` is set if the review was not requested by the task or its agent's level.

    Runs in the caller's transaction, which has locked the task's row. A review that is open already is kept and
    assigned to this run.
    """
    review = ensure_open_review(task, run, reason=reason)
    notifications.notify_review_needed(task, reason)
    return review


def ensure_open_review(task: Task, run: Run | None = None, *, reason: str = "") -> Review:
    """Return the task's open review.

    Create a missing one, after an import or an upgrade, without notifications.
    """
    run_id = run.pk if run else task.last_run_id
    review, _ = Review.objects.update_or_create(
        task=task,
        status=Review.Status.OPEN,
        defaults={"run_id": run_id} | ({"reason": reason} if reason else {}),
        create_defaults={"run_id": run_id, "round": next_round(task), "reason": reason},
    )
    return review


def next_round(task: Task) -> int:
    """Return the number of the task's next review; withdrawn reviews do not count."""
    return Review.objects.filter(task=task).count() + 1


def withdraw_review(task: Task) -> None:
    """Delete the open review of a task that was moved by hand or run again before a decision."""
    withdrawn, _ = Review.objects.filter(task=task, status=Review.Status.OPEN).delete()
    if withdrawn:
        mark_review_notifications_read(task)


def mark_review_notifications_read(task: Task) -> None:
    """Mark the notifications that the task needs a review as read."""
    unread = Notification.objects.filter(type=Notification.Type.REVIEW_NEEDED, source_task=task, read_at=None)
    unread.update(read_at=timezone.now())
