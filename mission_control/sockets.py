"""Who is at the other end of a WebSocket: a token, or the browser's session with its Origin checked."""

import logging
from urllib.parse import parse_qs

from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from channels.security.websocket import AllowedHostsOriginValidator
from django.contrib.auth.models import AnonymousUser
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

logger = logging.getLogger(__name__)


class SocketLogin:
    """Put the user into the scope: from `Authorization: Bearer`, `?token=`, or the session cookie.

    A browser sends the cookie by itself, so there the Origin must be ours; a token is sent on purpose. Who brings
    neither is nobody yet, and may log in by message where the socket allows it.
    """

    def __init__(self, app) -> None:
        self.app = app
        self.by_session = AllowedHostsOriginValidator(AuthMiddlewareStack(app))

    async def __call__(self, scope, receive, send):
        token = token_in(scope)
        if token is not None:
            return await self.app({**scope, "user": await user_of(token)}, receive, send)
        if b"cookie" in dict(scope["headers"]):
            return await self.by_session(scope, receive, send)
        return await self.app({**scope, "user": AnonymousUser()}, receive, send)


def token_in(scope) -> str | None:
    header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1").split()
    if len(header) == 2 and header[0].lower() == "bearer":
        return header[1]
    return parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [None])[0]


@database_sync_to_async
def user_of(token: str):
    """Return the token's user, or an anonymous one."""
    try:
        return TokenAuthentication().authenticate_credentials(token.encode("utf-8", "replace"))[0]
    except AuthenticationFailed:
        return AnonymousUser()
