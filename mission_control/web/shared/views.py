"""The pages and their fragments. Actions call the verbs that the API calls and answer with the same fragments.

An action that the script sent (`X-Fragment`, or htmx) is answered with a fragment; any other with a redirect and
a message, so that all works without the script. Here is what several rooms of the interface need.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache

from mission_control.actions.permissions import acting
from mission_control.models import Notification
from mission_control.runs.slots import capacity

ZONE_COOKIE = "mc_zone"
Given = ParamSpec("Given")
View = Callable[Given, HttpResponseBase]

# What of the people's notifications asks somebody to act; the others are only to be known.
ASKS_SOMEBODY = [
    Notification.Type.RUN_FAILED,
    Notification.Type.REVIEW_NEEDED,
    Notification.Type.HUMAN_TASK,
]


def needs_login(view: View[Given]) -> View[Given]:
    """Let in who is logged in. A script is answered 401; a browser is sent to the login, and from there back."""

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
    """Return the path of the page that the user sees: for a form that was sent, the page with the form."""
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    page = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure()):
        return reverse("board")
    parts = urlsplit(page)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path or reverse("board")


def sees(*permissions: str) -> Callable[[View[Given]], View[Given]]:
    """Let in who is logged in and has the permissions of Mission Control (`view_task`); others get 403."""

    def decorate(view: View[Given]) -> View[Given]:
        needed = [name if "." in name else f"mission_control.{name}" for name in permissions]

        @wraps(view)
        @never_cache
        @needs_login
        @permission_required(needed, raise_exception=True)
        def guarded(*args: Given.args, **kwargs: Given.kwargs) -> HttpResponseBase:
            with acting(lambda: args[0].user):  # type: ignore[attr-defined]
                return view(*args, **kwargs)

        return guarded

    return decorate


sees_tasks = sees("view_task")


def person_of(request: HttpRequest) -> User:
    """Return who is logged in, in a view that `sees` has let them into."""
    assert request.user.is_authenticated, "`sees` asks for a login"
    return request.user


def show(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, at: str = "", status: int = 200
) -> HttpResponse:
    """Render a whole page: `context`, and what the shell round it shows. `at` is the part of the navigation."""
    with timezone.override(zone_of(request)):
        return render(request, template, {**shell(request), "at": at, **(context or {})}, status=status)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return what the top bar shows: the capacity, and how many notifications ask somebody to act."""
    return {"capacity": slots_taken(), "bell": bell_count(request)}


def slots_taken() -> dict[str, Any]:
    """Return the capacity as the top bar shows it: numbers, and one pip a slot, true while it is held."""
    now = capacity()
    held = now["running"] + now["queued"]
    return {**now, "held": held, "pips": [number < held for number in range(now["limit"])]}


def bell_count(request: HttpRequest) -> int | None:
    """Count the unread notifications that ask somebody to act; None for who may not see them."""
    if not request.user.has_perm("mission_control.view_notification"):
        return None
    return Notification.objects.filter(agent=None, read_at=None, type__in=ASKS_SOMEBODY).count()


def by_script(request: HttpRequest) -> bool:
    """Tell whether a script sent the request, and wants a fragment for an answer."""
    return "X-Fragment" in request.headers or "HX-Request" in request.headers


def zone_of(request: HttpRequest) -> ZoneInfo:
    """Return the time zone that the viewer's browser named in its cookie, else UTC."""
    name = request.COOKIES.get(ZONE_COOKIE, "")
    return ZoneInfo(name) if name in available_timezones() else ZoneInfo("UTC")


def number_in(request: HttpRequest, name: str) -> int | None:
    """Return a number from the query; None where there is none, or nothing that could be an event's."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
