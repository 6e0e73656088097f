"""The metrics for Prometheus, read from the database at each scrape, the same in every web process.

Each scrape is seven short queries. Runs are counted in an index; the million rows of their events are not counted
at all.
"""

import platform
from collections.abc import Iterator
from contextlib import suppress

import django
from django.conf import settings
from django.db import connection
from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from mission_control import __version__
from mission_control.health import disk
from mission_control.models import Run, RunEvent, WorkerGroup
from mission_control.runs.slots import capacity
from mission_control.runs.workers import HEARTBEAT_VALID_FOR

PREFIX = "mission_control_"

NUMBERS_GIVEN = {
    "sqlite": "SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = %s), 0)",
    "postgresql": "SELECT COALESCE(pg_sequence_last_value(pg_get_serial_sequence(%s, 'id')::regclass), 0)",
}


class ProductCollector(Collector):
    """Runs, slots, events and workers at the time of the scrape."""

    def collect(self) -> Iterator[Metric]:
        yield _build()
        yield from _runs()
        yield from _slots()
        yield _events()
        yield from _workers()
        yield from _disk()


def _build() -> Metric:
    info = InfoMetricFamily(PREFIX + "build", "What runs here.")
    info.add_metric(
        [],
        {
            "version": __version__,
            "python": platform.python_version(),
            "django": django.get_version(),
            "profile": "server" if settings.REDIS_URL else "embedded",
            "database": connection.vendor,
        },
    )
    return info


def _runs() -> Iterator[Metric]:
    # `*` is counted in the index of statuses alone; to count a column, SQLite would read each row.
    counted = dict(Run.objects.order_by().values_list("status").annotate(number=Count("*")))
    runs = GaugeMetricFamily(PREFIX + "runs", "Runs that are stored, by status.", labels=["status"])
    for status in Run.Status.values:
        runs.add_metric([status], counted.get(status, 0))
    yield runs

    age = GaugeMetricFamily(
        PREFIX + "queue_age_seconds",
        "For how long the oldest run has been waiting (for a slot) or queued (for a worker); 0 without one.",
        labels=["status"],
    )
    now = timezone.now()
    for pending in (Run.Status.WAITING, Run.Status.QUEUED):
        since = Run.objects.filter(status=pending).aggregate(since=Min("queued_at"))["since"]
        age.add_metric([pending], max((now - since).total_seconds(), 0.0) if since else 0.0)
    yield age


def _slots() -> Iterator[Metric]:
    current = capacity()
    yield GaugeMetricFamily(PREFIX + "slots_limit", "Runs that may hold a slot at once.", current["limit"])
    used = current["running"] + current["queued"]
    yield GaugeMetricFamily(PREFIX + "slots_used", "Runs that hold a slot.", used)
    yield GaugeMetricFamily(PREFIX + "runs_waiting", "Runs queued for a slot.", current["waiting"])
    parked = Run.objects.parked().count()
    yield GaugeMetricFamily(PREFIX + "runs_parked", "Runs that wait for a quota, without a slot.", parked)


def _events() -> Metric:
    """Return the last number that the database has assigned to an event; a count of rows falls with each deletion.

    A rolled-back insert has used its numbers, too, so the value may be a little too high.
    """
    with connection.cursor() as cursor:
        cursor.execute(NUMBERS_GIVEN[connection.vendor], [RunEvent._meta.db_table])
        [number] = cursor.fetchone()
    return CounterMetricFamily(PREFIX + "run_events", "Events of runs that were stored, ever.", number)


def _workers() -> Iterator[Metric]:
    now, groups = timezone.now(), list(WorkerGroup.objects.all())
    age = GaugeMetricFamily(
        PREFIX + "worker_heartbeat_age_seconds",
        "Seconds since the last heartbeat of a group of workers (a `manage.py worker`).",
        labels=["group", "host", "pid"],
    )
    for group in groups:
        age.add_metric([group.group, group.host, str(group.pid)], max((now - group.beat_at).total_seconds(), 0.0))
    yield age
    living = sum(now - group.beat_at <= HEARTBEAT_VALID_FOR for group in groups)
    yield GaugeMetricFamily(PREFIX + "workers_alive", "Groups of workers with a recent heartbeat.", living)


def _disk() -> Iterator[Metric]:
    text = "Room for the data of this web process: its folder, and a SQLite database."
    with suppress(OSError):  # a missing file system has no value
        yield GaugeMetricFamily(PREFIX + "disk_free_bytes", text, disk.free_bytes())


REGISTRY = CollectorRegistry(auto_describe=False)  # describing the collectors would read the database at import
REGISTRY.register(ProductCollector())
ProcessCollector(registry=REGISTRY)  # of the answering web process
