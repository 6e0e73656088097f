"""The base of all WebSocket consumers: it authorises a socket, watches its login, reads the client's messages."""

import asyncio
import json
import re
from contextlib import suppress
from typing import Any, ClassVar, cast
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from django.contrib.auth.models import AnonymousUser, User

from mission_control.compat.channels import CLIENT_GONE, LeavingConsumer
from mission_control.models import AccessToken
from mission_control.realtime.frames import error_text
from mission_control.realtime.sessions import PERMISSION, ConnectionLogin, LoginEnd, LoginMonitor, WatchedLogin

UNAUTHENTICATED, FORBIDDEN, NOT_FOUND = 4401, 4403, 4404


class AuthorisedConsumer(LeavingConsumer):
    """A socket that needs a login and permissions, and is closed when it loses them. Subclasses define `start`."""

    channel_layer_alias = "process"
    unauthenticated_code = UNAUTHENTICATED
    permissions: ClassVar[tuple[str, ...]] = (PERMISSION,)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.watched: WatchedLogin | None = None
        self.closing: asyncio.Task[None] | None = None

    # ------------------------------------------------------------ connect and disconnect
    async def connect(self) -> None:
        await self.accept()
        await self.log_in(self.user, self.token)

    @property
    def user(self) -> User | AnonymousUser:
        """Return the user whom SocketLogin put into the scope, where channels' type is a lazy object."""
        return cast("User | AnonymousUser", self.scope["user"])

    @property
    def token(self) -> AccessToken | None:
        """Return the token by which SocketLogin found the user; None for a session."""
        return cast("AccessToken | None", self.scope.get("access_token"))

    async def log_in(self, user: User | AnonymousUser, token: AccessToken | None) -> None:
        if not user.is_authenticated or not user.is_active:
            await self.close(self.unauthenticated_code)
        elif not await database_sync_to_async(user.has_perms)(self.permissions):
            await self.close(FORBIDDEN)
        else:
            session_key = None if token else self.scope["session"].session_key
            self.watched = LoginMonitor.for_running_loop().watch(
                ConnectionLogin.of(user, token, session_key, self.permissions), self.revoke
            )
            await self.start()

    async def start(self) -> None:
        """Begin to serve the client, whose login is valid."""
        raise NotImplementedError

    def revoke(self, end_reason: LoginEnd) -> None:
        """Close the socket because its login is no longer valid; from now on send nothing more."""
        code = self.unauthenticated_code if end_reason is LoginEnd.LOGIN else FORBIDDEN
        self.closing = asyncio.create_task(self._close_revoked(code))

    async def _close_revoked(self, code: int) -> None:
        await self.leave()
        with suppress(*CLIENT_GONE):
            await self.close(code)

    async def disconnect(self, code: int) -> None:
        await self.leave()

    async def leave(self) -> None:
        if self.watched is not None:
            LoginMonitor.for_running_loop().release(self.watched)

    async def send(  # type: ignore[override]  # channels' own overrides its base class's just so
        self, text_data: str | None = None, bytes_data: bytes | None = None, close: bool = False
    ) -> None:
        """Send, unless the login is no longer valid."""
        if self.closing is None:
            await super().send(text_data, bytes_data, close)

    # ------------------------------------------------------------ messages from the client
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.closing is not None:
            return
        try:
            content = None if text_data is None else json.loads(text_data, parse_constant=_refuse)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            await self.send(error_text("A JSON object is expected"))
            return
        await self.handle_action(content)

    async def handle_action(self, content: dict[str, Any]) -> None:
        await self.send(error_text("Unknown action"))

    def number_in_query(self, name: str) -> int | None:
        """Return a number from the query string; None when it is missing. Raises ValueError."""
        text = self.in_query(name)
        if text is None:
            return None
        if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) >= 2**31:  # int() also accepts 1_0 and ٣
            raise ValueError(name)
        return int(text)

    def in_query(self, name: str) -> str | None:
        return parse_qs(self.scope["query_string"].decode("latin-1")).get(name, [None])[0]


def _refuse(constant: str) -> None:
    """Raise ValueError for `NaN` and `Infinity`, which Python's json accepts and JSON does not have."""
    raise ValueError(constant)
