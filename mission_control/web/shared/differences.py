"""What changed between two texts, line by line."""

from dataclasses import dataclass
from difflib import unified_diff

from mission_control.web.shared.plain_text import plain

COMPARED_LINES = 3_000  # the time grows with the square of this
COMPARED_CHARS = 400_000
CONTEXT_LINES = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """Lines as (kind, text). Kind is "+", "-", " " for an unchanged line, "@" where lines were left out."""

    lines: list[tuple[str, str]]
    added: int
    removed: int
    is_cut: bool


def difference(old: str, new: str) -> Difference:
    """Return what changed between two texts. Of long texts only the beginning is compared."""
    before, after = _lines(old), _lines(new)
    changed = list(unified_diff(before, after, lineterm="", n=CONTEXT_LINES))[2:]  # skip the two file names
    lines = [("@", "⋯") if line.startswith("@") else (line[:1], line[1:]) for line in changed]
    kinds = [kind for kind, _ in lines]
    is_cut = any(len(text) > COMPARED_CHARS or text.count("\n") >= COMPARED_LINES for text in (old, new))
    return Difference(lines[1:], kinds.count("+"), kinds.count("-"), is_cut)


def _lines(text: str) -> list[str]:
    return plain(text[:COMPARED_CHARS]).splitlines()[:COMPARED_LINES]
