"""Results of slow look-ups, such as what a machine offers or the models of a provider, shared by all processes.

A look-up runs in a background thread of the process that claims it with a conditional update. The others see in
the database that it is running, and its result when it has ended.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from agents.backends.base import BackendError
from agents.models import Lookup

MOST_SECONDS = 60.0  # then the process that ran it counts as gone
KEPT = timedelta(days=7)  # an older result is deleted
STARTED_TOGETHER = timedelta(seconds=60)

logger = logging.getLogger(__name__)
# A process does not believe a result that is much older than itself: a restart is meant to find what is new.
_started_at = timezone.now() - STARTED_TOGETHER
_threads: set[threading.Thread] = set()


@dataclass(frozen=True, slots=True)
class State:
    """The last result of a look-up. `checked_at` is None before the first has ended."""

    value: Any = None
    problem: str = ""
    checked_at: datetime | None = None
    is_running: bool = False
    is_outdated: bool = False

    def is_older_than(self, age: timedelta) -> bool:
        """Return whether a new look-up should be made, if results of this age are still good."""
        if self.checked_at is None or self.is_outdated:
            return True
        return self.checked_at < max(timezone.now() - age, _started_at)


def states(keys: Iterable[str]) -> dict[str, State]:
    """Return the state of each look-up. One query, none without keys."""
    keys = list(keys)
    rows = {row.key: row for row in Lookup.objects.filter(key__in=keys)} if keys else {}
    return {key: _state(rows[key]) if key in rows else State() for key in keys}


def start(key: str, look: Callable[[], Any]) -> bool:
    """Start the look-up in the background, unless it is running in any process. Return whether it is running here.

    `look` returns a JSON value; a BackendError's text becomes the `problem`, and the last value is kept. To be
    called outside of transactions.
    """
    if not _claim(key):
        return False
    thread = threading.Thread(target=_run, args=(key, look), name=f"look-up of {key}", daemon=True)
    _threads.add(thread)
    thread.start()
    return True


def outdate(prefix: str = "") -> None:
    """Let the next question for these results, by their keys' beginning, start a new look-up."""
    Lookup.objects.filter(key__startswith=prefix).update(is_outdated=True)


def forget(key: str) -> None:
    """Delete the result."""
    Lookup.objects.filter(key=key).delete()


def wait(seconds: float) -> None:
    """Wait until no look-up of this process is running, for at most this many seconds each."""
    for thread in list(_threads):
        thread.join(seconds)


def _state(row: Lookup) -> State:
    is_running = row.started_at is not None and row.started_at > timezone.now() - timedelta(seconds=MOST_SECONDS)
    return State(row.value, row.problem, row.checked_at, is_running, row.is_outdated)


def _claim(key: str) -> bool:
    now = timezone.now()
    is_free = Q(started_at=None) | Q(started_at__lt=now - timedelta(seconds=MOST_SECONDS))
    if Lookup.objects.filter(is_free, key=key).update(started_at=now, is_outdated=False):
        return True
    if Lookup.objects.filter(key=key).exists():
        return False
    Lookup.objects.filter(checked_at__lt=now - KEPT).delete()
    try:
        with transaction.atomic():
            Lookup.objects.create(key=key, started_at=now)
    except IntegrityError:  # another process was first
        return False
    return True


def _run(key: str, look: Callable[[], Any]) -> None:
    """Make the look-up and store its result. A change since the start has set `is_outdated`, which stays."""
    changes: dict[str, Any] = {"problem": ""}
    try:
        try:
            changes["value"] = look()
        except BackendError as error:
            changes["problem"] = str(error)[: Lookup.PROBLEM_CHARS]
        except Exception:
            logger.warning("the look-up of %s failed", key, exc_info=True)
            changes["problem"] = "It failed: see the log"
        Lookup.objects.filter(key=key).update(checked_at=timezone.now(), started_at=None, **changes)
    except Exception:
        logger.warning("the result of the look-up of %s could not be stored", key, exc_info=True)
    finally:
        connection.close()
        _threads.discard(threading.current_thread())
