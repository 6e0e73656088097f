"""The figures, their targets, and their measured values."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

SOCKETS = (1, 20, 100)
RUNS = (1, 5)
FAULTS = ("lost", "doubled", "out of order", "not as stored")
CPU = "client CPU"
# (sockets, runs) → target for the median time until the last socket has the last chunk, in seconds.
FANOUT_TARGETS = {(1, 1): 0.2, (20, 1): 0.3, (100, 1): 0.8, (100, 5): 4.0}
# A stalled reader should not slow others. Two measurements of the same thing differ by up to this factor.
STALLED_TARGET = 1.2


@dataclass(frozen=True)
class Figure:
    """One figure. Its median should not exceed `most` or, if set, `most_server` in the server profile."""

    name: str
    theme: str
    unit: str
    most: float | None = None
    most_server: float | None = None

    def target(self, profile: str) -> float | None:
        return self.most_server if profile == "server" and self.most_server is not None else self.most


def fanout_name(sockets: int, runs: int) -> str:
    return f"{runs} run{'s' if runs > 1 else ''} to {sockets} socket{'s' if sockets > 1 else ''}"


FIGURES = [
    Figure("ready", "Start", "s", 5),
    Figure("run request answered", "Running", "ms", 20),
    Figure("first output", "Running", "ms", 50, 25),
    Figure("next run of a project", "Projects", "ms"),
    Figure("run of a dependent task", "Projects", "ms"),
    Figure("tasks of a project a second", "Projects", "/s"),
    *(
        Figure(fanout_name(sockets, runs), "Fan-out", "s", FANOUT_TARGETS.get((sockets, runs)))
        for runs in RUNS
        for sockets in SOCKETS
    ),
    Figure("19 readers", "Stalled reader", "s"),
    Figure("19 readers beside a stalled one", "Stalled reader", "s"),
    Figure("stalled : not stalled", "Stalled reader", "×", STALLED_TARGET),
    Figure("task created", "Requests", "ms", 10),
    Figure("list of 100", "Requests", "ms"),
    Figure("detail", "Requests", "ms"),
    Figure("refused at the limit", "Requests", "ms"),
    Figure("refusals a second, 8 clients", "Requests", "/s"),
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


class Samples:
    """All values of one installation: figure → its values, a list for each round."""

    def __init__(self) -> None:
        self.rounds: dict[str, list[list[float]]] = defaultdict(list)

    def add_round(self, measured: Iterable[tuple[str, float]]) -> None:
        values = defaultdict(list)
        for name, value in measured:
            values[name].append(value)
        for name, found in values.items():
            self.rounds[name].append(found)

    def all(self, name: str) -> list[float]:
        return sorted(value for found in self.rounds.get(name, ()) for value in found)

    def medians(self, name: str) -> list[float]:
        return [median(found) for found in self.rounds.get(name, ())]

    def median(self, name: str) -> float | None:
        medians = self.medians(name)
        return median(medians) if medians else None

    def p99(self, name: str) -> float:
        """Return the 99th percentile; with fewer than 100 values, the greatest value."""
        values = self.all(name)
        return values[max(-(-len(values) * 99 // 100) - 1, 0)]
