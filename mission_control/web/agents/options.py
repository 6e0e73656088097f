"""The backend options in an agent's form: one field for each option in the backend's `options_schema`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.datastructures import MultiValueDict

from agents.backends import registry
from agents.backends.registry import BrokenBackend, OptionsError, UnknownBackend

PREFIX = "option-"
WHOLE = "whole"  # the one field for all options as JSON, if the backend has no schema to read
LONG_TEXT_CHARS = 1_000
MAX_CHARS = 64 * 1024


class Unreadable(ValueError):
    """The text of a field does not fit the option's type. The message says what would."""


@dataclass(slots=True)
class OptionField:
    """One option as a form field. `kind` is text, long, number, choice, flag, lines or json."""

    name: str
    label: str
    kind: str
    schema: Mapping[str, Any] = field(repr=False)
    is_required: bool
    value: str = ""
    error: str = ""

    @property
    def key(self) -> str:
        return f"{PREFIX}{self.name}"

    @property
    def hint(self) -> str:
        """Return the hint: the schema's description, the bounds, the default, and the format."""
        description = str(self.schema.get("description", "")).strip()
        description = description[:1].upper() + description[1:].rstrip(".")
        return ". ".join(filter(None, [description, self._bounds, self._default, _FORMS.get(self.kind, "")]))

    @property
    def choices(self) -> list[tuple[str, str]]:
        if self.kind == "flag":
            return [("true", "Yes"), ("false", "No")]
        return [(_as_text(value), _as_text(value)) for value in self.schema.get("enum", [])]

    @property
    def low(self) -> Any:
        return self.schema.get("minimum")

    @property
    def high(self) -> Any:
        return self.schema.get("maximum")

    @property
    def step(self) -> str:
        return "1" if "integer" in _types(self.schema) else "any"

    @property
    def longest(self) -> int:
        return int(self.schema.get("maxLength", MAX_CHARS))

    @property
    def _bounds(self) -> str:
        if self.low is not None and self.high is not None:
            return f"{self.low:,} to {self.high:,}"
        return f"At least {self.low:,}" if self.low is not None else ""

    @property
    def _default(self) -> str:
        default = self.schema.get("default")
        return "" if default is None else f"Default: {_as_text(default)}"

    def read(self, text: str) -> Any:
        """Return the option's value from the text of its field. Raises Unreadable."""
        if self.kind == "number":
            return _number(text, self.schema)
        if self.kind == "flag":
            return text == "true"
        if self.kind == "choice":
            return next((value for value in self.schema["enum"] if _as_text(value) == text), text)
        if self.kind == "lines":
            return [line.strip() for line in text.splitlines() if line.strip()]
        return _json(text) if self.kind == "json" else text


_FORMS = {"lines": "One per line", "json": "As JSON"}
_SHORT_FORMS = {"url": "URL", "mcp": "MCP"}


def fields_of(backend: str, options: Mapping[str, Any]) -> list[OptionField]:
    """Return the form fields of a backend's options, filled with these values.

    If the backend is unknown or broken, return one field for all options as JSON.
    """
    try:
        schema = registry.schema_of(registry.get(backend))
    except (BrokenBackend, UnknownBackend):
        return [OptionField(WHOLE, "Options", "json", {}, is_required=False, value=_pretty(options))]
    required = schema.get("required", [])
    found = []
    for name, one in schema.get("properties", {}).items():
        made = OptionField(name, _label(name), _kind(one), one, is_required=name in required)
        if name in options and options[name] is not None:
            made.value = _shown(options[name], made.kind)
        found.append(made)
    return found


def values_of(backend: str, posted: "MultiValueDict[str, str]") -> dict[str, Any]:
    """Return the values of the text options in an unfinished form, on which the choices depend."""
    texts = (one for one in fields_of(backend, {}) if one.kind == "text")
    return {one.name: value for one in texts if (value := str(posted.get(one.key, "")).strip()[: one.longest])}


def read(backend: str, posted: "MultiValueDict[str, str]") -> tuple[dict[str, Any], list[OptionField]]:
    """Return the options in a submitted form, and its fields with their errors. Empty fields give no option."""
    fields, options = fields_of(backend, {}), {}
    for one in fields:
        one.value = str(posted.get(one.key, ""))[:MAX_CHARS]
        text = one.value if one.kind == "long" else one.value.strip()
        if not text:
            continue
        try:
            options[one.name] = one.read(text)
        except Unreadable as error:
            one.error = str(error)
    if [one.name for one in fields] == [WHOLE]:
        whole = options.get(WHOLE, {})
        options = whole if isinstance(whole, dict) else options
    if not any(one.error for one in fields):
        _check(backend, options, fields)
    return options, fields


def _check(backend: str, options: dict[str, Any], fields: list[OptionField]) -> None:
    try:
        registry.check_choices(backend, options)
    except UnknownBackend:
        return  # the error is on the form's backend field
    except OptionsError as error:
        at_fault = (error.option or "").partition(".")[0]
        place = next((one for one in fields if one.name == at_fault), fields[0] if fields else None)
        if place is not None:
            place.error = f"{error}.".replace("`", "")


def _label(name: str) -> str:
    words = " ".join(_SHORT_FORMS.get(word, word) for word in name.split("_"))
    return words[:1].upper() + words[1:]


def _types(schema: Mapping[str, Any]) -> list[str]:
    named = schema.get("type", [])
    return [named] if isinstance(named, str) else [kind for kind in named if kind != "null"]


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "choice"
    match _types(schema):
        case ["string"]:
            return "long" if schema.get("maxLength", 0) > LONG_TEXT_CHARS else "text"
        case ["integer"] | ["number"] | ["integer", "number"] | ["number", "integer"]:
            return "number"
        case ["boolean"]:
            return "flag"
        case ["array"] if _types(schema.get("items", {})) == ["string"]:
            return "lines"
    return "json"


def _number(text: str, schema: Mapping[str, Any]) -> int | float:
    try:
        return int(text)
    except ValueError:
        if _types(schema) == ["integer"]:
            raise Unreadable("Enter a whole number.") from None
    try:
        return float(text)
    except ValueError:
        raise Unreadable("Enter a number.") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable("This is not valid JSON.") from None


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _shown(value: Any, kind: str) -> str:
    if kind == "lines" and isinstance(value, list):
        return "\n".join(map(str, value))
    return _pretty(value) if kind == "json" else _as_text(value)


def _pretty(value: Any) -> str:
    """Return the value as JSON for reading; a list of objects, such as a script's steps, has a line for each."""
    if not value:
        return ""
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        lines = ",\n".join(f"  {json.dumps(one, ensure_ascii=False)}" for one in value)
        return f"[\n{lines}\n]"
    return json.dumps(value, indent=2, ensure_ascii=False)
