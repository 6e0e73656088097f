"""The product's documentation as pages; links between its files work."""

import posixpath
from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from mdit_py_plugins.anchors import anchors_plugin

from mission_control.web.shared.views import needs_login, show


@require_safe
@never_cache
@needs_login
def help_page(request: HttpRequest, name: str) -> HttpResponse:
    """Show one page of the documentation. `name` is its path below `docs/`."""
    path = _files().get(name)
    if path is None:
        raise Http404("Page not found")
    text = path.read_text(encoding="utf-8")
    title = text.partition("\n")[0].lstrip("# ")
    page = mark_safe(_MARKDOWN.render(text, {"page": name}))  # noqa: S308 - our own files, and without HTML
    return show(request, "help/help.html", {"title": title, "page": page})


@cache
def _files() -> dict[str, Path]:
    """Return all pages by their paths, so that a path from a user is only looked up and never opened."""
    docs = Path(settings.BASE_DIR) / "docs"
    return {path.relative_to(docs).as_posix(): path for path in docs.rglob("*.md")}


def _drop_links_elsewhere(state: StateCore) -> None:
    """Replace links to files that are not pages here, such as the README, with their text."""
    for block in state.tokens:
        kept, is_dropped = [], False
        for token in block.children or []:
            if token.type == "link_open":
                is_dropped = not _leads_somewhere(state.env["page"], str(token.attrGet("href")))
            if not (is_dropped and token.type in ("link_open", "link_close")):
                kept.append(token)
        if block.children:
            block.children = kept


def _leads_somewhere(page: str, address: str) -> bool:
    if address.startswith(("http:", "https:", "#")):
        return True
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), address.partition("#")[0])) in _files()


_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table"]).use(anchors_plugin, max_level=3)
_MARKDOWN.core.ruler.push("links", _drop_links_elsewhere)
