"""Counts what a process does, however fast it is: calls of Python and C functions, and database queries.

Import it before the product, so that it counts in every thread that the product starts.
"""

import itertools
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, NamedTuple


class Work(NamedTuple):
    queries: int
    calls: int


class Counter:
    def __init__(self) -> None:
        self._calls, self._queries = itertools.count(), itertools.count()
        self._marked: CodeType | None = None
        self._at_mark = Work(0, 0)
        threading.setprofile(self._profile)

    def start(self) -> None:
        """Count in the current thread too, and the queries of all connections that are opened from now on."""
        from django.db.backends.signals import connection_created

        connection_created.connect(self._watch_connection)
        sys.setprofile(self._profile)

    def stop(self) -> None:
        sys.setprofile(None)

    def mark(self, function: Any) -> None:
        """Note the numbers at each call of this function; `at_mark` returns the last ones."""
        self._marked = function.__code__

    @property
    def at_mark(self) -> Work:
        return self._at_mark

    def read(self) -> Work:
        """Return the numbers so far. Reading adds one to each."""
        return Work(next(self._queries), next(self._calls))

    def _watch_connection(self, connection: Any, **_: object) -> None:
        if self._count_query not in connection.execute_wrappers:
            connection.execute_wrappers.append(self._count_query)

    def _count_query(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        next(self._queries)
        return execute(*arguments)

    def _profile(self, frame: FrameType, event: str, _: object) -> None:
        if event in ("call", "c_call"):
            next(self._calls)  # atomic: several threads count
            if frame.f_code is self._marked and event == "call":
                self._at_mark = self.read()


def difference(before: Work, after: Work) -> Work:
    return Work(after.queries - before.queries - 1, after.calls - before.calls - 1)


def least(rounds: list[Work]) -> Work:
    """Return the least of several rounds: what a timer adds now and then is not the path's work."""
    return Work(min(work.queries for work in rounds), min(work.calls for work in rounds))


counter = Counter()
