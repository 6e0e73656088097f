"""Scan in the background, once for all requests of this process, and keep the result for a while."""

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from agents.discovery.findings import Finding
from agents.discovery.scan import scan

KEPT_SECONDS = 300.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """The findings of the last scan. `checked_at` is None before the first has ended."""

    findings: tuple[Finding, ...] = ()
    checked_at: datetime | None = None
    is_checking: bool = False


class Scanner:
    """At most one scan at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._findings: tuple[Finding, ...] = ()
        self._checked_at: datetime | None = None
        self._ended = float("-inf")
        self._is_outdated = False
        self._thread: threading.Thread | None = None

    def result(self, *, again: bool = False) -> Result:
        """Return the last result at once; start a scan if there is none, if it is old, or if `again` is true."""
        if not settings.FIND_AGENTS:
            return Result(checked_at=timezone.now())
        with self._lock:
            is_old = time.monotonic() - self._ended > KEPT_SECONDS
            if self._thread is None and (again or is_old):
                self._is_outdated = False
                self._thread = threading.Thread(target=self._scan, name="search for agents", daemon=True)
                self._thread.start()
            return Result(self._findings, self._checked_at, is_checking=self._thread is not None)

    def outdate(self) -> None:
        """Let the next call of `result` search again, because what agents may use or the keys have changed."""
        with self._lock:
            self._ended, self._is_outdated = float("-inf"), True

    def wait(self, seconds: float) -> None:
        """Wait until no scan is running, for at most this many seconds."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def forget(self) -> None:
        """Forget the result, as at the start of the process."""
        with self._lock:
            self._findings, self._checked_at, self._ended = (), None, float("-inf")

    def finding(self, key: str) -> Finding | None:
        return next((one for one in self._findings if one.key == key), None)

    def _scan(self) -> None:
        findings: tuple[Finding, ...] = ()
        try:
            findings = tuple(scan(settings.FIND_MODEL_SERVERS))
        except Exception:
            logger.warning("the search for agents on this machine failed", exc_info=True)
        with self._lock:
            self._findings, self._checked_at = findings, timezone.now()
            self._ended = float("-inf") if self._is_outdated else time.monotonic()
            self._thread = None


scanner = Scanner()
