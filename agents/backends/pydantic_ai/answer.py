"""Translate the model's answer and its uses of tools to events, and tools of MCP servers to the model's."""

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from agents.backends.base import BackendError, BackendEvent, EventType, Usage
from agents.backends.mcp_servers.client import Connection, ServerTool
from agents.backends.pydantic_ai.thoughts import Thoughts

if TYPE_CHECKING:
    from pydantic_ai import Tool
    from pydantic_ai.usage import RunUsage

TOOL_RETRIES = 3
NAME_CHARS = 64  # of a tool


def server_tools(server: str, connection: Connection) -> "list[Tool[None]]":
    """Return a server's tools for the model, named as Claude names them, so that no two servers' collide."""
    from pydantic_ai import Tool

    def caller(name: str) -> Callable[..., Awaitable[str]]:
        async def call(**arguments: Any) -> str:
            return await connection.call(name, arguments)

        return call

    return [
        Tool.from_schema(caller(tool.name), name, tool.description, dict(tool.schema))
        for name, tool in _shown_names(server, connection.tools).items()
    ]


def _shown_names(server: str, tools: Sequence[ServerTool]) -> dict[str, ServerTool]:
    """Return each tool under a name that every provider accepts, and that no other tool has."""
    shown: dict[str, ServerTool] = {}
    for tool in tools:
        wanted = name = re.sub(r"[^A-Za-z0-9_-]", "_", f"mcp__{server}__{tool.name}")[:NAME_CHARS]
        numbers = count(2)
        while name in shown:
            ending = f"_{next(numbers)}"
            name = wanted[: NAME_CHARS - len(ending)] + ending
        shown[name] = tool
    return shown


def usage_of(used: "RunUsage", model_name: str) -> Usage:
    """Return what pydantic-ai has counted so far."""
    known = bool(used.input_tokens or used.output_tokens)
    return Usage(
        model=model_name,
        input_tokens=used.input_tokens if known else None,
        output_tokens=used.output_tokens if known else None,
        cost_usd=float(used.cost) if known and used.cost is not None else None,
    )


def incomplete_notice(finish_reason: str | None) -> BackendEvent | None:
    """Return a notice for an incomplete answer. Raises BackendError if the model itself gave up."""
    match finish_reason:
        case "length":
            return BackendEvent(EventType.STATUS, "The answer was cut off: it reached the limit of tokens")
        case "content_filter":
            return BackendEvent(EventType.STATUS, "The answer was cut off by the provider's content filter")
        case "error":
            raise BackendError("The model gave up before its answer was complete")
    return None


class EventTranslator:
    """Translates pydantic-ai's events. A new text or thought after another one is a paragraph of its own."""

    def __init__(self) -> None:
        self._begun: set[EventType] = set()  # types that had a text before
        self._new: set[EventType] = set()  # types whose next text starts a new paragraph
        self._thoughts = Thoughts()

    def of(self, event: Any) -> Iterator[BackendEvent]:
        """Yield the events for a pydantic-ai event."""
        kind, text, is_new = _text_piece(event)
        if is_new:
            yield from self.end()
            self._new |= {EventType.MESSAGE, EventType.THINKING}
        if kind == EventType.THINKING:
            yield from self._text(kind, text)
        elif text:
            for is_thought, words in self._thoughts.feed(text):
                yield from self._text(EventType.THINKING if is_thought else EventType.MESSAGE, words)
        if not text:
            yield from self.end() if _ends_text(event) else ()
            yield from _tool_events(event)

    def end(self) -> Iterator[BackendEvent]:
        """Yield the held part of the text, which ends here."""
        thoughts, self._thoughts = self._thoughts, Thoughts()
        for is_thought, words in thoughts.end():
            yield from self._text(EventType.THINKING if is_thought else EventType.MESSAGE, words)

    def _text(self, kind: EventType, text: str) -> Iterator[BackendEvent]:
        if not text:
            return
        if kind in self._new and kind in self._begun:
            text = f"\n\n{text}"
        self._new.discard(kind)
        self._begun.add(kind)
        yield BackendEvent(kind, text)


def _ends_text(event: Any) -> bool:
    from pydantic_ai.messages import FunctionToolCallEvent, PartEndEvent

    return isinstance(event, FunctionToolCallEvent | PartEndEvent)


def _text_piece(event: Any) -> tuple[EventType, str, bool]:
    """Return a piece of text or thought and whether it starts a new one; an empty text for other events."""
    from pydantic_ai.messages import (
        PartDeltaEvent,
        PartStartEvent,
        TextPart,
        TextPartDelta,
        ThinkingPart,
        ThinkingPartDelta,
    )

    match event:
        case PartStartEvent(part=TextPart(content=text)):
            return EventType.MESSAGE, text, True
        case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
            return EventType.MESSAGE, text, False
        case PartStartEvent(part=ThinkingPart(content=text)):
            return EventType.THINKING, text, True
        case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=text)):
            return EventType.THINKING, text or "", False
    return EventType.MESSAGE, "", False


def _tool_events(event: Any) -> Iterator[BackendEvent]:
    """Yield the use of a tool, or its result."""
    from pydantic_ai.messages import FunctionToolCallEvent, FunctionToolResultEvent

    match event:
        case FunctionToolCallEvent(part=part):
            given = {"id": part.tool_call_id, "input": _input(part.args)}
            yield BackendEvent(EventType.TOOL_USE, part.tool_name, given)
        case FunctionToolResultEvent(part=part):
            yield BackendEvent(EventType.TOOL_RESULT, part.model_response_str(), {"id": part.tool_call_id})


def _input(args: Any) -> Any:
    """Return a call's arguments as JSON data, or as the model's text if they are not JSON."""
    if not isinstance(args, str):
        return args
    try:
        return json.loads(args)
    except ValueError:
        return args
