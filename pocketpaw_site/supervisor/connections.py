"""Whether PostgreSQL allows as many connections as the installation may need."""

import logging

from django.conf import settings
from django.db import connection
from django.db.models import Count, Sum

from mission_control.runs.worker_group import group
from mission_control.runs.workers import live_groups

# Of each `manage.py worker` beside its worker processes: watchdog, reaper, and what a cluster keeps for itself.
OWN_CONNECTIONS = 5
# What PostgreSQL has, and what it keeps back of that; the last from version 16 on.
NUMBERS = ["max_connections", "superuser_reserved_connections", "reserved_connections"]

logger = logging.getLogger(__name__)


def allowed_connections() -> int:
    """Return how many connections ordinary users of the database may have at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting::int FROM pg_settings WHERE name = ANY(%s)", [NUMBERS])
        found: dict[str, int] = dict(cursor.fetchall())
    return 2 * found["max_connections"] - sum(found.values())


def needed_connections(workers: int) -> dict[str, int]:
    """Return how many this `manage.py worker`, the others that live, and one web process may need at most."""
    others = live_groups().exclude(group=group()).aggregate(groups=Count("*"), workers=Sum("workers", default=0))
    return {
        "this worker": workers + OWN_CONNECTIONS,
        "other workers": others["workers"] + others["groups"] * OWN_CONNECTIONS,
        "each web process": settings.DATABASE_POOL_SIZE,
    }


def warn_of_few_connections(workers: int) -> None:
    """Log a warning with the sum where PostgreSQL allows fewer connections than may be needed."""
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
