"""One conversation with the Claude CLI through the SDK, with the CLI as a process of ours.

Imports the SDK, so it is itself imported where it is used. The SDK would start the CLI with all of the server's
environment, as its own child, and end no more than that child; so it gets a transport instead, and the program
runs and ends as any other agent's does (agents/backends/processes.py).
"""

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ClaudeSDKError,
    Message,
    ProcessError,
    ResultMessage,
    StreamEvent,
    SystemMessage,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    Transport,
    UserMessage,
)

from agents.backends.base import (
    AgentOverLimit,
    Answer,
    BackendError,
    BackendEvent,
    BackendItem,
    EventType,
    Session,
    Usage,
)
from agents.backends.processes import LINE_BYTES, LimitReached, Limits, Order, Program, lines_of, started
from agents.backends.programs.failures import with_reason
from agents.backends.programs.formats.claude import (
    LOGIN_ADVICE,
    Claude,
    claudes_refusals,
    claudes_result,
    claudes_total,
    read_tokens,
)
from agents.backends.programs.formats.reader import part, text_of, tool_use, total
from agents.prices import price_of
from agents.redaction import redact, shown_error

NO_SUCH_SESSION = "No conversation found"

logger = logging.getLogger(__name__)
# What goes wrong is raised to us as well; its log would hold the agent's words, and nobody reads them twice.
logging.getLogger("claude_agent_sdk").setLevel(logging.CRITICAL)

Item = BackendItem


class SessionGone(Exception):
    """There is no such conversation any more. Nothing was said yet."""


async def conversation(
    order: Order, limits: Limits, prompt: str, *, goes_on: str = ""
) -> AsyncGenerator[Item, None]:
    """Say the prompt and yield what comes of it; the CLI and all its children have ended when the stream has.

    `goes_on` is the earlier conversation. Raises SessionGone, BackendError.
    """
    reader = Reader(counts_earlier=bool(goes_on))
    async with started(order, limits) as program:
        client = ClaudeSDKClient(ClaudeAgentOptions(verbatim_prompts=True), _Pipe(program))
        try:
            async with client:
                await client.query(prompt)
                await program.say(b"")
                async for message in client.receive_messages():
                    for item in reader.hear(message):
                        yield item
                    if reader.is_hopeless:
                        break
        except LimitReached as limit:
            raise AgentOverLimit(f"Claude {limit}, and was stopped", limit.limit) from None
        except ClaudeSDKError as error:
            raise _failure(error, reader, program) from None
        except Exception as error:  # noqa: BLE001 - what the CLI answers to a control request is a bare one
            logger.info("the conversation failed: %s", redact(f"{type(error).__name__}: {error}")[:2000])
            raise BackendError(shown_error(f"Claude failed: {error}")) from None
    if reader.is_hopeless:
        raise BackendError(shown_error(reader.failure))
    if reader.reason:
        raise reader.reason
    if not reader.has_ended:
        raise BackendError(with_reason("Claude ended before sending a result", program.last_words()))
    yield Answer((reader.answer or "").strip())


def _failure(error: ClaudeSDKError, reader: "Reader", program: Program) -> Exception:
    """Return what an end before its time means: Claude's own words, else the program's last ones."""
    logger.info("the conversation ended early: %s", redact(f"{type(error).__name__}: {error}")[:2000])
    errors = " / ".join(getattr(error, "errors", None) or [])
    if NO_SUCH_SESSION in f"{errors} {program.last_words()}" and not reader.has_begun:
        return SessionGone()
    if reader.reason:
        return reader.reason
    status = f" (exit status {program.exit_status})" if program.exit_status else ""
    return BackendError(
        with_reason(f"Claude ended early{status}", errors or program.last_words() or "no reason given")
    )


class _Pipe(Transport):
    """The SDK's way to a program that is started and ended around it."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._is_open = False

    async def connect(self) -> None:
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False

    def is_ready(self) -> bool:
        return self._is_open

    async def write(self, data: str) -> None:
        """Say what the SDK says: a line of JSON."""
        await self._program.say(data.rstrip("\n").encode(errors="replace"))

    async def end_input(self) -> None:
        await self._program.say(b"")

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the lines that are objects. Raises ProcessError, without which the SDK would wait for answers."""
        async with aclosing(self._program.output()) as output:
            async for line, size in lines_of(output):
                if size and b'"api_retry"' not in line:  # else it only waits, or wrote to standard error
                    self._program.note_progress()
                if size > LINE_BYTES:
                    yield {"type": "system", "subtype": "left_out", "size": size}
                elif line.startswith(b"{"):
                    yield json.loads(line)
        if self._program.exit_status:
            raise ProcessError("ended", exit_code=self._program.exit_status)


class Reader(Claude):
    """What the SDK's messages mean; those of the system, and the pieces, are the CLI's own lines."""

    def __init__(self, *, counts_earlier: bool = False) -> None:
        super().__init__()
        self.has_begun = False
        self.reason: BackendError | None = None
        self.counts_earlier = counts_earlier  # what it tells at the end is that of the whole conversation
        self._main_message = ""  # the one of the main thread whose text came in pieces

    def hear(self, message: Message) -> Iterator[Item]:
        """Yield what the message says."""
        match message:
            case SystemMessage():
                yield from self._system(message.data)
            case StreamEvent():
                yield from self._stream_event(message)
            case AssistantMessage():
                yield from self._said(message)
            case UserMessage(content=list(blocks)):
                for block in blocks:
                    if isinstance(block, ToolResultBlock):
                        yield claudes_result(block.tool_use_id, block.content, block.is_error)
            case ResultMessage():
                yield from self._ended(message)

    def _system(self, data: dict[str, Any]) -> Iterator[Item]:
        yield from self.read(data)
        match data.get("subtype"):
            case "init":
                self.has_begun = True
                if name := text_of(data.get("session_id")):
                    yield Session(name)
            case "left_out":
                yield BackendEvent(EventType.STATUS, f"A line of {data['size']:,} bytes was left out")

    def _stream_event(self, message: StreamEvent) -> Iterator[Item]:
        event, parent = message.event, message.parent_tool_use_id
        if parent is None and event.get("type") == "message_start":
            self._main_message = text_of(part(event, "message").get("id"))
        yield from self._streamed({"event": event, "parent_tool_use_id": parent})

    def _said(self, message: AssistantMessage) -> Iterator[Item]:
        """Yield what is not told otherwise: what came in pieces, by a sub-agent's tool, as the result's error.

        After connections that broke, the CLI asks for a message that comes whole.
        """
        came_in_pieces = message.message_id is None or message.message_id == self._main_message
        silent = came_in_pieces or message.parent_tool_use_id is not None or message.error is not None
        for block in message.content:
            match block:
                case ToolUseBlock():
                    yield tool_use(block.name, block.id, block.input)
                case TextBlock() if not silent:
                    yield from self.whole(block.text)
                case ThinkingBlock() if not silent:
                    yield from self.thought(block.thinking)
        if self.spent.add_message({"id": message.message_id, "usage": message.usage, "model": message.model}):
            yield self.spent.usage(self.model)

    def _ended(self, message: ResultMessage) -> Iterator[Item]:
        self.has_ended = True
        yield self._total(message)
        yield from claudes_refusals(message.permission_denials)
        self.answer = message.result
        self.reason = _explain(message) if message.is_error or message.subtype != "success" else None

    def _total(self, message: ResultMessage) -> Usage:
        """Return what this run used, all models and sub-agents together."""
        if not self.counts_earlier:
            return claudes_total(
                message.model_usage, message.usage, message.total_cost_usd, self.spent.usage(self.model)
            )
        counts = message.usage or {}
        cost = price_of(
            self.model,
            provider="anthropic",
            read=read_tokens(counts),
            written=total(counts, "output_tokens"),
            from_cache=total(counts, "cache_read_input_tokens"),
            to_cache=total(counts, "cache_creation_input_tokens"),
        )
        told = Usage(self.model, read_tokens(counts), total(counts, "output_tokens"), cost)
        # It tells of the main thread only; the messages of sub-agents were counted as they came.
        spent = replace(self.spent.usage(self.model), cost_usd=self.spent.cost(self.model))
        return max(told, spent, key=_tokens)


def _tokens(usage: Usage) -> int:
    return (usage.input_tokens or 0) + (usage.output_tokens or 0)


def _explain(message: ResultMessage) -> BackendError:
    """Return why it failed, in words for people. Nothing is tried again here: the CLI has done so itself."""
    words = shown_error(message.result or " / ".join(message.errors or []) or "no reason given")
    match message.subtype, message.api_error_status:
        case "error_max_turns", _:
            # The CLI counts the turn that it did not begin any more.
            return BackendError(f"Claude reached the limit of {message.num_turns - 1} turns; raise `max_turns`")
        case _, 401 | 403 as status:
            return BackendError(f"Anthropic refused the key or login (HTTP {status}). {LOGIN_ADVICE}")
        case _, 404:
            return BackendError(shown_error(f"Anthropic does not know the model (HTTP 404): {words}"))
        case _, 429:
            return BackendError(shown_error(f"Anthropic limits the number of requests (HTTP 429): {words}"))
        case _, int(status) if status >= 500:
            return BackendError(shown_error(f"Anthropic failed (HTTP {status}); try again later: {words}"))
    return BackendError(shown_error(f"Claude failed: {words}"))
