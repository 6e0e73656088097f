"""What people write to a demo agent while it works."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Self

from agents.backends.base import BackendEvent, BackendItem, Dialogue, EventType, PersonMessage


class Inbox:
    """Takes messages from people as they come, until it is left."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self._messages = asyncio.Queue[PersonMessage]()
        self.last = ""  # the text of the newest message

    async def __aenter__(self) -> Self:
        self._listener = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.cancel()
        with suppress(asyncio.CancelledError):
            await self._listener

    async def _listen(self) -> None:
        while True:
            message = await self._dialogue.next_message()
            self.last = message.text
            self._messages.put_nowait(message)

    async def wait(self, seconds: float | None) -> bool:
        """Wait for a message that no earlier call has returned for; return False if none came in time."""
        try:
            async with asyncio.timeout(seconds):
                await self._messages.get()
        except TimeoutError:
            return False
        return True

    def next(self) -> PersonMessage | None:
        """Return the next message, if there is one."""
        return None if self._messages.empty() else self._messages.get_nowait()


async def repeat_messages(
    stream: AsyncGenerator[BackendItem, None], dialogue: Dialogue
) -> AsyncGenerator[BackendItem, None]:
    """Yield the items of a stream, and between them what people write meanwhile."""
    async with Inbox(dialogue) as inbox, aclosing(stream):
        async for item in stream:
            yield item
            while message := inbox.next():
                yield BackendEvent(EventType.MESSAGE, f"\n\nYou wrote: {message.text}\n\n")
