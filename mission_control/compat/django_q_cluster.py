"""django-q2 1.11's cluster: its processes, started and watched from ours. Its defects: `django_q.py`.

Used: `Conf.WORKERS`, read when a cluster starts, and `Cluster.sentinel`, the process that forks and keeps the
workers.
"""

from multiprocessing.connection import wait

from django_q.cluster import Cluster
from django_q.conf import Conf


class OwnCluster:
    """A cluster of this process. Making one installs django-q2's signal handlers: replace them before `start`."""

    def __init__(self, *, workers: int) -> None:
        Conf.WORKERS = workers
        self._cluster = Cluster()

    def start(self) -> None:
        """Start it, and return when its workers have been forked."""
        self._cluster.start()

    def ends_within(self, seconds: float) -> bool:
        """Wait at most this long for its end; return whether it has ended."""
        return bool(wait([self._cluster.sentinel.sentinel], seconds))

    def stop(self) -> None:
        """Let it finish the jobs that run, take no more, and wait for its end."""
        self._cluster.stop()
