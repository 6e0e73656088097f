"""What open sockets and streams stand on: a token or a session, its user, his permission. When one goes, they end.

A request is let in once and is over; a socket may stay for days. One check a process looks at all of them
together: three queries, however many there are.
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
from mission_control.realtime.relay import Follower

CHECK_SECONDS = 20.0
PERMISSION = "mission_control.view_run"  # what sockets and streams show

logger = logging.getLogger(__name__)


class Ending(Enum):
    """Why a login no longer holds."""

    LOGIN = "the token or session was revoked or has expired, or the user is gone or not active"
    PERMISSION = "the user lacks the permission"


@dataclass(frozen=True, slots=True)
class Login:
    """Who came in, and by what: the digest of his token, or the key of his session."""

    user_id: int
    token: str | None = None
    session: str | None = None

    @classmethod
    def of(cls, user: User, token: AccessToken | None, session_key: str | None) -> "Login":
        return cls(user.pk, token=token.digest) if token is not None else cls(user.pk, session=session_key)


class Watched:
    """One socket's or stream's login while it is open. `ending` is None as long as it holds."""

    def __init__(self, login: Login, tell: Callable[[Ending], None] | None) -> None:
        self.login = login
        self.ending: Ending | None = None
        self._tell = tell

    def end(self, ending: Ending) -> None:
        self.ending = ending
        if self._tell is not None:
            self._tell(ending)


class Logins:
    """The logins of one event loop's sockets and streams, and their check; it rests while there are none."""

    _by_loop: dict[asyncio.AbstractEventLoop, "Logins"] = {}

    @classmethod
    def here(cls) -> "Logins":
        """Return the running loop's logins."""
        loop = asyncio.get_running_loop()
        for old in [known for known in cls._by_loop if known.is_closed()]:
            del cls._by_loop[old]
        return cls._by_loop.setdefault(loop, cls())

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self._checking: asyncio.Task[None] | None = None

    def watch(self, login: Login, tell: Callable[[Ending], None] | None = None) -> Watched:
        """Check a login from now on, until `release`; `tell` is called once, when it no longer holds."""
        watched = Watched(login, tell)
        self._watched.add(watched)
        if self._checking is None:
            self._checking = asyncio.create_task(self._check_again_and_again())
        return watched

    def release(self, watched: Watched) -> None:
        self._watched.discard(watched)
        if not self._watched and self._checking is not None:
            self._checking.cancel()
            self._checking = None

    async def _check_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self.check()
            except DatabaseError as error:
                logger.warning("logins cannot be checked (%s); they are soon checked again", type(error).__name__)
            except Exception:
                logger.exception("logins could not be checked; they are soon checked again")

    async def check(self) -> None:
        """Look at all logins at once, and end those that no longer hold."""
        watched = list(self._watched)
        ended = await Follower.here().read(endings, {one.login for one in watched})
        for one in watched:
            if one.ending is None and one.login in ended:
                self._watched.discard(one)  # before it is told: it will release itself
                one.end(ended[one.login])


def endings(logins: Iterable[Login]) -> dict[Login, Ending]:
    """Return why which of these logins no longer hold."""
    logins = set(logins)
    users = _active_users({login.user_id for login in logins})
    tokens = _living_tokens({login.token for login in logins if login.token})
    sessions = _living_sessions({login.session for login in logins if login.session}, users)
    ended = {}
    for login in logins:
        user_id = tokens.get(login.token) if login.token else sessions.get(login.session or "")
        if user_id != login.user_id or user_id not in users:
            ended[login] = Ending.LOGIN
        elif not users[user_id][1]:
            ended[login] = Ending.PERMISSION
    return ended


def _active_users(keys: set[int]) -> dict[int, tuple[User, bool]]:
    """Return the users who may log in: key → the user, whether he has the permission."""
    holders = User.objects.with_perm(PERMISSION).filter(pk=OuterRef("pk"))
    users = User.objects.filter(pk__in=keys, is_active=True).annotate(may=Exists(holders))
    return {user.pk: (user, user.may) for user in users}


def _living_tokens(digests: set[str]) -> dict[str, int]:
    found = AccessToken.objects.filter(valid_tokens(), digest__in=digests)
    return dict(found.values_list("digest", "user_id")) if digests else {}


def _living_sessions(keys: set[str], users: dict[int, tuple[User, bool]]) -> dict[str, int]:
    """Return the sessions that still log their user in: key → his. A change of his password ends them."""
    if not keys:
        return {}
    living = {}
    for session in Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now()):
        data = session.get_decoded()
        user_id = int(data.get(SESSION_KEY, 0))
        if user_id in users and BACKEND_SESSION_KEY in data:
            user, given = users[user_id][0], data.get(HASH_SESSION_KEY, "")
            hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
            if any(constant_time_compare(given, right) for right in hashes):
                living[session.session_key] = user_id
    return living
