"""What the readers of all formats share: one answer, usage and failure of each, and fields of any type."""

from collections.abc import Iterator, Mapping
from typing import Any

from agents.backends.base import BackendEvent, EventType, Usage

Item = BackendEvent | Usage
Line = Mapping[str, Any]
MOST_TOKENS = 10**12  # more is no count, whatever a program says


class Reader:
    """Reads the objects that a program prints, one a line, and yields what each means.

    Fields may be missing or of any type, and what a reader does not know it passes over: each release of these
    programs adds some. `model` is the one that the program was called with, where that is known; what the program
    says itself counts more.

    failure: what the program itself called its failure. is_hopeless: it would go on trying in vain, end it.
    has_ended: its output came to its end, which it marks with a line of its own where `says_its_end` is true.
    answer: the text that it hands in, None while there is none.
    """

    says_its_end = False

    def __init__(self, model: str | None = None) -> None:
        self.failure = ""
        self.is_hopeless = False
        self.has_ended = False
        self.model = model
        self.answer: str | None = None
        self._has_spoken = False

    def read(self, line: Line) -> Iterator[Item]:
        """Yield what the line says."""
        raise NotImplementedError

    def read_error(self, line: str) -> Iterator[Item]:
        """Yield what a line of standard error says; most say nothing that a person needs while it works."""
        yield from ()

    def is_progress(self, line: Line) -> bool:
        """Return whether the line shows that the program gets on, not only that it waits for something."""
        return True

    def whole(self, content: Any) -> Iterator[BackendEvent]:
        """Yield a text that comes whole, as a paragraph of its own. The last one is the answer."""
        if text := text_of(content):
            yield BackendEvent(EventType.MESSAGE, f"\n\n{text}" if self._has_spoken else text)
            self._has_spoken = True
            self.answer = text

    def begin(self) -> Iterator[BackendEvent]:
        """Yield what stands between the text so far and the one that comes in pieces now."""
        if self._has_spoken:
            yield BackendEvent(EventType.MESSAGE, "\n\n")
        self.answer = None

    def piece(self, content: Any) -> Iterator[BackendEvent]:
        """Yield a piece of a text that goes on."""
        if text := text_of(content):
            yield BackendEvent(EventType.MESSAGE, text)
            self._has_spoken = True
            self.answer = (self.answer or "") + text

    def thought(self, content: Any) -> Iterator[BackendEvent]:
        if text := text_of(content):
            yield BackendEvent(EventType.THINKING, text)

    def fail(self, *reasons: Any) -> None:
        """Note the first reason that there is."""
        self.failure = next((text for reason in reasons if (text := text_of(reason))), "no reason given")


def status(content: Any) -> Iterator[BackendEvent]:
    """Yield a notice for people, unless there is nothing in it."""
    if text := text_of(content):
        yield BackendEvent(EventType.STATUS, text)


def tool_use(name: Any, key: Any, given: Any) -> BackendEvent:
    """Return the event of a call, whatever types its parts have."""
    return BackendEvent(EventType.TOOL_USE, text_of(name) or "tool", {"id": text_of(key), "input": given})


def tool_result(key: Any, content: Any, *, is_refused: bool = False) -> BackendEvent:
    """Return the event of a call's result, as text. `is_refused`: it was not allowed to run."""
    refused = {"refused": True} if is_refused else {}
    return BackendEvent(EventType.TOOL_RESULT, text_of(content), {"id": text_of(key), **refused})


def part(line: Any, *path: str) -> Mapping[str, Any]:
    """Return the object at the path, an empty one when there is none."""
    for key in path:
        line = line.get(key) if isinstance(line, Mapping) else None
    return line if isinstance(line, Mapping) else {}


def listed(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list, none when it is no list."""
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
    """Return the sum of the counts that are there, None when none is."""
    found = [count for name in names if type(count := counts.get(name)) is int and 0 <= count < MOST_TOKENS]
    return sum(found) if found else None


def money(value: Any) -> float | None:
    """Return a price. Nothing is what programs say too when they do not know it."""
    return float(value) if isinstance(value, int | float) and 0 < value < MOST_TOKENS else None
