"""Answers as a page, for a browser."""

from typing import Any

from rest_framework.renderers import BrowsableAPIRenderer


class BrowsableRenderer(BrowsableAPIRenderer):
    """The API for a browser. Objects are named by their ids: no form lists all that exist."""

    def get_context(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Leave out the inline style, which the content security policy forbids."""
        return {**super().get_context(*args, **kwargs), "code_style": None}
