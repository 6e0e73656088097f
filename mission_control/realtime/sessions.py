"""End open sockets and streams when their token or session, their user or the user's permission is revoked.

A request is authorised once and is over soon; a socket may stay open for days. Each process checks all of its
connections together: three queries, however many there are.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from mission_control.actions.tokens import valid_tokens
from mission_control.models import AccessToken
from mission_control.realtime.relay import Relay

CHECK_SECONDS = 20.0
PERMISSION = "mission_control.view_run"  # required for sockets and streams

logger = logging.getLogger(__name__)


class LoginEnd(Enum):
    """Why a login is no longer valid."""

    LOGIN = "the token or session was revoked or has expired, or the user is gone or not active"
    PERMISSION = "the user lacks the permission"


@dataclass(frozen=True, slots=True)
class ConnectionLogin:
    """The user of a connection and the credential used: the digest of a token, or the key of a session."""

    user_id: int
    token: str | None = None
    session: str | None = None
    permissions: tuple[str, ...] = (PERMISSION,)  # all of them are required as long as the connection is open

    @classmethod
    def of(
        cls,
        user: User,
        token: AccessToken | None,
        session_key: str | None,
        permissions: tuple[str, ...] = (PERMISSION,),
    ) -> "ConnectionLogin":
        if token is not None:
            return cls(user.pk, token=token.digest, permissions=permissions)
        return cls(user.pk, session=session_key, permissions=permissions)


class WatchedLogin:
    """One socket's or stream's login while it is open. `end_reason` is None as long as it is valid."""

    def __init__(self, login: ConnectionLogin, on_end: Callable[[LoginEnd], None] | None) -> None:
        self.login = login
        self.end_reason: LoginEnd | None = None
        self._on_end = on_end

    def end(self, end_reason: LoginEnd) -> None:
        self.end_reason = end_reason
        if self._on_end is not None:
            self._on_end(end_reason)


class LoginMonitor:
    """Checks the logins of one event loop's sockets and streams, while there are any."""

    _by_loop: dict[asyncio.AbstractEventLoop, "LoginMonitor"] = {}

    @classmethod
    def for_running_loop(cls) -> "LoginMonitor":
        """Return the running loop's monitor."""
        loop = asyncio.get_running_loop()
        for old in [known for known in cls._by_loop if known.is_closed()]:
            del cls._by_loop[old]
        return cls._by_loop.setdefault(loop, cls())

    def __init__(self) -> None:
        self._watched: set[WatchedLogin] = set()
        self._checking: asyncio.Task[None] | None = None

    def watch(self, login: ConnectionLogin, on_end: Callable[[LoginEnd], None] | None = None) -> WatchedLogin:
        """Check a login regularly until `release`; call `on_end` once when it is no longer valid."""
        watched = WatchedLogin(login, on_end)
        self._watched.add(watched)
        if self._checking is None:
            self._checking = asyncio.create_task(self._check_forever())
        return watched

    def release(self, watched: WatchedLogin) -> None:
        self._watched.discard(watched)
        if not self._watched and self._checking is not None:
            self._checking.cancel()
            self._checking = None

    async def _check_forever(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self.check()
            except DatabaseError as error:
                logger.warning("logins cannot be checked (%s); they are soon checked again", type(error).__name__)
            except Exception:
                logger.exception("logins could not be checked; they are soon checked again")

    async def check(self) -> None:
        """Check all logins at once, and end those that are no longer valid."""
        watched = list(self._watched)
        ended = await Relay.for_running_loop().read(ended_logins, {one.login for one in watched})
        for one in watched:
            if one.end_reason is None and one.login in ended:
                self._watched.discard(one)  # before `end`, in which it releases itself
                one.end(ended[one.login])


def ended_logins(logins: Iterable[ConnectionLogin]) -> dict[ConnectionLogin, LoginEnd]:
    """Return those of the logins that are no longer valid, with the reason."""
    logins = set(logins)
    permissions = sorted({permission for login in logins for permission in login.permissions})
    users = _active_users({login.user_id for login in logins}, permissions)
    tokens = _valid_tokens({login.token for login in logins if login.token})
    sessions = _valid_sessions({login.session for login in logins if login.session}, users)
    ended = {}
    for login in logins:
        user_id = tokens.get(login.token) if login.token else sessions.get(login.session or "")
        if user_id != login.user_id or user_id not in users:
            ended[login] = LoginEnd.LOGIN
        elif not users[user_id][1].issuperset(login.permissions):
            ended[login] = LoginEnd.PERMISSION
    return ended


def _active_users(keys: set[int], permissions: list[str]) -> dict[int, tuple[User, set[str]]]:
    """Return the users who may log in: key → the user, and which of the permissions the user has."""
    users = User.objects.filter(pk__in=keys, is_active=True).annotate(
        **{
            f"may_{number}": Exists(User.objects.with_perm(permission).filter(pk=OuterRef("pk")))
            for number, permission in enumerate(permissions)
        }
    )
    return {
        user.pk: (user, {name for number, name in enumerate(permissions) if getattr(user, f"may_{number}")})
        for user in users
    }


def _valid_tokens(digests: set[str]) -> dict[str, int]:
    found = AccessToken.objects.filter(valid_tokens(), digest__in=digests)
    return dict(found.values_list("digest", "user_id")) if digests else {}


def _valid_sessions(keys: set[str], users: dict[int, tuple[User, set[str]]]) -> dict[str, int]:
    """Return the valid sessions: session key → user key. A change of the user's password ends them."""
    if not keys:
        return {}
    found = {}
    for session in Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now()):
        data = session.get_decoded()
        user_id = int(data.get(SESSION_KEY, 0))
        if user_id in users and BACKEND_SESSION_KEY in data:
            user, stored_hash = users[user_id][0], data.get(HASH_SESSION_KEY, "")
            hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
            if any(constant_time_compare(stored_hash, valid) for valid in hashes):
                found[session.session_key] = user_id
    return found
