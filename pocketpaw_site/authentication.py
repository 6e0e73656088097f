"""Logins by password: who may try again, how many are checked at once, and what is logged of them.

django-axes counts the failures in the database, so that all web processes know them. `manage.py axes_reset` lets
everybody try again.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_network
from typing import Any

from axes.backends import AxesStandaloneBackend
from axes.handlers.database import AxesDatabaseHandler
from axes.middleware import AxesMiddleware
from axes.models import AccessAttempt
from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from mission_control.addresses import client_address

# How many failures stand for one, by what they have in common (AXES_LOCKOUT_PARAMETERS): several people may share
# an address, and who tries out one user's passwords from many addresses must not keep the user out too easily.
WEIGHTS = {("username", "ip_address"): 1, "ip_address": 2, "username": 5}
UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - stands for all that are not known
MOST_WAITING = 10  # for their password to be checked; a check takes a good part of a second

logger = logging.getLogger(__name__)


# ---------------------------------------------------------------- who may try
class Backend(AxesStandaloneBackend, ModelBackend):
    """Users by name and password, and no one after too many failures."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        if request is not None:  # raises PermissionDenied, which ends the attempt
            AxesStandaloneBackend.authenticate(self, request, username=username, password=password, **kwargs)
        return ModelBackend.authenticate(self, request, username=username, password=password, **kwargs)


class Failures(AxesDatabaseHandler):
    """The failures of the last minutes, by user, by address, and by both."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        counted = zip(self.get_user_attempts(request, credentials), WEIGHTS.values(), strict=True)
        return max((rows.aggregate(n=Sum("failures_since_start"))["n"] or 0) // weight for rows, weight in counted)

    def user_logged_in(self, sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
        """Forget the user's own failures from that address; not the address's: it may have guessed others'."""
        super().user_logged_in(sender, request, user, **kwargs)
        AccessAttempt.objects.filter(username=user.get_username(), ip_address=counted_address(request)).delete()


def address_of(request: HttpRequest) -> str | None:
    """Return the client's address as it is counted: of IPv6 the network that one client usually has for itself."""
    address = client_address(request)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False).network_address)
    return None if address is None else str(address)


def counted_address(request: HttpRequest) -> str:
    """Return the address under which a failure is counted, one for all that are not known.

    Never null: a database takes equal rows twice where a value is null, and two of them end each later failure in
    an error before it is counted.
    """
    return address_of(request) or UNKNOWN_ADDRESS


def refuse(request: HttpRequest, *_: Any) -> HttpResponse:
    """Answer a login after too many failures."""
    seconds = settings.LOGIN_LOCK_SECONDS
    answer = render(request, "429.html", {"minutes": max(round(seconds / 60), 1)}, status=429)
    answer.headers["Retry-After"] = str(seconds)
    return answer


# ---------------------------------------------------------------- how many at once
class TooManyLogins(Exception):
    """More passwords are to be checked than this process should check."""


class _Checks:
    """One check at a time in this process, and few that wait: each keeps a core busy."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(1 + MOST_WAITING)
        self._turn = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise TooManyLogins
        try:
            with self._turn:
                yield
        finally:
            self._places.release()


_checks = _Checks()


class Hasher(PBKDF2PasswordHasher):
    """Django's own, so that stored passwords stay valid; one at a time, so that other requests have a core."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with _checks.one():
            return super().encode(password, salt, iterations)


class LoginLimits(AxesMiddleware):
    """Django middleware: answer 429 after too many failures, and 503 while too many log in."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, TooManyLogins):
            return None
        answer = render(request, "account/busy.html", status=503)
        answer.headers["Retry-After"] = "5"
        return answer


# ---------------------------------------------------------------- what is logged
def listen() -> None:
    """Log logins from now on. Passwords never; a name only when a user has it, for it may be a password too."""
    user_logged_in.connect(_logged_in, dispatch_uid="logins")
    user_logged_out.connect(_logged_out, dispatch_uid="logins")
    user_login_failed.connect(_failed, dispatch_uid="logins")
    user_locked_out.connect(_locked_out, dispatch_uid="logins")


def _logged_in(request: HttpRequest, user: User, **_: Any) -> None:
    logger.info("%s logged in from %s", user.get_username(), _place(request))


def _logged_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        logger.info("%s logged out from %s", user.get_username(), _place(request))


def _failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    if request is None or getattr(request, "axes_locked_out", False):
        return  # one that is refused unread leaves no line: they could push all others out of the log
    logger.warning("a login failed: %s from %s", _known(credentials.get("username")), _place(request))


def _locked_out(request: HttpRequest, username: str | None, **_: Any) -> None:
    if getattr(request, "axes_failures_since_start", None):  # that one was the last
        logger.warning("too many failed logins: %s from %s must wait", _known(username), _place(request))


def _place(request: HttpRequest) -> str:
    return address_of(request) or "an unknown address"


def _known(username: str | None) -> str:
    exists = username is not None and User.objects.filter(username=username).exists()
    return str(username) if exists else "an unknown user"
