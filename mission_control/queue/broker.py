"""The job queue: rows in the database, with a wakeup in place of frequent polling.

A job's row is written in the transaction that needs the job, so a committed change always has its job.
"""

import logging
import time
from datetime import timedelta
from functools import cache

from django.db import DatabaseError, close_old_connections, transaction
from django.utils import timezone

from mission_control.compat.django_q import (
    ORM,
    UnreadableJob,
    async_task,
    batch_size,
    cluster_name,
    job_rows,
    read_job,
)
from mission_control.queue.wakeup import LONGEST_WAIT_SECONDS, jobs_wakeup, wake_clusters

RETRY_SECONDS = 0.5  # between two attempts to read the queue while the database does not answer

# The functions that workers may call. A row of the queue or of the schedules names its function: if any function
# were allowed, anyone who can write a row could run any code.
JOBS = frozenset(
    f"mission_control.jobs.{name}" for name in ("execute_run", "install_sdk", "mark_offline", "remind_reviews")
)

Jobs = list[tuple[int, str]]  # the row's key and the signed call

logger = logging.getLogger(__name__)


class WakeupBroker(ORM):
    """django-q2's ORM broker, which waits for a wakeup when the queue is empty.

    It starts to listen before it reads the queue, so a job that is committed after the read wakes it. What it
    overrides, and why: `compat/django_q.py`.
    """

    is_database_away = False  # at the last read
    delay_seconds = 0.0  # from writing a job until a worker may take it

    def enqueue(self, task: str) -> int:
        due = timezone.now() + timedelta(seconds=self.delay_seconds)
        row = job_rows().create(key=self.list_key, payload=task, lock=due)
        return int(row.pk)

    def dequeue(self) -> Jobs | None:
        wakeup = jobs_wakeup()
        wakeup.listen()
        try:
            jobs = self.take()
        except DatabaseError as error:  # django-q2 would pause for ten seconds and begin a new process
            if not self.is_database_away:
                logger.warning("the queue cannot be read (%s); trying again", type(error).__name__)
            self.is_database_away = True
            close_old_connections()
            time.sleep(RETRY_SECONDS)
            return None
        self.is_database_away = False
        if jobs is None:
            wakeup.wait(LONGEST_WAIT_SECONDS)
        return jobs

    def acknowledge(self, task_id: int) -> None:
        """Remove a finished job. If that fails the job is delivered once more, and finds nothing to claim."""
        try:
            super().acknowledge(task_id)
        except DatabaseError as error:
            logger.warning("a finished job stays in the queue (%s)", type(error).__name__)

    def take(self) -> Jobs | None:
        """Return the next job, locked for `retry` seconds, or None when there is none."""
        queue = job_rows()
        due = queue.filter(key=self.list_key, lock__lt=timezone.now()).order_by("lock", "id")
        for job in due[: batch_size()]:
            # Another cluster may have taken it since the read.
            if queue.filter(id=job.id, lock=job.lock).update(lock=self.timeout(job)):
                if problem := refusal_reason(job.payload):
                    logger.error("a job was removed from the queue unexecuted: %s", problem)
                    queue.filter(id=job.id).delete()
                    continue
                return [(job.pk, job.payload)]
        return None


def refusal_reason(payload: str) -> str | None:
    """Return why a worker must not run the job; None for a valid job of this product."""
    try:
        job = read_job(payload)
    except UnreadableJob as problem:
        return str(problem)
    function = job["func"]
    if not isinstance(function, str) or function not in JOBS:
        return f"{function!r:.200} is not a job of this product"
    if job.get("hook") or job.get("chain"):
        return f"{function} came with a function to call afterwards"
    return None


@cache
def _broker(delay_seconds: float) -> WakeupBroker:
    broker = WakeupBroker(list_key=cluster_name())
    broker.delay_seconds = delay_seconds
    return broker


def enqueue(function: str, *args: str, delay_seconds: float = 0.0) -> None:
    """Write a job for the dotted `function` in the caller's transaction, and wake the clusters on commit.

    No worker takes it before `delay_seconds` have passed.
    """
    assert function in JOBS, f"no worker would carry out {function}"
    async_task(function, *args, broker=_broker(delay_seconds))
    transaction.on_commit(wake_clusters)
