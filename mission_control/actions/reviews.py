"""Decide reviews: approve, request changes, remind of what nobody decided; open the reviews of review tasks."""

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
from mission_control.models import Activity, Notification, Review, Task
from mission_control.runs.open_reviews import ensure_open_review, mark_review_notifications_read, next_round

Status = Review.Status
NOT_BEGUN = (Task.Status.INBOX, Task.Status.ASSIGNED)


class NotInReview(Refusal):
    """There is nothing to decide: the task is in no review, or somebody else has decided."""

    def __init__(self, task: Task) -> None:
        super().__init__(f"Task is {task.get_status_display().lower()}, not in review")


class TooManyRounds(Refusal):
    """Changes were requested as often as the setting allows."""

    def __init__(self, rounds: int) -> None:
        super().__init__(
            f"Changes were requested {rounds} time(s), which is the limit: approve the task, or change it by hand"
        )


def approve(task: Task, *, by: User | None = None) -> Task:
    """Take the task's result: it is done, and what waits for it goes on. Return it.

    Locks the task's row: of two who decide at once the second finds it decided. Raises NotInReview, NotFound, and
    HasActiveRuns when a run of it already waits for a slot.
    """
    with transaction.atomic():
        task = _in_review([task.pk], task)
        review = _decide(task, Status.APPROVED, by=by)
        told = f"{_name(by)} approved '{task.title}'"
        note(Activity.Type.TASK_UPDATED, told, task=task, review=str(review.pk), round=review.round)
        return tasks.change(task, status=Task.Status.DONE)


def request_changes(task: Task, feedback: str, *, by: User | None = None, criticised: Sequence[Task] = ()) -> Task:
    """Send the task back: it is assigned again, the feedback is in its thread and in its next prompt. Return it.

    A review task sends back those whose deliverables it is about, by default all, and waits for them; `criticised`
    names which. Locks the rows of all that it changes. Raises as `approve` does, TooManyRounds, Invalid when
    `criticised` names another task.
    """
    with transaction.atomic():
        upstream = _upstream(task)
        task = _in_review([task.pk, *(other.pk for other in upstream)], task)
        _refuse_after_the_last_round(task)
        sent_back = _criticised(upstream, criticised)
        review = _decide(task, Status.CHANGES_REQUESTED, by=by, feedback=feedback)
        told = f"{_name(by)} requested changes to '{task.title}'"
        note(Activity.Type.TASK_UPDATED, told, task=task, review=str(review.pk), round=review.round)
        for other in sent_back:
            _send_back(other, review)
        comments.post(task, feedback, by=by)
        return tasks.change(task, status=Task.Status.ASSIGNED, announced_at=None)


def open_upstream(task: Task) -> bool:
    """Put a review task whose blockers are resolved in review and tell the people; return whether this call did.

    Locks the task's row. False, and nothing is done, when it is no review task, waits, or was begun before.
    """
    with transaction.atomic():
        mine = Task.objects.select_for_update(of=("self",)).filter(
            pk=task.pk, task_type=Task.Type.REVIEW, status__in=NOT_BEGUN
        )
        found = mine.first()
        if found is None or found.unresolved_blockers():
            return False
        tasks.change(found, status=Task.Status.REVIEW)
    return True


def remind() -> int:
    """Remind the people of what has waited for the setting's hours, since its opening or its last reminder.

    Return of how many. Each by a conditional update behind the lock of its task's row, so that many may call at
    once: one of them reminds, and none of what is decided at the same moment.
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
        since = f"{review.opened_at:%Y-%m-%d %H:%M} UTC"
        told = f"Review needed: {task.title} (waiting since {since})"
        notifications.make(Notification.Type.REVIEW_NEEDED, told, task=task, review=str(review.pk))
    return True


# ---------------------------------------------------------------- one decision
def _in_review(keys: Iterable[UUID], task: Task) -> Task:
    """Lock the rows of these tasks, in the order in which everybody locks several, and return `task` among them.

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


def _refuse_after_the_last_round(task: Task) -> None:
    """Count the rounds since the last approval: one that is run again begins anew."""
    decided = Review.objects.filter(task=task).exclude(status=Status.OPEN).order_by("-round", "-opened_at")
    statuses = decided.values_list("status", flat=True)
    rounds = sum(1 for _ in takewhile(lambda status: status == Status.CHANGES_REQUESTED, statuses))
    if rounds >= settings.MAX_REVIEW_ROUNDS:
        raise TooManyRounds(rounds)


def _name(by: User | None) -> str:
    return by.get_username() if by else "A person"


# ---------------------------------------------------------------- what a review task is about
def _upstream(task: Task) -> list[Task]:
    """Return the finished tasks that a review task is about, nearest first; behind a review what it was about.

    Of any other task none: it is about its own deliverable.
    """
    found: dict[UUID, Task] = {}
    ahead = [task.pk] if task.task_type == Task.Type.REVIEW else []
    while ahead:
        blockers = Task.objects.filter(blocks__in=ahead, status=Task.Status.DONE).distinct().order_by("pk")
        new = [blocker for blocker in blockers if blocker.pk not in found]
        found |= {blocker.pk: blocker for blocker in new}
        ahead = [blocker.pk for blocker in new if blocker.task_type == Task.Type.REVIEW]
    return list(found.values())


def _criticised(upstream: Sequence[Task], named: Sequence[Task]) -> list[Task]:
    """Return which of these go back: those that are named, else all, and the reviews between that were of them."""
    about = [task for task in upstream if task.task_type != Task.Type.REVIEW]
    if not {task.pk for task in named} <= {task.pk for task in about}:
        raise Invalid("task_ids", "Only finished tasks that this review is about can be sent back.")
    keys = {task.pk for task in named or about}
    sent_back = [task for task in about if task.pk in keys]
    for between in reversed([task for task in upstream if task.task_type == Task.Type.REVIEW]):
        if between.blocked_by.filter(pk__in=keys).exists():
            keys.add(between.pk)
            sent_back.append(between)
    return sent_back


def _send_back(task: Task, review: Review) -> None:
    """Have the task done again, with the feedback that a review of more than itself gave; a review waits again."""
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
