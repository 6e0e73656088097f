"""Slow look-ups run in the background, once for all processes, and every process sees the result."""

import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from agents import lookups
from agents.backends.base import BackendError
from agents.models import Lookup
from tests.rivals import race

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "machine:test"


def state() -> lookups.State:
    return lookups.states([KEY])[KEY]


@pytest.fixture(autouse=True)
def ended():
    yield
    lookups.wait(30)


def test_nobody_waits_and_every_process_sees_that_it_runs_and_then_its_result():
    go_on = threading.Event()

    def look() -> list[str]:
        assert go_on.wait(60)
        return ["found"]

    assert state() == lookups.State()
    assert lookups.start(KEY, look)
    assert state().is_running
    assert not lookups.start(KEY, look)
    go_on.set()
    lookups.wait(60)
    assert (state().value, state().is_running, state().problem) == (["found"], False, "")


def test_of_processes_that_start_it_at_once_one_looks():
    assert sorted(race(claim, [()] * 4, processes=4)) == [False, False, False, True]


def claim() -> bool:
    return lookups._claim(KEY)


def test_a_failure_is_told_and_the_last_value_is_kept():
    def fail() -> None:
        raise BackendError("The provider refused the key")

    def crash() -> None:
        raise ValueError("a secret detail")

    refused, crashed = "The provider refused the key", "It failed: see the log"
    for look, problem in ((lambda: [1], ""), (fail, refused), (crash, crashed)):
        assert lookups.start(KEY, look)
        lookups.wait(60)
        assert (state().value, state().problem) == ([1], problem)


def test_a_process_that_died_does_not_block_the_next_look():
    Lookup.objects.create(key=KEY, started_at=timezone.now() - timedelta(seconds=lookups.MOST_SECONDS + 1))
    assert not state().is_running
    assert lookups.start(KEY, lambda: 7)
    lookups.wait(60)
    assert state().value == 7


def test_a_result_is_good_until_it_is_old_or_outdated_or_older_than_the_process(monkeypatch):
    lookups.start(KEY, lambda: 7)
    lookups.wait(60)
    assert not state().is_older_than(timedelta(hours=1))
    assert state().is_older_than(timedelta(0))
    lookups.outdate("machine:")
    assert state().is_older_than(timedelta(hours=1))
    lookups.start(KEY, lambda: 8)
    lookups.wait(60)
    assert not state().is_older_than(timedelta(hours=1))
    monkeypatch.setattr(lookups, "_started_at", timezone.now())  # as after a restart
    assert state().is_older_than(timedelta(hours=1))


def test_a_change_during_a_look_outdates_its_result():
    go_on = threading.Event()
    lookups.start(KEY, lambda: go_on.wait(60))
    lookups.outdate()
    go_on.set()
    lookups.wait(60)
    assert state().value is True and state().is_older_than(timedelta(hours=1))


def test_results_that_nobody_asks_for_are_deleted_after_a_week():
    Lookup.objects.create(key="old", checked_at=timezone.now() - timedelta(days=8))
    lookups.start(KEY, lambda: 7)
    lookups.wait(60)
    assert list(Lookup.objects.values_list("key", flat=True)) == [KEY]
