"""Authenticate WebSockets: by a token, or by the browser's session after a check of its Origin."""

import logging
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable
from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.security.websocket import WebsocketDenier
from django.contrib.auth.models import AnonymousUser
from django.db import InterfaceError, OperationalError

from mission_control.actions import tokens
from mission_control.compat.channels import CLIENT_GONE
from mission_control.health.disk import describe_failure
from mission_control.realtime import origins

Scope = dict[str, Any]  # ASGI's, with the keys that channels and this module add

TRY_AGAIN_LATER = 4503  # the standard code is 1013, but daphne only allows 1000 and 3000 to 4999

logger = logging.getLogger(__name__)


class SocketLogin:
    """Put the user into the scope: from `Authorization: Bearer`, `?token=`, or the session cookie.

    A browser attaches the cookie to any page's request, so a session also needs a trusted Origin; a token is sent
    on purpose. A client without either is anonymous and may log in by message where the socket allows it. While
    the database is unavailable a socket is closed with 4503, "try again later".
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.by_session: Any = AuthMiddlewareStack(app)

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        accepted = False

        async def note_accept(message: Any) -> None:
            nonlocal accepted
            accepted = accepted or message["type"] == "websocket.accept"
            await send(message)

        try:
            await self.serve(scope, receive, note_accept)
        except (OperationalError, InterfaceError) as error:
            logger.warning("a socket is closed: %s (%s)", describe_failure(error), type(error).__name__)
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
    """Return the request's token: from its header, otherwise from its query string."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    header = headers.get(b"authorization", b"").decode("latin-1").split()
    if len(header) == 2 and header[0].lower() == "bearer":
        return header[1]
    query: bytes = scope.get("query_string", b"")
    return parse_qs(query.decode("latin-1")).get("token", [None])[0]


token_of = database_sync_to_async(tokens.token_of)
