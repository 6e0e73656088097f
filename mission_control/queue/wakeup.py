"""Bells: how a process that waits for the database's news is woken at once instead of looking blindly.

Each is a hint. What it rings for is committed before; a bell that is lost only delays, because everybody who
waits for one also looks by themselves, less often.
"""

import logging
import os
import select
import sqlite3
import stat
import time
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Protocol

from django.conf import settings
from django_q.conf import Conf

if TYPE_CHECKING:
    from mission_control.queue.redis import RedisBell

LOOK_SECONDS = 0.04  # how often the commit counter is looked at: 4 µs a look
LONGEST_WAIT_SECONDS = 1.0  # after this the queue is read even if nobody rang
JOBS, NEWS = "jobs", "news"  # rung for whom: a cluster, the followers of web processes

logger = logging.getLogger(__name__)


class CommitCounter:
    """Rings when any process commits to the SQLite file (`PRAGMA data_version`)."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(f"file:{path}?mode=rw", uri=True, check_same_thread=False)
        self.seen = self.read()

    def read(self) -> int:
        version: int = self.connection.execute("PRAGMA data_version").fetchone()[0]
        return version

    def listen(self) -> None:
        self.seen = self.read()

    def has_rung(self) -> bool:
        """Tell whether somebody committed since `listen`, or since the last time this said so."""
        now = self.read()
        rung, self.seen = now != self.seen, now
        return rung


def commit_counter() -> CommitCounter | None:
    """Return a new counter of the embedded database's commits; None where the database is a server."""
    return CommitCounter(str(settings.DATABASES["default"]["NAME"])) if settings.EMBEDDED_DATABASE else None


class Pipe:
    """A named pipe in the data folder: one byte a ring, heard by one listener, without a look in between."""

    def __init__(self, name: str) -> None:
        """Make the pipe where there is none. Raises OSError where the folder cannot hold one."""
        self.path = settings.DATA_DIR / f"{name}.bell"
        with suppress(FileNotFoundError):
            if not stat.S_ISFIFO(self.path.lstat().st_mode):
                self.path.unlink()
        with suppress(FileExistsError):
            os.mkfifo(self.path, 0o600)
        # For reading and writing: it stays open when those who ring come and go.
        self.fileno = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def wait(self, seconds: float) -> bool:
        """Wait for a ring so long at most; tell whether there was one."""
        poll = select.poll()  # `select` takes no descriptor above 1,023
        poll.register(self.fileno, select.POLLIN)
        ready = poll.poll(max(seconds, 0) * 1000)
        if ready:
            self.clear()
        return bool(ready)

    def clear(self) -> None:
        """Forget the rings so far. Another listener may have heard them first."""
        with suppress(BlockingIOError):
            os.read(self.fileno, 65_536)

    def close(self) -> None:
        os.close(self.fileno)


def ring_pipe(name: str) -> None:
    """Ring a pipe if somebody listens; never waits, never raises."""
    with suppress(OSError):  # nobody has it open, or it is full of rings already
        pipe = os.open(settings.DATA_DIR / f"{name}.bell", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(pipe, b"!")
        finally:
            os.close(pipe)


class Bell(Protocol):
    """What a cluster waits at. `listen` comes before the look at the queue: what is rung after it is heard."""

    def listen(self) -> None: ...

    def wait(self, seconds: float) -> None: ...


class LocalBell:
    """Between the processes of one data folder: a pipe, and SQLite's commit counter for what rings none."""

    def __init__(self) -> None:
        self.pipe = Pipe(JOBS)
        self.counter = commit_counter()

    def listen(self) -> None:
        if self.counter is not None:
            self.counter.listen()

    def wait(self, seconds: float) -> None:
        deadline = time.monotonic() + (seconds if self.counter is not None else Conf.POLL)
        while (left := deadline - time.monotonic()) > 0:
            if self.pipe.wait(min(left, LOOK_SECONDS)) or (self.counter is not None and self.counter.has_rung()):
                return


def jobs_bell() -> Bell:
    """Return the process's bell for jobs."""
    return _bell_of(os.getpid())  # no connection outlives a fork


def ring_for_jobs() -> None:
    """Wake the clusters; never raises. Waits for Redis, where there is one, a second at most."""
    if settings.REDIS_URL:
        _redis_bell(os.getpid()).ring()
    else:
        ring_pipe(JOBS)


@cache
def _bell_of(pid: int) -> Bell:
    return _redis_bell(pid) if settings.REDIS_URL else LocalBell()


@cache
def _redis_bell(_pid: int) -> "RedisBell":
    from mission_control.queue.redis import RedisBell  # redis takes 9 MB: only where there is one

    return RedisBell(settings.REDIS_URL)
