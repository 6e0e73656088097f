"""Text that others wrote, as a terminal may print it: nothing in it steers the terminal."""

import re

MOST_HELD_CHARS = 8_192
_ESCAPE = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor
_STRING = r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # title, clipboard, links
_SEQUENCE = re.compile(rf"{_STRING}|{_ESCAPE}|\x1b[ -/]*[0-OQ-WYZ\\`-~]")
# What may be the beginning of one, at the end of a text that goes on.
_BEGUN = re.compile(
    r"(?:(?:\x1b\[|\x9b)[0-?]*[ -/]*|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*\x1b?|\x1b[ -/]*|\r)\Z"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class TerminalText:
    """A text in pieces, without the sequences that steer a terminal, also those that two pieces share."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what may be printed now."""
        text = _SEQUENCE.sub("", (self._held + piece).replace("\r\n", "\n"))
        begun = _BEGUN.search(text)
        self._held = begun[0] if begun and len(begun[0]) <= MOST_HELD_CHARS else ""
        return _plain(text[: begun.start()] if begun and self._held else text)


def terminal_text(text: str) -> str:
    """Return a whole text without what steers a terminal; line breaks stay."""
    return _plain(_SEQUENCE.sub("", text.replace("\r\n", "\n")))


def _plain(text: str) -> str:
    return _CONTROLS.sub("", text.replace("\r", "\n"))
