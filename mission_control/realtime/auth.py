"""Who is at the other end of a WebSocket: a token, or the browser's session with its Origin checked."""

import logging
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable
from autobahn.exception import Disconnected
from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.security.websocket import WebsocketDenier
from django.contrib.auth.models import AnonymousUser
from django.db import InterfaceError, OperationalError

from mission_control.actions import tokens
from mission_control.health.disk import trouble
from mission_control.realtime import origins

Scope = dict[str, Any]  # ASGI's, and what channels and we add to it

TRY_AGAIN_LATER = 4503  # 1013 says the same, but daphne lets an application close with 1000 and 3000 to 4999 only
CLIENT_GONE = (Disconnected, OSError)  # what `send` raises then: daphne's, and what ASGI says of other servers

logger = logging.getLogger(__name__)


class SocketLogin:
    """Put the user into the scope: from `Authorization: Bearer`, `?token=`, or the session cookie.

    A browser sends the cookie by itself, so there the Origin must be ours; a token is sent on purpose. Who brings
    neither is nobody yet, and may log in by message where the socket allows it. While the database is away a
    socket is closed with 4503, "try again later".
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.by_session: Any = AuthMiddlewareStack(app)

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        accepted = False

        async def noted(message: Any) -> None:
            nonlocal accepted
            accepted = accepted or message["type"] == "websocket.accept"
            await send(message)

        try:
            await self.serve(scope, receive, noted)
        except (OperationalError, InterfaceError) as error:
            logger.warning("a socket is closed: %s (%s)", trouble(error), type(error).__name__)
            with suppress(*CLIENT_GONE):
                if not accepted:
                    await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
                await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": None})

    async def serve(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        token = token_in(scope)
        if token is not None:
            found = await token_of(token)
            user = found.user if found else AnonymousUser()
            await self.app({**scope, "user": user, "access_token": found}, receive, send)
        elif b"cookie" in dict(scope["headers"]):
            denier: Any = WebsocketDenier()
            await (self.by_session if origins.is_own(scope) else denier)(scope, receive, send)
        else:
            await self.app({**scope, "user": AnonymousUser()}, receive, send)


def token_in(scope: Scope) -> str | None:
    """Return the token that the request brings, from its header or else its query."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    header = headers.get(b"authorization", b"").decode("latin-1").split()
    if len(header) == 2 and header[0].lower() == "bearer":
        return header[1]
    query: bytes = scope.get("query_string", b"")
    return parse_qs(query.decode("latin-1")).get("token", [None])[0]


token_of = database_sync_to_async(tokens.token_of)
