"""The base of the serializers that show rows: REST framework's work for each row is done once per class."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

from rest_framework import serializers


class Step(NamedTuple):
    """How one field is shown: its value comes from the row's attribute, or from the serializer's method."""

    name: str
    value_of: Callable[[Any], Any]
    method: Callable[[Any, Any], Any] | None
    show: Callable[[Any], Any] | None  # of a value that is not null; None: as it is


class Reader(serializers.ModelSerializer):
    # Shows rows exactly as its fields do, in about a tenth of the time: a ModelSerializer builds its fields from
    # the model for each answer, and each field finds out, for each row, where its value comes from.
    # This is no docstring, because the schema would show it for each reader that has none.

    def to_representation(self, instance: Any) -> dict[str, Any]:
        shown = {}
        for name, value_of, method, show in steps_of(type(self)):
            value = value_of(instance) if method is None else method(self, instance)
            shown[name] = value if show is None or value is None else show(value)
        return shown


def show_all(reader: type[serializers.BaseSerializer], rows: Sequence[Any]) -> list[Any]:
    """Show rows, and leave no cycle of references to them, which would stay until a garbage collection."""
    listing: Any = reader(rows, many=True)
    shown = list(listing.data)
    listing.child.parent = None
    return shown


@cache
def steps_of(reader: type[Reader]) -> list[Step]:
    """Return the steps for the reader's fields, from their declaration."""
    return [_step(reader, name, field) for name, field in reader().fields.items() if not field.write_only]


def _step(reader: type[Reader], name: str, field: serializers.Field) -> Step:
    if isinstance(field, serializers.SerializerMethodField):
        assert field.method_name is not None, "it is bound"
        return Step(name, _nothing, getattr(reader, field.method_name), None)
    assert field.source is not None, "it is bound"
    return Step(name, attrgetter(field.source), None, _shower(field))


def _nothing(_: Any) -> None:
    return None


def _shower(field: serializers.Field) -> Callable[[Any], Any] | None:
    """Return the function that shows the field's values; for some types a faster one that does the same."""
    kind = type(field)
    if kind in (serializers.ReadOnlyField, serializers.JSONField):
        return None
    if kind in (serializers.CharField, serializers.UUIDField, serializers.ChoiceField):
        return str
    if isinstance(field, serializers.ListField) and type(field.child) is serializers.UUIDField:
        return _texts
    if kind is serializers.DateTimeField:
        return lambda moment: _in_utc(moment) or field.to_representation(moment)
    return field.to_representation


def _texts(values: Any) -> list[str]:
    return [str(value) for value in values]


def _in_utc(moment: datetime) -> str | None:
    """Return the time in the contract's format; None if it is not in UTC, as all times from the database are."""
    return f"{moment.isoformat()[:-6]}Z" if moment.tzinfo is UTC else None
