"""Text of agents and people without characters that could deceive a terminal or a reader."""

import re

from mission_control.terminal import rendered_text

_OVERRIDES = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))  # they change the direction of the text after them
_SHOWN_AS = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"},
    **{code: f"[U+{code:04X}]" for code in (*range(0x7F, 0xA0), *_OVERRIDES)},
}
# Characters without a width: in a command or a path they make different texts look the same.
_WIDTHLESS = {code: f"[U+{code:04X}]" for code in (0xAD, *range(0x200B, 0x2010), *range(0x2060, 0x2065), 0xFEFF)}
# For markup: its lines may end with a carriage return, so that one is allowed.
TRICKS = re.compile("[" + "".join(map(chr, _SHOWN_AS.keys() - {ord("\r")})) + "]")


def plain(text: str) -> str:
    """Return the text as a terminal would finally show it, with the remaining control characters made visible."""
    return visible(rendered_text(text))


def visible(text: str) -> str:
    """Return the text with visible symbols instead of control and direction characters."""
    return text.translate(_SHOWN_AS)


def exact(text: str) -> str:
    """Return the text as `visible` does, with characters without a width made visible too."""
    return visible(text).translate(_WIDTHLESS)
