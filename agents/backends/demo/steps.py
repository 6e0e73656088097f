"""The JSON Schema of the demo backend's option `script`.

`x-errors` holds the message for a keyword that is not met, which agents/backends/registry.py shows.
"""

from collections.abc import Mapping
from typing import Any

MAX_STEPS = 1_000
MAX_SECONDS = 3_600
MAX_QUOTA_SECONDS = 30 * 24 * 3_600
MAX_TOKENS = 10**12
MAX_USD = 10**6
TEXT_CHARS = 60_000
KINDS = ("say", "think", "sleep", "tool", "write", "delete", "run", "usage", "quota", "fail", "from_start")
# Steps that wait for a person. They are known, so that the message says why they are refused.
FUTURE_KINDS = ("ask", "approve", "wait_for_message")
FUTURE_KEYS = ("options", "default", "timeout_seconds")


def kind_of(step: Mapping[str, Any]) -> str:
    """Return the kind of a step that fits the schema."""
    return next(kind for kind in KINDS if kind in step)


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "maxLength": TEXT_CHARS, "description": description}


_PATH = {
    "type": "string",
    "minLength": 1,
    "maxLength": 1_000,
    # No part may be empty, `.` or `..`, and there are no control characters.
    "pattern": r"^(?:(?!\.{1,2}(?:/|$))[^/\u0000-\u001f\u007f]+/)*(?!\.{1,2}$)[^/\u0000-\u001f\u007f]+$(?!\n)",
    "description": "a relative path inside the working folder, such as notes/day.md, without `..`",
}
_NOT_BLANK = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"
_NUMBER_OF_TOKENS = {"type": "integer", "minimum": 0, "maximum": MAX_TOKENS}
_NOT_YET = {
    "not": {},
    "description": "not available yet",
    "x-errors": {"not": f"is not available yet, as all steps that wait for a person ({', '.join(FUTURE_KINDS)})"},
}
_COMPANIONS = "must have `content` with `write`, and `input` and `result` only with `tool`"
_PROPERTIES: dict[str, Any] = {
    "say": _text("a message; {prompt}, {answer} and {message} are replaced"),
    "think": _text("thinking"),
    "sleep": {"type": "number", "minimum": 0, "maximum": MAX_SECONDS, "description": "seconds to wait"},
    "tool": {
        "type": "string",
        "maxLength": 200,
        "pattern": _NOT_BLANK,
        "description": "the name of a tool, shown with its `input` and `result`",
        "x-errors": {"pattern": "is empty"},
    },
    "input": {"type": "object", "description": "the input of `tool`"},
    "result": _text("the result of `tool`"),
    "write": {**_PATH, "x-errors": {"pattern": f"must be {_PATH['description']}"}},
    "content": _text("the content of the file that `write` writes"),
    "delete": {**_PATH, "x-errors": {"pattern": f"must be {_PATH['description']}"}},
    "run": {
        "type": "array",
        "minItems": 1,
        "maxItems": 100,
        "items": {"type": "string", "maxLength": 10_000},
        "description": "a command and its arguments, run in the sandbox",
    },
    "usage": {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "properties": {
            "input_tokens": _NUMBER_OF_TOKENS,
            "output_tokens": _NUMBER_OF_TOKENS,
            "cost_usd": {"type": "number", "minimum": 0, "maximum": MAX_USD},
        },
        "description": "the usage so far",
        "x-errors": {"minProperties": "must have input_tokens, output_tokens or cost_usd"},
    },
    "quota": {
        "type": "number",
        "minimum": 0,
        "maximum": MAX_QUOTA_SECONDS,
        "description": "the quota is used up and resets in so many seconds",
    },
    "fail": {
        **_text("the run fails with this message"),
        "pattern": _NOT_BLANK,
        "x-errors": {"pattern": "is empty"},
    },
}


def _step(first: bool) -> dict[str, Any]:
    from_start = {
        "const": True,
        "description": "as the first step: a later run starts again",
        "x-errors": {"const": "must be true"},
    }
    too_late = {"not": {}, "x-errors": {"not": "is allowed as the first step only"}}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **_PROPERTIES,
            "from_start": from_start if first else too_late,
            **dict.fromkeys(FUTURE_KINDS, _NOT_YET),
            **{key: {} for key in FUTURE_KEYS},
        },
        "oneOf": [{"required": [kind]} for kind in (*KINDS, *FUTURE_KINDS)],
        "dependentRequired": {"write": ["content"], "content": ["write"], "result": ["tool"]},
        "dependentSchemas": {
            "input": {
                "anyOf": [{"required": [kind]} for kind in ("tool", "approve")],
                "x-errors": {"anyOf": _COMPANIONS},
            }
        },
        "x-errors": {
            "additionalProperties": f"is not part of a step. A step is one of {', '.join(KINDS)}",
            "oneOf": f"must have exactly one of {', '.join(KINDS)}",
            "dependentRequired": _COMPANIONS,
        },
    }


SCRIPT_SCHEMA: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_STEPS,
    "prefixItems": [_step(first=True)],
    "items": _step(first=False),
    "description": (
        'steps to play in order, such as [{"say": "Hello"}, {"sleep": 2}]; excludes the other options; '
        "docs/backends/demo.md lists them"
    ),
}
