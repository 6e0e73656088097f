"""Check everything that the product needs, within two seconds even if a service hangs."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from mission_control.health import disk, versions
from mission_control.runs.workers import count_live_groups

ANSWER_SECONDS = 1.5
OK, NO_ANSWER = "ok", "does not answer"
States = dict[str, str]  # part → `ok`, or the problem


class PendingCheck:
    """A check that may hang. One thread runs it, however many callers wait for the result."""

    def __init__(self, ask: Callable[[], States], fallback: States) -> None:
        self._ask = ask
        self._fallback = fallback
        self._lock = threading.Lock()
        self._future: Future[States] | None = None

    def start(self) -> None:
        """Start the check, unless an earlier one is still running."""
        with self._lock:
            if self._future is None or self._future.done():
                self._future = Future()
                # No pool: a hanging check in a pool would delay the end of the process.
                threading.Thread(target=self._answer, args=[self._future], daemon=True).start()

    def answer(self, deadline: float) -> States:
        """Return the result; at the deadline on the monotonic clock return the fallback."""
        assert self._future is not None, "call start() first"
        try:
            return self._future.result(max(deadline - time.monotonic(), 0))
        except NotInTime:
            return self._fallback

    def _answer(self, future: "Future[States]") -> None:
        try:
            future.set_result(self._ask())
        except Exception as error:  # noqa: BLE001 - it is raised in the waiting callers
            future.set_exception(error)
        finally:
            connection.close()


def states() -> States:
    """Return the state of every part, in display order."""
    deadline = time.monotonic() + ANSWER_SECONDS
    for check in CHECKS:
        check.start()
    found: States = {}
    for check in CHECKS:
        found |= check.answer(deadline)
    return found


def _database() -> States:
    """Check the database and, if it answers, the workers and migrations."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError) as error:  # SQLite needs free space even to be opened
        return _NO_DATABASE | ({"database": "the disk is full"} if disk.is_disk_full(error) else {})
    return {"database": OK, "worker": _worker(), "migrations": _migrations()}


def _worker() -> str:
    try:
        return OK if count_live_groups() else "no worker is alive"
    except (DatabaseError, InterfaceError):
        return "unknown: the database has no such table"


def _migrations() -> str:
    try:
        versions.check_schema()
    except versions.WrongSchema as wrong:
        return str(wrong)
    except (DatabaseError, InterfaceError):
        return "unknown: the database does not answer"
    return OK


def _channel_layer() -> States:
    """Check the channel layer; in the embedded profile it is part of this process."""
    if not settings.REDIS_URL:
        return {"channel_layer": OK}
    from mission_control.queue.redis import answers

    return {"channel_layer": OK if answers() else NO_ANSWER}


def _disk() -> States:
    try:
        return {"disk": "full" if disk.is_full() else OK}
    except OSError:
        return {"disk": NO_ANSWER}


_UNKNOWN = "unknown without the database"
_NO_DATABASE = {"database": NO_ANSWER, "worker": _UNKNOWN, "migrations": _UNKNOWN}
CHECKS = (
    PendingCheck(_database, _NO_DATABASE),
    PendingCheck(_channel_layer, {"channel_layer": NO_ANSWER}),
    PendingCheck(_disk, {"disk": NO_ANSWER}),
)
