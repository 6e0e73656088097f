"""When the watchdog considers a cluster dead."""

import time
import uuid
from dataclasses import dataclass

import pytest
from django.db.models import Q

from mission_control.models import Run
from mission_control.runs.lifecycle import claim, finish
from pocketpaw_site.supervisor.watchdog import QUEUED_SECONDS, REPLACE_SECONDS, Watchdog
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Cluster:
    """The attributes of a cluster that the watchdog reads."""

    workers: int
    worker_prefix: str


NEW = Cluster(6, "folder/new/")


@pytest.fixture
def watchdog() -> Watchdog:
    """Return a watchdog that replaced clusters in vain, the last one some time ago; a run waits too long again."""
    make.limit(5)
    watchdog = Watchdog(signals=None)
    watchdog.replaced_at = time.monotonic() - REPLACE_SECONDS
    watchdog.replace_seconds = REPLACE_SECONDS * 4
    watchdog.queued_since = {make.run().pk: time.monotonic() - QUEUED_SECONDS}
    return watchdog


def work_of(worker: str) -> uuid.UUID:
    run = claim(make.run().pk, worker=worker)
    finish(run.pk, Run.Status.COMPLETED, guard=Q())
    return run.pk


def test_a_cluster_that_worked_and_died_is_replaced_without_the_patience_of_replacements_that_did_not_help(
    watchdog,
):
    work_of("folder/new/node/1-1")

    assert watchdog.is_dead(NEW)


def test_a_cluster_that_never_worked_is_replaced_ever_more_patiently(watchdog):
    work_of("folder/old/node/1-1")

    assert not watchdog.is_dead(NEW)
