"""What the worker's watchdog forks: clusters of django-q2 and the reaper, each in a process group of its own.

Forked after the import of everything they need: they share its memory.
"""

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

from django.db import close_old_connections, connections
from django_q.cluster import Cluster
from django_q.conf import Conf

from mission_control.runs.reaper import Reaper
from mission_control.runs.worker_group import GROUP_VARIABLE
from mission_control.runs.workers import workers_of
from pocketpaw_site.supervisor.children import Backoff, cause
from pocketpaw_site.supervisor.database import Outage
from pocketpaw_site.supervisor.signals import held_back

TEND_SECONDS = 2.0
REAP_SECONDS = 2.0
LOOK_SECONDS = 0.25

logger = logging.getLogger(__name__)


class Fork:
    """A forked process that leads a process group."""

    def __init__(self, name: str, target: Callable[..., object], *args: object) -> None:
        """Fork. From the main thread only; see parentage. No database connection may cross the fork."""
        connections.close_all()
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=_lead_group, args=[target, *args], name=name)
        with held_back():
            self._process.start()
        assert self._process.pid is not None, "it was started"
        self.pid = self._process.pid
        with suppress(OSError):  # either of us may be first, and it may have ended
            os.setpgid(self.pid, self.pid)

    @property
    def runs(self) -> bool:
        return self._process.is_alive()

    @property
    def exit_status(self) -> int:
        return self._process.exitcode or 0

    def terminate(self) -> None:
        if self.runs:
            os.kill(self.pid, signal.SIGTERM)

    def kill_group(self) -> None:
        """Kill it with all that it forked, and wait for its end."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.join()


Made = TypeVar("Made", bound=Fork)


class Kept(Generic[Made]):
    """A fork that is made again when it has ended."""

    def __init__(self, name: str, make: Callable[[], Made]) -> None:
        self.name = name
        self.make = make
        self.backoff = Backoff()
        self.fork: Made | None = None

    @property
    def runs(self) -> bool:
        return self.fork is not None and self.fork.runs

    def tend(self) -> float:
        """Make it, again if it has ended and the time has come; return in how many seconds to look again."""
        if self.runs:
            return TEND_SECONDS
        if self.fork is not None:
            dead, self.fork = self.fork, None
            dead.kill_group()  # what it forked ends with it; here at the latest
            wait = self.backoff.ended()
            how = cause(dead.exit_status)
            logger.error("the %s (pid %d) %s; starting it again in %.1f s", self.name, dead.pid, how, wait)
            return wait
        if time.monotonic() < self.backoff.due_at:
            return self.backoff.due_at - time.monotonic()
        self.fork = self.make()
        self.backoff.started()
        if self.backoff.due_at:
            logger.warning("the %s was started again as pid %d", self.name, self.fork.pid)
        return TEND_SECONDS


def _lead_group(target: Callable[..., object], *args: object) -> None:
    with suppress(OSError):
        os.setpgid(0, 0)
    target(*args)


class ReaperFork(Fork):
    """The reaper of this worker program."""

    def __init__(self) -> None:
        super().__init__("reaper", reap)


def reap() -> None:
    """Look again and again; a database that is away is waited for."""
    reaper, outage = Reaper(), Outage()
    while True:
        with outage.tolerated():
            reaper.tick()
        close_old_connections()
        time.sleep(REAP_SECONDS)


class ClusterFork(Fork):
    """A django-q2 cluster. Its workers are a group of their own, so that it is known which runs are its."""

    def __init__(self, *, group: str, workers: int) -> None:
        self.workers = workers
        self.worker_prefix = workers_of(group)
        self.retired_at = 0.0  # on the monotonic clock
        self._reader, writer = multiprocessing.Pipe(duplex=False)
        super().__init__("cluster", run_cluster, group, workers, writer)
        writer.close()

    @property
    def is_up(self) -> bool:
        """Tell whether it runs and its workers have been made."""
        return self.runs and self._reader.poll()

    def retire(self) -> None:
        """Let it finish what it runs and take nothing new."""
        self.retired_at = time.monotonic()
        self.terminate()


def run_cluster(group: str, workers: int, up: Connection) -> None:
    """Run a cluster until SIGTERM, then until its runs have ended. Exits with 1 when it ended by itself."""
    os.environ[GROUP_VARIABLE] = group
    Conf.WORKERS = workers
    told: list[int] = []
    cluster = Cluster()
    # Its own handlers join the sentinel from within the signal; a second signal there can deadlock.
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cluster.start()
    up.send(True)
    while not told and not wait([cluster.sentinel.sentinel], LOOK_SECONDS):
        continue
    if told:
        cluster.stop()
    sys.exit(0 if told else 1)
