"""Log lines that say which run they are about."""

import logging
import sys
import time
from contextvars import ContextVar
from typing import Any

# A lock that the log's does not use would load redis into every process, 9 MB each. None: it is not there.
sys.modules.setdefault("portalocker.redis", None)  # type: ignore[arg-type]

from concurrent_log_handler import ConcurrentRotatingFileHandler  # noqa: E402
from django.db.utils import InterfaceError, OperationalError  # noqa: E402

from mission_control.health.disk import trouble  # noqa: E402
from mission_control.terminal import terminal_text  # noqa: E402

current_run: ContextVar[str | None] = ContextVar("current_run", default=None)


class Line(logging.Formatter):
    """A record as text in which nothing steers a terminal: agents and servers wrote parts of it."""

    def format(self, record: logging.LogRecord) -> str:
        return terminal_text(super().format(record))


class RunFilter(logging.Filter):
    """Give each record `run`: ` run=<id>` while a run is handled (`current_run` or `extra={"run_id": …}`)."""

    def filter(self, record: logging.LogRecord) -> bool:
        run_id = getattr(record, "run_id", None) or current_run.get()
        record.run = f" run={run_id}" if run_id else ""
        return True


class Unexpected(logging.Filter):
    """Leave out refusals (4xx), the client's to read, and 503, whose cause is logged where it is known."""

    def filter(self, record: logging.LogRecord) -> bool:
        status = getattr(record, "status_code", 500)
        return status >= 500 and status != 503


class Outage(logging.Filter):
    """Tell an outage of the database in one line, where django-q's scheduler would print a whole traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OperationalError | InterfaceError):
            record.msg = f"{record.getMessage()}: {trouble(error)} ({type(error).__name__})"
            record.args, record.exc_info, record.exc_text = (), None, None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


class Seldom(logging.Filter):
    """Let a message of a logger through once in a while; the next time it says how many were left out.

    For what each request, or each attempt to connect, would say again during an outage. Messages are the same when
    their texts without arguments are.
    """

    SECONDS = 30.0

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self._passed_at: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, text = time.monotonic(), str(record.msg)
        if now - self._passed_at.get(text, -self.SECONDS) < self.SECONDS:
            self._left_out[text] = self._left_out.get(text, 0) + 1
            return False
        self._passed_at[text] = now
        if left_out := self._left_out.pop(text, 0):
            record.msg = f"{record.getMessage()} ({left_out} more like this since the last)"
            record.args = ()
        return True


class Strangers(logging.Filter):
    """Keep what anybody can make us log to short lines, and to some of them a minute.

    Django logs a traceback for each request with a wrong Host, for one: whoever sends enough of them would push
    everything else out of the log.
    """

    MAX_CHARS, LINES_A_MINUTE = 300, 20

    def __init__(self) -> None:
        super().__init__()
        self._minute_began_at, self._lines, self._left_out = time.monotonic(), 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now - self._minute_began_at >= 60:
            self._minute_began_at, self._lines = now, 0
        self._lines += 1
        if self._lines > self.LINES_A_MINUTE:
            self._left_out += 1
            return False
        text = record.getMessage()
        record.msg = text if len(text) <= self.MAX_CHARS else f"{text[: self.MAX_CHARS]}…"
        if self._left_out:
            record.msg += f" ({self._left_out} more such lines were left out)"
            self._left_out = 0
        record.args, record.exc_info, record.exc_text = (), None, None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


class LogFile(ConcurrentRotatingFileHandler):
    """The log file. While it cannot be written, a line on standard error says so now and then.

    `logging` would print a traceback for each line that is lost, to a console that tells the lines themselves.
    """

    SECONDS_BETWEEN_COMPLAINTS = 60.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._complained_at: float | None = None

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        now = time.monotonic()
        if self._complained_at is None or now - self._complained_at >= self.SECONDS_BETWEEN_COMPLAINTS:
            self._complained_at = now
            sys.stderr.write(f"mission-control: the log file cannot be written: {error.strerror}\n")
