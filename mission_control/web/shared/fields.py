"""Fields that several forms have, so that each is read in the same way."""

import csv
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms

from agents.rules import TAG_CHARS, TAGS, is_blank
from mission_control.models.task import due_at
from mission_control.web.shared.field_groups import TextArea

DESCRIPTION_CHARS = 50_000


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


class LongText(forms.CharField):
    """A text of several lines, kept as it was written but for the browser's line ends."""

    widget = TextArea

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"strip": False, "required": False, **kwargs})

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value) or "").replace("\r\n", "\n")


class TagsField(forms.CharField):
    """Short texts with commas between, validated to a list, each once.

    A text that itself has a comma in it is put in double quotes, as `tags_text` writes it.
    """

    def __init__(self, *, noun: str = "tags", most_chars: int = TAG_CHARS, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)
        self.most_chars = most_chars
        self.too_many = forms.ValidationError(f"At most {TAGS} {noun} of {most_chars} characters.")

    def clean(self, value: Any) -> list[str]:
        text = " ".join(super().clean(value).splitlines())
        try:
            parts = next(csv.reader([text], skipinitialspace=True), [])
        except csv.Error:  # longer than any text it reads
            raise self.too_many from None
        found = list(dict.fromkeys(part.strip() for part in parts if not is_blank(part)))
        if len(found) > TAGS or any(len(part) > self.most_chars for part in found):
            raise self.too_many
        return found


def tags_text(tags: Iterable[str]) -> str:
    """Return tags as a person edits them: with commas between."""
    return ", ".join(_quoted(str(tag)) for tag in tags)


def _quoted(tag: str) -> str:
    return '"{}"'.format(tag.replace('"', '""')) if "," in tag or tag.startswith('"') else tag
