"""The formatter, the filters and the file of our log."""

import fcntl
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, Any

from django.db.utils import InterfaceError, OperationalError

from mission_control.health.disk import describe_failure
from mission_control.terminal import terminal_text

current_run: ContextVar[str | None] = ContextVar("current_run", default=None)


class TerminalSafeFormatter(logging.Formatter):
    """Formats a record without terminal control characters: parts of it come from agents and servers."""

    def format(self, record: logging.LogRecord) -> str:
        return terminal_text(super().format(record))


class RunIdFilter(logging.Filter):
    """Sets `run` on each record to ` run=<id>`, from `current_run` or `extra={"run_id": …}`, or to nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        run_id = getattr(record, "run_id", None) or current_run.get()
        record.run = f" run={run_id}" if run_id else ""
        return True


class UnexpectedErrors(logging.Filter):
    """Drops refusals (4xx), which only concern the client, and 503, whose cause is logged where it occurs."""

    def filter(self, record: logging.LogRecord) -> bool:
        status = getattr(record, "status_code", 500)
        return status >= 500 and status != 503


class OutageFilter(logging.Filter):
    """Shortens an outage of the database to one line, for which django-q's scheduler logs a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OperationalError | InterfaceError):
            record.msg = f"{record.getMessage()}: {describe_failure(error)} ({type(error).__name__})"
            record.args, record.exc_info, record.exc_text = (), None, None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


class RepeatFilter(logging.Filter):
    """Passes equal messages of a logger only every SECONDS, with the number of dropped ones.

    For messages that each request, or each attempt to connect, repeats during an outage. Messages are equal if
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


class RefusalFilter(logging.Filter):
    """Limits the messages that any client can cause: short lines, and a few of them per minute.

    For example, Django logs a traceback for each request with a wrong Host: a client that sends enough of them
    would push everything else out of the log.
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


class LogFile(RotatingFileHandler):
    """The log file that all processes of an installation write to and rotate.

    A lock file beside it lets one process at a time write or rotate. The lock is the kernel's and belongs to a
    process: a forked process does not inherit it, and one that dies releases it. While the file cannot be written,
    a line on standard error says so once a minute; `logging` would print a traceback for each lost line.
    """

    SECONDS_BETWEEN_COMPLAINTS = 60.0

    def __init__(self, filename: str, **kwargs: Any) -> None:
        super().__init__(filename, delay=True, encoding="utf-8", errors="backslashreplace", **kwargs)
        path = Path(self.baseFilename)
        self._lock_path = path.with_name(f".{path.name}.lock")
        self._lock_file: IO[bytes] | None = None
        self._complained_at: float | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            with self._locked():
                if self._is_rotated():
                    self._close_stream()
                super().emit(record)
        except Exception:  # noqa: BLE001 - an error of the log must never end the caller
            self.handleError(record)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._lock_file is None:
            self._lock_file = self._lock_path.open("ab")
        fcntl.lockf(self._lock_file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock_file, fcntl.LOCK_UN)

    def _is_rotated(self) -> bool:
        """Return whether the open file is no longer the one with the log's name: another process rotated it."""
        if self.stream is None:
            return False
        try:
            named = Path(self.baseFilename).stat()
        except FileNotFoundError:
            return True
        return not os.path.samestat(named, os.fstat(self.stream.fileno()))

    def _close_stream(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError):
                stream.close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self._close_stream()  # its buffer holds what could not be written
        now = time.monotonic()
        if self._complained_at is None or now - self._complained_at >= self.SECONDS_BETWEEN_COMPLAINTS:
            self._complained_at = now
            sys.stderr.write(f"mission-control: the log file cannot be written: {error.strerror}\n")

    def close(self) -> None:
        super().close()
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None
