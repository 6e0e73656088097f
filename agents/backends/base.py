"""The one protocol between a run and whatever does its work.

A backend gets a prompt and yields events until the work is done. Being cancelled is its only stop signal; it
cleans up in `finally` and leaves no process, connection or billed request behind. It knows neither the ORM,
nor Channels, nor Mission Control's settings.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal

# A limit at which a backend ends its agent; empty where it was none.
LimitName = Literal["", "time", "silence", "output", "processes", "disk"]


class EventType(StrEnum):
    MESSAGE = "message"
    THINKING = "thinking"
    TOOL_USE = "tool_use"
    TOOL_RESULT = "tool_result"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class BackendEvent:
    """One thing that an agent said or did.

    message, thinking: a piece of text, of any length, as it arrives; pieces are joined without a separator.
    tool_use: content is the tool's name, metadata has `input` (JSON) and `id`. tool_result: content is the
    whole result as text, metadata has the `id` of its use, and `refused: true` where the tool was not allowed to
    run. status: a notice for people, such as a retry.
    """

    type: EventType
    content: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """What the run consumed so far, whole, not an increment. Unknown is None, never 0."""

    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None

    def __add__(self, later: "Usage") -> "Usage":
        """Return what both took together; what one of them does not know is not made up."""

        def total(name: str) -> Any:
            known = [value for one in (self, later) if (value := getattr(one, name)) is not None]
            return sum(known) if known else None

        return Usage(later.model or self.model, total("input_tokens"), total("output_tokens"), total("cost_usd"))


@dataclass(frozen=True, slots=True)
class Session:
    """The agent's own name of this conversation. A later run of the task may go on with it."""

    id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The agent's final answer, whole: what it hands in.

    Yielded once, as the last item of a call that succeeds, after the messages that hold the same text. A backend
    that cannot tell its answer from what was said on the way yields none; then everything said is the answer. An
    empty text means that the agent ended without an answer.
    """

    text: str


BackendItem = BackendEvent | Usage | Session | Answer


class BackendError(Exception):
    """The agent failed. The message is for people and says what to do; it holds no key and no path.

    `limit` names the limit of its own at which a backend ended the agent; empty for every other failure.
    """

    limit: LimitName = ""


class AgentOverLimit(BackendError):
    """A backend ended its agent at a limit of its own."""

    def __init__(self, message: str, limit: LimitName) -> None:
        super().__init__(message)
        self.limit = limit


class TransientError(BackendError):
    """The agent failed for a reason that passes: too many requests, a server's fault, a dropped connection.

    The call is made again after a pause, of `retry_after_seconds` where the other side named a time, but only if
    the agent had said and done nothing yet. `safe_to_retry`: even then, for a new call goes on where this one
    broke off, and repeats nothing. `most_retries`: more would only keep people waiting for the reason.
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


class Backend(ABC):
    """An adapter to some kind of agent. One file, one class, one line in the registry.

    The class is instantiated for each call, without arguments.
    """

    name: ClassVar[str]
    display_name: ClassVar[str]
    capabilities: ClassVar[tuple[str, ...]] = ()  # of: streaming, tools, thinking, usage, sessions
    options_schema: ClassVar[dict[str, Any]]  # JSON Schema (2020-12) of backend_options; refuses unknown keys
    # With the capability `sessions`: the conversation to go on with, set before `stream` is called. Where it is
    # gone the agent begins a new one, and says so in a status event.
    earlier_session: str = ""

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Return what must be installed or set before this backend can run, None when it can."""

    @classmethod
    def missing_for(cls, options: Mapping[str, Any]) -> str | None:
        """Return what is missing for an agent with these options, None when it could run."""
        return cls.missing()

    @classmethod
    def wrong_choice(cls, options: Mapping[str, Any]) -> tuple[str, str] | None:
        """Return an option that names what is not allowed here, and why; None when there is none.

        Asked when an agent is saved, so that a typing error is seen at once. What is allowed may change later.
        """
        return None

    @abstractmethod
    def stream(self, prompt: str, options: Mapping[str, Any], workdir: Path) -> AsyncGenerator[BackendItem, None]:
        """Yield what the agent says and does until it is done. Its `aclose` ends it early.
        `options` have been checked against `options_schema`. `workdir` exists and is the agent's to use.
        Raises BackendError when the agent fails; everything yielded before stands.
        """
