"""Lock a row that an action is about to change."""

from typing import Any, TypeVar

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
