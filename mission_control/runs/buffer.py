"""What an agent said and nobody has stored yet: joined where neighbours are text, bounded, in order.

Keys and passwords are taken out of it here, before anything is stored or sent.
"""

import asyncio

from agents.backends.base import BackendEvent
from agents.redaction import redact_secrets
from mission_control.runs.events import Draft, Type

EVENT_CHARS = 32_000  # a piece of text is never stored in larger events
FULL_CHARS = 256_000  # the agent is held back while so much is not stored
TEXT = {Type.MESSAGE, Type.THINKING}


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
        self._size = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, event: BackendEvent) -> None:
        """Add an event, waiting while the buffer is full. Raises OutputTooLong, keeping what fits."""
        await self._room.wait()
        text = event.content
        if event.type == Type.MESSAGE:
            text = text[: max(self.max_output_chars - self.said_chars, 0)]
            self.said_chars += len(text)
        if event.type in TEXT and not event.metadata:
            for start in range(0, len(text), EVENT_CHARS):
                self._grow(event.type, text[start : start + EVENT_CHARS])
        else:
            self._seal()
            self._drafts.append(Draft(event.type, redact_secrets(text), event.metadata))
        self._size += len(text)
        if self._size >= FULL_CHARS:
            self._room.clear()
        self._changed.set()
        if len(text) < len(event.content):
            raise OutputTooLong(f"The output is longer than the limit of {self.max_output_chars:,} characters")

    def _grow(self, type: str, piece: str) -> None:
        if self._growing is not None and (
            self._growing.type != type or self._grown_chars + len(piece) > EVENT_CHARS
        ):
            self._seal()
        if self._growing is None:
            self._growing, self._grown_chars = Draft(type, ""), 0
        self._pieces.append(piece)
        self._grown_chars += len(piece)

    def _seal(self) -> None:
        if self._growing is not None:
            text = redact_secrets("".join(self._pieces))
            self._drafts.append(Draft(self._growing.type, text, timestamp=self._growing.timestamp))
        self._growing, self._pieces = None, []

    def take(self) -> list[Draft]:
        """Return all that is buffered, ready to store."""
        self._seal()
        drafts, self._drafts, self._size = self._drafts, [], 0
        self._room.set()
        if not self.closed:
            self._changed.clear()
        return drafts

    async def filled(self) -> bool:
        """Wait until there is something to take (True), or nothing will come any more (False)."""
        await self._changed.wait()
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
