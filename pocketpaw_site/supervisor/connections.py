"""Check whether PostgreSQL allows as many connections as the installation may need."""

import logging

from django.conf import settings
from django.db import connection
from django.db.models import Count, Sum

from mission_control.runs.worker_group import group
from mission_control.runs.workers import live_groups

# Connections of each `manage.py worker` beside its worker processes: watchdog, reaper, and the cluster's own.
OWN_CONNECTIONS = 5
# PostgreSQL's connections, and those that it reserves; the last setting exists from version 16 on.
NUMBERS = ["max_connections", "superuser_reserved_connections", "reserved_connections"]

logger = logging.getLogger(__name__)


def allowed_connections() -> int:
    """Return how many connections ordinary users of the database may have at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting::int FROM pg_settings WHERE name = ANY(%s)", [NUMBERS])
        found: dict[str, int] = dict(cursor.fetchall())
    return 2 * found["max_connections"] - sum(found.values())


def needed_connections(workers: int) -> dict[str, int]:
    """Return the most connections that this `manage.py worker`, the other ones, and a web process may need."""
    others = live_groups().exclude(group=group()).aggregate(groups=Count("*"), workers=Sum("workers", default=0))
    return {
        "this worker": workers + OWN_CONNECTIONS,
        "other workers": others["workers"] + others["groups"] * OWN_CONNECTIONS,
        "each web process": settings.DATABASE_POOL_SIZE,
    }


def warn_of_few_connections(workers: int) -> None:
    """Log a warning if PostgreSQL allows fewer connections than may be needed."""
    if connection.vendor != "postgresql":
        return
    needed, allowed = needed_connections(workers), allowed_connections()
    if sum(needed.values()) <= allowed:
        return
    parts = ", ".join(f"{name} {number}" for name, number in needed.items())
    logger.warning(
        "PostgreSQL allows %d connections, and %d may be needed (%s): raise max_connections, "
        "or have fewer workers (--workers, MISSION_CONTROL_WORKERS) or a smaller DATABASE_POOL_SIZE",
        allowed,
        sum(needed.values()),
        parts,
    )
