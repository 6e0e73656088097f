"""The palette: fragments for JavaScript, and the same as pages."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.rules import SEARCH_CHARS
from mission_control.web.search.hits import find
from mission_control.web.shared.views import by_script, needs_login, show


@require_safe
@never_cache
@needs_login
def search(request: HttpRequest) -> HttpResponse:
    """Show the search results for `q`."""
    text = request.GET.get("q", "")[:SEARCH_CHARS]
    context = {"q": text, "groups": find(text, request.user)}
    if by_script(request):
        return render(request, "search/_hits.html", {**context, "in_palette": True})
    return show(request, "search/search.html", context, at="search")


@require_safe
@never_cache
@needs_login
def keys(request: HttpRequest) -> HttpResponse:
    """Show the keyboard shortcuts."""
    return show(request, "search/keys.html")
