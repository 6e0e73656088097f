"""A project's runs as bars by agent, and their total usage."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    Max,
    Min,
    Q,
    QuerySet,
    Sum,
)
from django.utils import timezone

from mission_control.formatting import duration
from mission_control.models import Project, Run
from mission_control.web.shared.states import run_state

MAX_RUNS = 400
PLOT_PIXELS, CHAR_PIXELS, ICON_PIXELS = (
    880,
    6.4,
    30,
)  # minimum width of the plot; width of a label's characters and icon
SHORTEST_WAIT = timedelta(seconds=1)
SPANS = {
    "1h": ("1 hour", timedelta(hours=1)),
    "2h": ("2 hours", timedelta(hours=2)),
    "8h": ("8 hours", timedelta(hours=8)),
    "1d": ("1 day", timedelta(days=1)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
}
SHORTEST = timedelta(minutes=1)
STEPS = [timedelta(minutes=number) for number in (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440, 2880, 10080)]
MAX_TICKS = 7


@dataclass(frozen=True, slots=True)
class RunBar:
    """One run, or its wait for a slot, as a bar: position, width and texts."""

    status: str
    icon: str
    x: str
    width: str
    label: str
    title: str
    task_id: str


@dataclass(frozen=True, slots=True)
class AgentLanes:
    """An agent's bars, in as many lanes as it had runs at the same time."""

    name: str
    lanes: list[list[RunBar]]

    @property
    def bars(self) -> list[RunBar]:
        return [bar for lane in self.lanes for bar in lane]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Rows of bars, with ticks as (position, time). `now` is the current time's position; empty if outside."""

    rows: list["AgentLanes"]
    ticks: list[tuple[str, datetime]]
    now: str
    span: str
    begins_at: datetime
    ends_at: datetime
    is_dated: bool
    is_cut: bool

    @property
    def spans(self) -> list[tuple[str, str]]:
        return [("all", "All"), *((name, word) for name, (word, _) in SPANS.items())]


def timeline(project: Project, span: str) -> Timeline:
    """Return the bars of the runs within a span that ends now, or of all runs. At most two queries."""
    now = timezone.now()
    begins_at, ends_at = _window(project, span, now)
    within = Q(finished_at__isnull=True) | Q(finished_at__gte=begins_at)
    found = list(runs_of(project).filter(within, queued_at__lte=ends_at).order_by("-queued_at", "id")[:MAX_RUNS])
    scale = _Scale(begins_at, ends_at)
    by_agent: dict[str, list[Run]] = defaultdict(list)
    for run in sorted(found, key=lambda run: run.queued_at):
        by_agent[run.agent_name or "deleted agent"].append(run)
    rows = [AgentLanes(name, _lanes(runs, scale, now)) for name, runs in sorted(by_agent.items())]
    return Timeline(
        rows=[row for row in rows if row.lanes],
        ticks=scale.ticks(),
        now=scale.place(now) if begins_at <= now <= ends_at else "",
        span=span if span in SPANS else "all",
        begins_at=begins_at,
        ends_at=ends_at,
        is_dated=ends_at - begins_at > timedelta(hours=20),
        is_cut=len(found) == MAX_RUNS,
    )


def runs_of(project: Project) -> QuerySet[Run]:
    """Return a project's runs: those of its tasks, and its planning runs."""
    return Run.objects.light().filter(Q(project=project) | Q(task__project=project))


def _window(project: Project, span: str, now: datetime) -> tuple[datetime, datetime]:
    """Return begin and end of the timeline: the requested span, else all runs with a small margin."""
    if span in SPANS:
        length = SPANS[span][1]
        return now - length, now + length * 0.04
    ends = runs_of(project).aggregate(first=Min("queued_at"), last=Max("finished_at"), active=_active())
    first = ends["first"] or now
    last = now if ends["active"] else ends["last"] or now
    length = max(last - first, SHORTEST)
    return first - length * 0.02, first + length * 1.04


def _active() -> Count:
    return Count("pk", filter=Q(status__in=Run.ACTIVE))


class _Scale:
    """Converts times to positions, in percent of the width."""

    def __init__(self, begins_at: datetime, ends_at: datetime) -> None:
        self.begins_at, self.length, self.ends_at = begins_at, ends_at - begins_at, ends_at

    def share(self, moment: datetime) -> float:
        return min(max((moment - self.begins_at) / self.length * 100, 0.0), 100.0)

    def place(self, moment: datetime) -> str:
        return f"{self.share(moment):.2f}%"

    def ticks(self) -> list[tuple[str, datetime]]:
        """Return ticks at round times. Full hours of UTC are full, half or quarter hours in every time zone."""
        step = next((step for step in STEPS if self.length / step <= MAX_TICKS), STEPS[-1])
        first = datetime.fromtimestamp(
            -(-self.begins_at.timestamp() // step.total_seconds()) * step.total_seconds(), tz=self.begins_at.tzinfo
        )
        found: list[tuple[str, datetime]] = []
        while first < self.ends_at and len(found) <= MAX_TICKS:
            if 2 < self.share(first) < 97:
                found.append((self.place(first), first))
            first += step
        return found


def _lanes(runs: list[Run], scale: _Scale, now: datetime) -> list[list[RunBar]]:
    """Put the runs, oldest first, each into the first lane that is free when it was queued."""
    lanes: list[list[RunBar]] = []
    ends: list[datetime] = []
    for run in runs:
        bars = _bars(run, scale, now)
        if not bars:
            continue
        free = next((number for number, end in enumerate(ends) if end <= run.queued_at), len(ends))
        if free == len(ends):
            lanes.append([])
            ends.append(now)
        lanes[free] += bars
        ends[free] = run.finished_at or now
    return lanes


def _bars(run: Run, scale: _Scale, now: datetime) -> list[RunBar]:
    """Return a run's bars: its wait for a slot if that was long enough, then the run."""
    begun = run.started_at or run.finished_at or now
    found = []
    if begun - run.queued_at >= SHORTEST_WAIT and begun > scale.begins_at:
        found.append(_bar(run, "waiting", "Queued", run.queued_at, begun, scale))
    if run.started_at:
        found.append(_bar(run, run.status, run.task_title, run.started_at, run.finished_at or now, scale))
    return found


def _bar(run: Run, status: str, label: str, begin: datetime, end: datetime, scale: _Scale) -> RunBar:
    width = max(scale.share(end) - scale.share(begin), 0.25)
    fits = len(label) * CHAR_PIXELS + ICON_PIXELS <= width / 100 * PLOT_PIXELS
    word = "queued" if status == "waiting" else run_state(run).word.lower()
    return RunBar(
        status=status,
        icon=f"r-{status}" if width / 100 * PLOT_PIXELS >= 20 else "",
        x=scale.place(begin),
        width=f"{width:.2f}%",
        label=label if fits else "",
        title=f"{run.task_title}: {word}, {duration((end - begin).total_seconds())}",
        task_id=str(run.task_id or ""),
    )


# ---------------------------------------------------------------- total usage
def totals(runs: QuerySet[Run]) -> dict[str, Any]:
    """Return the total usage of the runs; a value that no run reported is None. One query."""
    added = runs.order_by().aggregate(**SUMS)
    return {**added, "worked": _length(added["worked"]), "waited": _length(added["waited"])}


def _length(value: timedelta | None) -> str:
    return duration(None if value is None else value.total_seconds())


def _lasted(begin: str, end: str) -> Sum:
    return Sum(ExpressionWrapper(F(end) - F(begin), output_field=DurationField()))


SUMS: dict[str, Any] = {
    "number": Count("pk"),
    "completed": Count("pk", filter=Q(status=Run.Status.COMPLETED)),
    "failed": Count("pk", filter=Q(status=Run.Status.ERROR)),
    "tokens_in": Sum("input_tokens"),
    "tokens_out": Sum("output_tokens"),
    "cost_usd": Sum("cost_usd"),
    "worked": _lasted("started_at", "finished_at"),
    "waited": _lasted("queued_at", "started_at"),
}
