"""Form fields that several forms share, so that all of them validate in the same way."""

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
    """The day on which a task is due. Its clean value is the datetime that `due_date` stores."""

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
    """A name or a title. A text without visible characters counts as empty."""

    def to_python(self, value: Any) -> str:
        text = str(super().to_python(value) or "")
        return "" if is_blank(text) else text


class TitleField(VisibleText):
    """The title of a task, project or document."""

    def __init__(self, *, missing: str = "Give it a title.", max_length: int = TITLE_CHARS, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, error_messages={"required": missing}, **kwargs)


class LongText(forms.CharField):
    """A text of several lines. Only the browser's line ends are changed, to a line feed."""

    widget = TextArea

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"strip": False, "required": False, **kwargs})

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value) or "").replace("\r\n", "\n")


class DescriptionField(LongText):
    """The description of a task, project or agent, as long as the model allows."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=DESCRIPTION_CHARS, **kwargs)


class ContentField(LongText):
    """A document's content."""

    def validate(self, value: str) -> None:
        super().validate(value)
        content_size(value)


class PriorityField(forms.ChoiceField):
    """The priority of a task; medium by default."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"choices": Task.Priority.choices, "initial": Task.Priority.MEDIUM, **kwargs})

    def clean(self, value: Any) -> str:
        return super().clean(value) or Task.Priority.MEDIUM


class TaskTypeField(forms.ChoiceField):
    """The type of a task; by default a task for an agent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"choices": KINDS_OF_TASK, "initial": Task.Type.AGENT, **kwargs})

    def clean(self, value: Any) -> str:
        return super().clean(value) or Task.Type.AGENT


class Minutes(forms.IntegerField):
    """A number of minutes, optional."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, min_value=0, max_value=LARGEST_INTEGER, **kwargs)


class TagsField(forms.CharField):
    """Short texts separated by commas. The clean value is a list without duplicates.

    A text that contains a comma is put in double quotes, as `tags_text` writes it. Users may type a # before each
    tag, because pages show tags like that.
    """

    noun, mark, most_chars = "tags", "#", TAG_CHARS

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)
        self.too_many = forms.ValidationError(f"At most {TAGS} {self.noun} of {self.most_chars} characters.")

    def clean(self, value: Any) -> list[str]:
        text = " ".join(super().clean(value).splitlines())
        try:
            parts = next(csv.reader([text], skipinitialspace=True), [])
        except csv.Error:  # the text exceeds the csv module's field limit
            raise self.too_many from None
        texts = (part.strip().removeprefix(self.mark).strip() for part in parts)
        found = list(dict.fromkeys(text for text in texts if not is_blank(text)))
        if len(found) > TAGS or any(len(part) > self.most_chars for part in found):
            raise self.too_many
        return found


class SpecialtiesField(TagsField):
    """An agent's specialties: like tags, but without the #."""

    noun, mark, most_chars = "specialties", "", SPECIALTY_CHARS


def tags_text(tags: Iterable[str], *, mark: str = TagsField.mark) -> str:
    """Return tags as a user edits them, separated by commas. A tag that begins with the mark gets a second one."""
    return ", ".join(_quoted(mark + str(tag) if mark and str(tag).startswith(mark) else str(tag)) for tag in tags)


def _quoted(tag: str) -> str:
    return '"{}"'.format(tag.replace('"', '""')) if "," in tag or tag.startswith('"') else tag
