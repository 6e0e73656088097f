"""Log lines that say which run they are about."""

import logging
from contextvars import ContextVar

current_run: ContextVar[str | None] = ContextVar("current_run", default=None)


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
