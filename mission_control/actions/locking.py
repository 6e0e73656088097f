"""Lock a row that an action is about to change, or all changes of one kind."""

from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model

from mission_control.errors import NotFound
from mission_control.models import Deliverable

Row = TypeVar("Row", bound=Model)


def locked(row: Row, *related: str) -> Row:
    """Return the row as it is now, locked until the commit (FOR UPDATE), with these related rows loaded.

    Raises NotFound when it was deleted.
    """
    model: Any = type(row)
    rows = model._default_manager.select_for_update(of=("self",))
    found: Row | None = (rows.select_related(*related) if related else rows).filter(pk=row.pk).first()
    if found is None:
        raise NotFound("Document" if model is Deliverable else str(model._meta.verbose_name).capitalize())
    return found


def lock_changes(key: int) -> None:
    """Lock all changes that lock this key, until the commit: an advisory lock of PostgreSQL's.

    Take it before any row lock, so that no transaction waits for it while it holds one. SQLite needs no lock: the
    transaction already holds the only write lock.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
