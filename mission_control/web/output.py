"""What the page shows of a run's log: neighbouring text joined into blocks, the newest end of it first read."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models.functions import Length

from mission_control.models import RunEvent
from mission_control.runs import events

SHOWN_EVENTS = 1_000
SHOWN_CHARS = 300_000
JOINED = {"message", "thinking"}


@dataclass(slots=True)
class Block:
    """One entry of the output pane. `kind` picks its markup in `_run_event.html`.

    started, message, thinking, tool_use, tool_result, notice, completed, stopped, error.
    """

    kind: str
    at: datetime | None = None
    text: str = ""
    detail: str = ""  # of a tool's use: its input


# The markup of each kind without content: the script fills copies of it with what arrives live.
BLANKS = [
    Block(kind)
    for kind in (
        "started",
        "message",
        "thinking",
        "tool_use",
        "tool_result",
        "notice",
        "completed",
        "stopped",
        "error",
    )
]


@dataclass(frozen=True, slots=True)
class Output:
    """A stretch of a run's log, from event `first_seq` to `last_seq`; 0 where there is none."""

    blocks: list[Block] = field(default_factory=list)
    first_seq: int = 0
    last_seq: int = 0

    @property
    def earlier_upto(self) -> int:
        """Return the number of the last event before this stretch, 0 at the beginning."""
        return max(self.first_seq - 1, 0)


def tail(run_id: uuid.UUID, agent_name: str, *, upto: int | None = None) -> Output:
    """Read the end of a run's log, or of its part up to number `upto`: so many events and characters at most."""
    stored = RunEvent.objects.filter(run_id=run_id)
    if upto is not None:
        stored = stored.filter(seq__lte=upto)
    sizes = list(stored.order_by("-seq").values_list("seq", Length("content"))[:SHOWN_EVENTS])
    if not sizes:
        return Output()
    first = _first_within(sizes)
    limit = None if upto is None else max(upto - first + 1, 1)
    shown = events.after(run_id, first - 1, limit=limit)
    return Output(blocks(shown, agent_name), first, shown[-1].seq)


def _first_within(sizes: list[tuple[int, int]]) -> int:
    first, chars = sizes[0]
    for seq, length in sizes[1:]:
        chars += length
        if chars > SHOWN_CHARS:
            break
        first = seq
    return first


def blocks(stored: Iterable[RunEvent], agent_name: str) -> list[Block]:
    """Return the blocks that the events make; pieces of text that follow one another become one."""
    made: list[Block] = []
    pieces: list[str] = []
    for event in stored:
        block = block_of(event, agent_name)
        if made and block.kind in JOINED and made[-1].kind == block.kind:
            pieces.append(block.text)
            continue
        if pieces:
            made[-1].text = "".join(pieces)
        made.append(block)
        pieces = [block.text] if block.kind in JOINED else []
    if pieces:
        made[-1].text = "".join(pieces)
    return made


def block_of(event: RunEvent, agent_name: str) -> Block:
    """Return the block that one event makes."""
    if event.type != RunEvent.Type.STATUS:
        return Block(event.type, event.timestamp, event.content, _input_of(event))
    phase = event.metadata.get("phase")
    if phase == "started":
        return Block("started", event.timestamp, agent_name)
    if phase == "ended":
        return Block(event.content, event.timestamp, event.metadata.get("error") or "")
    return Block("notice", event.timestamp, event.content)


def _input_of(event: RunEvent) -> str:
    given = event.metadata.get("input") if event.type == RunEvent.Type.TOOL_USE else None
    return json.dumps(given, indent=2, ensure_ascii=False) if given else ""
