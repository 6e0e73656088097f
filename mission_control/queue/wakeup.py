"""Wakeups: end a process's wait for new database rows at once, so that it need not poll often.

They are best effort. The rows are committed before the wakeup is sent; a lost wakeup only causes a delay, because
every waiting process also polls the database, less often.
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

from mission_control.compat.django_q import poll_seconds

if TYPE_CHECKING:
    from mission_control.queue.redis import RedisWakeup

COUNTER_POLL_SECONDS = 0.04  # how often the commit counter is read: 4 µs a read
LONGEST_WAIT_SECONDS = 1.0  # after this the queue is read even without a wakeup
JOBS, NEW_ROWS = "jobs", "news"  # pipes for clusters, and for the relays of web processes

logger = logging.getLogger(__name__)


class CommitCounter:
    """Detects that any process has committed to the SQLite file (`PRAGMA data_version`)."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(f"file:{path}?mode=rw", uri=True, check_same_thread=False)
        self.seen = self.read()

    def read(self) -> int:
        version: int = self.connection.execute("PRAGMA data_version").fetchone()[0]
        return version

    def listen(self) -> None:
        self.seen = self.read()

    def has_changed(self) -> bool:
        """Return whether any process committed since `listen` or the last call."""
        now = self.read()
        changed, self.seen = now != self.seen, now
        return changed


def commit_counter() -> CommitCounter | None:
    """Return a new commit counter for the embedded database; None on a database server."""
    return CommitCounter(str(settings.DATABASES["default"]["NAME"])) if settings.EMBEDDED_DATABASE else None


class WakeupPipe:
    """A named pipe in the data folder: one byte per wakeup, received by one listener, without polling."""

    def __init__(self, name: str) -> None:
        """Open the pipe; create it if needed. Raises OSError where the file system does not support pipes."""
        self.path = settings.DATA_DIR / f"{name}.bell"
        with suppress(FileNotFoundError):
            if not stat.S_ISFIFO(self.path.lstat().st_mode):
                self.path.unlink()
        with suppress(FileExistsError):
            os.mkfifo(self.path, 0o600)
        # Opened for reading and writing, so that it stays open when the last sender closes it.
        self.fileno = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def wait(self, seconds: float) -> bool:
        """Wait for a wakeup for at most `seconds`; return whether one came."""
        poll = select.poll()  # `select` takes no descriptor above 1,023
        poll.register(self.fileno, select.POLLIN)
        ready = poll.poll(max(seconds, 0) * 1000)
        if ready:
            self.clear()
        return bool(ready)

    def clear(self) -> None:
        """Discard the wakeups so far. Another listener may have read them first."""
        with suppress(BlockingIOError):
            os.read(self.fileno, 65_536)

    def close(self) -> None:
        os.close(self.fileno)


def wake_listener(name: str) -> None:
    """Send a wakeup to the pipe's listener, if there is one; never waits, never raises."""
    with suppress(OSError):  # no listener has it open, or it is already full
        pipe = os.open(settings.DATA_DIR / f"{name}.bell", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(pipe, b"!")
        finally:
            os.close(pipe)


class Wakeup(Protocol):
    """What a cluster waits for.

    Call `listen` before reading the queue: a wakeup that is sent after it ends the next `wait`.
    """

    def listen(self) -> None: ...

    def wait(self, seconds: float) -> None: ...


class LocalWakeup:
    """For the processes of one data folder: a pipe, and SQLite's commit counter for commits that use no pipe."""

    def __init__(self) -> None:
        self.pipe = WakeupPipe(JOBS)
        self.counter = commit_counter()

    def listen(self) -> None:
        if self.counter is not None:
            self.counter.listen()

    def wait(self, seconds: float) -> None:
        deadline = time.monotonic() + (seconds if self.counter is not None else poll_seconds())
        while (left := deadline - time.monotonic()) > 0:
            if self.pipe.wait(min(left, COUNTER_POLL_SECONDS)) or (
                self.counter is not None and self.counter.has_changed()
            ):
                return


def jobs_wakeup() -> Wakeup:
    """Return the process's wakeup for jobs."""
    return _wakeup_of(os.getpid())  # no connection outlives a fork


def wake_clusters() -> None:
    """Wake the clusters; never raises. Waits for Redis, if configured, a second at most."""
    if settings.REDIS_URL:
        _redis_wakeup(os.getpid()).wake()
    else:
        wake_listener(JOBS)


@cache
def _wakeup_of(pid: int) -> Wakeup:
    return _redis_wakeup(pid) if settings.REDIS_URL else LocalWakeup()


@cache
def _redis_wakeup(_pid: int) -> "RedisWakeup":
    from mission_control.queue.redis import RedisWakeup  # imported only if configured: redis takes 9 MB

    return RedisWakeup(settings.REDIS_URL)
