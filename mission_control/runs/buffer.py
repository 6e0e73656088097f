"""A bounded, ordered buffer of an agent's output that is not stored yet. Consecutive pieces of text are joined.

Keys and passwords are removed here, before anything is stored or sent. Text that could be the start of a secret is
held back until the rest arrives, perhaps with the next batch.
"""

import asyncio

from agents.backends.base import BackendEvent, EventType
from agents.redaction import redact_data, redact_secrets
from agents.redaction_stream import MAX_HELD_CHARS, StreamRedactor
from mission_control.runs.events import Draft

EVENT_CHARS = 32_000  # the maximum size of a stored text event
PIECE_CHARS = EVENT_CHARS - MAX_HELD_CHARS
MAX_HOLD_SECONDS = (
    5.0  # how long a word that may be a secret's beginning waits for its end, while nothing else comes
)
FULL_CHARS = 256_000  # the agent is paused while so much is not stored
TEXT = {EventType.MESSAGE, EventType.THINKING}


class OutputTooLong(Exception):
    """The agent's output is longer than the run's limit."""


class EventBuffer:
    """Passes events from a run's reader to its writer, both in one event loop."""

    def __init__(self, *, max_output_chars: int) -> None:
        self.max_output_chars = max_output_chars
        self.message_chars = 0
        self.closed = False
        self._drafts: list[Draft] = []
        self._pieces: list[str] = []  # of the unfinished text event
        self._growing: Draft | None = None
        self._grown_chars = 0
        self._text_type: str = EventType.MESSAGE
        self._redactor = StreamRedactor()
        self._size = 0
        self._changed = asyncio.Event()
        self._has_space = asyncio.Event()
        self._has_space.set()

    async def put(self, event: BackendEvent) -> None:
        """Add an event; wait while the buffer is full. Raises OutputTooLong after adding what fits."""
        await self._has_space.wait()
        text = event.content
        if event.type == EventType.MESSAGE:
            text = text[: max(self.max_output_chars - self.message_chars, 0)]
            self.message_chars += len(text)
        if event.type in TEXT and not event.metadata:
            for start in range(0, len(text), PIECE_CHARS):
                self._grow(event.type, text[start : start + PIECE_CHARS])
        else:
            self._end_text()
            self._drafts.append(Draft(event.type, redact_secrets(text), redact_data(event.metadata)))
        self._size += len(text)
        if self._size >= FULL_CHARS:
            self._has_space.clear()
        self._changed.set()
        if len(text) < len(event.content):
            raise OutputTooLong(f"The output is longer than the limit of {self.max_output_chars:,} characters")

    def _grow(self, type: str, piece: str) -> None:
        if type != self._text_type:
            self._end_text()
            self._text_type = type
        elif self._grown_chars + len(piece) > EVENT_CHARS:
            self._flush_safe_prefix()
        if self._growing is None:
            self._growing = Draft(type, "")
        self._pieces.append(piece)
        self._grown_chars += len(piece)

    def _flush_safe_prefix(self) -> None:
        """Emit the part of the text that cannot be the start of a secret; keep the rest."""
        self._emit(self._redactor.feed("".join(self._pieces)))

    def _end_text(self) -> None:
        """Emit the whole text: it is complete, because an event of another type or no more output follows."""
        self._emit(self._redactor.feed("".join(self._pieces)) + self._redactor.end())

    def _emit(self, text: str) -> None:
        if text and self._growing is not None:
            self._drafts.append(Draft(self._text_type, text, timestamp=self._growing.timestamp))
        self._growing = Draft(self._text_type, "") if self._redactor.held else None
        self._pieces, self._grown_chars = [], len(self._redactor.held)

    def take(self) -> list[Draft]:
        """Return the events that can be stored now: all once the buffer is closed, possibly none before."""
        if self.closed:
            self._end_text()
        else:
            self._flush_safe_prefix()
        drafts, self._drafts, self._size = self._drafts, [], 0
        self._has_space.set()
        if not self.closed:
            self._changed.clear()
        return drafts

    async def wait_for_events(self) -> bool:
        """Wait until there are events to take (True), or the buffer is closed and empty (False)."""
        try:
            async with asyncio.timeout(MAX_HOLD_SECONDS if self._growing else None):
                await self._changed.wait()
        except TimeoutError:
            self._emit(self._redactor.feed("".join(self._pieces)) + self._redactor.flush())
        return bool(self._drafts or self._growing)

    async def wait_for_batch(self, seconds: float) -> None:
        """Wait up to `seconds` for more text; return early when a batch is full or the buffer is closed."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not self.closed and self._size < EVENT_CHARS:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await asyncio.sleep(min(left, 0.01))

    def following(self) -> "EventBuffer":
        """Return an empty buffer for the next call of the agent, with the same limit for all calls together."""
        buffer = EventBuffer(max_output_chars=self.max_output_chars)
        buffer.message_chars = self.message_chars
        return buffer

    def close(self) -> None:
        """Mark the buffer as complete: no more events will be added."""
        self.closed = True
        self._changed.set()
