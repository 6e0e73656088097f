"""Markdown of agents and people as HTML: no raw HTML, only links to http, https and mailto.

Images are shown only if they are files of the working folder; those from elsewhere become links.

Everything except our own markup is escaped, so the result is safe in a page. A text that would take too long to
render is shown as plain text.
"""

import posixpath
import time
from collections.abc import Iterable, MutableMapping, Sequence
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from linkify_it import LinkifyIt
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline, image
from markdown_it.token import Token
from mdit_py_plugins.tasklists import tasklists_plugin

from mission_control.actions.comments import MENTION
from mission_control.web.shared.highlight import highlighted
from mission_control.web.shared.markdown_rules import TooLong, add_deadline, align_numbers
from mission_control.web.shared.plain_text import plain, visible

LONGEST = 100_000
MAX_MARKS = 4_000  # characters that may begin markup: parsing time grows faster than their number
MAX_ADDRESSES = 300  # bare addresses that become links
SECONDS = 0.25  # of processor time; an ordinary text of the maximum length takes less than half of it
SECONDS_TOGETHER = 1  # for all texts of a page
LANGUAGE_CHARS = 20
Env = MutableMapping[str, Any]


def rendered(text: str, *, mentions: bool = False, seconds: float = SECONDS, files_url: str = "") -> SafeString:
    """Return the text as HTML; as plain text if it is very long or takes longer than `seconds` of processor time.

    With `mentions`, each @name is marked. `files_url` is the address of the content of files, for images with a
    relative path; without it they stay as written.
    """
    text = plain(text)
    if len(text) > LONGEST or sum(map(text.count, "[]*_<`~!")) > max(MAX_MARKS, len(text) // 8):
        return _as_written(text)
    markdown = _MARKDOWN if text.count("://") <= MAX_ADDRESSES else _WITHOUT_ADDRESSES
    try:
        ends_at = time.thread_time() + seconds
        made = markdown.render(text, {"mentions": mentions, "ends_at": ends_at, "files_url": files_url})
    except TooLong:
        return _as_written(text)
    return mark_safe(visible(made))  # noqa: S308 - html is off, everything else is escaped


def all_rendered(texts: Iterable[str], *, mentions: bool = False, files_url: str = "") -> list[SafeString]:
    """Return the texts of one page as HTML. They also share one time limit, SECONDS_TOGETHER."""
    ends_at = time.thread_time() + SECONDS_TOGETHER
    return [
        rendered(
            text,
            mentions=mentions,
            seconds=min(SECONDS, ends_at - time.thread_time()),
            files_url=files_url,
        )
        for text in texts
    ]


def host_of(address: str) -> str:
    """Return the target of a link as its address names it: a host, or a mail address."""
    parts = urlsplit(address)
    return parts.path if parts.scheme == "mailto" else parts.hostname or ""


def _as_written(text: str) -> SafeString:
    return mark_safe(f'<pre class="code wraps" tabindex="0">{escape(text)}</pre>\n')  # noqa: S308 - escaped


def _code_box(code: str, ends_at: float, language: str = "") -> str:
    """Return a code block with its language and a Copy button. The lines of a diff are coloured."""
    name = language[:LANGUAGE_CHARS]
    inner = _difference(code) if name.lower() in ("diff", "patch") else highlighted(code, name, ends_at=ends_at)
    label = f"<span>{escape(name)}</span>" if name else ""
    button = '<button type="button" data-copy>Copy</button>'
    return f'<div class="code-box">{label}{button}<pre class="code" tabindex="0">{inner}</pre></div>\n'


def _difference(code: str) -> str:
    return "".join(map(_changed_line, code.splitlines(keepends=True)))


def _changed_line(line: str) -> str:
    tag = {"+": "ins", "-": "del"}.get(line[:1])
    if tag is None or line.startswith(("+++", "---")):
        return escape(line)
    return f"<{tag}>{escape(line)}</{tag}>"


class _Renderer(RendererHTML):
    """Our markup: a link names its host, code can be scrolled by keyboard, an image becomes a link or its text."""

    def link_open(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        address = str(tokens[index].attrGet("href") or "")
        env.setdefault("links", []).append("" if _says_where(tokens[index], address) else address)
        return f'<a href="{escape(address)}" rel="noopener noreferrer nofollow ugc" target="_blank">'

    def link_close(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        address = env["links"].pop()
        return f'</a> <span class="host">({escape(_host(address))})</span>' if address else "</a>"

    def image(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        token = tokens[index]
        address = str(token.attrGet("src") or "")
        words = escape(self.renderInlineAsText(token.children or [], options, env) or "no description")
        if path := _path_of_file(address):
            source = escape(f"{env['files_url']}?{urlencode({'path': path})}")
            return f'<img src="{source}" alt="{words}" loading="lazy">'
        if env.get("links"):
            return f"[Image: {words}]"
        link = f'<a href="{escape(address)}" rel="noopener noreferrer nofollow ugc" target="_blank">'
        return f'{link}Image: {words}</a> <span class="host">({escape(_host(address))})</span>'

    def text(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        shown = escape(tokens[index].content)
        return MENTION.sub(r'<span class="mention">\g<0></span>', shown) if env.get("mentions") else str(shown)

    def html_inline(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        """Return the checkbox of a task list. Only the plugin makes this token: HTML in the text is escaped."""
        if 'checked="checked"' in tokens[index].content:
            return '<input type="checkbox" disabled checked aria-label="Done">'
        return '<input type="checkbox" disabled aria-label="Not done">'

    def fence(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return _code_box(tokens[index].content, env["ends_at"], next(iter(tokens[index].info.split()), ""))

    def code_block(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return _code_box(tokens[index].content, env["ends_at"])

    def heading_open(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return {"h1": '<h3 class="major">', "h2": "<h3>"}.get(tokens[index].tag, '<h3 class="minor">')

    def heading_close(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return "</h3>\n"

    def table_open(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return '<div class="table-wrap" role="group" aria-label="Table" tabindex="0"><table>\n'

    def table_close(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return _cell(tokens[index])

    def td_open(self, tokens: Sequence[Token], index: int, options: Any, env: Env) -> str:
        return _cell(tokens[index])


def _cell(token: Token) -> str:
    """Return the start tag of a cell. Alignment is a class: our content security policy forbids inline styles."""
    align = token.meta.get("align")
    return f'<{token.tag} class="{align}">' if align else f"<{token.tag}>"


def _says_where(link: Token, address: str) -> bool:
    """Return whether the link text is the address, and no part of it can be mistaken for the host."""
    return link.markup == "linkify" and address.isascii() and "@" not in address and "%" not in address


def _host(address: str) -> str:
    try:
        return host_of(address) or "no address"
    except ValueError:  # for example an unclosed bracket of an IPv6 address
        return "no address"


_shows_files: ContextVar[bool] = ContextVar("shows_files", default=False)  # while an image is parsed


def _image(state: StateInline, silent: bool) -> bool:
    """Parse an image; its address may be the relative path of a file, if the text belongs to a working folder."""
    token = _shows_files.set(bool(state.env.get("files_url")))
    try:
        return image(state, silent)
    finally:
        _shows_files.reset(token)


def _path_of_file(address: str) -> str:
    """Return the path of a file in the working folder; empty for any other address."""
    path = unquote(address)
    if path.startswith(("/", "#", "?")) or ":" in path or "\\" in path or not path.isprintable():
        return ""
    path = posixpath.normpath(path)
    return "" if path.startswith("..") or path == "." else path


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        """Allow absolute addresses, and files as images: a relative link of an agent does not mean this server."""
        is_absolute = url.lower().startswith(("http://", "https://", "mailto:"))
        return is_absolute or (_shows_files.get() and bool(_path_of_file(url)))


def _markdown(*, addresses: bool) -> MarkdownIt:
    options = {"html": False, "breaks": True, "linkify": addresses}
    made = _Markdown("commonmark", options, renderer_cls=_Renderer).enable(["table", "strikethrough"])
    if addresses:
        finder = LinkifyIt(options={"fuzzy_link": False, "fuzzy_email": False})
        for scheme in ("ftp:", "mailto:", "//"):
            finder.add(scheme, None)
        made.linkify = finder
        made.enable("linkify")
    made.inline.ruler.at("image", _image)
    made.use(tasklists_plugin)
    align_numbers(made)
    add_deadline(made)
    return made


_MARKDOWN, _WITHOUT_ADDRESSES = _markdown(addresses=True), _markdown(addresses=False)
