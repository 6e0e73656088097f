"""Rules about values, written once: models, actions, API, pages, admin, planner and import all use them."""

import json
import math
import re
from collections.abc import Iterable
from itertools import chain
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.deconstruct import deconstructible

TITLE_CHARS = 200
DOCUMENT_TITLE_CHARS = 250  # as the product names them: "Deliverable: " and a task's title
DESCRIPTION_CHARS = 50_000  # of descriptions, messages and a review's feedback
ACTIVE_DESCRIPTION_CHARS = 200
GOAL_CHARS = (10, 5_000)  # the least and the most
CONTENT_BYTES = 5 * 1024 * 1024
NAME_CHARS, ROLE_CHARS, SESSION_KEY_CHARS, BACKEND_CHARS = 50, 100, 100, 50  # of an agent
TOKEN_NAME_CHARS = 100
SEARCH_CHARS = 200  # of a text to search for; pages cut a longer one
ACTIVITY_CHARS = 500
TAGS, TAG_CHARS, SPECIALTY_CHARS = 50, 50, 100
DATA_BYTES, DATA_LEVELS = 64 * 1024, 20
LARGEST_INTEGER = 2**31 - 1  # that every database can keep

# Space, control characters, and what Unicode shows nothing for (Default_Ignorable_Code_Point, the empty Braille
# pattern, the marks of interlinear annotation): as the inside of a character class.
INVISIBLE = (
    r"\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
)
_BLANK = re.compile(rf"[{INVISIBLE}\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*")


def is_blank(text: str) -> bool:
    """Return whether the text has no visible character."""
    return _BLANK.fullmatch(text) is not None


def not_blank(text: str) -> None:
    """Raise ValidationError for a text without a visible character."""
    if is_blank(text):
        raise ValidationError("This field may not be blank.", code="blank")


def is_storable(text: str) -> bool:
    """Return whether every database can store the text: it has no NUL character and no lone surrogate."""
    return "\x00" not in text and text == text.encode("utf-8", "ignore").decode()


@deconstructible
class TagList:
    """Raises ValidationError for anything but a list of a few short texts, none of them blank."""

    def __init__(self, max_chars: int = TAG_CHARS) -> None:
        self.max_chars = max_chars

    def __call__(self, value: Any) -> None:
        if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
            raise ValidationError("Must be a list of strings.")
        if len(value) > TAGS:
            raise ValidationError(f"At most {TAGS} are allowed.")
        for tag in value:
            if is_blank(tag) or not is_storable(tag):
                raise ValidationError("None may be blank or contain NUL characters.")
            if len(tag) > self.max_chars:
                raise ValidationError(f"Each may have at most {self.max_chars} characters.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TagList) and other.max_chars == self.max_chars

    def __hash__(self) -> int:
        return hash(self.max_chars)


def content_size(text: str) -> None:
    """Raise ValidationError for a document's content that is too large."""
    if len(text.encode("utf-8", "replace")) > CONTENT_BYTES:
        raise ValidationError(f"This field may not be larger than {CONTENT_BYTES // 2**20} MB.")


def json_object(value: Any) -> None:
    """Raise ValidationError for anything but a JSON object that a request may hold."""
    check_object(value)


def check_object(value: Any, *, most_bytes: int = DATA_BYTES, most_levels: int = DATA_LEVELS) -> None:
    """Raise ValidationError for anything but a JSON object of that size that any database can keep."""
    if not isinstance(value, dict):
        raise ValidationError("Must be a JSON object.")
    ahead: list[tuple[Any, int]] = [(value, 1)]
    while ahead:  # without recursion
        item, level = ahead.pop()
        if isinstance(item, str) and not is_storable(item):
            raise ValidationError("NUL characters and lone surrogates are not allowed.")
        if isinstance(item, float) and not math.isfinite(item):
            raise ValidationError("NaN and infinite numbers are not allowed.")
        if isinstance(item, dict | list):
            if level > most_levels:
                raise ValidationError(f"Must not have more than {most_levels} levels.")
            inside: Iterable[Any] = chain(item, item.values()) if isinstance(item, dict) else item
            ahead += [(one, level + 1) for one in inside]
    if len(json.dumps(value, ensure_ascii=False).encode()) > most_bytes:
        raise ValidationError(f"Must not be larger than {most_bytes // 1024} kB.")
