"""Which slots are free. Read only: the unique constraint on (slot) decides who gets one."""

from mission_control.models import Capacity, Run


def free_slots() -> list[int]:
    """Return the slots that may be taken now, lowest first: as many as the limit leaves.

    After the limit was lowered, runs on slots above it still count. Everybody takes from the same few lowest
    numbers, so that two who looked at the same moment meet at the constraint.
    """
    limit = Capacity.current().limit
    held = set(Run.objects.holding().order_by().values_list("slot", flat=True))
    free = [slot for slot in range(1, limit + 1) if slot not in held]
    return free[: max(limit - len(held), 0)]


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
