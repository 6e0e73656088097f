"""Serializer fields that accept exactly the types of the contract, and nothing similar.

In JSON, a number does not count as a string, nor a string or a bool as a number. An HTML form has only strings, so
there the string is parsed.
"""

import uuid
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ParseError

from agents.models import Agent
from agents.rules import (
    CONTENT_BYTES,
    DATA_BYTES,
    DATA_LEVELS,
    DESCRIPTION_CHARS,
    LARGEST_INTEGER,
    TAG_CHARS,
    TAGS,
    TITLE_CHARS,
    check_object,
    is_blank,
)
from mission_control.api.parsers import strict_loads
from mission_control.compat.rest_framework import is_from_form
from mission_control.text import as_uuid

MAX_IDS = 500

AnyField = serializers.Field[Any, Any, Any, Any]


class Text(serializers.CharField):
    def run_validation(self, data: Any = serializers.empty) -> Any:
        # Checked first: CharField would turn a deeply nested list into text to see whether it is blank.
        if not (data is serializers.empty or data is None or isinstance(data, str)):
            self.fail("invalid")
        # Checked before white space is trimmed, because the schema can only describe that length.
        if isinstance(data, str) and self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        if isinstance(data, str) and not self.allow_blank and is_blank(data):
            self.fail("blank")
        return super().run_validation(data)


class Title(Text):
    def __init__(self, max_length: int = TITLE_CHARS, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)


class Description(Text):
    """A long text, stored exactly as written."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs = {"required": False, "allow_blank": True, "trim_whitespace": False, **kwargs}
        super().__init__(max_length=DESCRIPTION_CHARS, style={"base_template": "textarea.html"}, **kwargs)


class Content(Text):
    """A document's content, at most 5 MB."""

    MAX_BYTES = CONTENT_BYTES
    default_error_messages = {"too_large": "This field may not be larger than {size} MB."}

    def __init__(self, **kwargs: Any) -> None:
        kwargs = {"allow_blank": True, "trim_whitespace": False, **kwargs}
        super().__init__(style={"base_template": "textarea.html"}, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if len(text.encode("utf-8", "replace")) > self.MAX_BYTES:
            self.fail("too_large", size=self.MAX_BYTES // 2**20)
        return text


class Integer(serializers.IntegerField):
    """A whole number, by default from 0 to the largest that every database stores. In JSON, 3.0 counts as one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": LARGEST_INTEGER, **kwargs})

    def to_internal_value(self, data: Any) -> int:
        if is_from_form(self):
            return super().to_internal_value(data)
        is_whole = isinstance(data, int) or (isinstance(data, float) and data.is_integer())
        if isinstance(data, bool) or not is_whole:
            self.fail("invalid")
        return int(data)


class Flag(serializers.BooleanField):
    default_error_messages = {"invalid": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not is_from_form(self) and not isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class Choice(serializers.ChoiceField):
    """One of the names. The error lists them, and does not repeat the value that was sent."""

    default_error_messages = {"invalid_choice": "Must be one of {names}."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", names=", ".join(self.choices))
        return data


class Tags(serializers.ListField):
    """A list of short texts, none of them blank."""

    def __init__(self, max_chars: int = TAG_CHARS, **kwargs: Any) -> None:
        super().__init__(child=Text(max_length=max_chars), max_length=TAGS, required=False, **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        if isinstance(data, list) and len(data) > TAGS:  # before a million items are validated one by one
            self.fail("max_length", max_length=TAGS)
        return super().to_internal_value(data)


class Data(serializers.JSONField):
    """A JSON object of at most 64 kB and 20 levels, which every database can store."""

    MAX_BYTES, MAX_LEVELS = DATA_BYTES, DATA_LEVELS
    default_error_messages = {
        "not_an_object": "Must be a JSON object.",
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, str) and is_from_form(self):
            data = self._from_form(data)
        if not isinstance(data, dict):
            self.fail("not_an_object")
        try:
            check_object(data, most_bytes=self.MAX_BYTES, most_levels=self.MAX_LEVELS)
        except ValidationError as error:
            raise serializers.ValidationError(error.messages) from None
        return data

    def _from_form(self, text: str) -> Any:
        try:
            return strict_loads(text or "{}")
        except ParseError:
            self.fail("invalid")


class BackendName(Text):
    """The name of an existing backend; the action that receives it checks it."""


class BackendOptions(Data):
    """Options of a backend; the action that receives them checks them against the backend's schema."""


class Id(serializers.UUIDField):
    """An id; no object with this id has to exist."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or (key := as_uuid(data)) is None:
            self.fail("invalid")
        return key


class Reference(Id):
    """The id of an existing object; the validated value is the object."""

    default_error_messages = {"unknown": "There is no {noun} with this id."}

    def __init__(self, queryset: QuerySet[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.queryset = queryset

    def to_internal_value(self, data: Any) -> Any:
        found = self.queryset.filter(pk=super().to_internal_value(data)).first()
        if found is None:
            self.fail("unknown", noun=self.queryset.model._meta.verbose_name)
        return found

    def to_representation(self, value: Any) -> str:
        return str(value.pk)


class References(serializers.ListField):
    """A list of ids of existing objects; the validated value is the objects, in order, each once. One query."""

    default_error_messages = {"unknown": "There is no {noun} with the id {id}."}

    def __init__(self, queryset: QuerySet[Any], **kwargs: Any) -> None:
        super().__init__(child=Id(), max_length=MAX_IDS, required=False, **kwargs)
        self.queryset = queryset

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and len(data) > MAX_IDS:
            self.fail("max_length", max_length=MAX_IDS)
        keys = list(dict.fromkeys(super().to_internal_value(data)))
        found = self.find(keys)
        for key in keys:
            if key not in found:
                self.fail("unknown", noun=self.queryset.model._meta.verbose_name, id=key)
        return [found[key] for key in keys]

    def find(self, keys: list[uuid.UUID]) -> dict[uuid.UUID, Any]:
        """Return the existing objects by their ids."""
        return self.queryset.in_bulk(keys)

    def to_representation(self, value: Any) -> list[str]:
        return [str(item.pk) for item in value.all()]


class Person(Text):
    """Who acted: null, `human`, or the id of an existing agent."""

    default_error_messages = {"unknown": "Must be null, human, or the id of an agent."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "allow_null": True, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if text == "human":
            return text
        key = as_uuid(text)
        if key is None or not Agent.objects.filter(pk=key).exists():
            self.fail("unknown")
        return str(key)


class Moment(serializers.DateTimeField):
    default_error_messages = {"invalid": "Must be a time such as 2026-11-23T09:30:00Z."}

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str):
            self.fail("invalid")
        return super().to_internal_value(value)
