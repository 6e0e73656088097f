"""End orphaned runs, and enqueue queued runs whose job was lost. Any number of processes may run this at once."""

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
from mission_control.runs.parking import resume_due
from mission_control.runs.project_completion import advance_all
from mission_control.runs.questions import expire_due
from mission_control.runs.workers import is_dead, is_of_earlier_boot, kill

FIRST_REENQUEUE_AFTER = timedelta(seconds=10)  # how long a queued run waits for its job; doubled each time
LONGEST_REENQUEUE_AFTER = timedelta(minutes=10)

logger = logging.getLogger(__name__)


class Reaper:
    """Checks all running and queued runs at each tick, and remembers their leases.

    A dead worker of this machine is detected at once. The run of any other worker ends when this reaper has seen
    the same lease stamp for the lease's length on its own monotonic clock, so that a clock jump on any machine
    does not end a healthy run.
    """

    def __init__(self) -> None:
        self._seen: dict[uuid.UUID, tuple[object, float]] = {}

    def tick(self) -> None:
        """End lost runs, enqueue again what was lost, expire questions, continue runs, advance projects."""
        try:
            held = list(Run.objects.light().holding())
        except Error:
            self._seen = {}  # no lease expires while the database is unavailable and none can be renewed
            raise
        running = [run for run in held if run.status == Run.Status.RUNNING]
        self._seen = {run.pk: self._stamp(run) for run in running}
        for run in running:
            if is_dead(run.worker):
                self.reap(run)
            elif self.is_silent(run):
                self.kill_silent_worker(run, running)
                self.reap(run)
        if len(running) < len(held):
            reenqueue_unstarted()
        expire_due()
        resume_due()
        promote()
        advance_all()

    def _stamp(self, run: Run) -> tuple[object, float]:
        """Return the run's lease stamp with the time when this reaper first saw it."""
        stamp = (run.claim_token, run.lease_renewed_at)
        seen = self._seen.get(run.pk)
        return seen if seen and seen[0] == stamp else (stamp, time.monotonic())

    def kill_silent_worker(self, run: Run, running: list[Run]) -> None:
        """Kill the silent worker if it is on this machine: two agents must never work on one task.

        A worker that runs another run by now is spared: only the end of this run was lost.
        """
        elsewhere = any(other.worker == run.worker and other.pk != run.pk for other in running)
        if not elsewhere and kill(run.worker):
            logger.warning("killed its silent worker", extra={"run_id": run.pk})

    def is_silent(self, run: Run) -> bool:
        return time.monotonic() - self._seen[run.pk][1] >= settings.LEASE_SECONDS

    def reap(self, run: Run) -> None:
        if end_lost(run):
            logger.warning("its worker was lost: %s", run.worker, extra={"run_id": run.pk})


def reenqueue_unstarted(*, patience: timedelta = FIRST_REENQUEUE_AFTER) -> int:
    """Enqueue the queued runs again whose job did not start in time; return how many.

    A needless job finds nothing to claim, so a mistake is harmless; the delay still doubles each time.
    """
    now = timezone.now()
    count = 0
    for run in Run.objects.light().filter(status=Run.Status.QUEUED, enqueued_at__lte=now - patience):
        waited = min(patience * 2 ** max(run.enqueue_count - 1, 0), LONGEST_REENQUEUE_AFTER)
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
    """End the runs of dead workers of this data folder, enqueue queued runs, and return the ended runs.

    `manage.py up` calls it at its start, while it holds the folder's lock. Live workers, such as one started by
    hand, keep their runs.
    """
    ended = [
        run
        for run in Run.objects.light().filter(status=Run.Status.RUNNING, worker__startswith=f"{folder}/")
        if (is_dead(run.worker) or is_of_earlier_boot(run.worker)) and end_lost(run)
    ]
    reenqueue_unstarted(patience=timedelta(0))
    promote()
    return ended
