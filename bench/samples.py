"""The measured values of one installation, and the ratios that follow from them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median

from bench.figures import FLOOR, READS, has_floor, in_floors, tail_of


class Samples:
    """All values of one installation: figure → its values, a list for each round."""

    def __init__(self) -> None:
        self.rounds: dict[str, list[list[float]]] = defaultdict(list)

    def add_round(self, measured: Iterable[tuple[str, float]]) -> None:
        """Add the values of one measurement, and their ratios to the floor measured in turns with them."""
        values: dict[str, list[float]] = defaultdict(list)
        for name, value in measured:
            values[name].append(value)
        for name, value in ratios(values):
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
        return p99(self.all(name))


def ratios(values: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, float]]:
    """Return the ratios of a measurement's medians to its floor, and of the reads' p99 to their median."""
    found = [(name, values[name]) for name in list(values)]
    for name, took in found:
        if FLOOR in values and has_floor(name):
            yield in_floors(name), median(took) / median(values[FLOOR])
        if name in READS:
            yield tail_of(name), p99(sorted(took)) / median(took)


def p99(values: Sequence[float]) -> float:
    """Return the 99th percentile of sorted values; of fewer than 100 values the greatest."""
    return values[max(-(-len(values) * 99 // 100) - 1, 0)]
