"""Django middleware for the pages."""

import re
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase

from mission_control.web.shared.plain_text import TRICKS, visible

# Form values stay as they are stored, because they are sent back on saving.
_EDITED = re.compile(r'(<textarea\b.*?</textarea>|\bvalue="[^"]*")', re.DOTALL)


class VisibleTricks:
    """Make control characters and direction characters visible in every page.

    Longer texts are cleaned where they are rendered; this also covers every name, title and other value.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        if not is_page or not isinstance(response, HttpResponse):
            return response
        page = response.content.decode(response.charset)
        if TRICKS.search(page):
            parts = _EDITED.split(page)
            parts[::2] = [TRICKS.sub(_as_sign, part) for part in parts[::2]]
            response.content = "".join(parts)
        return response


def _as_sign(found: re.Match[str]) -> str:
    return visible(found[0])
