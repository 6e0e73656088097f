"""The forks of the worker's watchdog: django-q2's clusters and the reaper, each in its own process group.

They are forked after all imports, so that they share the memory of the modules.
"""

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

from django.db import close_old_connections, connections

from mission_control.compat.django_q_cluster import OwnCluster
from mission_control.runs.reaper import Reaper
from mission_control.runs.worker_group import GROUP_VARIABLE
from mission_control.runs.workers import workers_of
from pocketpaw_site.supervisor.children import Backoff, exit_reason
from pocketpaw_site.supervisor.database import OutageTolerance
from pocketpaw_site.supervisor.signals import stop_signals_blocked

CHECK_SECONDS = 2.0
REAP_SECONDS = 2.0
POLL_SECONDS = 0.25

logger = logging.getLogger(__name__)


class Fork:
    """A forked process that leads a process group."""

    def __init__(self, name: str, target: Callable[..., object], *args: object) -> None:
        """Fork. Call it only from the main thread; see parentage.py. Closes all database connections first."""
        connections.close_all()
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=_lead_group, args=[target, *args], name=name)
        with stop_signals_blocked():
            self._process.start()
        assert self._process.pid is not None, "it was started"
        self.pid = self._process.pid
        with suppress(OSError):  # both processes set it, in any order, and the child may have ended
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
        """Kill it and its own forks, and wait for its end."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.join()


ForkType = TypeVar("ForkType", bound=Fork)


class SupervisedFork(Generic[ForkType]):
    """A fork that is restarted when it has ended."""

    def __init__(self, name: str, create: Callable[[], ForkType]) -> None:
        self.name = name
        self.create = create
        self.backoff = Backoff()
        self.fork: ForkType | None = None

    @property
    def runs(self) -> bool:
        return self.fork is not None and self.fork.runs

    def ensure_running(self) -> float:
        """Start it, or restart it if it has ended and the pause is over.

        Return the seconds until the next call.
        """
        if self.runs:
            return CHECK_SECONDS
        if self.fork is not None:
            dead, self.fork = self.fork, None
            dead.kill_group()  # end its own forks as well
            wait = self.backoff.ended()
            how = exit_reason(dead.exit_status)
            logger.error("the %s (pid %d) %s; starting it again in %.1f s", self.name, dead.pid, how, wait)
            return wait
        if time.monotonic() < self.backoff.due_at:
            return self.backoff.due_at - time.monotonic()
        self.fork = self.create()
        self.backoff.started()
        if self.backoff.due_at:
            logger.warning("the %s was started again as pid %d", self.name, self.fork.pid)
        return CHECK_SECONDS


def _lead_group(target: Callable[..., object], *args: object) -> None:
    with suppress(OSError):
        os.setpgid(0, 0)
    target(*args)


class ReaperFork(Fork):
    """The reaper of this `manage.py worker`."""

    def __init__(self) -> None:
        super().__init__("reaper", reap)


def reap() -> None:
    """Run the reaper's tick every two seconds; wait during an outage of the database."""
    reaper, outage = Reaper(), OutageTolerance()
    while True:
        with outage.tolerated():
            reaper.tick()
        close_old_connections()
        time.sleep(REAP_SECONDS)


class ClusterFork(Fork):
    """A django-q2 cluster. Its workers are a group of their own, so that its runs can be found."""

    def __init__(self, *, group: str, workers: int) -> None:
        self.workers = workers
        self.worker_prefix = workers_of(group)
        self.retired_at = 0.0  # on the monotonic clock
        self._reader, writer = multiprocessing.Pipe(duplex=False)
        super().__init__("cluster", run_cluster, group, workers, writer)
        writer.close()

    @property
    def is_up(self) -> bool:
        """Return whether it runs and its workers have started."""
        return self.runs and self._reader.poll()

    def retire(self) -> None:
        """Let it finish its current runs and take no new ones."""
        self.retired_at = time.monotonic()
        self.terminate()


def run_cluster(group: str, workers: int, up: Connection) -> None:
    """Run a cluster until SIGTERM, then until its runs have ended. Exits with 1 if it ended without a signal."""
    os.environ[GROUP_VARIABLE] = group
    stop_signals: list[int] = []
    cluster = OwnCluster(workers=workers)
    # The cluster's own handlers join the sentinel within the signal handler; a second signal there can deadlock.
    signal.signal(signal.SIGTERM, lambda number, _: stop_signals.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cluster.start()
    up.send(True)
    while not stop_signals and not cluster.ends_within(POLL_SECONDS):
        continue
    if stop_signals:
        cluster.stop()
    sys.exit(0 if stop_signals else 1)
