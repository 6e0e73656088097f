"""Place a task's card in its column of the board: between two others, as if its last change lay between theirs.

One row is written for one move, whatever the column holds. Where two cards stand so close that nothing fits
between them (they share a microsecond, and the ids of that moment are used up), the upper one moves up as well.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from mission_control.actions import tasks
from mission_control.actions.activity import note
from mission_control.errors import Invalid, NotFound, WrongState
from mission_control.models import Activity, Task

ONE_AT_A_TIME = 0x6D635F70  # PostgreSQL's advisory lock round every placing
CLOSED = (Task.Status.DONE, Task.Status.SKIPPED)  # they share a column
STEP, BESIDE = timedelta(microseconds=1), timedelta(seconds=1)
LAST = 2**128
MOVED_MEANWHILE = "The card beside it has moved meanwhile. Try again"


class Place(NamedTuple):
    """Where a card stands: the later above, and of one moment the lower id above."""

    at: datetime
    tie: int

    @classmethod
    def of(cls, task: Any) -> "Place":
        return cls(task.stands_at, task.stands_as.int)


def place(
    task: Task, *, status: str | None = None, below: uuid.UUID | None = None, above: uuid.UUID | None = None
) -> Task:
    """Put a task right below the task `below` of its column, or right above `above`, else on top; return it.

    With `status` it goes to that status' column first. `above` counts where `below` is not in the column. Locks
    all placing until the commit, then the task's row. Raises as `tasks.change` does, NotFound, Invalid where a
    task is to stand beside itself, WrongState when neither neighbour is in the column any more. Writes an
    activity.
    """
    if task.pk in (below, above):
        raise Invalid("below", "A card cannot stand beside itself.")
    with transaction.atomic():
        _place_alone()
        task = tasks.change(task, status=status) if status else _found(task)
        column = _column(task)
        upper, lower = _neighbours(column, below=below, above=above)
        _stand(task, _between(column, upper, lower))
        if not status:
            note(Activity.Type.TASK_UPDATED, f"Task moved on the board: {task.title}", task=task, placed=True)
    return task


def _place_alone() -> None:
    """Let nobody else place until the commit: two who put cards in one gap would put them in one place.

    Before any row is locked, so that nobody waits for it while holding one. SQLite needs nothing: the transaction
    already holds the one write lock.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])


def _found(task: Task) -> Task:
    found = Task.objects.filter(pk=task.pk).first()
    if found is None:
        raise NotFound("Task")
    return found


def _column(task: Task) -> QuerySet[Any]:
    """Return the other tasks of its column, from above; only where they stand."""
    statuses = CLOSED if task.status in CLOSED else (task.status,)
    return Task.objects.filter(status__in=statuses).exclude(pk=task.pk).as_placed().only("pk")


def _neighbours(column: QuerySet[Any], *, below: uuid.UUID | None, above: uuid.UUID | None) -> tuple[Any, Any]:
    """Return the task that will be right above, and the one right below; None for an end of the column."""
    if upper := below and column.filter(pk=below).first():
        return upper, _next(column, Place.of(upper))
    if lower := above and column.filter(pk=above).first():
        return _previous(column, Place.of(lower)), lower
    if below or above:
        raise WrongState(MOVED_MEANWHILE)
    return None, column.first()


def _next(column: QuerySet[Any], at: Place) -> Any:
    beneath = Q(stands_at__lt=at.at) | Q(stands_at=at.at, stands_as__gt=uuid.UUID(int=at.tie))
    return column.filter(beneath).first()


def _previous(column: QuerySet[Any], at: Place) -> Any:
    over = Q(stands_at__gt=at.at) | Q(stands_at=at.at, stands_as__lt=uuid.UUID(int=at.tie))
    return column.filter(over).reverse().first()


def _between(column: QuerySet[Any], upper: Any, lower: Any) -> dict[str, Any]:
    """Return the fields that stand between these two; where there is no room, move the upper one up first."""
    found = _room(upper and Place.of(upper), lower and Place.of(lower))
    if found is None:
        higher = _previous(column, Place.of(upper))
        _stand(upper, _between(column, higher, upper))
        return _between(column, column.get(pk=upper.pk), lower)
    return found


def _room(upper: Place | None, lower: Place | None) -> dict[str, Any] | None:
    """Return the fields of a place between two, in the middle; None where there is none.

    First a moment of its own, with the task's own id; else another id within the upper one's moment, or the
    lower's.
    """
    if upper is None:
        now = timezone.now()
        return _fields(max(now, lower.at + STEP) if lower else now)
    if lower is None:
        return _fields(upper.at - BESIDE)
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


def _stand(task: Any, fields: dict[str, Any]) -> None:
    """Write where it stands, and nothing else: it was not changed."""
    Task.objects.filter(pk=task.pk).update(**fields)
