"""Untrusted text as a terminal would finally show it (`rendered_text`), or safe to print (`terminal_text`)."""

import re

MAX_HELD_CHARS = 8_192
_ESCAPE = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor
_STRING = r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # title, clipboard, links
_SEQUENCE = re.compile(rf"{_STRING}|{_ESCAPE}|\x1b[ -/]*[0-OQ-WYZ\\`-~]")
# The possible start of a sequence at the end of a piece of text.
_BEGUN = re.compile(
    r"(?:(?:\x1b\[|\x9b)[0-?]*[ -/]*|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*\x1b?|\x1b[ -/]*|\r)\Z"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


# CSI, OSC, then DCS and similar ones, then short ones. Each ends at the next escape at the latest: linear time.
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-~])"
)
# Moves of the cursor within its line: CSI with C (right), D (left), G (to a column), K (erase), CR, backspace.
_MOVES = re.compile(r"\x1b\[(\d{0,4})([CDGK])|([\r\b])")
MAX_COLUMNS = 80  # a cursor move goes no further right: otherwise a few characters could fill a page with spaces


class TerminalText:
    """Removes control sequences from a text that arrives in pieces, including those split across two pieces."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """Add a piece and return the text that can be printed now."""
        text = _SEQUENCE.sub("", (self._held + piece).replace("\r\n", "\n"))
        begun = _BEGUN.search(text)
        self._held = begun[0] if begun and len(begun[0]) <= MAX_HELD_CHARS else ""
        return _plain(text[: begun.start()] if begun and self._held else text)


def terminal_text(text: str) -> str:
    """Return a complete text without control sequences; line breaks are kept."""
    return _plain(_SEQUENCE.sub("", text.replace("\r\n", "\n")))


def _plain(text: str) -> str:
    return _CONTROLS.sub("", text.replace("\r", "\n"))


def rendered_text(text: str) -> str:
    """Return the text that a terminal would finally show, without colours and other attributes. Linear time."""
    if not ("\r" in text or "\b" in text or "\x1b" in text):
        return text
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(_ESCAPES.sub("", _rendered_line(line)) for line in lines)


def _rendered_line(line: str) -> str:
    """Render a line into cells as a terminal does. A carriage return at its end erases nothing."""
    if not _MOVES.search(line):
        return line
    cells: list[str] = []
    at = done = 0
    for move in _MOVES.finditer(line):
        at = _write(cells, at, _ESCAPES.sub("", line[done : move.start()]))
        at = _after_move(cells, at, move)
        done = move.end()
    _write(cells, at, _ESCAPES.sub("", line[done:]))
    return "".join(cells).rstrip(" ")


def _write(cells: list[str], at: int, text: str) -> int:
    if text:
        cells.extend(" " * (at - len(cells)))
        cells[at : at + len(text)] = text
    return at + len(text)


def _after_move(cells: list[str], at: int, move: re.Match[str]) -> int:
    """Apply a move or an erasure, and return the cursor's position after it."""
    digits, kind, character = move.groups()
    if character:
        return 0 if character == "\r" else max(at - 1, 0)
    number = int(digits or 0)
    if kind == "K":  # erase to the end of the line, or all of it (2); to its start (1) is rarely used and ignored
        del cells[{0: at, 2: 0}.get(number, len(cells)) :]
        return min(at, max(len(cells), MAX_COLUMNS))
    if kind == "G":
        return min(max(number, 1) - 1, MAX_COLUMNS)
    step = max(number, 1)
    return max(at - step, 0) if kind == "D" else min(at + step, max(len(cells), MAX_COLUMNS))
