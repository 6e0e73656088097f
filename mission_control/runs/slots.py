"""Which slots are free. Read only: the unique constraint on (slot) decides who gets one."""

from django.db.models import Exists, OuterRef, Q

from mission_control.models import Capacity, Run, Task
from mission_control.models.run import RunQuerySet


def free_slots() -> list[int]:
    """Return the slots that may be taken now, lowest first: as many as the limit leaves.

    After the limit was lowered, runs on slots above it still count. Everybody takes from the same few lowest
    numbers, so that two who looked at the same moment meet at the constraint.
    """
    limit = Capacity.current().limit
    held = set(Run.objects.holding().order_by().values_list("slot", flat=True))
    free = [slot for slot in range(1, limit + 1) if slot not in held]
    return free[: max(limit - len(held), 0)]


def line() -> RunQuerySet:
    """Return the waiting runs that a slot may go to, the next first.

    Whose task has come to wait for others meanwhile lets the rest pass, until these are done.
    """
    blockers = Task.objects.unresolved().filter(blocks=OuterRef("task_id"))
    return Run.objects.waiting().filter(Q(request__ignore_dependencies=True) | ~Exists(blockers))


def has_line() -> bool:
    """Tell whether a run waits that a slot may go to. The plain look goes first: mostly nobody waits at all."""
    return Run.objects.waiting().exists() and line().exists()


def capacity() -> dict[str, int]:
    """Return `{"limit", "running", "queued", "waiting", "available"}`, each a number of runs."""
    statuses = list(Run.objects.active().order_by().values_list("status", flat=True))
    limit = Capacity.current().limit
    running = statuses.count(Run.Status.RUNNING)
    queued = statuses.count(Run.Status.QUEUED)
    return {
        "limit": limit,
        "running": running,
        "queued": queued,
        "waiting": statuses.count(Run.Status.WAITING),
        "available": max(limit - running - queued, 0),
    }
