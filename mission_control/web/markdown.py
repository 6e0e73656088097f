"""Markdown of agents and people as HTML: no raw HTML, no image, no link but to http, https and mailto.

All that is not markup of ours is escaped, so that the result may be put into a page as it is.
"""

from collections.abc import MutableMapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from mission_control.threads import MENTION
from mission_control.web.plain import plain, visible

LONGEST = 100_000
MOST_MARKS = 4_000  # of the characters that may begin something: a text of nothing else takes ever longer to read
Env = MutableMapping[str, Any]


def rendered(text: str, *, mentions: bool = False) -> SafeString:
    """Return the text as HTML; one that is very long, or nothing but the beginnings of markup, as it stands.

    With `mentions` each @name is marked.
    """
    text = plain(text)
    if len(text) > LONGEST or sum(map(text.count, "[]*_<`~!")) > max(MOST_MARKS, len(text) // 8):
        return _code_box(text)
    return mark_safe(visible(_MARKDOWN.render(text, {"mentions": mentions})))  # noqa: S308 - html is off, everything else is escaped


def host_of(address: str) -> str:
    """Return what a link leads to, in the words of its address: a host, or a mail address."""
    parts = urlsplit(address)
    return parts.path if parts.scheme == "mailto" else parts.hostname or ""


def _code_box(text: str) -> SafeString:
    return mark_safe(f'<pre class="code" tabindex="0">{escape(text)}</pre>\n')  # noqa: S308 - escaped


class _Renderer(RendererHTML):
    """Our markup: a link says where it leads, code scrolls by keyboard too, an image is a link, or its words."""

    def link_open(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        address = str(tokens[index].attrGet("href") or "")
        env.setdefault("links", []).append(address)
        return f'<a href="{escape(address)}" rel="noopener noreferrer nofollow ugc" target="_blank">'

    def link_close(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return f'</a> <span class="host">({escape(_host(env["links"].pop()))})</span>'

    def image(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        token = tokens[index]
        address = str(token.attrGet("src") or "")
        words = escape(self.renderInlineAsText(token.children or [], options, env) or "without words")
        if env.get("links"):
            return f"[Image: {words}]"
        link = f'<a href="{escape(address)}" rel="noopener noreferrer nofollow ugc" target="_blank">'
        return f'{link}Image: {words}</a> <span class="host">({escape(_host(address))})</span>'

    def text(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        shown = escape(tokens[index].content)
        return MENTION.sub(r'<span class="mention">\g<0></span>', shown) if env.get("mentions") else str(shown)

    def fence(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return str(_code_box(tokens[index].content))

    def code_block(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return str(_code_box(tokens[index].content))

    def heading_open(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return "<h3>" if tokens[index].tag in ("h1", "h2") else '<h3 class="minor">'

    def heading_close(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return "</h3>\n"

    def table_open(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return '<div class="table-wrap" role="group" aria-label="Table" tabindex="0"><table>\n'

    def table_close(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return "<th>"  # the alignment would be an inline style

    def td_open(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return "<td>"


def _host(address: str) -> str:
    try:
        return host_of(address) or "no address"
    except ValueError:  # such as an unclosed bracket of an IPv6 address
        return "no address"


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        """Let absolute addresses alone be links: what an agent calls relative is not of this server."""
        return url.lower().startswith(("http://", "https://", "mailto:"))


_MARKDOWN = _Markdown("commonmark", {"html": False, "breaks": True}, renderer_cls=_Renderer).enable(
    ["table", "strikethrough"]
)
