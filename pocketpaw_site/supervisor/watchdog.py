"""`manage.py worker`: a cluster that works, a reaper, and the watchdog that keeps both."""

import gc
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
from pocketpaw_site.environment import SetupError
from pocketpaw_site.supervisor.connections import warn_of_few_connections
from pocketpaw_site.supervisor.database import Outage
from pocketpaw_site.supervisor.forks import ClusterFork, Kept, ReaperFork
from pocketpaw_site.supervisor.readiness import Teller
from pocketpaw_site.supervisor.signals import Signals
from pocketpaw_site.supervisor.terminal import say, say_runs

LOOK_SECONDS, STARTING_SECONDS, BEAT_SECONDS = 2.0, 0.05, 5.0
QUEUED_SECONDS = 10.0  # queued for so long beside free workers: the cluster is dead
REPLACE_SECONDS, LONGEST_REPLACE_SECONDS = (
    15.0,
    240.0,
)  # between two replacements; doubled while it is no help
RETIRED_SECONDS = 10.0  # how long a retired cluster without runs may take to end by itself
STOP_SECONDS, LAST_SECONDS = 4.5, 9
INTERRUPT_SECONDS = 0.25

logger = logging.getLogger(__name__)
Status = Run.Status


class Watchdog:
    """Keeps one cluster at work and a reaper beside it; sees when a cluster lives and does not work.

    django-q2's workers share a queue whose lock a killed worker may take into its grave; then all look alive and
    nothing starts. What tells is a run that stays queued while workers are free. A fresh cluster is started
    beside the dead one, which finishes what it runs.
    """

    def __init__(self, signals: Signals, *, fixed_workers: int | None = None) -> None:
        self.signals = signals
        self.teller = Teller()
        self.fixed_workers = fixed_workers
        self.group = os.environ.setdefault(GROUP_VARIABLE, uuid.uuid4().hex)
        self.outage = Outage()
        self.reaper = Kept("reaper", ReaperFork)
        self.kept_cluster = Kept("cluster", self.make_cluster)
        self.retired: list[ClusterFork] = []
        self.clusters_made = 0
        self.wanted_workers = 0
        self.queued_since: dict[uuid.UUID, float] = {}
        self.replaced_at, self.replace_seconds = 0.0, REPLACE_SECONDS
        self.jobs_may_be_lost = False
        self.beat_at = 0.0

    def run(self) -> None:
        """Work until a signal says stop, then interrupt what runs. Raises SetupError, WrongSchema."""
        if not self.await_database():
            return
        import_what_forks_share()
        gc.freeze()  # so that the collector of a fork does not copy what they share
        try:
            self.watch()
        finally:
            self.stop()

    def watch(self) -> None:
        """Keep the processes and look at the database, again and again, until a signal says stop."""
        look_at = 0.0
        while not self.signals.stops:
            wait = min(self.reaper.tend(), self.kept_cluster.tend())
            cluster = self.cluster
            if cluster is None or not cluster.is_up:
                self.signals.wait(min(wait, STARTING_SECONDS))
                continue
            if time.monotonic() >= look_at:
                with self.outage.tolerated():
                    self.look(cluster)
                look_at = time.monotonic() + LOOK_SECONDS
            self.signals.wait(min(wait, look_at - time.monotonic()))

    def await_database(self) -> bool:
        """Return when the database answers; False when told to stop before."""
        while not self.signals.stops:
            with self.outage.tolerated():
                if Capacity._meta.db_table not in connection.introspection.table_names():
                    raise SetupError(
                        "the database is not prepared; run `manage.py up` or `manage.py migrate` first"
                    )
                check_schema()
                refuse_another_key()
                self.wanted_workers = self.fixed_workers or Capacity.current().limit + 1
                warn_of_few_connections(self.wanted_workers)
                return True
            self.signals.wait(LOOK_SECONDS)
        return False

    @property
    def cluster(self) -> ClusterFork | None:
        return self.kept_cluster.fork

    def make_cluster(self) -> ClusterFork:
        self.clusters_made += 1
        self.jobs_may_be_lost = self.clusters_made > 1  # with the one before
        return ClusterFork(group=f"{self.group}.{self.clusters_made}", workers=self.wanted_workers)

    def replace(self, cluster: ClusterFork) -> None:
        """Start a fresh cluster beside the present one, which takes nothing new and ends after its runs."""
        cluster.retire()
        self.retired.append(cluster)
        self.kept_cluster.fork = self.make_cluster()
        self.replaced_at = time.monotonic()
        self.queued_since = {}

    def look(self, cluster: ClusterFork) -> None:
        """Look at the database once: show that we live, follow the limit, find a dead cluster."""
        if time.monotonic() >= self.beat_at:
            workers.send_heartbeat(cluster.workers)
            self.teller.tell()
            self.beat_at = time.monotonic() + BEAT_SECONDS
        if self.jobs_may_be_lost and time.monotonic() >= self.replaced_at + LOOK_SECONDS:
            reenqueue_unstarted(patience=timedelta(0))
            self.jobs_may_be_lost = False
        self.wanted_workers = self.fixed_workers or Capacity.current().limit + 1
        if self.wanted_workers != cluster.workers:
            logger.warning("from now on %d workers, before %d", self.wanted_workers, cluster.workers)
            self.replace(cluster)
        elif self.is_dead(cluster):
            logger.error("a run stays queued while workers are free: a fresh cluster takes over")
            self.replace(cluster)
            self.replace_seconds = min(self.replace_seconds * 2, LONGEST_REPLACE_SECONDS)
        self.dismiss_retired()

    def is_dead(self, cluster: ClusterFork) -> bool:
        """Tell whether a run stays queued while workers are free, judged by what was seen on the own clock."""
        now = time.monotonic()
        queued = Run.objects.filter(status=Status.QUEUED).values_list("pk", "declined_hosts")
        ours = [pk for pk, declined in queued if settings.HOST_NAME not in declined]  # the rest waits for others
        self.queued_since = {pk: self.queued_since.get(pk, now) for pk in ours}
        if self.running_in(cluster) >= cluster.workers:
            self.queued_since = {}
        if all(now - since < QUEUED_SECONDS for since in self.queued_since.values()):
            if now - self.replaced_at > LONGEST_REPLACE_SECONDS:
                self.replace_seconds = REPLACE_SECONDS
            return False
        if self.has_worked(cluster):  # then it was of help, and died since
            self.replace_seconds = REPLACE_SECONDS
        return now - self.replaced_at >= self.replace_seconds

    def has_worked(self, cluster: ClusterFork) -> bool:
        """Tell whether a cluster runs something, or ended a run lately."""
        lately = timezone.now() - timedelta(seconds=LONGEST_REPLACE_SECONDS)
        begun = Run.objects.filter(worker__startswith=cluster.worker_prefix)
        return begun.filter(Q(status=Status.RUNNING) | Q(finished_at__gte=lately)).exists()

    def dismiss_retired(self) -> None:
        """Kill retired clusters that run nothing and do not end: idle workers blocked on a lock never do."""
        for cluster in list(self.retired):
            overdue = time.monotonic() - cluster.retired_at >= RETIRED_SECONDS
            if not cluster.runs or (overdue and not self.running_in(cluster)):
                cluster.kill_group()
                self.retired.remove(cluster)

    def running_in(self, cluster: ClusterFork) -> int:
        return Run.objects.filter(status=Status.RUNNING, worker__startswith=cluster.worker_prefix).count()

    def stop(self) -> None:
        """Interrupt what runs and end every process. A second signal kills at once."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LAST_SECONDS)  # whatever hangs: our end is the end of all our forks
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
            reenqueue_unstarted(patience=timedelta(0))  # what our workers were given and did not begin
            unlucky = [run.pk for run in (*interrupted, *abandoned)]
            say_runs("Interrupted", Run.objects.light().filter(pk__in=unlucky).exclude(status=Status.COMPLETED))
            workers.forget_group()
        signal.alarm(0)

    @property
    def all_workers(self) -> str:
        """What the names of the workers of all our clusters begin with."""
        return workers.workers_of(self.group).removesuffix("/")

    def interrupt_until_ended(self, clusters: list[ClusterFork]) -> list[Run]:
        """Tell every run to stop, those claimed meanwhile too, until the clusters have ended or time is up."""
        interrupted: list[Run] = []
        stops, deadline = self.signals.stops, time.monotonic() + STOP_SECONDS
        while any(cluster.runs for cluster in clusters):
            if self.signals.stops > stops or time.monotonic() > deadline:
                break
            with self.outage.tolerated():
                told = interrupt(self.all_workers)
                if told:
                    say(f"Stopping {len(told)} active run{'s' if len(told) > 1 else ''}.")
                interrupted += told
            self.signals.wait(INTERRUPT_SECONDS)
        return interrupted


def import_what_forks_share() -> None:
    """Import what each fork would import for itself at its first run, and would then have for itself alone."""
    for name in ("mission_control.jobs", "mission_control.scheduling.scheduler", "django.db.models.sql.compiler"):
        import_module(name)
    registry.describe()  # every backend
    if settings.REDIS_URL:
        import_module("mission_control.queue.redis")
        import_string(str(settings.CHANNEL_LAYERS["default"]["BACKEND"]))


def refuse_another_key() -> None:
    """Raise SetupError when workers live that sign their jobs with another secret key."""
    other = workers.group_with_other_key()
    if other is not None:
        raise SetupError(
            f"the workers on {other.host} have another SECRET_KEY; give every machine the same, "
            "or the jobs of one are refused by the other"
        )
