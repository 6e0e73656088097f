"""A task that reads `review` has one open review: opened and withdrawn here, decided in `actions/reviews.py`."""

from django.utils import timezone

from mission_control.actions import notifications
from mission_control.models import Notification, Review, Run, Task


def open_review(task: Task, run: Run | None = None, *, reason: str = "") -> Review:
    """Open the review of what the run handed in, by default the newest, and tell the people; return the review.

    `reason` says why one is needed that nobody asked for.

    In the caller's transaction, which has locked the task's row. One that is open goes on, as that of this run.
    """
    review = opened(task, run, reason=reason)
    notifications.make_review_needed(task, reason)
    return review


def opened(task: Task, run: Run | None = None, *, reason: str = "") -> Review:
    """Return the task's open review; open it, without a word, where an import or an older version left none."""
    run_id = run.pk if run else task.last_run_id
    review, _ = Review.objects.update_or_create(
        task=task,
        status=Review.Status.OPEN,
        defaults={"run_id": run_id} | ({"reason": reason} if reason else {}),
        create_defaults={"run_id": run_id, "round": next_round(task), "reason": reason},
    )
    return review


def next_round(task: Task) -> int:
    """Return the number of the task's next review; those that were withdrawn do not count."""
    return Review.objects.filter(task=task).count() + 1


def withdraw_review(task: Task) -> None:
    """Forget the open review of a task that leaves it undecided: set by hand, or run again."""
    withdrawn, _ = Review.objects.filter(task=task, status=Review.Status.OPEN).delete()
    if withdrawn:
        mark_seen(task)


def mark_seen(task: Task) -> None:
    """Note that the people have read that the task waits for their review."""
    asked = Notification.objects.filter(type=Notification.Type.REVIEW_NEEDED, source_task=task, read_at=None)
    asked.update(read_at=timezone.now())
