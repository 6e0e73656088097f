"""Whether everything is there that the product needs, known within two seconds whatever hangs."""

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
States = dict[str, str]  # part → `ok`, or what is wrong with it


class Question:
    """A question that may hang. One thread asks, however many wait for the answer."""

    def __init__(self, ask: Callable[[], States], otherwise: States) -> None:
        self._ask = ask
        self._otherwise = otherwise
        self._lock = threading.Lock()
        self._asked: Future[States] | None = None

    def begin(self) -> None:
        """Ask, unless an earlier question has not been answered yet."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = Future()
                # No pool: what hangs there would hold up the end of the process.
                threading.Thread(target=self._answer, args=[self._asked], daemon=True).start()

    def answer(self, deadline: float) -> States:
        """Return the answer; at the deadline on the monotonic clock what is said without one."""
        assert self._asked is not None, "begin() comes first"
        try:
            return self._asked.result(max(deadline - time.monotonic(), 0))
        except NotInTime:
            return self._otherwise

    def _answer(self, asked: "Future[States]") -> None:
        try:
            asked.set_result(self._ask())
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            asked.set_exception(error)
        finally:
            connection.close()


def states() -> States:
    """Return the state of every part, in the order in which they are shown."""
    deadline = time.monotonic() + ANSWER_SECONDS
    for question in QUESTIONS:
        question.begin()
    found: States = {}
    for question in QUESTIONS:
        found |= question.answer(deadline)
    return found


def _database() -> States:
    """Ask the database, and where it answers what it knows."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError) as error:  # SQLite needs room even to be opened
        return _NO_DATABASE | ({"database": "the disk is full"} if disk.says_full(error) else {})
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
    """Embedded it is this very process."""
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
QUESTIONS = (
    Question(_database, _NO_DATABASE),
    Question(_channel_layer, {"channel_layer": NO_ANSWER}),
    Question(_disk, {"disk": NO_ANSWER}),
)
