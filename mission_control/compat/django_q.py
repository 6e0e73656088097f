"""django-q2 1.11: what we use of its internals, and its defects that we work around.

Used: the ORM broker's methods and `list_key`, the columns of `OrmQ`, `Conf`, `SignedPackage`, and what a job's
payload contains. The cluster itself is in `django_q_cluster.py`, which only workers load.

Defects, by their issue at https://github.com/django-q2/django-q2/issues, and how each is worked around:

- #23, open. A worker that is killed while it waits for a job keeps the lock of the queue that all workers
  share. The cluster looks alive and starts nothing more. → `supervisor/watchdog.py` starts a fresh cluster
  when a run stays queued while workers are free.
- #327. The result of a killed worker's job never reaches the monitor. → No result is stored or read: a
  run has a claim and a lease, and `runs/reaper.py` ends it.
- #247. A job cannot be cancelled. → `Run.stop_requested_at`, which the running job reads.

Without an issue:

- The time after which a job is delivered again (`retry`) begins when the pusher fetches it, not when a worker
  starts it; and attempts are unlimited. → `queue_limit`, `bulk` and `max_attempts` are 1 (`checks.py`
  insists), and a second delivery finds no run to claim.
- A worker calls any function that a payload names, also its `hook` and `chain`. → `queue/broker.py` refuses
  all but our own jobs; the admin's pages of the queue are unregistered.
- `dequeue` raises when the database does not answer; the pusher then sleeps for ten seconds and ends, and a
  new process is forked. → `WakeupBroker.dequeue` waits and tries again.
- An empty queue is polled. → `WakeupBroker.dequeue` waits for a wakeup.
- `get_connection` sends an extra query before each one. → `job_rows`.
- A timeout is a `SystemExit`, raised in the middle of the job. → `runs/execution.py` handles it; its own
  deadline is earlier.
- A signal handler of the cluster waits for the sentinel, and a second signal there can deadlock. →
  `supervisor/forks.py` installs its own.
"""

import pickle
from typing import Any

from django.db.models import QuerySet
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import Failure, OrmQ, Schedule, Success
from django_q.signing import BadSignature, SignedPackage
from django_q.tasks import async_task

__all__ = ["MODELS", "ORM", "async_task", "batch_size", "cluster_name", "job_rows", "poll_seconds", "read_job"]

MODELS = [Failure, OrmQ, Schedule, Success]  # with pages of their own in the admin


class UnreadableJob(Exception):
    """The payload is not a valid job; the message has the reason."""


def job_rows() -> QuerySet[OrmQ]:
    """Return the rows of the queue, without the query that `ORM.get_connection` sends first."""
    rows: QuerySet[OrmQ] = OrmQ.objects.using(Conf.ORM)
    return rows


def cluster_name() -> str:
    """Return the name of the queue that our clusters read."""
    return str(Conf.CLUSTER_NAME)


def batch_size() -> int:
    """Return how many jobs one read of the queue takes."""
    return int(Conf.BULK)


def poll_seconds() -> float:
    """Return the pause between two reads of an empty queue without a wakeup."""
    return float(Conf.POLL)


def read_job(payload: str) -> dict[str, Any]:
    """Return the signed job: `func`, `args`, and perhaps `hook` and `chain`. Raises UnreadableJob."""
    try:
        job: dict[str, Any] = SignedPackage.loads(payload)
        job["func"]
    except (BadSignature, TypeError, KeyError):
        raise UnreadableJob("it is not signed with this installation's secret key") from None
    except (AttributeError, ImportError, pickle.UnpicklingError) as error:
        raise UnreadableJob(f"it cannot be read ({type(error).__name__})") from None
    return job
