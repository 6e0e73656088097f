"""Fields that several forms have, so that each is read in the same way."""

from datetime import datetime
from typing import Any

from django import forms

from agents.rules import is_blank
from mission_control.models.task import due_at


class DueField(forms.DateField):
    """The day on which a task is due; validated to what `due_date` stores."""

    def clean(self, value: Any) -> datetime | None:
        day = super().clean(value)
        return None if day is None else due_at(day)


class VisibleText(forms.CharField):
    """A name or a title: one of which nothing can be seen counts as not given."""

    def to_python(self, value: Any) -> str:
        text = str(super().to_python(value) or "")
        return "" if is_blank(text) else text
