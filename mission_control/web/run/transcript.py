"""A run's log as pages show it: stretches of blocks.

Neighbouring text events become one block, and so do a tool's use and its result. A stretch can begin at any event.
From there, the blocks are always the same, so the page can request the last block again while it grows, and the
blocks after it.
"""

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate, takewhile
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Left, Length
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from mission_control.models import Run, RunEvent
from mission_control.models.attached_file import content_url
from mission_control.web.shared.markdown import rendered
from mission_control.web.shared.plain_text import plain

Type = RunEvent.Type

STRETCH_EVENTS = 1_000
TAIL_CHARS = 40_000  # of the end of the log, or of an earlier stretch
BEHIND_CHARS = 100_000  # more than the longest block plus one event, so each read adds at least one block
# From this size on, a block ends at the next end of a line: rendering ever longer blocks again would get too slow.
BLOCK_CHARS, BLOCK_EVENTS = 6_000, 200
# The limits if no line ends, or the block is inside code.
LONGEST_CHARS, MAX_EVENTS = 30_000, 800
SHOWN_CHARS = 40_000  # of one event; text events are never longer (32 kB at most), a tool's result may be
INPUT_CHARS = 20_000
LOGGED_EVENTS = 100  # read at once: a tool's result may be large
JOINED = {Type.MESSAGE, Type.THINKING}
# The keys of a tool's input that describe best what it does, best first.
MAIN_ARGUMENTS = ("command", "file_path", "path", "pattern", "query", "url", "prompt", "description")

_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)


@dataclass(slots=True)
class Block:
    """One entry of the output. `kind` selects its markup in `run/_event.html`.

    Kinds: started, message, thinking, tool, result, notice, completed, stopped, error. `first` and `last` are the
    numbers of its first and last run event.
    """

    kind: str
    first: int
    last: int
    at: datetime
    ended_at: datetime
    text: str = ""
    detail: str = ""  # a tool's input
    result: str | None = None  # a tool's result; None while it works
    is_cut: bool = False
    files_url: str = ""  # for images of the working folder; empty while they may not be there yet

    @property
    def html(self) -> SafeString:
        return rendered(self.text, files_url=self.files_url)

    @property
    def seconds(self) -> float:
        return (self.ended_at - self.at).total_seconds()

    @property
    def summary(self) -> str:
        """Return one line about a tool: the key part of its input, or the first line of its result."""
        return _main_argument(self.detail) if self.kind == "tool" else _first_line(self.text)

    @property
    def result_lines(self) -> int:
        return (self.result or "").rstrip("\n").count("\n") + 1 if self.result else 0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Blocks from event number `first` to `last`; both are 0 if there are no events."""

    blocks: list[Block] = field(default_factory=list)
    first: int = 0
    last: int = 0

    @property
    def earlier_upto(self) -> int:
        """Return the number of the last event before this stretch; 0 at the beginning of the log."""
        return max(self.first - 1, 0)


def tail(run: Run, *, upto: int | None = None) -> Stretch:
    """Return the end of a run's log, or the part that ends at event `upto`.

    Reads at most STRETCH_EVENTS events with TAIL_CHARS characters.
    """
    stored = RunEvent.objects.filter(run_id=run.pk)
    if upto is not None:
        stored = stored.filter(seq__lte=upto)
    sizes = list(stored.order_by("-seq").values_list("seq", Length("content"))[:STRETCH_EVENTS])
    if not sizes:
        return Stretch()
    number = _number_within(sizes, TAIL_CHARS)
    first = sizes[number - 1][0]
    if number < len(sizes) and stored.filter(seq=first, type=Type.TOOL_RESULT).exists():
        first -= 1  # include the tool's use
    return _stretch(run, stored.filter(seq__gte=first, seq__lte=sizes[0][0]))


def behind(run: Run, after: int) -> Stretch:
    """Return a run's log after event `after`: at most STRETCH_EVENTS events with BEHIND_CHARS characters."""
    stored = RunEvent.objects.filter(run_id=run.pk, seq__gt=after)
    sizes = list(stored.order_by("seq").values_list("seq", Length("content"))[:STRETCH_EVENTS])
    if not sizes:
        return Stretch()
    last = sizes[_number_within(sizes, BEHIND_CHARS) - 1][0]
    return _stretch(run, stored.filter(seq__lte=last))


def markup(run: Run, stretch: Stretch) -> str:
    """Render a stretch, for a request or for the sockets of all pages: it is the same for every user."""
    return render_to_string("run/_events.html", {"run": run, "stretch": stretch})


def piece_of_log(run_id: uuid.UUID, after: int) -> tuple[str, int]:
    """Return the next part of the log after event `after` as text ("" at its end), and its last event's number."""
    found = list(RunEvent.objects.filter(run_id=run_id, seq__gt=after).order_by("seq")[:LOGGED_EVENTS])
    return "".join(map(_logged, found)), found[-1].seq if found else after


def _logged(event: RunEvent) -> str:
    given = f" {json.dumps(event.metadata, ensure_ascii=False)}" if event.metadata else ""
    end = "" if event.content.endswith("\n") else "\n"
    return f"#{event.seq} {event.timestamp.isoformat()} {event.type}{given}\n{event.content}{end}"


def _number_within(sizes: list[tuple[int, int]], chars: int) -> int:
    """Return how many of the events fit into `chars` characters together; at least 1."""
    sums = accumulate(min(length, SHOWN_CHARS) for _, length in sizes)
    return max(sum(1 for _ in takewhile(lambda total: total <= chars, sums)), 1)


def _stretch(run: Run, stored: QuerySet[RunEvent]) -> Stretch:
    shown = (
        stored.order_by("seq")
        .defer("content")
        .annotate(shown=Left("content", SHOWN_CHARS), size=Length("content"))
    )
    found = blocks(shown, run.agent_name)
    if run.finished_at:
        for block in found:
            block.files_url = content_url(run.project_id, run.task_id)
    return Stretch(found, found[0].first, found[-1].last) if found else Stretch()


def blocks(stored: Iterable[Any], agent_name: str) -> list[Block]:
    """Return the blocks of these events. Each event has its cut content as `shown`, its whole length as `size`."""
    made: list[Block] = []
    pieces: list[str] = []
    ids: Any = None
    for event in stored:
        last = made[-1] if made else None
        if last and event.type in JOINED and last.kind == event.type and not _is_full(pieces):
            pieces.append(event.shown)
            last.last, last.ended_at = event.seq, event.timestamp
        elif last and event.type == Type.TOOL_RESULT and last.kind == "tool" and last.result is None:
            if ids in (None, event.metadata.get("id")):
                last.result, last.is_cut = plain(event.shown), event.size > SHOWN_CHARS
                last.last, last.ended_at = event.seq, event.timestamp
                continue
            made.append(_block_of(event, agent_name))
        else:
            _close(made, pieces)
            made.append(_block_of(event, agent_name))
            pieces = [event.shown] if event.type in JOINED else []
            ids = event.metadata.get("id") if event.type == Type.TOOL_USE else None
    _close(made, pieces)
    return made


def _close(made: list[Block], pieces: list[str]) -> None:
    if pieces:
        made[-1].text = "".join(pieces)


def _is_full(pieces: list[str]) -> bool:
    """Return whether a text block is complete: it is long, at the end of a line, and not inside code."""
    size = sum(map(len, pieces))
    if size >= LONGEST_CHARS or len(pieces) >= MAX_EVENTS:
        return True
    if (size < BLOCK_CHARS and len(pieces) < BLOCK_EVENTS) or not pieces[-1].endswith("\n"):
        return False
    return len(_FENCE.findall("".join(pieces))) % 2 == 0


def _block_of(event: Any, agent_name: str) -> Block:
    def block(kind: str, text: str = "", **more: Any) -> Block:
        return Block(kind, event.seq, event.seq, event.timestamp, event.timestamp, text, **more)

    if event.type in JOINED:
        return block(event.type, event.shown)
    if event.type == Type.TOOL_USE:
        return block("tool", plain(event.shown), detail=_input_of(event))
    if event.type == Type.TOOL_RESULT:
        return block("result", plain(event.shown), is_cut=event.size > SHOWN_CHARS)
    phase = event.metadata.get("phase")
    if phase == "started":
        return block("started", plain(agent_name), detail=str(event.metadata.get("attempt") or ""))
    if phase == "ended":
        return block(event.shown, plain(event.metadata.get("error") or ""))
    if event.type == Type.INPUT:
        return block("notice", plain(f"{event.metadata.get('sender') or 'A person'}: {event.shown}"))
    return block("notice", plain(event.shown))


def _input_of(event: Any) -> str:
    given = event.metadata.get("input")
    if isinstance(given, dict) and len(given) == 1 and isinstance(only := next(iter(given.values())), str):
        return plain(only)[:INPUT_CHARS]
    return plain(json.dumps(given, indent=2, ensure_ascii=False))[:INPUT_CHARS] if given else ""


def _main_argument(detail: str) -> str:
    """Return the part of a tool's input that describes best what it does, as one line."""
    try:
        given = json.loads(detail)
    except ValueError:
        return _first_line(detail)
    if isinstance(given, dict):
        value = next((given[name] for name in MAIN_ARGUMENTS if isinstance(given.get(name), str)), None)
        value = value or next((value for value in given.values() if isinstance(value, str)), "")
        return _first_line(value)
    return _first_line(str(given))


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:200]
