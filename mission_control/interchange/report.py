"""The report of an import: messages about objects, and counts."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mission_control.text import as_uuid

Result = Literal["new", "changed", "kept", "refused"]
RESULT_WORDS: dict[Result, str] = {
    "new": "new",
    "changed": "updated",
    "kept": "kept (newer here)",
    "refused": "not imported",
}


@dataclass(frozen=True, slots=True)
class ObjectLocation:
    """The location of an object: file, position from 0, and its id if it has one."""

    file: str
    index: int
    id: object = None

    def __str__(self) -> str:
        key = as_uuid(self.id) if isinstance(self.id, str) else None
        return f"{self.file} [{self.index}] {key or 'without id'}"


class Report:
    """Prints each message at once, and counts. `losses` counts the data that could not be imported unchanged."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.losses = 0
        self.counts: dict[str, Counter[Result]] = {}

    def count(self, file: str, result: Result, number: int = 1) -> None:
        self.counts.setdefault(file, Counter())[result] += number

    def refused(self, place: ObjectLocation, field: str, reason: str) -> None:
        """Report why an object is refused; the caller counts it once, even for several reasons."""
        self._lose(f"{place}: {field}: {reason} Not imported.")

    def dropped(self, place: ObjectLocation, field: str, reason: str) -> None:
        """Report a value that was left out of an imported object."""
        self._lose(f"{place}: {field}: {reason} Imported without it.")

    def broken(self, place: ObjectLocation, reason: str) -> None:
        self._lose(f"{place.file} [{place.index}]: {reason}")

    def changed(self, place: ObjectLocation, field: str, reason: str) -> None:
        """Report a value that was changed because it cannot be true here."""
        self.say(f"{place}: {field}: {reason}")

    def _lose(self, line: str) -> None:
        self.losses += 1
        self.say(line)

    def summary(self) -> list[str]:
        """Return one line per file."""
        lines = []
        for file, counter in self.counts.items():
            counts = [f"{counter[result]} {words}" for result, words in RESULT_WORDS.items() if counter[result]]
            lines.append(f"{file}: {', '.join(counts) or 'empty'}")
        return lines
