"""The queue: job rows in the database, and a doorbell instead of a blind poll.

The row is written in the transaction that needs the job, so that there is no gap between commit and enqueue.
The bell is a hint: SQLite's own commit counter where the queue is a file, a Redis list in the server profile.
"""

import logging
import os
import sqlite3
import time
from functools import cache

import redis
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.tasks import async_task

BELL_SECONDS = 20
LOOK_SECONDS = 0.02  # how often the commit counter is looked at: 4 µs a look
LONGEST_WAIT_SECONDS = 1.0  # after this the queue is read even if nobody rang

logger = logging.getLogger(__name__)


class DoorbellBroker(ORM):
    """django-q2's ORM broker that waits for a bell when the queue is empty.

    The counter is read before the queue: what is committed after that look rings.
    """

    def dequeue(self):
        bell = _bell()
        bell.listen()
        jobs = self.take()
        if jobs is None:
            bell.wait(LONGEST_WAIT_SECONDS)
        return jobs

    def take(self):
        """Return the next job, locked for `retry` seconds, or None when there is none."""
        jobs = self.get_connection().filter(key=self.list_key, lock__lt=timezone.now()).order_by("lock", "id")
        for job in jobs[: Conf.BULK]:
            # Another cluster may have been faster.
            if self.get_connection().filter(id=job.id, lock=job.lock).update(lock=self.timeout(job)):
                return [(job.pk, job.payload)]
        return None


class CommitCounter:
    """Rings when any process commits to the SQLite file (`PRAGMA data_version`)."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(f"file:{path}?mode=rw", uri=True, check_same_thread=False)
        self.seen = self.read()

    def read(self) -> int:
        return self.connection.execute("PRAGMA data_version").fetchone()[0]

    def listen(self) -> None:
        self.seen = self.read()

    def has_rung(self) -> bool:
        """Tell whether somebody committed since `listen`, or since the last time this said so."""
        now = self.read()
        rung, self.seen = now != self.seen, now
        return rung

    def wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self.has_rung() and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)


class RedisBell:
    """Rings when an enqueuer on any machine pushed to the list. Without Redis it is a poll."""

    POLL_SECONDS = 0.2

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=5)
        self.key = f"{settings.REDIS_PREFIX}.bell"

    def listen(self) -> None:
        """Nothing to note: the list keeps what was rung before."""

    def ring(self) -> None:
        try:
            pipeline = self.client.pipeline()
            pipeline.lpush(self.key, 1)
            pipeline.ltrim(self.key, 0, 100)
            pipeline.expire(self.key, BELL_SECONDS)
            pipeline.execute()
        except redis.RedisError as error:
            logger.warning("the doorbell does not ring (%s); workers look by themselves", type(error).__name__)

    def wait(self, seconds: float) -> None:
        try:
            self.client.blpop([self.key], timeout=seconds)
        except redis.RedisError:
            time.sleep(self.POLL_SECONDS)


class Poll:
    """No bell: PostgreSQL without Redis."""

    def listen(self) -> None:
        """Nothing to note."""

    def wait(self, seconds: float) -> None:
        time.sleep(min(seconds, Conf.POLL))


def _bell() -> CommitCounter | RedisBell | Poll:
    return _bell_of(os.getpid())  # no connection outlives a fork


@cache
def _bell_of(pid: int) -> CommitCounter | RedisBell | Poll:
    if settings.REDIS_URL:
        return RedisBell(settings.REDIS_URL)
    if settings.EMBEDDED_DATABASE:
        return CommitCounter(str(settings.DATABASES["default"]["NAME"]))
    return Poll()


@cache
def _broker() -> DoorbellBroker:
    return DoorbellBroker(list_key=Conf.CLUSTER_NAME)


def enqueue(function: str, *args: str) -> None:
    """Write a job for the dotted `function` in the caller's transaction; ring the bell on commit."""
    async_task(function, *args, broker=_broker())
    if settings.REDIS_URL:
        transaction.on_commit(lambda: _bell().ring())
