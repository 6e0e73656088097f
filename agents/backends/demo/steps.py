"""The JSON Schema of the demo backend's option `script`.

`x-errors` holds the message for a keyword that is not met, which agents/backends/registry.py shows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

MAX_STEPS = 1_000
MAX_SECONDS = 3_600
MAX_QUOTA_SECONDS = 30 * 24 * 3_600
MAX_TOKENS = 10**12
MAX_USD = 10**6
TEXT_CHARS = 60_000
MAX_OPTIONS = 20
MAX_TIMEOUT_SECONDS = 30 * 24 * 3_600
KINDS = (
    *("say", "think", "sleep", "tool", "write", "delete", "run", "ask", "approve", "wait_for_message"),
    *("usage", "quota", "fail", "from_start"),
)


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
_COMPANIONS = "must have `content` with `write`, and `result` only with `tool`"


def _only_with(key: str, kinds: Sequence[str]) -> dict[str, Any]:
    """Return the schema of a step with this key: it has one of these kinds."""
    names = " or ".join(f"`{kind}`" for kind in kinds)
    return {
        "anyOf": [{"required": [kind]} for kind in kinds],
        "x-errors": {"anyOf": f"must have `{key}` only with {names}"},
    }


# Keys that are no kinds, with the kinds that they go with.
_COMPANION_KEYS = {
    "input": ("tool", "approve"),
    "options": ("ask",),
    "default": ("ask", "approve"),
    "timeout_seconds": ("ask", "approve", "wait_for_message"),
}
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
    "input": {"type": "object", "description": "the input of `tool` or `approve`"},
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
    "ask": {
        **_text("a question to people; the step ends with the answer"),
        "pattern": _NOT_BLANK,
        "x-errors": {"pattern": "is empty"},
    },
    "options": {
        "type": "array",
        "maxItems": MAX_OPTIONS,
        "uniqueItems": True,
        "items": {"type": "string", "maxLength": 200, "pattern": _NOT_BLANK, "x-errors": {"pattern": "is empty"}},
        "description": "the answers that `ask` offers; without it the answer is free text",
        "x-errors": {"uniqueItems": "must not have an answer twice"},
    },
    "default": _text("the answer that is taken if nobody answers in time"),
    "timeout_seconds": {
        "type": "number",
        "minimum": 0,
        "maximum": MAX_TIMEOUT_SECONDS,
        "description": "how long to wait for a person",
    },
    "approve": {
        "type": "string",
        "maxLength": 200,
        "pattern": _NOT_BLANK,
        "description": "the name of a tool whose use, with this `input`, a person approves or denies",
        "x-errors": {"pattern": "is empty"},
    },
    "wait_for_message": {
        "const": True,
        "description": "waits until a person writes to the agent",
        "x-errors": {"const": "must be true"},
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
        },
        "oneOf": [{"required": [kind]} for kind in KINDS],
        "dependentRequired": {"write": ["content"], "content": ["write"], "result": ["tool"]},
        "dependentSchemas": {key: _only_with(key, kinds) for key, kinds in _COMPANION_KEYS.items()},
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
        'steps to play in order, such as [{"say": "Hello"}, {"sleep": 2}]; '
        "excludes the other options but `approval_policy`; docs/backends/demo.md lists them"
    ),
}
