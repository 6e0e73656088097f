"""The report: Markdown tables with the goals and what was reached, then all other figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import median
from typing import Any

from bench.figures import CPU, FAULTS, FLOOR, GOALS, OTHERS, Figure
from bench.samples import Samples

MISSED = "✗"
UNKNOWN = "unknown"
Results = Mapping[tuple[str, int], Samples]  # by profile and size

LEGEND = f"""\
Each figure is the median of the medians of at most {{rounds}} round(s), each with the product started again. In
parentheses, and as *spread*: the least and the greatest median of a round. p99 is over all values (with fewer
than 100 the greatest). `: {FLOOR}` is the ratio to `/{FLOOR}`, measured in turns with it. {MISSED} marks what
misses its goal. README.md in bench/ says what each figure means."""


@dataclass
class Report:
    machine: Mapping[str, str]
    profiles: Sequence[str]
    sizes: Sequence[int]
    results: Results
    failures: list[str] = field(default_factory=list)
    used: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by installation: sums as in GET /usage

    def text(self) -> str:
        parts = ["# Mission Control, measured", self.head()]
        if goals := self.goals():
            parts.append("## Goals\n\n" + goals)
        for theme, figures in groupby(OTHERS, key=lambda figure: figure.theme):
            if rows := [row for figure in figures for row in self.rows(figure)]:
                parts.append(f"## {theme}\n\n" + table(without_empty([self.columns(), *rows])))
        if faults := self.faults():
            parts.append("## Frames received\n\n" + table([["load", "installation", "frames"], *faults]))
        if self.used:
            parts.append("## What the runs took\n\n" + table(self.usage()))
        if self.failures:
            parts.append("## Not measured\n\n" + "\n".join(f"- {MISSED} {failure}" for failure in self.failures))
        return "\n\n".join(parts) + "\n"

    def goals(self) -> str:
        """Return a table of the goals and what each installation reaches; empty if none was measured."""
        where = [(profile, size) for profile in self.profiles for size in self.sizes]
        heads = ["figure", "goal", *(f"{profile}, {size:,} tasks" for profile, size in where)]
        rows = [
            [figure.label, self.goal(figure), *(self.reached(figure, *of) for of in where)]
            for figure in GOALS
            if any(self.median(figure, *of) is not None for of in where)
        ]
        return table([heads, *rows]) if rows else ""

    def goal(self, figure: Figure) -> str:
        shown = [figure.shown_target(profile) for profile in self.profiles]
        return " / ".join(dict.fromkeys(shown))

    def reached(self, figure: Figure, profile: str, size: int) -> str:
        value = self.median(figure, profile, size)
        if value is None:
            return "–"
        medians = self.results[profile, size].medians(figure.name)
        spread = f" ({number(min(medians))}..{number(max(medians))})" if len(medians) > 1 else ""
        return f"{number(value)}{spread}{f' {MISSED}' if figure.misses(value, profile) else ''}"

    def faults(self) -> list[list[str]]:
        """Return a row for each load: whether all sockets received what was stored."""
        names = [figure.name for figure in (*GOALS, *OTHERS)]
        return [
            [name, f"{profile}, {size:,} tasks", beside]
            for name in names
            for (profile, size), samples in self.results.items()
            if (beside := self.beside(name, samples))
        ]

    def usage(self) -> list[list[str]]:
        """Return rows of the tokens, cost and runs that the product reports. Unknown amounts are never 0."""
        names = ["runs", "counted_runs", "input_tokens", "output_tokens", "priced_runs", "cost_usd"]
        heads = ["runs", "of known tokens", "tokens in", "tokens out", "of known cost", "cost (USD)"]
        rows = [
            [where, sums["model"] or UNKNOWN, *(known(sums[name]) for name in names)]
            for where, all_sums in self.used.items()
            for sums in all_sums
        ]
        return [["installation", "model", *heads], *rows]

    @property
    def rounds(self) -> int:
        """Return how many rounds were measured. Several measurements of a round measure the floor."""
        figures = [
            samples.rounds[name] for samples in self.results.values() for name in samples.rounds if name != FLOOR
        ]
        return max(map(len, figures), default=0)

    def head(self) -> str:
        facts = "\n".join(f"- {name}: {value}" for name, value in self.machine.items())
        return f"{facts}\n\n{LEGEND.format(rounds=self.rounds)}"

    # ------------------------------------------------------------ the figures
    def columns(self) -> list[str]:
        columns = ["figure", "tasks"]
        for profile in self.profiles:
            columns += [f"{profile}: target", "median", "p99", "spread"]
        if len(self.profiles) == 2:
            columns.append(f"{self.profiles[1]} : {self.profiles[0]}")
        if len(self.sizes) > 1:
            columns += [f"{max(self.sizes):,} : {min(self.sizes):,}, {profile}" for profile in self.profiles]
        return columns

    def rows(self, figure: Figure) -> Iterable[list[str]]:
        for size in self.sizes:
            if all(self.median(figure, profile, size) is None for profile in self.profiles):
                continue
            row = [figure.label, f"{size:,}"]
            for profile in self.profiles:
                row += self.cells(figure, profile, size)
            if len(self.profiles) == 2:
                embedded, server = (self.median(figure, profile, size) for profile in self.profiles)
                row.append(ratio(server, embedded))
            if len(self.sizes) > 1:
                is_largest = size == max(self.sizes)
                row += [self.growth(figure, profile) if is_largest else "" for profile in self.profiles]
            yield row

    def median(self, figure: Figure, profile: str, size: int) -> float | None:
        return self.results[profile, size].median(figure.name)

    def cells(self, figure: Figure, profile: str, size: int) -> list[str]:
        samples, shown_target = self.results[profile, size], figure.shown_target(profile)
        value = samples.median(figure.name)
        if value is None:
            return [shown_target, "–", "", ""]
        mark = f" {MISSED}" if figure.misses(value, profile) else ""
        medians = samples.medians(figure.name)
        spread = f"{number(min(medians))}..{number(max(medians))}"
        return [shown_target, f"**{number(value)}**{mark}", number(samples.p99(figure.name)), spread]

    def growth(self, figure: Figure, profile: str) -> str:
        return ratio(*(self.median(figure, profile, size) for size in (max(self.sizes), min(self.sizes))))

    def beside(self, name: str, samples: Samples) -> str:
        """Return the faults over all rounds, and the median CPU time of the clients in one measurement."""
        parts = []
        if samples.all(f"{name}: {FAULTS[0]}"):
            counts = {fault: int(sum(samples.all(f"{name}: {fault}"))) for fault in FAULTS}
            wrong = [f"{fault} {count} {MISSED}" for fault, count in counts.items() if count]
            parts.append(", ".join(wrong) or "all, once, in order, as stored")
        if cpu := samples.all(f"{name}: {CPU}"):
            parts.append(f"{CPU} {number(median(cpu))} s")
        return "; ".join(parts)


def without_empty(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Leave out the columns that are empty below their heading."""
    kept = [place for place, cells in enumerate(zip(*rows, strict=True)) if any(cells[1:])]
    return [[row[place] for place in kept] for row in rows]


def table(rows: Sequence[Sequence[str]]) -> str:
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def ratio(one: float | None, other: float | None) -> str:
    return f"{one / other:.2f}" if one is not None and other else ""


def known(value: float | None) -> str:
    """Format a number of tokens, runs or dollars."""
    if value is None:
        return UNKNOWN
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"


def number(value: float) -> str:
    """Format a value with about three significant digits."""
    if value == 0:
        return "0"
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"
