"""What an agent said and nobody has stored yet: joined where neighbours are text, bounded, in order.

Keys and passwords are taken out of it here, before anything is stored or sent. What could be the beginning of one
waits for the rest, which may come with the next batch.
"""

import asyncio

from agents.backends.base import BackendEvent, EventType
from agents.redaction import redact_data, redact_secrets
from agents.redaction_stream import MOST_HELD_CHARS, StreamRedactor
from mission_control.runs.events import Draft

EVENT_CHARS = 32_000  # a piece of text is never stored in larger events
PIECE_CHARS = EVENT_CHARS - MOST_HELD_CHARS
HELD_SECONDS = 5.0  # how long a word that may be a secret's beginning waits for its end, while nothing else comes
FULL_CHARS = 256_000  # the agent is held back while so much is not stored
TEXT = {EventType.MESSAGE, EventType.THINKING}


class OutputTooLong(Exception):
    """The agent said more than a run may."""


class EventBuffer:
    """Between the reader, which puts, and the writer, which takes; both in one event loop."""

    def __init__(self, *, max_output_chars: int) -> None:
        self.max_output_chars = max_output_chars
        self.said_chars = 0
        self.closed = False
        self._drafts: list[Draft] = []
        self._pieces: list[str] = []  # of the text event that is still growing
        self._growing: Draft | None = None
        self._grown_chars = 0
        self._text_type: str = EventType.MESSAGE
        self._redactor = StreamRedactor()
        self._size = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, event: BackendEvent) -> None:
        """Add an event, waiting while the buffer is full. Raises OutputTooLong, keeping what fits."""
        await self._room.wait()
        text = event.content
        if event.type == EventType.MESSAGE:
            text = text[: max(self.max_output_chars - self.said_chars, 0)]
            self.said_chars += len(text)
        if event.type in TEXT and not event.metadata:
            for start in range(0, len(text), PIECE_CHARS):
                self._grow(event.type, text[start : start + PIECE_CHARS])
        else:
            self._seal()
            self._drafts.append(Draft(event.type, redact_secrets(text), redact_data(event.metadata)))
        self._size += len(text)
        if self._size >= FULL_CHARS:
            self._room.clear()
        self._changed.set()
        if len(text) < len(event.content):
            raise OutputTooLong(f"The output is longer than the limit of {self.max_output_chars:,} characters")

    def _grow(self, type: str, piece: str) -> None:
        if type != self._text_type:
            self._seal()
            self._text_type = type
        elif self._grown_chars + len(piece) > EVENT_CHARS:
            self._release()
        if self._growing is None:
            self._growing = Draft(type, "")
        self._pieces.append(piece)
        self._grown_chars += len(piece)

    def _release(self) -> None:
        """Let pass what is known to be no secret; the rest is the beginning of a text that goes on."""
        self._let_pass(self._redactor.feed("".join(self._pieces)))

    def _seal(self) -> None:
        """End the text: what comes next is of another kind, or nothing."""
        self._let_pass(self._redactor.feed("".join(self._pieces)) + self._redactor.end())

    def _let_pass(self, text: str) -> None:
        if text and self._growing is not None:
            self._drafts.append(Draft(self._text_type, text, timestamp=self._growing.timestamp))
        self._growing = Draft(self._text_type, "") if self._redactor.held else None
        self._pieces, self._grown_chars = [], len(self._redactor.held)

    def take(self) -> list[Draft]:
        """Return what is ready to store: all of it once the buffer is closed, perhaps nothing before."""
        if self.closed:
            self._seal()
        else:
            self._release()
        drafts, self._drafts, self._size = self._drafts, [], 0
        self._room.set()
        if not self.closed:
            self._changed.clear()
        return drafts

    async def filled(self) -> bool:
        """Wait until there is something to take (True), or nothing will come any more (False)."""
        try:
            async with asyncio.timeout(HELD_SECONDS if self._growing else None):
                await self._changed.wait()
        except TimeoutError:
            self._let_pass(self._redactor.feed("".join(self._pieces)) + self._redactor.hurry())
        return bool(self._drafts or self._growing)

    async def gather(self, seconds: float) -> None:
        """Let text come together for a while, shorter when there is a batch's worth or the end."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not self.closed and self._size < EVENT_CHARS:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await asyncio.sleep(min(left, 0.01))

    def close(self) -> None:
        """Say that nothing will come any more."""
        self.closed = True
        self._changed.set()
