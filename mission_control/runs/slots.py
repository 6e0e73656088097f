"""Free slots and the waiting queue. Read only: the unique constraint on (slot) decides which run gets a slot."""

from django.db.models import Exists, OuterRef, Q

from mission_control.compat.django_models import PreparedQuery
from mission_control.models import Capacity, Run, Task
from mission_control.models.run import RunQuerySet

HELD = PreparedQuery(lambda: Run.objects.holding().order_by().values_list("slot"))
FIRST_WAITING = PreparedQuery(lambda: Run.objects.waiting().order_by().values_list("pk")[:1])


def free_slots() -> list[int]:
    """Return the slots that may be taken now, lowest first: as many as the limit allows.

    After the limit was lowered, runs on slots above it still count. All callers take the same lowest numbers, so
    that two concurrent ones conflict at the constraint.
    """
    limit = Capacity.current().limit
    held = {slot for [slot] in HELD.all()}
    free = [slot for slot in range(1, limit + 1) if slot not in held]
    return free[: max(limit - len(held), 0)]


def waiting_queue() -> RunQuerySet:
    """Return the waiting runs that may get a slot, the next one first.

    A run whose task has become blocked is left out until its blockers are resolved.
    """
    blockers = Task.objects.unresolved().filter(blocks=OuterRef("task_id"))
    return Run.objects.waiting().filter(Q(request__ignore_dependencies=True) | ~Exists(blockers))


def has_waiting_runs() -> bool:
    """Return whether a waiting run may get a slot. The cheap query comes first: usually no run waits at all."""
    return bool(FIRST_WAITING.all()) and waiting_queue().exists()


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
