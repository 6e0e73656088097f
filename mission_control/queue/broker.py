"""The queue: job rows in the database, and a doorbell instead of a blind poll.

The row is written in the transaction that needs the job, so that there is no gap between commit and enqueue.
"""

import logging
import pickle
import time
from datetime import timedelta
from functools import cache

from django.db import DatabaseError, close_old_connections, transaction
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import BadSignature, SignedPackage
from django_q.tasks import async_task

from mission_control.queue.wakeup import LONGEST_WAIT_SECONDS, jobs_bell, ring_for_jobs

AWAY_SECONDS = 0.5  # between two looks while the database does not answer

# What workers call. A row of the queue or of the schedules names a function; any other would be a shell.
JOBS = frozenset(f"mission_control.jobs.{name}" for name in ("execute_run", "mark_offline", "remind_reviews"))

Jobs = list[tuple[int, str]]  # the row's key and the signed call

logger = logging.getLogger(__name__)


class DoorbellBroker(ORM):
    """django-q2's ORM broker that waits for a bell when the queue is empty.

    It listens before it looks into the queue: what is committed after that look rings.
    """

    is_away = False  # the database, at the last look
    delay_seconds = 0.0  # from the writing of a job until it may be taken

    def enqueue(self, task: str) -> int:
        due = timezone.now() + timedelta(seconds=self.delay_seconds)
        row = OrmQ.objects.using(Conf.ORM).create(key=self.list_key, payload=task, lock=due)
        return int(row.pk)

    def dequeue(self) -> Jobs | None:
        bell = jobs_bell()
        bell.listen()
        try:
            jobs = self.take()
        except DatabaseError as error:  # django-q2 would pause for ten seconds and begin a new process
            if not self.is_away:
                logger.warning("the queue cannot be read (%s); looking again", type(error).__name__)
            self.is_away = True
            close_old_connections()
            time.sleep(AWAY_SECONDS)
            return None
        self.is_away = False
        if jobs is None:
            bell.wait(LONGEST_WAIT_SECONDS)
        return jobs

    def acknowledge(self, task_id: int) -> None:
        """Remove a job that was done. One that stays comes once more, and finds nothing to claim."""
        try:
            super().acknowledge(task_id)
        except DatabaseError as error:
            logger.warning("a job that was done stays in the queue (%s)", type(error).__name__)

    def take(self) -> Jobs | None:
        """Return the next job, locked for `retry` seconds, or None when there is none."""
        # Not by `get_connection`, which asks the database before each query whether it is there.
        queue = OrmQ.objects.using(Conf.ORM)
        for job in queue.filter(key=self.list_key, lock__lt=timezone.now()).order_by("lock", "id")[: Conf.BULK]:
            # Another cluster may have been faster.
            if queue.filter(id=job.id, lock=job.lock).update(lock=self.timeout(job)):
                if problem := refused(job.payload):
                    logger.error("a job was removed from the queue unexecuted: %s", problem)
                    queue.filter(id=job.id).delete()
                    continue
                return [(job.pk, job.payload)]
        return None


def refused(payload: str) -> str | None:
    """Return why a worker must not carry out the job, None when it is one of the product's own."""
    try:
        job = SignedPackage.loads(payload)
        function = job["func"]
    except (BadSignature, TypeError, KeyError):
        return "it is not signed with this installation's secret key"
    except (AttributeError, ImportError, pickle.UnpicklingError) as error:
        return f"it cannot be read ({type(error).__name__})"
    if not isinstance(function, str) or function not in JOBS:
        return f"{function!r:.200} is not a job of this product"
    if job.get("hook") or job.get("chain"):
        return f"{function} came with a function to call afterwards"
    return None


@cache
def _broker(delay_seconds: float) -> DoorbellBroker:
    broker = DoorbellBroker(list_key=Conf.CLUSTER_NAME)
    broker.delay_seconds = delay_seconds
    return broker


def enqueue(function: str, *args: str, delay_seconds: float = 0.0) -> None:
    """Write a job for the dotted `function` in the caller's transaction; ring the bell on commit.

    Nobody takes it before `delay_seconds` have passed.
    """
    async_task(function, *args, broker=_broker(delay_seconds))
    transaction.on_commit(ring_for_jobs)
