"""Figures and charts of the runs of a period, in the viewer's time zone."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from math import ceil
from statistics import median

from django.utils import timezone

from mission_control.formatting import dollars, duration, percent, short_count
from mission_control.models import Run
from mission_control.queries.usage import completed_usage

PERIODS = {"1": "Today", "7": "7 days", "30": "30 days"}
MAX_RUNS = 10_000  # figures and charts use only this many of the newest runs
CHART_HEIGHT, BAR_AREA, WHOLE_HEIGHT = 100.0, 96.0, 120.0  # the stylesheet makes the whole chart 7.5rem high
LEFT = 8.0  # width of the axis, in percent
SHOWN_AGENTS = 2
Outcome = Run.Status
COLOURS = {Outcome.COMPLETED: "green", Outcome.ERROR: "red", Outcome.STOPPED: "grey"}
WORDS = {Outcome.COMPLETED: "Completed", Outcome.ERROR: "Failed", Outcome.STOPPED: "Stopped"}


@dataclass(frozen=True, slots=True)
class Ended:
    """The data of one ended run that the figures use."""

    status: str
    at: datetime
    waited_seconds: float | None


@dataclass(frozen=True, slots=True)
class Spent:
    """Usage of one ended run, also if the run was deleted since. Unknown values count as 0."""

    at: datetime
    agent: str
    cost: float
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class ChartBar:
    """One part of a bar; position and size are percentages of the chart's width and height."""

    colour: str
    x: str
    width: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Label:
    """A label on an axis."""

    text: str
    x: str = ""
    y: str = ""
    line_y: str = ""


@dataclass(slots=True)
class Chart:
    """A chart as the template draws it. `spoken` is its text for screen readers."""

    title: str
    figure: str
    note: str
    spoken: str
    bars: list[ChartBar] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)  # (class, points)
    rows: list[Label] = field(default_factory=list)
    columns: list[Label] = field(default_factory=list)
    key: list[tuple[str, str]] = field(default_factory=list)
    is_empty: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a period."""

    outcomes: dict[str, int]
    wait: str
    worst_wait: str
    tokens: int
    tokens_in: int
    tokens_out: int
    cost: float
    cost_week: float

    @property
    def total(self) -> int:
        return sum(self.outcomes.values())

    def share(self, status: str) -> str:
        return percent(self.outcomes[status], self.total)

    @property
    def tokens_shown(self) -> str:
        return short_count(self.tokens) if self.tokens else "–"

    @property
    def tokens_in_shown(self) -> str:
        return short_count(self.tokens_in)

    @property
    def tokens_out_shown(self) -> str:
        return short_count(self.tokens_out)

    @property
    def cost_shown(self) -> str:
        return dollars(self.cost)

    @property
    def cost_week_shown(self) -> str:
        return dollars(self.cost_week)

    @property
    def completed(self) -> tuple[int, str]:
        return self.outcomes[Outcome.COMPLETED], self.share(Outcome.COMPLETED)

    @property
    def failed(self) -> tuple[int, str]:
        return self.outcomes[Outcome.ERROR], self.share(Outcome.ERROR)

    @property
    def stopped(self) -> tuple[int, str]:
        return self.outcomes[Outcome.STOPPED], self.share(Outcome.STOPPED)


@dataclass(frozen=True, slots=True)
class Period:
    """A number of days up to now, in the viewer's time zone. Buckets are hours for one day, else days."""

    days: int
    now: datetime  # in the viewer's zone

    @classmethod
    def of(cls, name: str, zone: tzinfo) -> "Period":
        return cls(int(name) if name in PERIODS else 1, timezone.now().astimezone(zone))

    @property
    def name(self) -> str:
        return str(self.days)

    @property
    def words(self) -> str:
        return "today" if self.days == 1 else f"last {self.days} days"

    @property
    def start(self) -> datetime:
        return self.day_start(self.days)

    def day_start(self, days: int) -> datetime:
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - timedelta(days=days - 1)

    def days_of(self, number: int) -> list[str]:
        """Return the keys of the last `number` days, oldest first."""
        return [f"{self.day_start(back):%Y-%m-%d}" for back in range(number, 0, -1)]

    def buckets(self, ended: Sequence[Ended]) -> list[str]:
        """Return the keys of the days or, for one day, of the hours since the first run, at least seven."""
        if self.days > 1:
            return self.days_of(self.days)
        hours = [one.at.hour for one in ended]
        first = max(min([*hours, self.now.hour - 6]), 0)
        return [f"{hour:02}" for hour in range(first, max(self.now.hour, first + 6) + 1)]

    def key(self, moment: datetime) -> str:
        return f"{moment:%H}" if self.days == 1 else f"{moment:%Y-%m-%d}"


def ended_since(start: datetime, zone: tzinfo) -> list[Ended]:
    """Return the runs that ended since `start`, at most MAX_RUNS of the newest. One query."""
    rows = Run.objects.filter(finished_at__gte=start).order_by("-finished_at")
    names = ("status", "finished_at", "queued_at", "started_at")
    return [
        Ended(
            status,
            finished.astimezone(zone),
            max((started - queued).total_seconds(), 0.0) if started else None,
        )
        for status, finished, queued, started in rows.values_list(*names)[:MAX_RUNS]
    ]


def spent_since(start: datetime, zone: tzinfo) -> list[Spent]:
    """Return the usage of the runs that ended since `start`, at most MAX_RUNS of the newest. One query."""
    rows = completed_usage().filter(finished_at__gte=start).order_by("-finished_at")
    names = ("finished_at", "agent__name", "cost_usd", "input_tokens", "output_tokens")
    return [
        Spent(finished.astimezone(zone), agent or "deleted", float(cost or 0), tokens_in or 0, tokens_out or 0)
        for finished, agent, cost, tokens_in, tokens_out in rows.values_list(*names)[:MAX_RUNS]
    ]


def figures(ended: Sequence[Ended], spent: Sequence[Spent], period: Period) -> Figures:
    """Return the figures of the period, and the cost of the last seven days."""
    within = [one for one in ended if one.at >= period.start]
    waits = [one.waited_seconds for one in within if one.waited_seconds is not None]
    counted = Counter(one.status for one in within)
    paid = [one for one in spent if one.at >= period.start]
    tokens_in, tokens_out = sum(one.tokens_in for one in paid), sum(one.tokens_out for one in paid)
    return Figures(
        {status: counted[status] for status in Run.ENDED},
        duration(median(waits)) if waits else "–",
        duration(max(waits)) if waits else "",
        tokens_in + tokens_out,
        tokens_in,
        tokens_out,
        sum(one.cost for one in paid),
        sum(one.cost for one in spent if one.at >= period.day_start(7)),
    )


# ---------------------------------------------------------------- charts
def charts(ended: Sequence[Ended], spent: Sequence[Spent], period: Period) -> list[Chart]:
    """Return the four charts of the overview."""
    within = [one for one in ended if one.at >= period.start]
    return [_outcomes(within, period), _throughput(ended, period), _waits(within, period), _costs(spent, period)]


def _outcomes(within: Sequence[Ended], period: Period) -> Chart:
    keys = period.buckets(within)
    counted = Counter((period.key(one.at), one.status) for one in within)
    stacks = [[(COLOURS[status], counted[key, status]) for status in COLOURS] for key in keys]
    total = Counter(one.status for one in within)
    counts = ", ".join(f"{total[status]} {word.lower()}" for status, word in WORDS.items())
    chart = _bars("Runs by outcome", keys, stacks, _count)
    chart.figure = str(len(within))
    chart.note = "today, hourly" if period.days == 1 else f"{period.words}, daily"
    chart.spoken = f"Runs by outcome, {period.words}: {counts}"
    chart.key = [(COLOURS[status], word) for status, word in WORDS.items()]
    return chart


def _rate(number: float) -> str:
    """Format a number per day; show one decimal for fractions below 10."""
    return f"{number:.0f}" if number >= 10 or number == round(number) else f"{number:.1f}"


def _throughput(ended: Sequence[Ended], period: Period) -> Chart:
    days = max(period.days, 7)
    keys = period.days_of(days)
    counted = Counter(f"{one.at:%Y-%m-%d}" for one in ended if one.status == Outcome.COMPLETED)
    numbers = [counted[key] for key in keys]
    chart = _bars("Throughput", keys, [[("blue", number)] for number in numbers], _count)
    chart.figure = str(numbers[-1])
    chart.note = f"completed today ({_rate(sum(numbers) / days)}/day avg)"
    chart.spoken = f"Completed runs per day, last {days} days: {', '.join(map(str, numbers))}"
    chart.key = [("blue", "Completed runs")]
    return chart


def _costs(spent: Sequence[Spent], period: Period) -> Chart:
    days = max(period.days, 7)
    keys = period.days_of(days)
    of_day: defaultdict[tuple[str, str], float] = defaultdict(float)
    of_agent: defaultdict[str, float] = defaultdict(float)
    for one in spent:
        of_agent[one.agent] += one.cost
    named = [
        agent for agent in sorted(of_agent, key=lambda name: -of_agent[name])[:SHOWN_AGENTS] if of_agent[agent]
    ]
    for one in spent:
        of_day[f"{one.at:%Y-%m-%d}", one.agent if one.agent in named else ""] += one.cost
    parts = [*zip(["blue", "violet"], named, strict=False), ("grey", "")]
    stacks = [[(colour, of_day[key, agent]) for colour, agent in parts] for key in keys]
    today = sum(part for _, part in stacks[-1])
    chart = _bars("Cost", keys, stacks, dollars)
    chart.figure = "–" if chart.is_empty else dollars(today)
    chart.note = "today (reported cost only)"
    chart.spoken = f"Cost per day by agent, last {days} days; today {dollars(today)}"
    chart.key = [(colour, agent or "Others") for colour, agent in parts]
    return chart


def _waits(within: Sequence[Ended], period: Period) -> Chart:
    keys = period.buckets(within)
    waits: defaultdict[str, list[float]] = defaultdict(list)
    for one in within:
        if one.waited_seconds is not None:
            waits[period.key(one.at)].append(one.waited_seconds)
    every = [wait for some in waits.values() for wait in some]
    high = [_percentile(waits[key], 0.95) for key in keys]
    middle = [median(waits[key]) if waits[key] else 0.0 for key in keys]
    top = _top(max([*high, 1.0]))
    half = len(keys) // 2
    half_x = LEFT + (100 - LEFT) * half / max(len(keys) - 1, 1)
    figure = duration(median(every)) if every else "–"
    worst = f", p95 {duration(_percentile(every, 0.95))}" if every else ""
    return Chart(
        "Queue time",
        figure,
        f"median, {period.words}",
        f"Queue time, {period.words}: median {figure}{worst}",
        lines=[("line", _points(high, top)), ("line line-2", _points(middle, top))],
        rows=_rows(top, duration),
        columns=[
            Label(_name(keys[0]), f"{LEFT:g}%", "start"),
            Label(_name(keys[half]), f"{half_x:.1f}%", "middle"),
            Label(_name(keys[-1]), "100%", "end"),
        ],
        is_empty=not every,
    )


def _percentile(values: Sequence[float], part: float) -> float:
    return sorted(values)[max(ceil(part * len(values)) - 1, 0)] if values else 0.0


def _points(values: Sequence[float], top: float) -> str:
    """Return values as points on a canvas of 300 × 104."""
    step = 300 / max(len(values) - 1, 1)
    return " ".join(
        f"{number * step:.1f},{CHART_HEIGHT - value / top * BAR_AREA:.1f}" for number, value in enumerate(values)
    )


def _bars(
    title: str, keys: Sequence[str], stacks: Sequence[Sequence[tuple[str, float]]], write: Callable[[float], str]
) -> Chart:
    """Return a chart of stacked bars, one for each key."""
    highest = max((sum(part for _, part in stack) for stack in stacks), default=0)
    whole = write is _count
    top = _top(highest or 1, whole=whole)
    pitch = (100 - LEFT) / len(keys)
    chart = Chart(title, "", "", "", rows=_rows(top, write), is_empty=not highest)
    every = ceil(len(keys) / 8)
    for number, (key, stack) in enumerate(zip(keys, stacks, strict=True)):
        x = LEFT + number * pitch
        y = CHART_HEIGHT
        for colour, part in stack:
            height = part / top * BAR_AREA
            if height > 0:
                y -= height
                shown = max(height - 1, 0.5)
                place, width = f"{x + pitch * 0.18:.2f}%", f"{pitch * 0.64:.2f}%"
                chart.bars.append(ChartBar(colour, place, width, _high(y + 0.5), _high(shown)))
        if (len(keys) - 1 - number) % every == 0:
            today = key == keys[-1] and "-" in key
            chart.columns.append(Label("Today" if today else _name(key), f"{x + pitch / 2:.2f}%", "middle"))
    return chart


def _count(value: float) -> str:
    return f"{value:g}"


def _rows(top: float, write: Callable[[float], str]) -> list[Label]:
    half = CHART_HEIGHT - BAR_AREA / 2
    return [
        Label(write(value), "0", _high(y + 4), _high(y))
        for value, y in ((0.0, CHART_HEIGHT), (top / 2, half), (top, CHART_HEIGHT - BAR_AREA))
    ]


def _high(y: float) -> str:
    return f"{y / WHOLE_HEIGHT * 100:.2f}%"


def _top(highest: float, *, whole: bool = False) -> float:
    """Return a round number that is at least `highest`; an even one if half of it must be a whole number."""
    scale = 1.0
    while True:
        for step in (2, 4, 6, 8, 10) if whole or scale >= 1 else (1, 2, 4, 6, 8, 10):
            if step * scale >= highest:
                return step * scale
        scale *= 10


def _name(key: str) -> str:
    """Return the label of a bucket: the hour, or month and day."""
    return f"{key}" if "-" not in key else f"{datetime.fromisoformat(key):%b %-d}"
