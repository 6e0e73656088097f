"""The figures, and the goals of those that have one."""

from collections.abc import Sequence
from dataclasses import dataclass

FLOOR = "healthz"  # the fastest answer: a request that asks neither the database nor who the user is
READS = ("one task", "list of 100 tasks", "list of 20 agents")
IN_FLOORS = (*READS, "task created", "run answered", "first output", "refused at the limit")
# (sockets, runs): those with a goal, and those that show how the time grows.
LARGE_FANOUTS = ((100, 1), (100, 5))
SMALL_FANOUTS = ((1, 1), (20, 1), (60, 1), (20, 2), (20, 3), (20, 5))
CROWD_SOCKETS, CROWD_RUNS = 60, 3
FAULTS = ("lost", "doubled", "out of order", "not as stored")
CPU = "client CPU"
STALLED_TARGET = 1.2  # a stalled reader should not slow others; two measurements of the same differ by so much


EVENTS = "last 100 events of"


def has_floor(name: str) -> bool:
    """Return whether this figure is measured in turns with the floor, and its ratio to it is of interest."""
    return name in IN_FLOORS or name.startswith(EVENTS)


def in_floors(name: str) -> str:
    return f"{name} : {FLOOR}"


def tail_of(name: str) -> str:
    return f"{name}, p99 : median"


def fanout_name(sockets: int, runs: int) -> str:
    return f"{runs} run{'s' if runs > 1 else ''} to {sockets} socket{'s' if sockets > 1 else ''}"


def events_name(events: int) -> str:
    return f"{EVENTS} {events:,}"


@dataclass(frozen=True)
class Figure:
    """One figure. Its median should not exceed `most` (in the server profile `most_server`), or reach `least`."""

    name: str
    theme: str
    unit: str = ""
    most: float | None = None
    most_server: float | None = None
    least: float | None = None

    def target(self, profile: str) -> float | None:
        if self.least is not None:
            return self.least
        return self.most_server if profile == "server" and self.most_server is not None else self.most

    def shown_target(self, profile: str) -> str:
        target = self.target(profile)
        return "" if target is None else f"{'≥' if self.least is not None else '≤'} {target:g}"

    def misses(self, value: float, profile: str) -> bool:
        target = self.target(profile)
        if target is None:
            return False
        return value < target if self.least is not None else value > target

    @property
    def label(self) -> str:
        return f"{self.name} ({self.unit})" if self.unit else self.name


GOALS: Sequence[Figure] = [
    Figure(FLOOR, "Goals", "ms"),
    Figure(in_floors("one task"), "Goals", "", 3),
    Figure(in_floors("list of 100 tasks"), "Goals", "", 8),
    Figure(in_floors("list of 20 agents"), "Goals", "", 5),
    Figure(in_floors("task created"), "Goals", "", 4),
    Figure(in_floors("run answered"), "Goals", "", 6),
    Figure(in_floors("first output"), "Goals", "", 9),
    *(Figure(tail_of(read), "Goals", "", 2.5) for read in READS),
    Figure("throughput of 8 writers : 1 writer", "Goals", least=1),
    Figure("8 writers, p99 : median", "Goals", "", 4),
    Figure("worst other request beside 3 runs to 60 sockets : idle", "Goals", "", 15),
    Figure(fanout_name(100, 1), "Goals", "s", 0.65),
    Figure(fanout_name(100, 5), "Goals", "s", 3.3),
    Figure("next run of a project", "Goals", "ms", 40, 80),
    Figure("run of a dependent task", "Goals", "ms", 40, 80),
    Figure("run of a dependent task, alone", "Goals", "ms", 40, 80),
    Figure("board, main thread busy while 5 run", "Goals", "%", 15),
    Figure("requests of a tab per piece of output", "Goals", "", 0),
]
OTHERS: Sequence[Figure] = [
    Figure("ready", "Start", "s", 5),
    *(Figure(name, "Requests and runs", "ms") for name in IN_FLOORS),
    *(Figure(f"tasks created a second, {who}", "Requests and runs", "/s") for who in ("1 writer", "8 writers")),
    Figure("other request, idle", "Requests and runs", "ms"),
    Figure("worst other request beside 3 runs to 60 sockets", "Requests and runs", "ms"),
    Figure("tasks of a project a second", "Requests and runs", "/s"),
    *(Figure(fanout_name(*sizes), "Output to sockets", "s") for sizes in SMALL_FANOUTS),
    Figure("19 readers", "Output to sockets", "s"),
    Figure("19 readers beside a stalled one", "Output to sockets", "s"),
    Figure("stalled : not stalled", "Output to sockets", "", STALLED_TARGET),
    Figure("idle, no socket", "Idle", "% of a core", 1.5),
    Figure("idle, one socket", "Idle", "% of a core", 1.5),
    Figure("idle, PostgreSQL and Redis", "Idle", "% of a core"),
    Figure("memory idle", "Memory", "MB", 350),
    Figure("memory after load", "Memory", "MB", 350),
    Figure("first page, transferred", "Pages", "kB", 150),
    Figure("first page, answered", "Pages", "ms"),
    Figure("first page, interactive", "Pages", "ms", 300),
    Figure("first page, live", "Pages", "ms"),
    *(
        figure
        for page in ("board", "long run")
        for figure in (
            Figure(f"{page}, frame", "Pages", "ms", 17),
            Figure(f"{page}, frame p99", "Pages", "ms", 34),
            Figure(f"{page}, worst frame", "Pages", "ms"),
            Figure(f"{page}, tab", "Pages", "MB", 300),
        )
    ),
    Figure("long run, interactive", "Pages", "ms", 300),
]
