"""End what nobody carries on, and wake what was forgotten. Safe to run anywhere, by any number at once."""

import logging
import time
import uuid
from datetime import timedelta

from django.conf import settings
from django.db import Error, transaction
from django.db.models import F
from django.utils import timezone

from mission_control.models import Run
from mission_control.runs.lifecycle import end_lost, enqueue_run, promote
from mission_control.runs.project_completion import sweep
from mission_control.runs.workers import is_gone, is_of_earlier_boot, kill

FIRST_PATIENCE = timedelta(seconds=10)  # how long a queued run waits for its job; doubled at each new one
LONGEST_PATIENCE = timedelta(minutes=10)

logger = logging.getLogger(__name__)


class Reaper:
    """Looks at all running and queued runs, again and again, and remembers what it saw.

    A worker of this machine that is dead is known to be so at once. Of any other, silence decides: its run ends
    when this reaper has seen the same lease stamp for the lease's length on its own monotonic clock, so that no
    clock jump, here or there, ends a healthy run.
    """

    def __init__(self) -> None:
        self._seen: dict[uuid.UUID, tuple[object, float]] = {}

    def look(self) -> None:
        """Make one pass: end lost runs, enqueue forgotten ones, give slots to waiting ones, sweep projects."""
        try:
            held = list(Run.objects.light().holding())
        except Error:
            self._seen = {}  # while nobody can renew a lease, none runs out
            raise
        running = [run for run in held if run.status == Run.Status.RUNNING]
        self._seen = {run.pk: self._stamp(run) for run in running}
        for run in running:
            if is_gone(run.worker):
                self.reap(run)
            elif self.is_silent(run):
                self.silence(run, running)
                self.reap(run)
        if len(running) < len(held):
            enqueue_forgotten()
        promote()
        sweep()

    def _stamp(self, run: Run) -> tuple[object, float]:
        """Return the run's lease stamp with the moment at which this reaper first saw it."""
        stamp = (run.claim_token, run.lease_renewed_at)
        seen = self._seen.get(run.pk)
        return seen if seen and seen[0] == stamp else (stamp, time.monotonic())

    def silence(self, run: Run, running: list[Run]) -> None:
        """End the silent worker itself where it is in reach: two agents must never work on one task.

        Not a worker that has gone on to another run: then it is only this run's end that was lost.
        """
        elsewhere = any(other.worker == run.worker and other.pk != run.pk for other in running)
        if not elsewhere and kill(run.worker):
            logger.warning("killed its silent worker", extra={"run_id": run.pk})

    def is_silent(self, run: Run) -> bool:
        return time.monotonic() - self._seen[run.pk][1] >= settings.LEASE_SECONDS

    def reap(self, run: Run) -> None:
        if end_lost(run):
            logger.warning("its worker is lost: %s", run.worker, extra={"run_id": run.pk})


def enqueue_forgotten(*, patience: timedelta = FIRST_PATIENCE) -> int:
    """Enqueue anew the queued runs whose job did not start in time; return how many.

    A job too many finds nothing to claim, so that this may be wrong without harm; it backs off all the same.
    """
    now = timezone.now()
    count = 0
    for run in Run.objects.light().filter(status=Run.Status.QUEUED, enqueued_at__lte=now - patience):
        waited = min(patience * 2 ** max(run.enqueue_count - 1, 0), LONGEST_PATIENCE)
        if run.enqueued_at > now - waited:
            continue
        with transaction.atomic():
            mine = Run.objects.filter(pk=run.pk, status=Run.Status.QUEUED, enqueued_at=run.enqueued_at)
            if not mine.update(enqueued_at=now, enqueue_count=F("enqueue_count") + 1):
                continue
            enqueue_run(run)
            count += 1
        logger.warning("its job did not start; enqueued again", extra={"run_id": run.pk})
    return count


def recover(folder: str) -> list[Run]:
    """End what earlier processes of this data folder held, enqueue what was queued; return what was ended.

    For `manage.py up` at its start, while it holds the folder's lock. Workers that live, such as one started by
    hand beside it, keep their runs.
    """
    ended = [
        run
        for run in Run.objects.light().filter(status=Run.Status.RUNNING, worker__startswith=f"{folder}/")
        if (is_gone(run.worker) or is_of_earlier_boot(run.worker)) and end_lost(run)
    ]
    enqueue_forgotten(patience=timedelta(0))
    promote()
    return ended
