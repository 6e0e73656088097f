"""Check that the database has the schema of this version."""

import pkgutil
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder

from mission_control import __version__
from mission_control.models import Installation

APPS = ("agents", "mission_control")
UNKNOWN_VERSION = "an unknown version"

Names = set[tuple[str, str]]  # the app and the name of each migration


class WrongSchema(ImproperlyConfigured):
    """The database has the schema of another version; the message names both versions in one line."""


class NewerSchema(WrongSchema):
    """The database has migrations that this version does not know."""


class OlderSchema(WrongSchema):
    """The database lacks migrations of this version."""


def own_migrations() -> Names:
    """Return the migrations of this version."""
    packages = {app: import_module(f"{app}.migrations") for app in APPS}
    return {
        (app, module.name)
        for app, package in packages.items()
        for module in pkgutil.iter_modules(package.__path__)
        if module.name[0] not in "_~"
    }


def applied_migrations() -> Names:
    """Return the migrations applied to the database, none for an empty one. Two queries."""
    return {name for name in MigrationRecorder(connection).applied_migrations() if name[0] in APPS}


def check_schema() -> None:
    """Raise NewerSchema or OlderSchema if the database does not have the schema of this version."""
    ours, theirs = own_migrations(), applied_migrations()
    if ours == theirs:
        return
    this = f"this is version {__version__} (schema {newest(ours)})"
    its = f"the database was prepared by version {recorded_version()} (schema {newest(theirs)})"
    if theirs - ours:
        raise NewerSchema(f"{this}, but {its}: update this installation")
    raise OlderSchema(f"{this}, but {its}: run `manage.py up` or `manage.py migrate` of this version first")


def newest(names: Names) -> str:
    """Return the name of the last migration of Mission Control itself."""
    return max((name for app, name in names if app == "mission_control"), default="none")


def recorded_version() -> str:
    """Return the version that last changed the schema, or "an unknown version"."""
    try:
        found = Installation.objects.values_list("schema_version", flat=True).first()
    except DatabaseError:  # the table does not exist yet
        return UNKNOWN_VERSION
    return found or UNKNOWN_VERSION


def record_version(*, plan: Iterable[Any] = (), **_: Any) -> None:
    """Record that this version changed the schema; called after `migrate` with its plan."""
    if list(plan) and own_migrations() == applied_migrations():
        Installation.objects.update_or_create(pk=Installation.THE_ROW, defaults={"schema_version": __version__})
