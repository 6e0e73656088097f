"""One conversation with the Claude CLI through the SDK, with the CLI as a process of ours.

This module imports the SDK, so it is imported only where it is used. The SDK itself would start the CLI as its
child with the server's whole environment, and would end only that child; so it gets a transport of ours, and the
program runs and ends like any other agent's (agents/backends/processes.py).
"""

import json
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ClaudeSDKError,
    HookContext,
    HookInput,
    HookJSONOutput,
    HookMatcher,
    Message,
    PermissionResultAllow,
    PermissionResultDeny,
    ProcessError,
    RateLimitEvent,
    ResultMessage,
    StreamEvent,
    SystemMessage,
    TextBlock,
    ThinkingBlock,
    ToolPermissionContext,
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
    Usage,
)
from agents.backends.claude.installation import is_too_old, too_old
from agents.backends.claude.people import Call, People
from agents.backends.claude.turns import Sender, Turns, exchange
from agents.backends.processes import (
    LINE_BYTES,
    LaunchSpec,
    ProcessLimitReached,
    ProcessLimits,
    Program,
    run_program,
    split_lines,
)
from agents.backends.programs.failures import with_reason
from agents.backends.programs.formats.claude import (
    LOGIN_ADVICE,
    ClaudeReader,
    claudes_refusals,
    claudes_result,
    claudes_total,
)
from agents.backends.programs.formats.reader import part, text_of, tool_result, tool_use
from agents.backends.programs.logins import claudes_account
from agents.redaction import redact, shown_error

NO_SUCH_SESSION = "No conversation found"
_TOO_LONG = re.compile(
    r"prompt is too long|exceeds? (?:the )?(?:model's )?context (?:window|limit)", re.IGNORECASE
)

logger = logging.getLogger(__name__)
# Errors are raised to us as well; the SDK's log would only repeat the agent's output.
logging.getLogger("claude_agent_sdk").setLevel(logging.CRITICAL)

Item = BackendItem


class CannotContinue(Exception):
    """The earlier conversation cannot be continued; the text says why. No output was yielded yet."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How a conversation begins: what is sent, with the images among the files, and what it continues."""

    text: str
    files: Sequence[Path] = ()
    earlier_session: str = ""


async def conversation(
    spec: LaunchSpec, limits: ProcessLimits, opening: Opening, people: People
) -> AsyncGenerator[Item, None]:
    """Send the opening and yield the answer; when the stream ends, the CLI and all its children have ended.

    What people write meanwhile is passed on. Raises CannotContinue, BackendError.
    """
    reader = SdkMessageReader(
        includes_earlier_usage=bool(opening.earlier_session),
        account=claudes_account(spec.environment),
        denied=people.denied,
    )
    async with (
        run_program(spec, limits) as program,
        aclosing(_read(program, opening, people, reader)) as items,
    ):
        async for item in items:
            yield item
    if reader.is_hopeless:
        raise BackendError(shown_error(reader.failure))
    if reader.reason:
        raise reader.reason
    if not reader.has_ended:
        raise BackendError(with_reason("Claude ended before sending a result", program.last_words()))
    yield Answer((reader.answer or "").strip())


async def _read(
    program: Program, opening: Opening, people: People, reader: "SdkMessageReader"
) -> AsyncGenerator[Item, None]:
    """Yield the events of the conversation. Raises CannotContinue, BackendError, and the error of the dialogue."""
    try:
        async with aclosing(_messages(program, opening, people)) as messages:
            async for message in messages:
                for item in reader.read_message(message):
                    yield item
                if reader.is_hopeless or isinstance(reader.reason, CannotContinue):
                    break
    except ProcessLimitReached as limit:
        raise AgentOverLimit(f"Claude {limit}, and was stopped", limit.limit) from None
    except ClaudeSDKError as error:
        raise _failure(error, reader, program) from None
    except Exception as error:
        if people.failure.done():
            raise
        logger.info("the conversation failed: %s", redact(f"{type(error).__name__}: {error}")[:2000])
        raise BackendError(shown_error(f"Claude failed: {error}")) from None


async def _messages(program: Program, opening: Opening, people: People) -> AsyncGenerator[Message]:
    """Yield what Claude sends, from the opening to the end."""
    turns = Turns()
    transport = _ProgramTransport(program, turns)
    client = ClaudeSDKClient(_options(people, program), transport)
    async with client:
        sender = Sender(client, turns, people.workdir)
        await sender.send(opening.text, opening.files)
        for said in people.messages:  # of a conversation that could not be continued
            await sender.send_from(said)
        received = client.receive_messages()
        async with aclosing(exchange(received, sender, people, end_input=transport.end_input)) as messages:
            async for message in messages:
                yield message


def _options(people: People, program: Program) -> ClaudeAgentOptions:
    """Return the SDK's options: who decides on tool calls.

    The CLI asks about what its permission mode does not allow. With a policy a hook sees every call first, and has
    the CLI ask about those that the policy does not allow. A hook that fails blocks the call.
    """

    async def can_use(tool: str, given: dict[str, Any], context: ToolPermissionContext) -> Any:
        call = Call(tool, given, context.tool_use_id or "", context.agent_id or "")
        with program.excused():
            decision = await people.decide(call)
        if decision.input is None:
            return PermissionResultDeny(message=decision.reason)
        return PermissionResultAllow(updated_input=dict(decision.input))

    async def before(given: HookInput, _tool_use_id: str | None, _context: HookContext) -> HookJSONOutput:
        data: dict[str, Any] = dict(given)
        agent = text_of(data.get("agent_id"))
        people.note_sub_agent(agent, text_of(data.get("agent_type")))
        match people.rule(Call(text_of(data.get("tool_name")), part(data, "tool_input"), agent=agent)):
            case "":
                return {}
            case rule:
                decision: Any = "allow" if rule == "allow" else "ask"
                return {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": decision}}

    hooks: Any = {"PreToolUse": [HookMatcher(hooks=[before], on_failure="block")]} if people.policy else None
    return ClaudeAgentOptions(verbatim_prompts=True, can_use_tool=can_use, hooks=hooks)


def _failure(error: ClaudeSDKError, reader: "SdkMessageReader", program: Program) -> Exception:
    """Return the error for an early end: Claude's own message, otherwise the end of standard error."""
    logger.info("the conversation ended early: %s", redact(f"{type(error).__name__}: {error}")[:2000])
    errors = " / ".join(getattr(error, "errors", None) or [])
    if NO_SUCH_SESSION in f"{errors} {program.last_words()}" and not reader.has_begun:
        return CannotContinue("no longer exists")
    if reader.reason:
        return reader.reason
    status = f" (exit status {program.exit_status})" if program.exit_status else ""
    return BackendError(
        with_reason(f"Claude ended early{status}", errors or program.last_words() or "no reason given")
    )


class _ProgramTransport(Transport):
    """The SDK's transport to a program that we start and end ourselves."""

    def __init__(self, program: Program, turns: Turns) -> None:
        self._program, self._turns = program, turns
        self._is_open = False

    async def connect(self) -> None:
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False

    def is_ready(self) -> bool:
        return self._is_open

    async def write(self, data: str) -> None:
        """Send a line of JSON from the SDK."""
        await self._program.send_line(data.rstrip("\n").encode(errors="replace"))

    async def end_input(self) -> None:
        await self._program.send_line(b"")

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the lines that are JSON objects.

        Raises ProcessError; without it the SDK would wait for answers.
        """
        async with aclosing(self._program.output()) as output:
            async for line, size in split_lines(output):
                if size and b'"api_retry"' not in line:  # otherwise it only waits, or wrote to standard error
                    self._program.note_progress()
                if size > LINE_BYTES:
                    yield {"type": "system", "subtype": "left_out", "size": size}
                elif line.startswith(b"{"):
                    yield self._noted(json.loads(line))
        if self._program.exit_status:
            raise ProcessError("ended", exit_code=self._program.exit_status)

    def _noted(self, line: dict[str, Any]) -> dict[str, Any]:
        """Note what the line says about turns; return it so that the SDK passes it on, in its order."""
        self._turns.note(line)
        if line.get("type") == "command_lifecycle":
            return {"type": "system", "subtype": "command_lifecycle", **{k: line[k] for k in line if k != "type"}}
        return {key: value for key, value in line.items() if key != "sdk_host_only"}


class SdkMessageReader(ClaudeReader):
    """Translates the SDK's messages to events; system messages and pieces are the CLI's own lines."""

    def __init__(
        self,
        *,
        includes_earlier_usage: bool = False,
        account: str = "claude",
        denied: AbstractSet[str] = frozenset(),
    ) -> None:
        super().__init__()
        self._denied = denied  # ids of the tool calls that people or the policy denied
        self.has_begun = False
        self.account = account
        self.reason: BackendError | CannotContinue | None = None
        self.includes_earlier_usage = includes_earlier_usage  # the final usage is that of the whole conversation
        self._main_message = ""  # the main thread's message whose text arrived in pieces

    def read_message(self, message: Message) -> Iterator[Item]:
        """Yield the events of the message."""
        match message:
            case SystemMessage():
                yield from self._system(message.data)
            case StreamEvent():
                yield from self._stream_event(message)
            case AssistantMessage():
                yield from self._messages_of(message)
            case UserMessage(content=list(blocks)):
                for block in blocks:
                    if isinstance(block, ToolResultBlock):
                        yield self._result_of(block)
            case RateLimitEvent():
                yield from self.quota.read(message.rate_limit_info.raw)
            case ResultMessage():
                yield from self._ended(message)

    def _system(self, data: dict[str, Any]) -> Iterator[Item]:
        yield from self.read(data)
        match data.get("subtype"):
            case "init":
                self.has_begun = True
                version = text_of(data.get("claude_code_version"))
                if is_too_old(version):
                    self.fail(too_old(version))
                    self.is_hopeless = True
            case "left_out":
                yield BackendEvent(EventType.STATUS, f"A line of {data['size']:,} bytes was left out")

    def _result_of(self, block: ToolResultBlock) -> BackendEvent:
        if block.tool_use_id in self._denied:
            return tool_result(block.tool_use_id, block.content, is_refused=True)
        return claudes_result(block.tool_use_id, block.content, block.is_error)

    def _stream_event(self, message: StreamEvent) -> Iterator[Item]:
        event, parent = message.event, message.parent_tool_use_id
        if parent is None and event.get("type") == "message_start":
            self._main_message = text_of(part(event, "message").get("id"))
        yield from self._streamed({"event": event, "parent_tool_use_id": parent})

    def _messages_of(self, message: AssistantMessage) -> Iterator[Item]:
        """Yield the parts of a message that are not reported otherwise.

        Text that arrived in pieces, the text of sub-agents (in their tool's result) and errors (in the final
        result) are reported otherwise. After broken connections the CLI requests a message that arrives whole.
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
        if self.counter.add_message({"id": message.message_id, "usage": message.usage, "model": message.model}):
            yield self.counter.usage(self.model)

    def _ended(self, message: ResultMessage) -> Iterator[Item]:
        self.has_ended = True
        yield self._total(message)
        yield from claudes_refusals(message.permission_denials)
        self.answer = message.result
        self.reason = self._failure_of(message) if message.is_error or message.subtype != "success" else None

    def _failure_of(self, message: ResultMessage) -> "BackendError | CannotContinue":
        words = message.result or " / ".join(message.errors or [])
        if self.includes_earlier_usage and self._is_silent() and _TOO_LONG.search(words):
            return CannotContinue("has become too long")
        failure = _failure_of_result(message)
        return self.quota.error(str(failure), words, account=self.account) or failure

    def _is_silent(self) -> bool:
        """Return whether the model has not written anything yet, so that nothing is repeated by a new start."""
        return self.counter.usage(None).output_tokens is None

    def _total(self, message: ResultMessage) -> Usage:
        """Return the usage of this run, with all models and sub-agents."""
        if not self.includes_earlier_usage:
            return claudes_total(
                message.model_usage, message.usage, message.total_cost_usd, self.counter.usage(self.model)
            )
        return self.usage_of_this_run(message.usage)


def _failure_of_result(message: ResultMessage) -> BackendError:
    """Return the failure with a message for users. No retry here: the CLI has retried itself."""
    words = shown_error(message.result or " / ".join(message.errors or []) or "no reason given")
    match message.subtype, message.api_error_status:
        case "error_max_turns", _:
            # The CLI counts the turn that it did not start.
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
