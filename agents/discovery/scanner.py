"""Scan in the background, once for all requests of this machine's processes, and keep the result for a while."""

import logging
import threading
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from agents import connections, lookups
from agents.discovery.findings import Finding, Kind, State
from agents.discovery.scan import scan

KEPT = timedelta(minutes=5)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """The findings of the last scan. `checked_at` is None before the first has ended."""

    findings: tuple[Finding, ...] = ()
    checked_at: datetime | None = None
    is_checking: bool = False


class Scanner:
    """At most one scan of a machine at a time."""

    @property
    def key(self) -> str:
        return f"machine:{settings.HOST_NAME}"

    def result(self, *, again: bool = False, last: lookups.State | None = None) -> Result:
        """Return the last result at once; start a scan if there is none, if it is old, or if `again` is true.

        One query, none with `last`, the state of the scan; more only if a scan starts.
        """
        if not settings.FIND_AGENTS:
            return Result(checked_at=timezone.now())
        last = last or lookups.states([self.key])[self.key]
        is_wanted = not last.is_running and (again or last.is_older_than(KEPT))
        is_checking = last.is_running or (is_wanted and self._start())
        return Result(_findings(last.value), last.checked_at, is_checking)

    def outdate(self) -> None:
        """Let the next call of `result` search again, because what agents may use or the keys have changed."""
        lookups.outdate("machine:")

    def finding(self, key: str) -> Finding | None:
        return next((one for one in self.result().findings if one.key == key), None)

    def wait(self, seconds: float) -> None:
        """Wait until no scan of this process is running, for at most this many seconds."""
        lookups.wait(seconds)

    def forget(self) -> None:
        """Forget the result, as before the first scan."""
        lookups.forget(self.key)

    def _start(self) -> bool:
        lookups.start(self.key, _scan)
        return True  # here, or just now in another process


def search_at_start() -> None:
    """Start a search in the background, so that its result is there when the first page is opened."""
    threading.Thread(target=_search_at_start, name="search at start", daemon=True).start()


def _search_at_start() -> None:
    try:
        scanner.result()
    except DatabaseError:
        logger.info("the search for agents waits for the first page", exc_info=True)
    finally:
        connection.close()


def _scan() -> list[dict[str, Any]]:
    connections.refresh()  # another process may have stored a key
    return [asdict(one) for one in scan(settings.FIND_MODEL_SERVERS)]


def _findings(stored: Any) -> tuple[Finding, ...]:
    """Return the findings as they were stored; leave out those that another version of the product has stored."""
    found = []
    for one in stored or ():
        try:
            kind, state = Kind(one["kind"]), State(one["state"])
            found.append(Finding(**{**one, "kind": kind, "state": state, "models": tuple(one["models"])}))
        except (KeyError, TypeError, ValueError):
            continue
    return tuple(found)


scanner = Scanner()
