"""Syntax highlighting with Pygments and the classes of our stylesheet, limited in size and time."""

import time
from collections.abc import Iterator

from django.utils.html import escape

LONGEST_CODE = 8_000  # characters; longer code is not highlighted
# The languages that agents write most often. Lexers that are slow for some texts, such as ini, are left out.
LEXERS = {
    **dict.fromkeys(("python", "py", "python3"), "python"),
    **dict.fromkeys(("bash", "sh", "shell", "zsh", "console"), "bash"),
    **dict.fromkeys(("javascript", "js", "jsx", "mjs"), "javascript"),
    **dict.fromkeys(("typescript", "ts", "tsx"), "typescript"),
    **dict.fromkeys(("yaml", "yml"), "yaml"),
    **dict.fromkeys(("html", "vue", "svg"), "html"),
    **dict.fromkeys(("docker", "dockerfile"), "docker"),
    **dict.fromkeys(("rust", "rs"), "rust"),
    **dict.fromkeys(("go", "golang"), "go"),
    **dict.fromkeys(("ruby", "rb"), "ruby"),
    **{name: name for name in ("json", "xml", "css", "sql", "toml", "java", "php")},
}
# CSS classes by the short names of Pygments' token types. Other token types have no colour.
CLASSES = {
    **dict.fromkeys(("c", "cp", "cpf", "ch", "cm", "c1", "cs", "gu", "gh"), "hc"),
    **dict.fromkeys(("k", "kc", "kd", "kn", "kp", "kr", "kt", "ow", "nt", "bp", "nb"), "hk"),
    **dict.fromkeys(("s", "sa", "sb", "sc", "dl", "sd", "s2", "se", "sh", "si", "sx", "sr", "s1", "ss"), "hs"),
    **dict.fromkeys(("m", "mb", "mf", "mh", "mi", "mo", "il", "l", "ld"), "hn"),
    **dict.fromkeys(("nf", "fm", "nc", "nd", "na", "ne", "nn", "py"), "hf"),
}


def highlighted(code: str, language: str, *, ends_at: float) -> str:
    """Return the code as escaped HTML, highlighted unless the language is unknown or the code is too long.

    Highlighting ends when the thread's processor time reaches `ends_at`, in seconds; the rest is only escaped.
    """
    name = LEXERS.get(language.lower())
    if name is None or len(code) > LONGEST_CODE:
        return escape(code)
    return "".join(_spans(code, name, ends_at))


def _spans(code: str, name: str, ends_at: float) -> Iterator[str]:
    from pygments.lexers import get_lexer_by_name  # imported here so that only processes that show code load it
    from pygments.token import STANDARD_TYPES

    lexer = get_lexer_by_name(name, stripnl=False, ensurenl=False)
    done, last, text = 0, "", ""
    for start, kind, value in lexer.get_tokens_unprocessed(code):
        if time.thread_time() > ends_at:
            break
        style = CLASSES.get(STANDARD_TYPES.get(kind, ""), "")
        if style != last:
            yield _span(last, text)
            last, text = style, ""
        text += value
        done = start + len(value)
    yield _span(last, text)
    yield escape(code[done:])


def _span(style: str, text: str) -> str:
    return f'<span class="{style}">{escape(text)}</span>' if style and text else escape(text)
