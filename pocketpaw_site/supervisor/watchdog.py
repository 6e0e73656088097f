"""`manage.py worker`: the watchdog, which runs a cluster and a reaper."""

import logging
import os
import signal
import time
import uuid
from datetime import timedelta
from importlib import import_module

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.utils import timezone
from django.utils.module_loading import import_string

from agents.backends import registry
from mission_control.health.versions import check_schema
from mission_control.models import Capacity, Run
from mission_control.runs import workers
from mission_control.runs.lifecycle import abandon, interrupt
from mission_control.runs.reaper import reenqueue_unstarted
from mission_control.runs.worker_group import GROUP_VARIABLE
from pocketpaw_site.collector import tune_collector
from pocketpaw_site.environment import SetupError
from pocketpaw_site.supervisor.connections import warn_of_few_connections
from pocketpaw_site.supervisor.database import OutageTolerance
from pocketpaw_site.supervisor.forks import ClusterFork, ReaperFork, SupervisedFork
from pocketpaw_site.supervisor.readiness import ReadinessSender
from pocketpaw_site.supervisor.signals import Signals
from pocketpaw_site.supervisor.terminal import say, say_runs

POLL_SECONDS, STARTING_SECONDS, BEAT_SECONDS = 2.0, 0.05, 5.0
QUEUED_SECONDS = 10.0  # a run queued for longer while workers are free means a dead cluster
REPLACE_SECONDS, LONGEST_REPLACE_SECONDS = (
    15.0,
    240.0,
)  # between two replacements; doubled while it is no help
RETIRED_SECONDS = 10.0  # how long a retired cluster without runs may take to end
STOP_SECONDS, LAST_SECONDS = 4.5, 9
INTERRUPT_SECONDS = 0.25

logger = logging.getLogger(__name__)
Status = Run.Status


class Watchdog:
    """Restarts a cluster and a reaper, and detects a cluster that is alive but does not work.

    django-q2's workers share a queue; a worker that is killed while it holds the queue's lock blocks all others,
    which then look alive although no run starts (#23 in `compat/django_q.py`). The sign is a run that stays queued
    while workers are free. The watchdog then starts a new cluster beside the dead one, which finishes its current
    runs.
    """

    def __init__(self, signals: Signals, *, fixed_workers: int | None = None) -> None:
        self.signals = signals
        self.readiness_sender = ReadinessSender()
        self.fixed_workers = fixed_workers
        self.group = os.environ.setdefault(GROUP_VARIABLE, uuid.uuid4().hex)
        self.outage = OutageTolerance()
        self.reaper = SupervisedFork("reaper", ReaperFork)
        self.supervised_cluster = SupervisedFork("cluster", self.create_cluster)
        self.retired: list[ClusterFork] = []
        self.clusters_created = 0
        self.wanted_workers = 0
        self.queued_since: dict[uuid.UUID, float] = {}
        self.replaced_at, self.replace_seconds = 0.0, REPLACE_SECONDS
        self.jobs_may_be_lost = False
        self.beat_at = 0.0

    def run(self) -> None:
        """Work until a stop signal, then interrupt the runs. Raises SetupError, WrongSchema."""
        if not self.wait_for_database():
            return
        import_shared_modules()
        tune_collector()  # before the forks, so that no collection in a fork copies shared memory
        try:
            self.watch()
        finally:
            self.stop()

    def watch(self) -> None:
        """Restart processes and run the ticks until a stop signal."""
        tick_at = 0.0
        while not self.signals.stops:
            wait = min(self.reaper.ensure_running(), self.supervised_cluster.ensure_running())
            cluster = self.cluster
            if cluster is None or not cluster.is_up:
                self.signals.wait(min(wait, STARTING_SECONDS))
                continue
            if time.monotonic() >= tick_at:
                with self.outage.tolerated():
                    self.tick(cluster)
                tick_at = time.monotonic() + POLL_SECONDS
            self.signals.wait(min(wait, tick_at - time.monotonic()))

    def wait_for_database(self) -> bool:
        """Wait until the database answers; return False on a stop signal."""
        while not self.signals.stops:
            with self.outage.tolerated():
                if Capacity._meta.db_table not in connection.introspection.table_names():
                    raise SetupError(
                        "the database is not prepared; run `manage.py up` or `manage.py migrate` first"
                    )
                check_schema()
                refuse_other_key()
                self.wanted_workers = self.fixed_workers or Capacity.current().limit + 1
                warn_of_few_connections(self.wanted_workers)
                return True
            self.signals.wait(POLL_SECONDS)
        return False

    @property
    def cluster(self) -> ClusterFork | None:
        return self.supervised_cluster.fork

    def create_cluster(self) -> ClusterFork:
        self.clusters_created += 1
        self.jobs_may_be_lost = self.clusters_created > 1  # jobs that the previous cluster had taken
        return ClusterFork(group=f"{self.group}.{self.clusters_created}", workers=self.wanted_workers)

    def replace(self, cluster: ClusterFork) -> None:
        """Start a new cluster beside the current one, which takes no new runs and ends after its current ones."""
        cluster.retire()
        self.retired.append(cluster)
        self.supervised_cluster.fork = self.create_cluster()
        self.replaced_at = time.monotonic()
        self.queued_since = {}

    def tick(self, cluster: ClusterFork) -> None:
        """Send the heartbeat, adapt the number of workers to the limit, and replace a dead cluster."""
        if time.monotonic() >= self.beat_at:
            workers.send_heartbeat(cluster.workers)
            self.readiness_sender.send()
            self.beat_at = time.monotonic() + BEAT_SECONDS
        if self.jobs_may_be_lost and time.monotonic() >= self.replaced_at + POLL_SECONDS:
            reenqueue_unstarted(patience=timedelta(0))
            self.jobs_may_be_lost = False
        self.wanted_workers = self.fixed_workers or Capacity.current().limit + 1
        if self.wanted_workers != cluster.workers:
            logger.warning("from now on %d workers, before %d", self.wanted_workers, cluster.workers)
            self.replace(cluster)
        elif self.is_dead(cluster):
            logger.error("a run stays queued while workers are free: a new cluster takes over")
            self.replace(cluster)
            self.replace_seconds = min(self.replace_seconds * 2, LONGEST_REPLACE_SECONDS)
        self.end_retired()

    def is_dead(self, cluster: ClusterFork) -> bool:
        """Return whether a run stays queued while workers are free, measured on the monotonic clock."""
        now = time.monotonic()
        queued = Run.objects.filter(status=Status.QUEUED).values_list("pk", "declined_hosts")
        # The others wait for other machines.
        ours = [pk for pk, declined in queued if settings.HOST_NAME not in declined]
        self.queued_since = {pk: self.queued_since.get(pk, now) for pk in ours}
        if self.running_in(cluster) >= cluster.workers:
            self.queued_since = {}
        if all(now - since < QUEUED_SECONDS for since in self.queued_since.values()):
            if now - self.replaced_at > LONGEST_REPLACE_SECONDS:
                self.replace_seconds = REPLACE_SECONDS
            return False
        if self.has_worked(cluster):  # the last replacement helped, and the cluster died later
            self.replace_seconds = REPLACE_SECONDS
        return now - self.replaced_at >= self.replace_seconds

    def has_worked(self, cluster: ClusterFork) -> bool:
        """Return whether a cluster has a current run, or ended one recently."""
        lately = timezone.now() - timedelta(seconds=LONGEST_REPLACE_SECONDS)
        begun = Run.objects.filter(worker__startswith=cluster.worker_prefix)
        return begun.filter(Q(status=Status.RUNNING) | Q(finished_at__gte=lately)).exists()

    def end_retired(self) -> None:
        """Kill retired clusters without runs that do not end: idle workers that wait for a lock never do."""
        for cluster in list(self.retired):
            overdue = time.monotonic() - cluster.retired_at >= RETIRED_SECONDS
            if not cluster.runs or (overdue and not self.running_in(cluster)):
                cluster.kill_group()
                self.retired.remove(cluster)

    def running_in(self, cluster: ClusterFork) -> int:
        return Run.objects.filter(status=Status.RUNNING, worker__startswith=cluster.worker_prefix).count()

    def stop(self) -> None:
        """Interrupt the runs and end every process. A second signal kills at once."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LAST_SECONDS)  # if anything hangs: all our forks end with this process
        workers.stop_claiming()
        clusters = [cluster for cluster in (self.cluster, *self.retired) if cluster is not None]
        for cluster in clusters:
            cluster.terminate()
        if self.reaper.fork is not None:
            self.reaper.fork.kill_group()
        interrupted = self.interrupt_until_ended(clusters)
        for cluster in clusters:
            cluster.kill_group()
        with self.outage.tolerated():
            abandoned = abandon(self.all_workers)
            reenqueue_unstarted(patience=timedelta(0))  # jobs that our workers took but did not start
            unlucky = [run.pk for run in (*interrupted, *abandoned)]
            say_runs("Interrupted", Run.objects.light().filter(pk__in=unlucky).exclude(status=Status.COMPLETED))
            workers.forget_group()
        signal.alarm(0)

    @property
    def all_workers(self) -> str:
        """The common prefix of the names of all our clusters' workers."""
        return workers.workers_of(self.group).removesuffix("/")

    def interrupt_until_ended(self, clusters: list[ClusterFork]) -> list[Run]:
        """Request every run to stop, repeatedly for newly claimed ones, until the clusters end or time is up."""
        interrupted: list[Run] = []
        stops, deadline = self.signals.stops, time.monotonic() + STOP_SECONDS
        while any(cluster.runs for cluster in clusters):
            if self.signals.stops > stops or time.monotonic() > deadline:
                break
            with self.outage.tolerated():
                newly_interrupted = interrupt(self.all_workers)
                if newly_interrupted:
                    say(
                        f"Stopping {len(newly_interrupted)} active run{'s' if len(newly_interrupted) > 1 else ''}."
                    )
                interrupted += newly_interrupted
            self.signals.wait(INTERRUPT_SECONDS)
        return interrupted


def import_shared_modules() -> None:
    """Import the modules that each fork would import at its first run, so that the forks share their memory."""
    for name in ("mission_control.jobs", "mission_control.scheduling.scheduler", "django.db.models.sql.compiler"):
        import_module(name)
    registry.describe()  # every backend
    if settings.REDIS_URL:
        import_module("mission_control.queue.redis")
        import_string(str(settings.CHANNEL_LAYERS["default"]["BACKEND"]))


def refuse_other_key() -> None:
    """Raise SetupError if there are live workers that sign their jobs with another secret key."""
    other = workers.group_with_other_key()
    if other is not None:
        raise SetupError(
            f"the workers on {other.host} have another SECRET_KEY; give every machine the same, "
            "or the jobs of one are refused by the other"
        )
