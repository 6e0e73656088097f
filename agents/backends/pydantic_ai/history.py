"""The conversation with a model as JSON data, so that a later call can continue it.

Imports pydantic-ai: import this only after the model has been opened.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    ToolCallPart,
    ToolReturnPart,
    repair_messages,
)

from agents.redaction import redact_data, redact_secrets

VERSION = 1
MOST_CHARS = 400_000  # of the stored JSON: about 100,000 tokens, which most models can read
CUT_CHARS = 2_000  # that remain of an older result of a tool, if the whole is too long
LONG_CHARS = 20_000  # that remain of any other text, if it is still too long
KEPT = 4  # the newest messages, whose results of tools are the last to be cut
LEFT_OUT = "[Earlier steps of this conversation were left out here.]"
CUT = " … [cut off]"


@dataclass
class History:
    """An earlier conversation. `results` are those of tool calls of the last response that have been made."""

    messages: list[ModelMessage] = field(default_factory=list)
    results: Mapping[str, str] = field(default_factory=dict)

    @property
    def pending(self) -> list[ToolCallPart]:
        """The tool calls of the last response that have no result yet."""
        last = self.messages[-1] if self.messages else None
        calls = last.tool_calls if isinstance(last, ModelResponse) else []
        return [call for call in calls if call.tool_call_id not in self.results]

    def closed(self) -> list[ModelMessage]:
        """Return the messages, ready for a new prompt: calls without a result are answered as not made."""
        last = self.messages[-1] if self.messages else None
        if not isinstance(last, ModelResponse) or not last.tool_calls:
            return self.messages
        known = [
            ToolReturnPart(call.tool_name, self.results[call.tool_call_id], call.tool_call_id)
            for call in last.tool_calls
            if call.tool_call_id in self.results
        ]
        return repair_messages([*self.messages, *([ModelRequest(parts=known)] if known else [])])


def dump(model: str, messages: Sequence[ModelMessage], results: Mapping[str, str]) -> dict[str, Any]:
    """Return a conversation with this model as JSON data: without secrets and files, and limited in length."""
    entries = [
        _without_secrets(entry) for entry in ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")
    ]
    return {
        "version": VERSION,
        "model": model,
        "messages": _bounded(entries),
        "results": {key: redact_secrets(result) for key, result in results.items()},
    }


def load(model: str, state: Any) -> History | None:
    """Return the stored conversation with this model; None if it was with another one, or cannot be read."""
    if not isinstance(state, Mapping) or (state.get("version"), state.get("model")) != (VERSION, model):
        return None
    try:
        messages = ModelMessagesTypeAdapter.validate_python(state["messages"])
        results = {str(key): str(result) for key, result in state["results"].items()}
    except (ValueError, KeyError, AttributeError):  # pydantic's errors are ValueErrors
        return None
    return History(messages, results) if messages else None


# ---------------------------------------------------------------- secrets and files
def _without_secrets(message: dict[str, Any]) -> dict[str, Any]:
    parts = [part for given in message.get("parts", []) if (part := _clean(given))]
    return {**message, "parts": parts}


def _clean(part: dict[str, Any]) -> dict[str, Any] | None:
    """Return the part of a message without secrets; None for a thought with one, because its text is signed."""
    kept = dict(part)
    if "content" in part:
        kept["content"] = redact_data(_without_files(part["content"]))
    if "args" in part:
        kept["args"] = _clean_arguments(part["args"])
    is_changed_thought = part.get("part_kind") == "thinking" and kept["content"] != part["content"]
    return None if is_changed_thought else kept


def _clean_arguments(args: Any) -> Any:
    """Return the arguments of a call without secrets; text that is JSON remains JSON."""
    if not isinstance(args, str):
        return redact_data(args)
    try:
        return json.dumps(redact_data(json.loads(args)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return redact_secrets(args)


def _without_files(content: Any) -> Any:
    """Replace each file by a note: a stored conversation has no images."""
    if isinstance(content, list):
        return [_without_files(item) for item in content]
    if isinstance(content, dict) and content.get("kind") == "binary":
        return f"[a file of the type {content.get('media_type')}]"
    return content


# ---------------------------------------------------------------- length
def _bounded(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return messages that are not too long: cut older results, leave out the oldest steps, then cut the rest.

    The first message, with the task, and the newest ones remain. A step is a response and the request after it,
    so that each result keeps its call.
    """
    if _chars(messages) <= MOST_CHARS:
        return messages
    bounded = [_cut(message, CUT_CHARS, {"tool-return"}) for message in messages[:-KEPT]] + messages[-KEPT:]
    sizes = [_chars(message) for message in bounded]
    is_shortened = False
    while sum(sizes) > MOST_CHARS and len(bounded) > KEPT + 2 and _is_step(bounded[1:3]):
        del bounded[1:3], sizes[1:3]
        is_shortened = True
    if sum(sizes) > MOST_CHARS:
        bounded = [_cut(message, LONG_CHARS, {"tool-return", "user-prompt"}) for message in bounded]
    if is_shortened:
        bounded[0] = {**bounded[0], "parts": [*bounded[0]["parts"], _note()]}
    return bounded


def _is_step(messages: list[dict[str, Any]]) -> bool:
    return [message.get("kind") for message in messages] == ["response", "request"]


def _note() -> dict[str, Any]:
    request = ModelRequest.user_text_prompt(LEFT_OUT)
    [dumped] = ModelMessagesTypeAdapter.dump_python([request], mode="json")
    part: dict[str, Any] = dumped["parts"][0]
    return part


def _cut(message: dict[str, Any], most: int, kinds: set[str]) -> dict[str, Any]:
    """Return the message with the texts of parts of these kinds cut."""

    def cut(part: dict[str, Any]) -> dict[str, Any]:
        content: Any = part.get("content")
        is_long = isinstance(content, str) and len(content) > most and part.get("part_kind") in kinds
        return {**part, "content": f"{content[:most]}{CUT}"} if is_long else part

    return {**message, "parts": [cut(part) for part in message["parts"]]}


def _chars(data: Any) -> int:
    return len(json.dumps(data))
