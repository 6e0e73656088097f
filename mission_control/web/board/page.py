"""The data of the board: tasks in columns by status, filtered by the URL, and the slots above them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Self
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count, F, Prefetch
from django.db.models.functions import Left, Right

from agents.models import Agent
from agents.rules import SEARCH_CHARS, TAG_CHARS
from mission_control.actions.permissions import Rights
from mission_control.formatting import clock, dollars, seconds_since
from mission_control.models import Assignment, Run, RunEvent, Task
from mission_control.models.search import has_text
from mission_control.models.tags import TaggedAny
from mission_control.models.task import TaskQuerySet
from mission_control.runs.slots import capacity
from mission_control.text import as_uuid
from mission_control.web.question.cards import open_lines
from mission_control.web.shared.consumption import Consumption
from mission_control.web.shared.one_line import last_line
from mission_control.web.shared.plain_text import plain

FIRST_CARDS, MORE_CARDS = 16, 50  # a 4K screen shows fifteen; more are loaded on scrolling
MAX_CARDS = 500
SHOWN_NEEDS = 3
SHOWN_WAITING = 2
LONG_STRIP = 10  # more slots than this need scrolling
SHOWN_SLOTS, MAX_SLOTS = 20, 100  # free slots are shown up to the first number, busy ones up to the second
LINE_EVENTS, LINE_CHARS, LINE_READ_CHARS = 40, 160, 2_000
Status = Task.Status


@dataclass(frozen=True, slots=True)
class ColumnKind:
    """A kind of column: the status that a card gets in it, the statuses that it shows, and its text when empty."""

    status: str
    name: str
    empty: str
    shows: tuple[str, ...]


COLUMNS = (
    ColumnKind(Status.INBOX, "Inbox", "No unassigned tasks", (Status.INBOX,)),
    ColumnKind(Status.ASSIGNED, "Assigned", "Nothing ready to run", (Status.ASSIGNED,)),
    ColumnKind(Status.IN_PROGRESS, "In progress", "Nothing running", (Status.IN_PROGRESS,)),
    ColumnKind(Status.REVIEW, "Review", "Nothing to review", (Status.REVIEW,)),
    ColumnKind(Status.BLOCKED, "Blocked", "Nothing blocked", (Status.BLOCKED,)),
    ColumnKind(Status.DONE, "Done", "Nothing done yet", Task.RESOLVED),
)
COLUMN_OF = {status: kind for kind in COLUMNS for status in kind.shows}


@dataclass(frozen=True, slots=True)
class BoardFilters:
    """The filters of the board, read from a URL. Unknown values are ignored."""

    q: str = ""
    project: UUID | None = None
    agent: UUID | None = None
    tag: str = ""
    priority: str = ""

    @classmethod
    def read(cls, given: dict[str, str]) -> Self:
        priority = given.get("priority", "")
        return cls(
            given.get("q", "").strip()[:SEARCH_CHARS].replace("\x00", ""),
            as_uuid(given.get("project")),
            as_uuid(given.get("agent")),
            given.get("tag", "").strip()[:TAG_CHARS].replace("\x00", ""),
            priority if priority in Task.Priority.values else "",
        )

    def of(self, tasks: TaskQuerySet) -> TaskQuerySet:
        if self.q:
            tasks = tasks.filter(has_text(self.q, "title", "description"))
        if self.project:
            tasks = tasks.filter(project=self.project)
        if self.agent:
            tasks = tasks.filter(assignments__agent=self.agent)
        if self.tag:
            tasks = tasks.filter(TaggedAny([self.tag]))
        return tasks.filter(priority=self.priority) if self.priority else tasks

    @property
    def query(self) -> str:
        """Return the filters as the query string of a URL, without the question mark."""
        named = {name: getattr(self, name) for name in ("q", "project", "agent", "tag", "priority")}
        return urlencode({name: value for name, value in named.items() if value})

    def __bool__(self) -> bool:
        return bool(self.query)


@dataclass(slots=True)
class Card:
    """One task as the board shows it.

    `place` is its position in the waiting queue, `waiting` the queue's length, `line` the newest line of output.
    """

    task: Task
    may: Rights
    place: int = 0
    waiting: int = 0
    line: str = ""
    question: str = ""  # the open question of its run

    @property
    def run(self) -> Run | None:
        """Return the newest run; None also if the user may not see runs."""
        return self.task.last_run if self.may.view_run else None

    @property
    def active(self) -> bool:
        return self.task.last_run is not None and self.task.last_run.is_active

    @property
    def used(self) -> Consumption | None:
        return Consumption.of(self.run) if self.run else None

    @property
    def column(self) -> str:
        return COLUMN_OF[self.task.status].status

    @property
    def rank_key(self) -> str:
        """Return the card's rank in its column as text that JavaScript compares: the time, then a tie-breaker."""
        at, tie = self.task.rank_at, self.task.rank_tie
        return f"{at.astimezone(UTC).isoformat(timespec='microseconds')} {tie.hex}"

    @property
    def is_placed(self) -> bool:
        return self.task.placed_at is not None

    @property
    def title(self) -> str:
        return plain(self.task.title)

    @property
    def error(self) -> str:
        return plain(self.task.last_run.error) if self.task.last_run else ""

    @property
    def needs(self) -> list[str]:
        return [plain(blocker.title) for blocker in self.task.unfinished[:SHOWN_NEEDS]]

    @property
    def assignee(self) -> Agent | None:
        return next((assignment.agent for assignment in self.task.assignments.all()), None)

    @property
    def more_assignees(self) -> int:
        return max(len(self.task.assignments.all()) - 1, 0)

    @property
    def tags(self) -> list[str]:
        return [plain(str(tag)) for tag in self.task.tags]

    @property
    def movable(self) -> bool:
        return self.may.change_task and not self.active

    @property
    def elapsed_seconds(self) -> float | None:
        run = self.task.last_run
        return None if run is None or not run.is_active else seconds_since(run.started_at or run.queued_at)

    @property
    def elapsed(self) -> str:
        return clock(self.elapsed_seconds)

    @property
    def duration(self) -> str:
        return clock(self.task.last_run.duration_seconds) if self.task.last_run else ""

    @property
    def cost(self) -> str:
        value = self.task.last_run.cost_usd if self.task.last_run else None
        return dollars(value) if value else ""

    @property
    def is_ready(self) -> bool:
        """Return whether an agent may start it: a task for an agent, not active, with no unfinished blockers."""
        is_agents = self.task.task_type == Task.Type.AGENT
        return self.may.run_task and is_agents and not self.active and not self.task.unfinished

    @property
    def runnable(self) -> bool:
        """Return whether one click can run it: it is ready and has an agent."""
        return self.is_ready and self.assignee is not None

    @property
    def moves(self) -> list[ColumnKind]:
        """Return the columns that the user may move the card to.

        In progress is one of them only for tasks that people do; a run moves an agent's task there.
        """
        if not self.movable:
            return []
        by_hand = self.task.task_type != Task.Type.AGENT
        return [
            kind
            for kind in COLUMNS
            if self.task.status not in kind.shows and (by_hand or kind.status != Status.IN_PROGRESS)
        ]


@dataclass(slots=True)
class Column:
    """A column with its first cards, and the number of all its cards."""

    kind: ColumnKind
    count: int
    cards: list[Card] = field(default_factory=list)

    @property
    def more(self) -> int:
        return max(self.count - len(self.cards), 0)


def board(filters: BoardFilters, may: Rights, *, shown: int = FIRST_CARDS) -> list[Column]:
    """Return the columns with their first cards. A constant number of queries, each limited."""
    counted = counts(filters)
    keys = {kind.status: _keys(kind, filters, 0, shown) for kind in COLUMNS if counted[kind.status]}
    made = {card.task.pk: card for card in cards([key for some in keys.values() for key in some], may)}
    return [
        Column(kind, counted[kind.status], [made[key] for key in keys.get(kind.status, []) if key in made])
        for kind in COLUMNS
    ]


def counts(filters: BoardFilters) -> dict[str, int]:
    """Return the number of cards in each column. One query."""
    found = filters.of(Task.objects.all()).order_by().values_list("status").annotate(number=Count("*"))
    by_status: dict[str, int] = dict(found)
    return {kind.status: sum(by_status.get(status, 0) for status in kind.shows) for kind in COLUMNS}


def more(kind: ColumnKind, filters: BoardFilters, may: Rights, *, offset: int) -> Column:
    """Return the next cards of one column."""
    return Column(kind, counts(filters)[kind.status], cards(_keys(kind, filters, offset, MORE_CARDS), may))


def _keys(kind: ColumnKind, filters: BoardFilters, offset: int, shown: int) -> list[UUID]:
    found = filters.of(Task.objects.filter(status__in=kind.shows))
    return list(found.by_rank().values_list("pk", flat=True)[offset : offset + shown])


def cards(keys: list[UUID], may: Rights) -> list[Card]:
    """Return the cards of these tasks in this order. At most seven queries for any number of cards."""
    unfinished = Task.objects.unresolved().order_by("created_at", "id").only("id", "title")
    waits_for: Prefetch[Any] = Prefetch("blocked_by", unfinished, to_attr="unfinished")
    found = (
        Task.objects.filter(pk__in=keys)
        .by_rank()
        .select_related("last_run__agent")
        .defer("last_run__output", "last_run__prompt", "description")
        .prefetch_related(Prefetch("assignments", Assignment.objects.select_related("agent")), waits_for)
    )
    made = {task.pk: Card(task, may) for task in found}
    _set_current_output(made.values())
    return [made[key] for key in keys if key in made]


def _set_current_output(made: Iterable[Card]) -> None:
    """Set each card's position in the waiting queue and its newest line of output."""
    runs = [card.run for card in made if card.active and card.run]
    if any(run.status == Run.Status.WAITING for run in runs):
        line = list(Run.objects.waiting().values_list("pk", flat=True))
        places = {key: place for place, key in enumerate(line, 1)}
        for card in made:
            if card.run:
                card.place, card.waiting = places.get(card.run.pk, 0), len(line)
    spoken = latest_lines([run.pk for run in runs if run.status == Run.Status.RUNNING])
    asked = questions_of(runs)
    for card in made:
        if card.run:
            card.line = spoken.get(card.run.pk, "")
            card.question = asked.get(card.run.pk, "")


def questions_of(runs: Iterable[Run]) -> dict[UUID, str]:
    """Return the open question of each of these runs, in one line. No query unless some may have one."""
    return open_lines(run.pk for run in runs if run.status in (Run.Status.RUNNING, Run.Status.PARKED))


def latest_lines(runs: list[UUID]) -> dict[UUID, str]:
    """Return the newest line of output of each run, from its last few events. One query."""
    if not runs:
        return {}
    last = RunEvent.objects.filter(run__in=runs, seq__gt=F("run__last_seq") - LINE_EVENTS)
    last = last.filter(type__in=[RunEvent.Type.MESSAGE, RunEvent.Type.TOOL_USE]).order_by("seq")
    texts: dict[UUID, str] = {}
    for run, kind, start, end in last.values_list(
        "run_id", "type", Left("content", LINE_CHARS), Right("content", LINE_READ_CHARS)
    ):
        text = end if kind == RunEvent.Type.MESSAGE else f"\nUsing {start}\n"
        texts[run] = texts.get(run, "") + text
    return {run: last_line(text, LINE_CHARS) for run, text in texts.items()}


def lines_by_run(runs: Iterable[str]) -> dict[str, str]:
    """Return the newest line of those of the runs that have one, for the sockets of pages."""
    found = latest_lines([UUID(run) for run in runs])
    return {str(run): line for run, line in found.items() if line}


# ---------------------------------------------------------------- the slots
@dataclass(frozen=True, slots=True)
class Slot:
    """One slot: its number, and the run that holds it."""

    number: int
    run: Run | None = None
    line: str = ""
    question: str = ""

    @property
    def used(self) -> Consumption | None:
        return Consumption.of(self.run) if self.run else None

    @property
    def title(self) -> str:
        return plain(self.run.task_title) if self.run else ""

    @property
    def elapsed_seconds(self) -> float | None:
        return seconds_since(self.run.started_at or self.run.queued_at) if self.run else None

    @property
    def elapsed(self) -> str:
        return clock(self.elapsed_seconds)

    @property
    def key(self) -> str:
        """Return a text that changes whenever the page must render the slot again."""
        run = self.run
        return f"{run.pk} {run.status} {run.stop_requested_at or ''} {self.question}" if run else "free"


@dataclass(frozen=True, slots=True)
class Strip:
    """The slots by number, and the next runs of the waiting queue."""

    slots: list[Slot]
    waiting: list[Run]
    capacity: dict[str, int]

    @property
    def more_waiting(self) -> int:
        return max(self.capacity["waiting"] - len(self.waiting), 0)

    @property
    def waiting_key(self) -> str:
        return " ".join([*(str(run.pk) for run in self.waiting), str(self.capacity["waiting"])])

    @property
    def held(self) -> int:
        return self.capacity["running"] + self.capacity["queued"]

    @property
    def more_busy(self) -> int:
        return max(self.held - sum(slot.run is not None for slot in self.slots), 0)

    @property
    def more_free(self) -> int:
        return max(self.capacity["available"] - sum(slot.run is None for slot in self.slots), 0)

    @property
    def is_long(self) -> bool:
        return len(self.slots) > LONG_STRIP


def strip() -> Strip:
    """Return the current slots and waiting runs. Free slots are left out before busy ones. Six queries."""
    now = capacity()
    held = {run.slot: run for run in Run.objects.holding().light().select_related("project", "agent") if run.slot}
    spoken = latest_lines([run.pk for run in held.values()])
    asked = questions_of(held.values())
    busy = sorted(held)[:MAX_SLOTS]
    free = [number for number in range(1, now["limit"] + 1) if number not in held]
    numbers = sorted([*busy, *free[: max(SHOWN_SLOTS - len(busy), 0)]])
    slots = [Slot(number) if number in free else _slot(number, held[number], spoken, asked) for number in numbers]
    return Strip(slots, list(Run.objects.waiting().light()[:SHOWN_WAITING]), now)


def _slot(number: int, run: Run, spoken: dict[UUID, str], asked: dict[UUID, str]) -> Slot:
    return Slot(number, run, spoken.get(run.pk, ""), asked.get(run.pk, ""))
