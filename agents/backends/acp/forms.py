"""The forms with which an agent asks people (`elicitation/create`): one question for each of their fields."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from agents.backends.base import Option, Question, Reply
from agents.backends.programs.formats.reader import listed, part, text_of

MOST_FIELDS = 10
MOST_OPTIONS = 50
TEXT_CHARS = 4_000
LABEL_CHARS = 200
_YES, _NO = Option("yes", "Yes"), Option("no", "No")
ACCEPT, DECLINE = Option("accept", "OK"), Option("decline", "Decline")


class Unfit(ValueError):
    """The answer is not of the type that the form wants."""


def fields_of(params: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the schemas of a form's fields by name."""
    properties = part(params, "requestedSchema", "properties")
    return {name: part(properties, name) for name in properties if isinstance(name, str)}


def confirmation(params: Mapping[str, Any]) -> Question:
    """Return the question of a form without fields."""
    text = text_of(params.get("message"))[:TEXT_CHARS] or "The agent asks to go on"
    return Question(text, [ACCEPT, DECLINE], key=_key(text, ""))


def question_of(params: Mapping[str, Any], name: str, schema: Mapping[str, Any]) -> Question:
    """Return the question for one field of a form."""
    message = text_of(params.get("message"))
    words = [text_of(schema.get("title")) or name, text_of(schema.get("description"))]
    is_alone = len(fields_of(params)) == 1 and message
    text = "\n\n".join(filter(None, [message, *(words[1:] if is_alone else words)]))[:TEXT_CHARS]
    options = _options(schema)
    return Question(text, options, default=_default(schema), key=_key(text, name))


def value_of(schema: Mapping[str, Any], reply: Reply) -> Any:
    """Return the field's value for a person's answer. Raises Unfit."""
    match schema.get("type"):
        case "boolean":
            if reply.choice not in (_YES.id, _NO.id):
                raise Unfit("yes or no")
            return reply.choice == _YES.id
        case "integer" | "number" as kind:
            try:
                return int(reply.text) if kind == "integer" else float(reply.text)
            except ValueError:
                raise Unfit("a number") from None
        case "array":
            return [line.strip() for line in reply.text.splitlines() if line.strip()]
    values = [value for value, _ in _choices(schema)]
    if not values:
        return reply.text
    if reply.choice.isdecimal() and int(reply.choice) < len(values):
        return values[int(reply.choice)]
    raise Unfit("one of its options")


def _choices(schema: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the values of a choice, with their labels."""
    titled = [(text_of(one.get("const")), text_of(one.get("title"))) for one in listed(schema.get("oneOf"))]
    given = schema.get("enum")
    plain = [(one, one) for one in given if isinstance(one, str)] if isinstance(given, list) else []
    return (titled or plain)[:MOST_OPTIONS]


def _options(schema: Mapping[str, Any]) -> list[Option]:
    if schema.get("type") == "boolean":
        return [_YES, _NO]
    if schema.get("type") != "string":
        return []
    return [
        Option(str(place), (label or value)[:LABEL_CHARS]) for place, (value, label) in enumerate(_choices(schema))
    ]


def _default(schema: Mapping[str, Any]) -> str:
    default, values = schema.get("default"), [value for value, _ in _choices(schema)]
    if isinstance(default, bool):
        return (_YES if default else _NO).id if schema.get("type") == "boolean" else ""
    if values:
        return str(values.index(default)) if default in values else ""
    return str(default)[:TEXT_CHARS] if isinstance(default, str | int | float) else ""


def _key(text: str, name: str) -> str:
    return sha256(f"{name}\n{text}".encode(errors="replace")).hexdigest()[:32]
