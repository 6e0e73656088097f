"""The protocol between a run and its backend.

A backend gets a prompt and yields events until the work is done. Cancellation is its only stop signal; it cleans
up in `finally` and leaves no process, connection or billed request behind. It uses neither the ORM, nor Channels,
nor Mission Control's settings.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal

# A limit at which a backend ended its agent; empty for none.
LimitName = Literal["", "time", "silence", "output", "processes", "disk"]


INSTRUCTIONS = "project_instructions"  # the option of all backends that work on a project
PROJECT_INSTRUCTIONS_SCHEMA = {
    "type": "boolean",
    "default": True,
    "description": "whether AGENTS.md and CLAUDE.md of the working folder are instructions for the agent",
}


class EventType(StrEnum):
    MESSAGE = "message"
    THINKING = "thinking"
    TOOL_USE = "tool_use"
    TOOL_RESULT = "tool_result"
    STATUS = "status"
    INPUT = "input"


@dataclass(frozen=True, slots=True)
class BackendEvent:
    """One event of an agent's output.

    message, thinking: a piece of text of any length, as it arrives; pieces are joined without a separator.
    tool_use: content is the tool's name; metadata has `input` (JSON) and `id`. tool_result: content is the whole
    result as text; metadata has the `id` of its use, and `refused: true` if the tool was not allowed to run.
    status: a notice for users, such as a retry. input: a message from a person to the agent; only the runs layer
    writes it.
    """

    type: EventType
    content: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """The run's total consumption so far, not an increment. Unknown amounts are None, never 0."""

    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None

    def __add__(self, later: "Usage") -> "Usage":
        """Return the sum; where one amount is unknown, the other one."""

        def total(name: str) -> Any:
            known = [value for one in (self, later) if (value := getattr(one, name)) is not None]
            return sum(known) if known else None

        return Usage(later.model or self.model, total("input_tokens"), total("output_tokens"), total("cost_usd"))


@dataclass(frozen=True, slots=True)
class Session:
    """The agent's own id of this conversation. A later run of the task may continue it.

    `state` is for a backend whose agent keeps no conversations: JSON data that is stored, and set as
    `earlier_state` where the conversation continues. A later Session replaces it.
    """

    id: str
    state: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The agent's final answer, complete: its deliverable.

    Yielded once, as the last item of a successful call, after the messages with the same text. A backend that
    cannot distinguish the answer from other messages yields none; then all messages are the answer. An empty text
    means that the agent ended without an answer.
    """

    text: str


BackendItem = BackendEvent | Usage | Session | Answer


class BackendError(Exception):
    """The agent failed. The message is for users and says what to do; it contains no key and no path.

    `limit` names the backend's own limit at which it ended the agent; it is empty for any other failure.
    """

    limit: LimitName = ""


class AgentOverLimit(BackendError):
    """A backend ended its agent at one of the backend's own limits."""

    def __init__(self, message: str, limit: LimitName) -> None:
        super().__init__(message)
        self.limit = limit


class TransientError(BackendError):
    """The agent failed temporarily: too many requests, a server error, a dropped connection.

    The call is retried after a pause, of `retry_after_seconds` if the server named a time, but only if the agent
    has not sent any output yet. With `safe_to_retry` it is retried even then, because a new call continues where
    this one ended and repeats nothing. `most_retries` is set where more retries would only delay the error.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        safe_to_retry: bool = False,
        most_retries: int | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.safe_to_retry = safe_to_retry
        self.most_retries = most_retries


class QuotaUsedUp(BackendError):
    """The account's quota is used up: its provider refuses further calls until it resets.

    The run is parked until then, and other runs on the same account wait with it. `account` names whose quota it
    is, such as "claude" or "openai:…a1b2"; it is shown to users and never contains a secret. `resets_at` is the
    time that the provider named, None if it named none; one without a time zone is taken as UTC. Waiting for it is
    limited, because a provider may be wrong. `agents/backends/quota.py` reads such times from texts and headers.
    """

    def __init__(self, message: str, *, account: str, resets_at: datetime | None = None) -> None:
        super().__init__(message)
        self.account = account
        if resets_at is not None and resets_at.tzinfo is None:
            resets_at = resets_at.replace(tzinfo=UTC)
        self.resets_at = resets_at


@dataclass(frozen=True, slots=True)
class Source:
    """A provider, server or program that can list values of an option, such as its models.

    `look` asks it: it takes up to some seconds, and raises BackendError with a message for people. The result is
    kept for all processes under `key`, so sources that give the same values have the same key, of 60 characters at
    most. `prefix` is written before each value. A source is `given` if its address comes from the options: it is
    only asked if a user wants that.
    """

    option: str
    key: str
    title: str
    look: Callable[[], Sequence[str]]
    prefix: str = ""
    is_given: bool = False


@dataclass(frozen=True, slots=True)
class Setup:
    """How a backend is set up on this machine.

    `missing` is what an agent still needs, None if it can run. `choices` has known values of options, the
    suggested one first, and `sources` can list more of them; other values may be valid too.
    """

    missing: str | None = None
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sources: Sequence[Source] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """One of the answers that a question offers."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A tool that an agent wants to use, with its input as JSON data."""

    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A question of an agent to people; with `tool`, the request to approve that tool call.

    Without options the answer is free text. `default`, an option's id or a text, is taken when nobody has answered
    after `timeout_seconds` (None: the setting's); without a default the run then fails. `key` identifies the
    question within the conversation: a continued call that asks it again gets the answer that was given meanwhile.
    """

    text: str
    options: Sequence[Option] = ()
    tool: ToolRequest | None = None
    default: str = ""
    timeout_seconds: float | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A person's answer to a question.

    `text` is the free text, or the label of the chosen option, whose id is `choice`. For a tool call `is_allowed`
    is the decision, and `reason` says why it was denied.
    """

    text: str = ""
    choice: str = ""
    is_allowed: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PersonMessage:
    """A message from a person to a running agent. `files` are paths in the working folder, images among them."""

    id: str
    sender: str
    text: str
    files: Sequence[Path] = ()


class Dialogue(ABC):
    """What a backend can do with people during a call. The run's own one is set before `stream` is called."""

    @abstractmethod
    async def ask(self, question: Question) -> Reply:
        """Ask people and return their answer.

        If nobody answers in time, the run may be parked: then this call is cancelled, with the whole stream, and a
        later call of `stream` continues the conversation with the answer. A tool call that a person has already
        allowed for the whole run is allowed at once.
        """

    @abstractmethod
    async def next_message(self) -> PersonMessage:
        """Wait for the next message from a person and return it; it then counts as delivered to the agent.

        Only backends with the capability `steering` call it. What they do not take is delivered as the next turn.
        """


class NobodyThere(Dialogue):
    """A dialogue without people, as in the test of an agent: approvals are denied, questions get no answer."""

    async def ask(self, question: Question) -> Reply:
        """Deny a tool call. Raises BackendError for a question."""
        if question.tool is None:
            raise BackendError("The agent asked a question, and nobody is there to answer")
        return Reply(reason="Nobody is there to approve it")

    async def next_message(self) -> PersonMessage:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError("it waits for ever")


class Backend(ABC):
    """The adapter to one kind of agent: one file, one class, one line in the registry.

    The class is instantiated without arguments for each call.
    """

    name: ClassVar[str]
    display_name: ClassVar[str]
    # Of: streaming, tools, thinking, usage, sessions, mcp, and for the dialogue with people: questions, approvals,
    # steering (takes messages while it works).
    capabilities: ClassVar[tuple[str, ...]] = ()
    options_schema: ClassVar[dict[str, Any]]  # JSON Schema (2020-12) of backend_options; refuses unknown keys
    # With the capability `sessions`: the conversation to continue, set before `stream` is called. If it no longer
    # exists the agent starts a new one, and reports that in a status event.
    earlier_session: str = ""
    earlier_state: Any = None
    # Sent instead of the prompt if the earlier conversation continues: a follow-up, an answer, or what a person
    # wrote. Empty: the prompt is sent again. A new conversation always gets the whole prompt.
    continuation: str = ""
    # The same in two parts, for backends that can give an answer as the result of the tool call that asked: the
    # replies by the `key` of their question, and everything else that people wrote.
    replies: Mapping[str, Reply] = {}
    messages: str = ""
    dialogue: Dialogue = NobodyThere()
    # Images and PDFs that people attached to the task since its last completed run: absolute paths in the working
    # folder, set before `stream` is called. The prompt names them; a backend may also send them with it.
    files: Sequence[Path] = ()

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Return what must be installed or set before this backend can run; None if it can run."""

    @classmethod
    def missing_for(cls, options: Mapping[str, Any]) -> str | None:
        """Return what is missing for an agent with these options; None if it can run."""
        return cls.missing()

    @classmethod
    def setup(cls, options: Mapping[str, Any]) -> Setup:
        """Describe the set-up for an agent with these options, which may be incomplete. Asks no source."""
        return Setup(cls.missing_for(options))

    @classmethod
    def wrong_choice(cls, options: Mapping[str, Any]) -> tuple[str, str] | None:
        """Return an option whose value is not allowed here, and the reason; None if all are allowed.

        Called when an agent is saved, so that a typing error is reported at once. What is allowed may change
        later.
        """
        return None

    @classmethod
    def reads_itself(cls, options: Mapping[str, Any]) -> frozenset[str]:
        """Return which of `AGENTS.md`, `CLAUDE.md` and `skills` (in `.agents/skills`) the program itself reads.

        They are left out of the prompt. Everything else in the working folder that agents should know is in it.
        """
        return frozenset()

    @classmethod
    def account(cls, options: Mapping[str, Any]) -> str:
        """Return the account whose quota an agent with these options uses, as its QuotaUsedUp names it.

        Agents with the same account wait together. Empty if it is unknown: the agent then waits only after a run
        of its own was refused.
        """
        return ""

    @abstractmethod
    def stream(self, prompt: str, options: Mapping[str, Any], workdir: Path) -> AsyncGenerator[BackendItem, None]:
        """Yield the agent's output until it is done. Its `aclose` ends it early.

        `options` have been checked against `options_schema`. `workdir` exists and is for the agent's use. Raises
        BackendError if the agent fails; everything yielded before is kept.
        """
