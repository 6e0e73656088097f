"""Fields that several forms have, so that each is read in the same way."""

import csv
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django import forms

from agents.rules import (
    DESCRIPTION_CHARS,
    LARGEST_INTEGER,
    SPECIALTY_CHARS,
    TAG_CHARS,
    TAGS,
    TITLE_CHARS,
    content_size,
    is_blank,
)
from mission_control.models import Task
from mission_control.models.task import due_at
from mission_control.text import as_day
from mission_control.web.shared.field_groups import TextArea

KINDS_OF_TASK = [(Task.Type.AGENT, "Agent"), (Task.Type.HUMAN, "Person"), (Task.Type.REVIEW, "Review")]


class DueField(forms.DateField):
    """The day on which a task is due; validated to what `due_date` stores."""

    def to_python(self, value: Any) -> date | None:
        if not value:
            return None
        if (day := as_day(value)) is None:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return day

    def clean(self, value: Any) -> datetime | None:
        day = super().clean(value)
        return None if day is None else due_at(day)


class VisibleText(forms.CharField):
    """A name or a title: one of which nothing can be seen counts as not given."""

    def to_python(self, value: Any) -> str:
        text = str(super().to_python(value) or "")
        return "" if is_blank(text) else text


class Title(VisibleText):
    """The title of a task, project or document."""

    def __init__(self, *, missing: str = "Give it a title.", max_length: int = TITLE_CHARS, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, error_messages={"required": missing}, **kwargs)


class LongText(forms.CharField):
    """A text of several lines, kept as it was written but for the browser's line ends."""

    widget = TextArea

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"strip": False, "required": False, **kwargs})

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value) or "").replace("\r\n", "\n")


class Description(LongText):
    """What a task, project or agent is, at whatever length the model takes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=DESCRIPTION_CHARS, **kwargs)


class Content(LongText):
    """A document's content."""

    def validate(self, value: str) -> None:
        super().validate(value)
        content_size(value)


class Priority(forms.ChoiceField):
    """How urgent a task is; not chosen, as urgent as the model's default."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"choices": Task.Priority.choices, "initial": Task.Priority.MEDIUM, **kwargs})

    def clean(self, value: Any) -> str:
        return super().clean(value) or Task.Priority.MEDIUM


class TaskType(forms.ChoiceField):
    """Who does a task; not chosen, an agent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"choices": KINDS_OF_TASK, "initial": Task.Type.AGENT, **kwargs})

    def clean(self, value: Any) -> str:
        return super().clean(value) or Task.Type.AGENT


class Minutes(forms.IntegerField):
    """A number of minutes, or none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, min_value=0, max_value=LARGEST_INTEGER, **kwargs)


class TagsField(forms.CharField):
    """Short texts with commas between, validated to a list, each once.

    A text that itself has a comma in it is put in double quotes, as `tags_text` writes it. Tags may be written as
    pages show them, with a # before each.
    """

    noun, mark, most_chars = "tags", "#", TAG_CHARS

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)
        self.too_many = forms.ValidationError(f"At most {TAGS} {self.noun} of {self.most_chars} characters.")

    def clean(self, value: Any) -> list[str]:
        text = " ".join(super().clean(value).splitlines())
        try:
            parts = next(csv.reader([text], skipinitialspace=True), [])
        except csv.Error:  # longer than any text it reads
            raise self.too_many from None
        texts = (part.strip().removeprefix(self.mark).strip() for part in parts)
        found = list(dict.fromkeys(text for text in texts if not is_blank(text)))
        if len(found) > TAGS or any(len(part) > self.most_chars for part in found):
            raise self.too_many
        return found


class SpecialtiesField(TagsField):
    """What an agent is good at, written as tags are, but for the #."""

    noun, mark, most_chars = "specialties", "", SPECIALTY_CHARS


def tags_text(tags: Iterable[str], *, mark: str = TagsField.mark) -> str:
    """Return tags as a person edits them: with commas between; a mark of their own is written twice."""
    return ", ".join(_quoted(mark + str(tag) if mark and str(tag).startswith(mark) else str(tag)) for tag in tags)


def _quoted(tag: str) -> str:
    return '"{}"'.format(tag.replace('"', '""')) if "," in tag or tag.startswith('"') else tag
