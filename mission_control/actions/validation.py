"""Validate what an action is about to store by the model's own rules, for every caller."""

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db.models import Field, JSONField, Model

from mission_control.errors import Invalid


def check(instance: Model, names: Iterable[str]) -> None:
    """Raise Invalid for the first of these fields whose value the model does not allow. Skips relations."""
    for name in names:
        field = instance._meta.get_field(name)
        if not isinstance(field, Field) or field.is_relation:
            continue
        value = getattr(instance, field.attname)
        try:
            field.clean(value, instance)
            for validate in field.validators if isinstance(field, JSONField) else ():
                validate(value)  # `clean` accepts an empty list in place of an empty object
        except ValidationError as error:
            label = name.replace("_", " ")
            message = error.messages[0].replace("This field", label.capitalize())
            labelled = message if label in message.lower() else f"{label.capitalize()}: {message}"
            raise Invalid(name, labelled) from None
