"""Channels 4.3's consumer and what servers raise, from the inside.

Used: `AsyncConsumer.__call__` and `dispatch`, which channels calls and does not document as methods to
override, and autobahn's `Disconnected`, which daphne lets through from `send` (other servers raise OSError,
as ASGI says).
"""

from contextlib import suppress
from typing import Any, ClassVar

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable
from autobahn.exception import Disconnected
from channels.generic.websocket import AsyncWebsocketConsumer

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
