"""What became of each object, line by line."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mission_control.text import as_uuid

Fate = Literal["new", "changed", "kept", "refused"]
FATES: dict[Fate, str] = {
    "new": "new",
    "changed": "updated",
    "kept": "kept (newer here)",
    "refused": "not imported",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object stands: file, position from 0, and its id where it has one."""

    file: str
    index: int
    id: object = None

    def __str__(self) -> str:
        key = as_uuid(self.id) if isinstance(self.id, str) else None
        return f"{self.file} [{self.index}] {key or 'without id'}"


class Report:
    """Says each line at once, and counts. `losses` is how often something could not be taken as it was."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.losses = 0
        self.counts: dict[str, Counter[Fate]] = {}

    def count(self, file: str, fate: Fate, number: int = 1) -> None:
        self.counts.setdefault(file, Counter())[fate] += number

    def refused(self, place: Place, field: str, reason: str) -> None:
        """Say why an object is not taken; the caller counts it, once however many reasons it has."""
        self._lose(f"{place}: {field}: {reason} Not imported.")

    def dropped(self, place: Place, field: str, reason: str) -> None:
        """Say what an object is taken without."""
        self._lose(f"{place}: {field}: {reason} Imported without it.")

    def broken(self, place: Place, reason: str) -> None:
        self._lose(f"{place.file} [{place.index}]: {reason}")

    def changed(self, place: Place, field: str, reason: str) -> None:
        """Say what reads otherwise here, because it could not be true here."""
        self.say(f"{place}: {field}: {reason}")

    def _lose(self, line: str) -> None:
        self.losses += 1
        self.say(line)

    def summary(self) -> list[str]:
        """Return one line a file."""
        lines = []
        for file, counter in self.counts.items():
            told = [f"{counter[fate]} {words}" for fate, words in FATES.items() if counter[fate]]
            lines.append(f"{file}: {', '.join(told) or 'empty'}")
        return lines
