"""The base class of the readers of all formats, and helpers for fields of any type."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.backends.base import BackendEvent, EventType, QuotaUsedUp, Session, Usage
from agents.backends.quota import used_up

Item = BackendEvent | Usage | Session
Line = Mapping[str, Any]
MAX_TOKENS = 10**12  # a larger number is not a valid count


class OutputReader:
    """Reads the JSON objects that a program prints, one per line, and yields their events.

    Fields may be missing or of any type, and unknown ones are ignored, because each release of these programs adds
    some. `model` is the model in the command line, if known; the model that the program reports takes precedence.

    failure: the program's own error message. is_hopeless: it would only retry in vain and must be ended.
    has_ended: its output is complete, which it marks with a line of its own if `marks_its_end` is true.
    answer: the text of the deliverable, None while there is none.
    """

    marks_its_end = False

    def __init__(self, model: str | None = None) -> None:
        self.failure = ""
        self.is_hopeless = False
        self.has_ended = False
        self.model = model
        self.answer: str | None = None
        self._has_spoken = False
        self._session = ""

    def continues(self, session: str, folders: Sequence[Path]) -> None:
        """Prepare to read the output of a continued conversation; `folders` may contain the earlier part."""

    def read(self, line: Line) -> Iterator[Item]:
        """Yield the events of a line."""
        raise NotImplementedError

    def read_error(self, line: str) -> Iterator[Item]:
        """Yield the events of a line of standard error; most programs write nothing useful there."""
        yield from ()

    def is_progress(self, line: Line) -> bool:
        """Return whether the line shows progress, rather than that the program waits for something."""
        return True

    def begins(self, session: Any) -> Iterator[Session]:
        """Yield the id of the conversation, once."""
        if (text := text_of(session)) and text != self._session:
            self._session = text
            yield Session(text)

    def quota_error(self, message: str, words: str, *, account: str) -> QuotaUsedUp | None:
        """Return the error for a failure with these words; None if it is not because of the account's quota."""
        return used_up(message, words, account=account)

    def whole(self, content: Any) -> Iterator[BackendEvent]:
        """Yield a complete text as a paragraph of its own. The last one is the answer."""
        if text := text_of(content):
            yield BackendEvent(EventType.MESSAGE, f"\n\n{text}" if self._has_spoken else text)
            self._has_spoken = True
            self.answer = text

    def begin(self) -> Iterator[BackendEvent]:
        """Start a text that arrives in pieces: yield the separator from the text before."""
        if self._has_spoken:
            yield BackendEvent(EventType.MESSAGE, "\n\n")
        self.answer = None

    def piece(self, content: Any) -> Iterator[BackendEvent]:
        """Yield a piece of the current text."""
        if text := text_of(content):
            yield BackendEvent(EventType.MESSAGE, text)
            self._has_spoken = True
            self.answer = (self.answer or "") + text

    def thought(self, content: Any) -> Iterator[BackendEvent]:
        if text := text_of(content):
            yield BackendEvent(EventType.THINKING, text)

    def fail(self, *reasons: Any) -> None:
        """Store the first of the reasons that is not empty."""
        self.failure = next((text for reason in reasons if (text := text_of(reason))), "no reason given")


def status(content: Any) -> Iterator[BackendEvent]:
    """Yield a notice for users, unless it is empty."""
    if text := text_of(content):
        yield BackendEvent(EventType.STATUS, text)


def tool_use(name: Any, key: Any, given: Any) -> BackendEvent:
    """Return the event of a tool's call; its parts may have any type."""
    return BackendEvent(EventType.TOOL_USE, text_of(name) or "tool", {"id": text_of(key), "input": given})


def tool_result(key: Any, content: Any, *, is_refused: bool = False) -> BackendEvent:
    """Return the event of a call's result as text. `is_refused`: the tool was not allowed to run."""
    refused = {"refused": True} if is_refused else {}
    return BackendEvent(EventType.TOOL_RESULT, text_of(content), {"id": text_of(key), **refused})


def part(line: Any, *path: str) -> Mapping[str, Any]:
    """Return the object at the path; an empty one if there is none."""
    for key in path:
        line = line.get(key) if isinstance(line, Mapping) else None
    return line if isinstance(line, Mapping) else {}


def listed(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list; an empty list for any other value."""
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def text_of(content: Any) -> str:
    """Return the text of a string, of blocks with a `text`, or of an error with a `message`."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text for block in content if (text := text_of(block)))
    if isinstance(content, Mapping):
        return next((text for key in ("text", "content", "message") if (text := text_of(content.get(key)))), "")
    return ""


def total(counts: Mapping[str, Any], *names: str) -> int | None:
    """Return the sum of the valid counts; None if there is none."""
    found = [count for name in names if type(count := counts.get(name)) is int and 0 <= count < MAX_TOKENS]
    return sum(found) if found else None


def money(value: Any) -> float | None:
    """Return a valid price; None for 0, which programs also report for an unknown price."""
    return float(value) if isinstance(value, int | float) and 0 < value < MAX_TOKENS else None
