"""SQLite's writing transactions of one process wait in the order in which they came."""

import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, connections, transaction

from mission_control.models import Capacity
from pocketpaw_site.sqlite.base import DatabaseWrapper
from pocketpaw_site.sqlite.turns import Turns
from tests import make
from tests.servers import wait_until

pytestmark = [pytest.mark.embedded, pytest.mark.django_db(transaction=True)]


def waiting(turns: Turns) -> int:
    return len(turns._waiting)


def test_the_next_turn_is_of_who_has_waited_longest():
    turns, order = Turns(), []

    def write(number: int) -> None:
        assert turns.take(20)
        order.append(number)
        turns.give()

    assert turns.take(20)
    threads = [threading.Thread(target=write, args=[number]) for number in range(5)]
    for number, thread in enumerate(threads, start=1):
        thread.start()
        wait_until(lambda: waiting(turns) == number)  # noqa: B023 - it is called at once
    turns.give()
    for thread in threads:
        thread.join(20)
    assert order == [0, 1, 2, 3, 4]
    assert turns.take(0)


def test_who_waits_in_vain_takes_no_turn():
    turns = Turns()
    assert turns.take(20)
    assert not turns.take(0.01)
    turns.give()
    assert turns.take(0)


def test_who_is_interrupted_while_waiting_takes_no_turn():
    def interrupt(*_: object) -> None:
        raise ZeroDivisionError

    turns = Turns()
    assert turns.take(20)
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(ZeroDivisionError):
            turns.take(20)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    turns.give()
    assert turns.take(0)


def write_elsewhere(number: int, *, seconds: float = 20.0) -> None:
    """Write in another thread, and wait at most `seconds` for the turn."""

    def write() -> None:
        connection.settings_dict = {**connection.settings_dict, "OPTIONS": {"timeout": seconds}}
        try:
            with transaction.atomic():
                Capacity.objects.update(limit=number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(write).result()


def test_a_transaction_waits_for_one_of_another_thread_and_says_that_the_database_is_locked():
    make.limit(5)
    with transaction.atomic(), pytest.raises(OperationalError, match="database is locked"):
        write_elsewhere(6, seconds=0.05)
    write_elsewhere(7)
    assert Capacity.current().limit == 7


@pytest.mark.parametrize("end", ["error", "rollback", "close"])
def test_a_transaction_that_fails_gives_its_turn_on(end):
    make.limit(5)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        if end == "rollback":
            transaction.set_rollback(True)
        if end == "close":
            connection.close()
        raise ZeroDivisionError
    write_elsewhere(8)
    assert Capacity.current().limit == 8


def test_the_wait_for_the_turn_and_that_for_other_processes_together_are_no_longer_than_one(tmp_path):
    """A waiter gets the turn when the one before it gives up; it must not begin its whole wait again."""
    path, wait = tmp_path / "locked.sqlite3", 2.0
    elsewhere = sqlite3.connect(path, isolation_level=None)
    elsewhere.execute("BEGIN IMMEDIATE")
    options = {"timeout": wait, "transaction_mode": "IMMEDIATE"}
    settings = {**connection.settings_dict, "NAME": str(path), "OPTIONS": options}
    seconds = []

    def write() -> None:
        mine = DatabaseWrapper(settings, "elsewhere")
        mine.ensure_connection()
        began_at = time.monotonic()
        with pytest.raises(OperationalError, match="database is locked"):
            mine.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
        seconds.append(time.monotonic() - began_at)
        mine.close()

    first, second = threading.Thread(target=write), threading.Thread(target=write)
    first.start()
    wait_until(lambda: DatabaseWrapper.turns._is_taken)
    second.start()
    for thread in (first, second):
        thread.join(20)
    elsewhere.close()
    assert len(seconds) == 2
    assert max(seconds) < wait * 1.8
