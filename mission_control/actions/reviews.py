"""Decide reviews: approve, request changes, remind of undecided ones; open the reviews of review tasks."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import takewhile
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from mission_control.actions import comments, notifications, tasks
from mission_control.actions.activity import note
from mission_control.errors import Invalid, NotFound, Refusal
from mission_control.formatting import utc_time
from mission_control.models import Activity, Notification, Review, Task
from mission_control.runs.open_reviews import ensure_open_review, mark_review_notifications_read, next_round

Status = Review.Status


class NotInReview(Refusal):
    """The task is not in review, or its review has been decided already."""

    def __init__(self, task: Task) -> None:
        super().__init__(f"Task is {task.get_status_display().lower()}, not in review")


class TooManyRounds(Refusal):
    """Changes were requested MAX_REVIEW_ROUNDS times."""

    def __init__(self, rounds: int) -> None:
        super().__init__(
            f"Changes have been requested {rounds} time{'s' if rounds > 1 else ''}, the limit. "
            "Approve the task or edit it manually"
        )


def approve(task: Task, *, by: User | None = None) -> Task:
    """Accept the task's result: set the task to done, which unblocks the tasks after it, and return it.

    Locks the task's row: the second of two concurrent decisions is refused. Raises NotInReview, NotFound, and
    HasActiveRuns if a run of it already waits for a slot.
    """
    with transaction.atomic():
        task = _in_review([task.pk], task)
        review = _decide(task, Status.APPROVED, by=by)
        message = f"{_name(by)} approved “{task.title}”"
        _note(review, task, message)
        return tasks.change(task, status=Task.Status.DONE)


def request_changes(task: Task, feedback: str, *, by: User | None = None, rejected: Sequence[Task] = ()) -> Task:
    """Send the task back and return it: it is assigned again, with the feedback in its thread and next prompt.

    A review task sends back the tasks whose deliverables it reviews, by default all of them or those in
    `rejected`, and waits for them. Locks the rows of all tasks that it changes. Raises as `approve` does,
    TooManyRounds, and Invalid if `rejected` names another task.
    """
    with transaction.atomic():
        upstream = _upstream(task)
        task = _in_review([task.pk, *(other.pk for other in upstream)], task)
        _refuse_too_many_rounds(task)
        sent_back = _tasks_to_send_back(upstream, rejected)
        review = _decide(task, Status.CHANGES_REQUESTED, by=by, feedback=feedback)
        message = f"{_name(by)} requested changes to “{task.title}”"
        _note(review, task, message)
        for other in sent_back:
            _send_back(other, review)
        comments.post(task, feedback, by=by)
        return tasks.change(task, status=Task.Status.ASSIGNED, announced_at=None)


def start_review_task(task: Task) -> bool:
    """Set a review task whose blockers are resolved to review and notify people; return whether this call did it.

    Locks the task's row. Does nothing and returns False if it is not a review task, is blocked, or was started
    before.
    """
    with transaction.atomic():
        mine = Task.objects.select_for_update(of=("self",)).filter(
            pk=task.pk, task_type=Task.Type.REVIEW, status__in=Task.NOT_STARTED
        )
        found = mine.first()
        if found is None or found.unresolved_blockers():
            return False
        tasks.change(found, status=Task.Status.REVIEW)
    return True


def _note(review: Review, task: Task, message: str) -> None:
    note(
        Activity.Type.TASK_UPDATED,
        message,
        subject=Activity.Subject.REVIEW,
        task=task,
        review=str(review.pk),
        round=review.round,
    )


def remind() -> int:
    """Remind people of reviews opened or last reminded of REVIEW_REMINDER_HOURS ago; return how many.

    Uses one conditional update per review after locking its task's row: of concurrent calls only one reminds, and
    none if the review is decided at the same moment.
    """
    before = timezone.now() - timedelta(hours=settings.REVIEW_REMINDER_HOURS)
    waiting = Review.objects.filter(status=Status.OPEN, task__status=Task.Status.REVIEW)
    due = waiting.annotate(told_at=Coalesce("reminded_at", "opened_at")).filter(told_at__lte=before)
    return sum(_remind(review) for review in due.select_related("task"))


def _remind(review: Review) -> bool:
    with transaction.atomic():
        task = Task.objects.select_for_update(of=("self",)).filter(pk=review.task_id).first()
        if task is None:
            return False
        mine = Review.objects.filter(pk=review.pk, status=Status.OPEN, reminded_at=review.reminded_at)
        if not mine.update(reminded_at=timezone.now()):
            return False
        since = utc_time(review.opened_at)
        message = f"Review needed: {task.title} (open since {since})"
        notifications.create(Notification.Type.REVIEW_NEEDED, message, task=task, review=str(review.pk))
    return True


# ---------------------------------------------------------------- one decision
def _in_review(keys: Iterable[UUID], task: Task) -> Task:
    """Lock the rows of these tasks, in the order that all code uses, and return the current state of `task`.

    Raises NotFound, NotInReview.
    """
    rows = Task.objects.select_for_update(of=("self",)).filter(pk__in=set(keys)).order_by("pk")
    found = {row.pk: row for row in rows}.get(task.pk)
    if found is None:
        raise NotFound("Task")
    if found.status != Task.Status.REVIEW:
        raise NotInReview(found)
    return found


def _decide(task: Task, status: str, *, by: User | None, feedback: str = "") -> Review:
    """Close the task's open review and return it. Raises NotInReview."""
    review = ensure_open_review(task)
    changed = Review.objects.filter(pk=review.pk, status=Status.OPEN).update(
        status=status, feedback=feedback, decided_by=by, decided_at=timezone.now()
    )
    if not changed:  # pragma: no cover - the task's row is locked
        raise NotInReview(task)
    review.refresh_from_db()
    mark_review_notifications_read(task)
    return review


def _refuse_too_many_rounds(task: Task) -> None:
    """Raise TooManyRounds after the last round.

    Counts since the last approval: a task that is run again restarts.
    """
    decided = Review.objects.filter(task=task).exclude(status=Status.OPEN).order_by("-round", "-opened_at")
    statuses = decided.values_list("status", flat=True)
    rounds = sum(1 for _ in takewhile(lambda status: status == Status.CHANGES_REQUESTED, statuses))
    if rounds >= settings.MAX_REVIEW_ROUNDS:
        raise TooManyRounds(rounds)


def _name(by: User | None) -> str:
    return by.get_username() if by else "Someone"


# ---------------------------------------------------------------- the tasks that a review task reviews
def _upstream(task: Task) -> list[Task]:
    """Return the completed tasks that a review task reviews, nearest first, including those behind other reviews.

    Returns none for any other task, which is reviewed by its own deliverable.
    """
    found: dict[UUID, Task] = {}
    ahead = [task.pk] if task.task_type == Task.Type.REVIEW else []
    while ahead:
        blockers = Task.objects.filter(blocks__in=ahead, status=Task.Status.DONE).distinct().order_by("pk")
        new = [blocker for blocker in blockers if blocker.pk not in found]
        found |= {blocker.pk: blocker for blocker in new}
        ahead = [blocker.pk for blocker in new if blocker.task_type == Task.Type.REVIEW]
    return list(found.values())


def _tasks_to_send_back(upstream: Sequence[Task], named: Sequence[Task]) -> list[Task]:
    """Return the tasks to send back: the named ones, otherwise all, and the review tasks that reviewed them."""
    about = [task for task in upstream if task.task_type != Task.Type.REVIEW]
    if not {task.pk for task in named} <= {task.pk for task in about}:
        raise Invalid("task_ids", "Only finished tasks under this review can be sent back.")
    keys = {task.pk for task in named or about}
    sent_back = [task for task in about if task.pk in keys]
    for between in reversed([task for task in upstream if task.task_type == Task.Type.REVIEW]):
        if between.blocked_by.filter(pk__in=keys).exists():
            keys.add(between.pk)
            sent_back.append(between)
    return sent_back


def _send_back(task: Task, review: Review) -> None:
    """Send a task back with the feedback of a review task; a review task in between just waits again."""
    if task.task_type != Task.Type.REVIEW:
        Review.objects.create(
            task=task,
            run_id=task.last_run_id,
            round=next_round(task),
            status=Status.CHANGES_REQUESTED,
            feedback=review.feedback,
            decided_by=review.decided_by,
            decided_at=review.decided_at,
        )
        comments.post(task, review.feedback, by=review.decided_by)
    tasks.change(task, status=Task.Status.ASSIGNED, announced_at=None)
