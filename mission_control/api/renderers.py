"""Answers as a page, for a browser."""

from typing import Any

from django.urls import get_resolver
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request

PATHS = "mission_control.api.urls"


class BrowsableRenderer(BrowsableAPIRenderer):
    """The API for a browser. Objects are named by their ids: no form lists all that exist."""

    def get_context(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Leave out the inline style, which the content security policy forbids; name what lies below the page."""
        context: dict[str, Any] = super().get_context(*args, **kwargs)
        return {**context, "code_style": None, "extra_actions": _below(context["request"])}


def _below(request: Request) -> dict[str, str]:
    """Return the paths that continue the request's by words only: what can be done with the object, by name."""
    match = request.resolver_match
    start = f"{match.route.rstrip('/')}/" if match else ""
    routes = [str(pattern.pattern) for pattern in get_resolver(PATHS).url_patterns]
    words = [route.removeprefix(start) for route in routes if start and route.startswith(start)]
    return {
        word.replace("/", " ").replace("-", " ").capitalize(): f"{request.path.rstrip('/')}/{word}"
        for word in words
        if word and "<" not in word and not word.endswith("/")
    }
