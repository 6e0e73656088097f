"""Text of agents and people without what a terminal or a reader's eye would be tricked by."""

import re

from mission_control.terminal import rendered_text

_OVERRIDES = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))  # they turn the text that follows round
_SHOWN_AS = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"},
    **{code: f"[U+{code:04X}]" for code in (*range(0x7F, 0xA0), *_OVERRIDES)},
}
# In markup, which may end its lines by a carriage return, too.
TRICKS = re.compile("[" + "".join(map(chr, _SHOWN_AS.keys() - {ord("\r")})) + "]")


def plain(text: str) -> str:
    """Return the text as a terminal shows it in the end, with other control characters made visible."""
    return visible(rendered_text(text))


def visible(text: str) -> str:
    """Return the text with control characters, and those that change its direction, as signs of their own."""
    return text.translate(_SHOWN_AS)
