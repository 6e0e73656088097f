"""Logins by password: limits on failures, limits on concurrent checks, and their log.

django-axes counts the failures in the database, shared by all web processes. `manage.py axes_reset` resets them.

This is the only module that uses django-axes 8.3: it overrides how the handler counts failures.
tests/compat/test_axes.py names what an upgrade changes.
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

# So many times MISSION_CONTROL_LOGIN_FAILURES are allowed for failures with the same user and address, the same
# address, the same user. Several users may share an address; and an attacker who tries one user's passwords from
# many addresses must not lock the user out too easily.
FAILURES_PER_COUNT = {("username", "ip_address"): 1, "ip_address": 2, "username": 5}
UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - stands for all that are not known
MAX_WAITING = 10  # for the check of their password, which takes a good part of a second

logger = logging.getLogger(__name__)


# ---------------------------------------------------------------- failures
class LimitedLogin(AxesStandaloneBackend, ModelBackend):
    """Authenticates users by name and password; refuses after too many failures."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        if request is not None:  # raises PermissionDenied, which ends the attempt
            AxesStandaloneBackend.authenticate(self, request, username=username, password=password, **kwargs)
        return ModelBackend.authenticate(self, request, username=username, password=password, **kwargs)


class Failures(AxesDatabaseHandler):
    """Counts recent failures by user, by address, and by both."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        counted = zip(self.get_user_attempts(request, credentials), FAILURES_PER_COUNT.values(), strict=True)
        return max((rows.aggregate(n=Sum("failures_since_start"))["n"] or 0) // weight for rows, weight in counted)

    def user_logged_in(self, sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
        """Reset the user's failures from this address, but not the address's: it may try other users."""
        super().user_logged_in(sender, request, user, **kwargs)
        AccessAttempt.objects.filter(username=user.get_username(), ip_address=counted_address(request)).delete()


def address_of(request: HttpRequest) -> str | None:
    """Return the address by which a client is counted: for IPv6 the /64 network, which one client usually has."""
    address = client_address(request)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False).network_address)
    return None if address is None else str(address)


def counted_address(request: HttpRequest) -> str:
    """Return the address under which a failure is counted, one for all that are not known.

    Never null: a unique constraint allows equal rows if a value is null, and with two such rows each later failure
    would end in an error before it is counted.
    """
    return address_of(request) or UNKNOWN_ADDRESS


def refuse(request: HttpRequest, *_: Any) -> HttpResponse:
    """Answer a login after too many failures."""
    seconds = settings.LOGIN_LOCK_SECONDS
    answer = render(request, "429.html", {"minutes": max(round(seconds / 60), 1)}, status=429)
    answer.headers["Retry-After"] = str(seconds)
    return answer


# ---------------------------------------------------------------- concurrent checks
class TooManyLogins(Exception):
    """Too many passwords wait to be checked in this process."""


class _PasswordChecks:
    """Allows one check at a time in this process, with a few waiting: each one uses a whole core."""

    def __init__(self) -> None:
        self._waiting_places = threading.BoundedSemaphore(1 + MAX_WAITING)
        self._turn = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[None]:
        if not self._waiting_places.acquire(blocking=False):
            raise TooManyLogins
        try:
            with self._turn:
                yield
        finally:
            self._waiting_places.release()


_checks = _PasswordChecks()


class Hasher(PBKDF2PasswordHasher):
    """Django's hasher, one call at a time, so that a core is left for other requests. Hashes stay the same."""

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


# ---------------------------------------------------------------- the log
def log_logins() -> None:
    """Start to log logins: never passwords, and only names of existing users, because others may be passwords."""
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
        return  # a login refused without a check is not logged: many of them would push all other lines out
    logger.warning("a login failed: %s from %s", _known(credentials.get("username")), _place(request))


def _locked_out(request: HttpRequest, username: str | None, **_: Any) -> None:
    if getattr(request, "axes_failures_since_start", None):  # it was the last one allowed
        logger.warning("too many failed logins: %s from %s must wait", _known(username), _place(request))


def _place(request: HttpRequest) -> str:
    return address_of(request) or "an unknown address"


def _known(username: str | None) -> str:
    exists = username is not None and User.objects.filter(username=username).exists()
    return str(username) if exists else "an unknown user"
