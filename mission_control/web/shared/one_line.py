"""Markdown as one line of plain text, for previews on cards, slots and lists."""

import re

from mission_control.web.shared.plain_text import plain

READ_CHARS = 8_000  # only the end of the text is read: a preview shows far less

_LINE_MARKS = re.compile(r"^(?:\s|>|#{1,6}\s|[-*+]\s(?:\[[ xX]\]\s)?|\d{1,9}[.)]\s)+")
_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})")
_LINK = re.compile(r"!?\[([^\[\]]{0,300})\]\([^()\s]{0,500}\)")
_WORDS = re.compile(r"[^\s|:=*_~`#>,+-]")
_MARKS = re.compile(r"\*{1,3}(?=\S)|(?<=\S)\*{1,3}|~~|`+|(?<!\w)_{1,3}(?=\w)|(?<=\w)_{1,3}(?!\w)")


def last_line(text: str, chars: int) -> str:
    """Return the last line that has words, without markup, cut to its last `chars` characters."""
    lines = plain(text[-READ_CHARS:]).splitlines()
    found = next(filter(None, map(words_of, reversed(lines))), "")
    return found[-chars:]


def words_of(line: str) -> str:
    """Return one line of Markdown without markup; "" if it has no words, such as a rule or a fence."""
    if _FENCE.match(line):
        return ""
    line = _LINE_MARKS.sub("", line)
    line = _MARKS.sub("", _LINK.sub(r"\1", line)).strip()
    if line.startswith("|") or line.endswith("|"):
        line = ", ".join(filter(None, (cell.strip() for cell in line.strip("|").split("|"))))
    return line if _WORDS.search(line) else ""
