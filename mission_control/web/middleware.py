"""What stands between the pages and whoever reads them."""

import re
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase

from mission_control.web.shared.plain_text import TRICKS, visible

# What a person edits goes back as it was stored.
_EDITED = re.compile(r'(<textarea\b.*?</textarea>|\bvalue="[^"]*")', re.DOTALL)


class VisibleTricks:
    """Django middleware: in no page do characters of agents or people steer the terminal or the order of text.

    Where text is rendered it has been made plain; this holds for every other name, title and word as well.
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
