"""The renderer of the browsable API."""

from typing import Any

from django.urls import get_resolver
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request

PATHS = "mission_control.api.urls"


class BrowsableRenderer(BrowsableAPIRenderer):
    """Renders answers as pages for a browser. Its forms take ids, and do not list all existing objects."""

    def get_context(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Leave out the inline style, which the content security policy forbids; add links to the paths below."""
        context: dict[str, Any] = super().get_context(*args, **kwargs)
        return {**context, "code_style": None, "extra_actions": _below(context["request"])}


def _below(request: Request) -> dict[str, str]:
    """Return label → path of the operations on the object: the longer paths that add no further parameter."""
    match = request.resolver_match
    start = f"{match.route.rstrip('/')}/" if match else ""
    routes = [str(pattern.pattern) for pattern in get_resolver(PATHS).url_patterns]
    words = [route.removeprefix(start) for route in routes if start and route.startswith(start)]
    return {
        word.replace("/", " ").replace("-", " ").capitalize(): f"{request.path.rstrip('/')}/{word}"
        for word in words
        if word and "<" not in word and not word.endswith("/")
    }
