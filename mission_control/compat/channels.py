"""Channels 4.3's consumer and in-memory layer, and what servers raise, from the inside.

Used: `AsyncConsumer.__call__` and `dispatch`, which channels calls and does not document as methods to
override; `channels` and `groups` of the in-memory layer, where it keeps its queues and members; and autobahn's
`Disconnected`, which daphne lets through from `send` (other servers raise OSError, as ASGI says).
"""

import asyncio
import math
from contextlib import suppress
from typing import Any, ClassVar

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable
from autobahn.exception import Disconnected
from channels.exceptions import ChannelFull
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import InMemoryChannelLayer

CLIENT_GONE = (Disconnected, OSError)  # what `send` raises when the client has just gone


class LeavingConsumer(AsyncWebsocketConsumer):
    """A consumer that always leaves: `leave` is called at its end, also after an error, which skips `disconnect`.

    To send to a client that has just gone is no error.
    """

    # Types of layer messages whose handlers use no database connection of a thread pool. Channels would enter a
    # thread for each, only to close old connections: for every frame to every socket.
    direct_messages: ClassVar[frozenset[str]] = frozenset()

    async def __call__(self, scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.leave()

    async def leave(self) -> None:
        """Release what the socket holds. May be called more than once."""

    async def dispatch(self, message: dict[str, Any]) -> None:
        if message["type"] in self.direct_messages:
            await getattr(self, message["type"].replace(".", "_"))(message)
        else:
            await super().dispatch(message)

    async def send(  # type: ignore[override]  # channels' own overrides its base class's just so
        self, text_data: str | None = None, bytes_data: bytes | None = None, close: bool = False
    ) -> None:
        with suppress(*CLIENT_GONE):
            await super().send(text_data, bytes_data, close)


NEVER = math.inf  # when a message expires


class ProcessLayer(InMemoryChannelLayer):
    """A layer within one process, for many receivers of the same message.

    Channels' own copies each message for each receiver, and looks through all queues at each `receive` for
    messages that have expired. Here all receive the same message, which none of them may change, and nothing
    expires: a queue is limited by its capacity, and a group by the sockets that are open.
    """

    SLICE = 10  # receivers that get a message before the other tasks of the event loop have their turn

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Put a message into a channel's queue. Raises ChannelFull."""
        queue = self.channels.get(channel)
        if queue is None:
            queue = self.channels[channel] = asyncio.Queue(maxsize=self.get_capacity(channel))
        try:
            queue.put_nowait((NEVER, message))
        except asyncio.QueueFull:
            raise ChannelFull(channel) from None

    async def receive(self, channel: str) -> dict[str, Any]:
        """Wait for a channel's next message."""
        queue = self.channels.setdefault(channel, asyncio.Queue(maxsize=self.get_capacity(channel)))
        try:
            _, message = await queue.get()
        finally:
            if queue.empty():
                self.channels.pop(channel, None)
        return message

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send to each channel of a group; a channel that is full does not get the message."""
        for number, channel in enumerate(list(self.groups.get(group, ())), start=1):
            if channel in self.groups.get(group, ()):  # it may have left while other tasks had their turn
                with suppress(ChannelFull):
                    await self.send(channel, message)
            if number % self.SLICE == 0:
                await asyncio.sleep(0)

    def forget(self, channel: str) -> None:
        """Drop the messages that a channel did not receive. Call it when the channel has left its groups."""
        self.channels.pop(channel, None)
