"""Helpers for all views: access checks, the page shell, time zone, requests from JavaScript.

Views call the same functions in `actions/` as the API. If JavaScript sent the request (`X-Fragment`, or htmx), the
answer is a fragment; otherwise it is a redirect and a message, so that every page works without JavaScript.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache

from mission_control.actions.permissions import Rights, acting
from mission_control.models import Notification
from mission_control.queries.feed_position import feed_position
from mission_control.runs.slots import capacity

ZONE_COOKIE = "mc_zone"
MAX_PIPS = 10  # with more slots the top bar shows only numbers
Given = ParamSpec("Given")
View = Callable[Given, HttpResponseBase]


def needs_login(view: View[Given]) -> View[Given]:
    """Require a login. JavaScript gets status 401; a browser goes to the login page and afterwards back."""

    @wraps(view)
    def guarded(*args: Given.args, **kwargs: Given.kwargs) -> HttpResponseBase:
        request: HttpRequest = args[0]  # type: ignore[assignment]
        if request.user.is_authenticated:
            return view(*args, **kwargs)
        if by_script(request):
            return HttpResponse("You are logged out.", status=401, content_type="text/plain")
        return redirect_to_login(_page_of(request))

    return guarded


def _page_of(request: HttpRequest) -> str:
    """Return the path of the page that the user sees: for a submitted form, the page with the form."""
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    page = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure()):
        return reverse("board")
    parts = urlsplit(page)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path or reverse("board")


def sees(*permissions: str) -> Callable[[View[Given]], View[Given]]:
    """Require a login and these permissions; without them the answer is 403.

    A name without a dot is a permission of Mission Control (`view_task`).
    """

    def decorate(view: View[Given]) -> View[Given]:
        needed = [name if "." in name else f"mission_control.{name}" for name in permissions]

        @wraps(view)
        @never_cache
        @needs_login
        @permission_required(needed, raise_exception=True)
        def guarded(*args: Given.args, **kwargs: Given.kwargs) -> HttpResponseBase:
            request: HttpRequest = args[0]  # type: ignore[assignment]
            if request.method == "GET" and not by_script(request):
                # Before the view reads anything: what changes from here on counts as missed by the page.
                request.feed_position = feed_position()  # type: ignore[attr-defined]
            with acting(lambda: request.user):
                return view(*args, **kwargs)

        return guarded

    return decorate


sees_tasks = sees("view_task")


def person_of(request: HttpRequest) -> User:
    """Return the logged-in user. Only for views that are decorated with `sees` or `needs_login`."""
    assert request.user.is_authenticated, "`sees` requires a login"
    return request.user


def rights(request: HttpRequest) -> dict[str, Rights]:
    """Context processor: templates ask `may.run_task` and its like, which are only computed then."""
    return {"may": Rights(getattr(request, "user", None) or AnonymousUser())}


def show(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, at: str = "", status: int = 200
) -> HttpResponse:
    """Render a whole page: `context`, and the data of the shell. `at` is the current entry of the navigation."""
    with timezone.override(zone_of(request)):
        return render(request, template, {**shell(request), "at": at, **(context or {})}, status=status)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return what every page shows or carries: the use of slots, the notifications, the position of the feed."""
    return {
        "capacity": slots_taken(),
        "notification_count": notification_count(request),
        "feed_position": getattr(request, "feed_position", ""),
    }


def slots_taken() -> dict[str, Any]:
    """Return the capacity for the top bar: numbers, and one pip for each slot, True if the slot is held."""
    now = capacity()
    held = now["running"] + now["queued"]
    pips = [number < held for number in range(now["limit"])] if now["limit"] <= MAX_PIPS else []
    return {**now, "held": held, "pips": pips, "max_pips": MAX_PIPS}


def notification_count(request: HttpRequest) -> int | None:
    """Return how many unread notifications ask a person to act; None if the user may not see notifications."""
    if not Rights(request.user).view_notification:
        return None
    return Notification.objects.count_needing_action()


def by_script(request: HttpRequest) -> bool:
    """Return whether JavaScript sent the request and expects a fragment."""
    return "X-Fragment" in request.headers or "HX-Request" in request.headers


def zone_of(request: HttpRequest) -> ZoneInfo:
    """Return the time zone from the cookie of the viewer's browser, UTC by default."""
    name = request.COOKIES.get(ZONE_COOKIE, "")
    return ZoneInfo(name) if name in available_timezones() else ZoneInfo("UTC")


def number_in(request: HttpRequest, name: str) -> int | None:
    """Return a number from the query string; None if it is missing, not a number, or too large for an event."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
