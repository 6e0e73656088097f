"""Move cards on the board: to another column, or between two others of a column.

A card that is ranked between two others is ranked as if its task had last changed between them.

A move writes one row, whatever the size of the column. If no rank is left between two cards (they share a
microsecond, and the ids within it are used up), the upper card's rank is raised as well.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from mission_control.actions import tasks
from mission_control.actions.activity import note
from mission_control.actions.locking import lock_changes
from mission_control.actions.permissions import CHANGE_TASK, require
from mission_control.actions.task_runs import run_assigned
from mission_control.errors import Invalid, NotFound, WrongState
from mission_control.models import Activity, Run, Task

RANKS_LOCK = 0x6D635F70  # the key of PostgreSQL's advisory lock for every change of a rank
STEP, STEP_AT_END = timedelta(microseconds=1), timedelta(seconds=1)
LAST = 2**128
NEIGHBOUR_MOVED = "The neighbouring card has moved. Try again"


class CardRank(NamedTuple):
    """A card's rank within its column: later times first, and for equal times the lower id first."""

    at: datetime
    tie: int

    @classmethod
    def of(cls, task: Any) -> "CardRank":
        return cls(task.rank_at, task.rank_tie.int)


def move_card(
    task: Task, *, to: str, by: User, below: uuid.UUID | None = None, above: uuid.UUID | None = None
) -> Run | None:
    """Move a task's card to the column of the status `to`, or within its column; return the run that this starts.

    An agent's task is moved to In progress by a run with its first assignee, which waits if no slot is free. Any
    other move sets the status, or only the rank. Raises as `run_assigned` and `rank_card` do, and NotAllowed.
    """
    stays = to == _status_of_column(task)
    if not stays and to == Task.Status.IN_PROGRESS and task.task_type == Task.Type.AGENT:
        return run_assigned(task, by=by)
    require(by, CHANGE_TASK, "To move a task")
    rank_card(task, status=None if stays else to, below=below, above=above)
    return None


def _status_of_column(task: Task) -> str:
    return Task.Status.DONE if task.is_resolved else task.status  # the resolved share a column


def rank_card(
    task: Task, *, status: str | None = None, below: uuid.UUID | None = None, above: uuid.UUID | None = None
) -> Task:
    """Rank a task directly below the task `below` of its column, or above `above`, otherwise first; return it.

    With `status` the task moves to that status's column first. `above` is used if `below` is no longer in the
    column. Takes the lock on all ranks until the commit, then locks the task's row. Raises as `tasks.change` does,
    NotFound, Invalid if a task is its own neighbour, and WrongState if neither neighbour is in the column any
    more. Writes an activity.
    """
    if task.pk in (below, above):
        raise Invalid("below", "A card cannot be its own neighbour.")
    with transaction.atomic():
        lock_changes(RANKS_LOCK)  # two concurrent moves into one gap would get the same rank
        task = tasks.change(task, status=status) if status else _found(task)
        column = _column(task)
        upper, lower = _neighbours(column, below=below, above=above)
        _save_rank(task, _fields_between(column, upper, lower))
        if not status:
            note(Activity.Type.TASK_UPDATED, f"Task moved on the board: {task.title}", task=task, placed=True)
    return task


def _found(task: Task) -> Task:
    found = Task.objects.filter(pk=task.pk).first()
    if found is None:
        raise NotFound("Task")
    return found


def _column(task: Task) -> QuerySet[Any]:
    """Return the other tasks of the column, first rank first, with only their ranks loaded."""
    statuses = Task.RESOLVED if task.is_resolved else (task.status,)  # the resolved share a column
    return Task.objects.filter(status__in=statuses).exclude(pk=task.pk).by_rank().only("pk")


def _neighbours(column: QuerySet[Any], *, below: uuid.UUID | None, above: uuid.UUID | None) -> tuple[Any, Any]:
    """Return the tasks directly above and below the new rank; None at an end of the column."""
    if upper := below and column.filter(pk=below).first():
        return upper, _next(column, CardRank.of(upper))
    if lower := above and column.filter(pk=above).first():
        return _previous(column, CardRank.of(lower)), lower
    if below or above:
        raise WrongState(NEIGHBOUR_MOVED)
    return None, column.first()


def _next(column: QuerySet[Any], at: CardRank) -> Any:
    beneath = Q(rank_at__lt=at.at) | Q(rank_at=at.at, rank_tie__gt=uuid.UUID(int=at.tie))
    return column.filter(beneath).first()


def _previous(column: QuerySet[Any], at: CardRank) -> Any:
    over = Q(rank_at__gt=at.at) | Q(rank_at=at.at, rank_tie__lt=uuid.UUID(int=at.tie))
    return column.filter(over).reverse().first()


def _fields_between(column: QuerySet[Any], upper: Any, lower: Any) -> dict[str, Any]:
    """Return fields with a rank between these two tasks; if there is none, raise the upper one's rank first."""
    found = _rank_between(upper and CardRank.of(upper), lower and CardRank.of(lower))
    if found is None:
        higher = _previous(column, CardRank.of(upper))
        _save_rank(upper, _fields_between(column, higher, upper))
        return _fields_between(column, column.get(pk=upper.pk), lower)
    return found


def _rank_between(upper: CardRank | None, lower: CardRank | None) -> dict[str, Any] | None:
    """Return fields with a rank in the middle between two; None if no rank is left.

    Preferably a time of its own, with the task's own id; otherwise another id within the upper or the lower task's
    time.
    """
    if upper is None:
        now = timezone.now()
        return _fields(max(now, lower.at + STEP) if lower else now)
    if lower is None:
        return _fields(upper.at - STEP_AT_END)
    if (gap := upper.at - lower.at) >= 2 * STEP:
        return _fields(lower.at + gap // 2)
    last = lower.tie if lower.at == upper.at else LAST
    if last - upper.tie > 1:
        return _fields(upper.at, (upper.tie + last) // 2)
    if lower.at < upper.at and lower.tie > 0:
        return _fields(lower.at, lower.tie // 2)
    return None


def _fields(at: datetime, tie: int | None = None) -> dict[str, Any]:
    return {"placed_at": at, "placed_as": None if tie is None else uuid.UUID(int=tie)}


def _save_rank(task: Any, fields: dict[str, Any]) -> None:
    """Store the rank and nothing else: `updated_at` stays, because the task itself has not changed."""
    Task.objects.filter(pk=task.pk).update(**fields)
