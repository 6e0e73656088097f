"""Texts of other authors as sections of a prompt: fenced, so that they stay quotations, and cut to fit. No ORM."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

MIN_CHARS = 200  # a text is never cut to less, so that its start can be recognised
MARK_CHARS = 100  # the most that a note about cut or omitted text takes
NAMED_CUTS = 5

# Invisible characters: a fence with some of them inside still reads as a fence.
_UNSEEN = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0"
)
_NAME = rf"[{_UNSEEN}]*+".join("document")
# An opening or closing fence in any spelling. The possessive `*+` never backtracks.
_FENCE = re.compile(rf"[<\uff1c\ufe64](?=[\s/\\{_UNSEEN}]*+{_NAME}(?![a-z0-9]))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """A text by another author: requirements, an earlier deliverable, a document, a message, feedback."""

    kind: str
    title: str
    content: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a prompt: an introduction of ours, and the texts that it introduces.

    Each text keeps at least its start; with `may_drop` the oldest texts, which come first, are left out as a whole
    instead. `dropped` counts older texts that were not read at all; `noun` is the word for one text.
    """

    intro: str
    sources: Sequence[Source]
    may_drop: bool = False
    dropped: int = 0
    noun: str = "document"


class Cut(NamedTuple):
    """The part of a text that was not sent. `whole_chars` is 0 if `title` describes all that was left out."""

    title: str
    left_out_chars: int
    whole_chars: int


class Fitted(NamedTuple):
    """The sections as they are sent, and the text left out of them."""

    texts: list[str]
    cuts: list[Cut]


class _Part(NamedTuple):
    """A unit that gets a share of the room: one text, or all texts of a section with `may_drop`."""

    wanted: int
    least: int


def one_line(text: str) -> str:
    """Return a title or name on one line, so that none of its parts can start a line of the prompt."""
    return " ".join(text.split())


def fit(sections: Sequence[Section], room: int, *, fence: str) -> Fitted:
    """Fit the sections into `room` characters, counting two more for the blank line after each.

    `fence` is a word that no author of a text can know. Short texts are sent whole; long ones each get the same
    share of the rest, with a note where they were cut. Only text that is never cut can exceed `room`.
    """
    parts = [_parts(section, fence) for section in sections]
    flat = [part for some in parts for part in some]
    left = room - sum(_fixed_chars(section, fence) for section in sections)
    shares = iter(_shares(flat, left))
    fitted = Fitted([], [])
    for section, some in zip(sections, parts, strict=True):
        own = [next(shares) for _ in some]
        text, cuts = (_drop_oldest if section.may_drop else _cut_texts)(section, own, fence)
        fitted.texts.append(text)
        fitted.cuts.extend(cuts)
    return fitted


def notice_of(cuts: list[Cut], *, budget_chars: int) -> str:
    """Return a sentence for users about the text left out of a prompt."""
    named = [
        f"{left_out:,} of {whole:,} characters of '{title}'" if whole else title
        for title, left_out, whole in cuts[:NAMED_CUTS]
    ]
    more = [f"and more of {len(cuts) - NAMED_CUTS} others"] if len(cuts) > NAMED_CUTS else []
    return f"The prompt was cut to {budget_chars:,} characters. Left out: {', '.join([*named, *more])}"


def share_out(parts: Sequence[tuple[int, int]], room: int) -> list[int]:
    """Divide `room` among parts, each given as (wanted, minimum).

    Each part gets its minimum; small parts get all they want, and large ones each get the same share of the rest.
    """
    shares = [least for _, least in parts]
    left = max(room - sum(shares), 0)
    order = sorted(range(len(parts)), key=lambda index: parts[index][0] - shares[index])
    for position, index in enumerate(order):
        more = min(parts[index][0] - shares[index], left // (len(order) - position))
        shares[index] += more
        left -= more
    return shares


def _shares(parts: list[_Part], room: int) -> list[int]:
    wanted = [part.wanted for part in parts]
    return wanted if sum(wanted) <= room else share_out(parts, room - MARK_CHARS * len(parts))


def _parts(section: Section, fence: str) -> list[_Part]:
    sizes = [len(_quoted(source.content, fence)) for source in section.sources]
    if not section.may_drop:
        return [_Part(size, min(size, MIN_CHARS)) for size in sizes]
    if not sizes:
        return []
    around = [_fence_chars(source, fence) for source in section.sources]
    wanted = sum(sizes) + sum(around)
    return [_Part(wanted, min(wanted, around[-1] + MIN_CHARS + MARK_CHARS))]


def _fixed_chars(section: Section, fence: str) -> int:
    """Return the size of a section without its texts: introduction, blank line and fences."""
    size = len(section.intro) + 2 + (MARK_CHARS if section.dropped else 0)
    return size if section.may_drop else size + sum(_fence_chars(source, fence) for source in section.sources)


def _fence_chars(source: Source, fence: str) -> int:
    return len(_fenced(source, "", fence)) + 1


def _cut_texts(section: Section, shares: list[int], fence: str) -> tuple[str, list[Cut]]:
    """Return a section with each text cut to its share."""
    lines, cuts = [section.intro] if section.intro else [], []
    for source, share in zip(section.sources, shares, strict=True):
        text = _quoted(source.content, fence)
        lines.append(_fenced(source, _cut(text, share), fence))
        if share < len(text):
            cuts.append(Cut(source.title, len(text) - share, len(text)))
    return "\n".join(lines), cuts


def _drop_oldest(section: Section, shares: list[int], fence: str) -> tuple[str, list[Cut]]:
    """Return a section with its newest texts, as many as fit into its share."""
    left = sum(shares)
    kept: list[str] = []
    cuts: list[Cut] = []
    dropped = section.dropped
    for position in range(len(section.sources) - 1, -1, -1):
        source = section.sources[position]
        text, around = _quoted(source.content, fence), _fence_chars(source, fence)
        share = _share_of_one(len(text), left - around, is_newest=not kept)
        if share is None:
            dropped += position + 1
            break
        kept.append(_fenced(source, _cut(text, share), fence))
        left -= around + len(text)
        if share < len(text):
            cuts.append(Cut(source.title, len(text) - share, len(text)))
    mark = []
    if dropped:
        what = f"{dropped:,} earlier {section.noun}{'s' if dropped > 1 else ''}"
        mark = [f"[… {what} left out to fit …]"]
        cuts.append(Cut(what, 0, 0))
    return "\n".join([section.intro, *mark, *reversed(kept)]), cuts


def _share_of_one(size: int, left: int, *, is_newest: bool) -> int | None:
    """Return how many characters of a text of that size are sent; None if it is left out."""
    if size <= left:
        return size
    share = max(left - MARK_CHARS, MIN_CHARS if is_newest else 0)
    return share if share >= MIN_CHARS else None


def _fenced(source: Source, text: str, fence: str) -> str:
    title = one_line(_quoted(source.title, fence)).replace('"', "'")
    return f'<document-{fence} kind="{source.kind}" title="{title}">\n{text}\n</document-{fence}>'


def _quoted(text: str, fence: str) -> str:
    """Return the text escaped, so that it can neither close its fence nor open another."""
    return _FENCE.sub(r"<\\", text).replace(fence, "…")


def _cut(text: str, share: int) -> str:
    if len(text) <= share:
        return text
    return f"{text[:share]}\n[… cut here to fit: {len(text) - share:,} of {len(text):,} characters left out …]"
