"""How far runs have come, for what passes on their events and usage."""

from datetime import timedelta
from typing import Any, NamedTuple

from django.db.models import Q
from django.utils import timezone

from mission_control.models import Run
from mission_control.realtime.frames import RunHeader

RECENT = timedelta(seconds=60)


class RunPosition(NamedTuple):
    """How far a run has come: its last event, and its usage so far while it is running (None if unknown)."""

    header: RunHeader
    last_seq: int
    is_active: bool
    usage: dict[str, Any] | None


def read_positions(which: Q) -> list[RunPosition]:
    """Return the positions of runs."""
    rows = Run.objects.light().filter(which).order_by()  # with an order SQLite would scan all runs
    return [RunPosition(RunHeader.of(run), run.last_seq, run.is_active, run.live_usage) for run in rows]


def recently_active() -> Q:
    """Match runs that are active or ended recently: their frames may still be on their way."""
    return Q(status__in=Run.ACTIVE) | Q(finished_at__gte=timezone.now() - RECENT)
