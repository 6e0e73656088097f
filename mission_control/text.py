"""Text from outside: parse it as an id or a day, and make it storable in every database. Text to many sockets."""

import math
import re
import uuid
from datetime import date
from typing import Any, overload


class SharedText(str):
    """A text that many sockets send. `prepared` is its WebSocket frame, which our web server adds and reuses."""

    __slots__ = ("prepared",)
    prepared: Any


def as_uuid(text: object) -> uuid.UUID | None:
    """Parse a UUID; return None for any other text."""
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None


def as_day(text: object) -> date | None:
    """Parse a day in the form 2026-11-23 (ISO 8601); return None for any other text."""
    try:
        named = re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(text))
        return date.fromisoformat(str(text)) if named else None
    except ValueError:  # such as the 31st of February
        return None


@overload
def storable(value: str) -> str: ...
@overload
def storable(value: Any) -> Any: ...
def storable(value: Any) -> Any:
    """Return text or JSON data in a form that every database and every JSON parser accepts.

    NUL characters and lone surrogates are replaced. Numbers that JSON does not have (NaN, infinity), integers of
    more than 64 bits, and values that are not JSON become text.
    """
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {storable(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    if isinstance(value, int):  # a bool too
        return value if -(2**63) <= value < 2**63 else _long_number(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    return value if value is None else storable(str(value))


def _long_number(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # Python refuses to write more than 4,300 digits
        return f"an integer of {value.bit_length():,} bits"
