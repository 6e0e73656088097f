"""Database access of the supervising processes: they wait only briefly, and continue during an outage."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import Error, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from mission_control.health.disk import describe_failure
from mission_control.health.versions import check_schema

SHORT_WAIT_MS = 2000
_PREPARATION = 7_304_193  # the key of PostgreSQL's advisory lock

logger = logging.getLogger(__name__)


def wait_briefly() -> None:
    """Let this process (not its forks) wait only two seconds for a locked row or file, so that it notices a stop.

    Applies to connections that are opened from now on.
    """
    owner = os.getpid()

    def shorten(connection: BaseDatabaseWrapper, **_: Any) -> None:
        if os.getpid() != owner:
            return
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute(f"PRAGMA busy_timeout = {SHORT_WAIT_MS}")
            else:
                cursor.execute(f"SET statement_timeout = {SHORT_WAIT_MS}")

    connection_created.connect(shorten, weak=False)


@contextmanager
def preparation_lock() -> Iterator[None]:
    """Prevent other machines from preparing the same PostgreSQL database; for SQLite the folder's lock does."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_PREPARATION])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_PREPARATION])


def check_schema_at_start() -> None:
    """Raise WrongSchema if the database has the schema of another version.

    If the database does not answer the process starts anyway: `/readyz` reports a wrong schema later.
    """
    try:
        check_schema()
    except Error as error:
        logger.warning("the schema is not checked: the database does not answer (%s)", type(error).__name__)
    finally:
        connection.close()


class OutageTolerance:
    """Continues during an outage of the database; logs its start and its end once."""

    def __init__(self) -> None:
        self.lasts = False

    @contextmanager
    def tolerated(self) -> Iterator[None]:
        try:
            yield
        except Error as error:
            if not self.lasts:
                logger.warning("%s (%s); carrying on", describe_failure(error), first_line(error))
            self.lasts = True
            connection.close()
        else:
            if self.lasts:
                logger.warning("the database answers again")
            self.lasts = False


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; its class name if the message is empty."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
