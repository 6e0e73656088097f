"""What the product has answered and shown: each entry is a promise that is checked after the round."""

import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """The behaviour of a demo agent: pieces, their size, their pace. `chance` is how often it is chosen."""

    chunks: int
    delay: float = 0.0
    bytes: int = 50
    fail_after: int | None = None
    chance: int = 0

    def output(self) -> str:
        """Return everything that such an agent emits, as the contract defines it."""
        last = self.chunks if self.fail_after is None else self.fail_after
        return "".join(self._piece(number) for number in range(1, last + 1))

    def _piece(self, number: int) -> str:
        text = f"[{number}] "
        return text + "." * (self.bytes - len(text) - 1) + "\n"


KINDS = {
    "quick": Kind(5, chance=6),
    "short": Kind(40, delay=0.02, chance=6),
    "steady": Kind(150, delay=0.02, chance=6),
    "quiet": Kind(3, delay=0.8, chance=4),
    "burst": Kind(3_000, chance=2),
    "large": Kind(40, delay=0.02, bytes=8_000, chance=2),
    "failing": Kind(30, delay=0.01, fail_after=20, chance=2),
    "long": Kind(20_000, delay=0.05, chance=3),
}


@dataclass(frozen=True)
class Shown:
    """An event as a client received it."""

    seq: int
    type: str  # the event's type at the events endpoint, the frame's at a socket or stream
    said: str  # its content; for a run's last event the status with the error
    timestamp: str


class Ledger:
    """The record of a round. Many threads write to it at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.created: dict[str, dict[str, str]] = defaultdict(dict)  # table → id → text that must be stored
        self.runs: dict[str, tuple[str, str]] = {}  # run → its task, the agent's kind
        self.stop_asked: set[str] = set()  # runs whose stop was requested, answered or not
        self.stopped: set[str] = set()  # runs whose stop was answered
        self.shown: dict[str, set[Shown]] = defaultdict(set)  # by the events endpoint
        self.answers: list[tuple[float, str]] = []  # (when, what) of every answer that is not a success
        self.unanswered = 0

    def creates(self, table: str, key: str, text: str) -> None:
        with self.lock:
            self.created[table][key] = text

    def starts(self, run: str, task: str, kind: str) -> None:
        with self.lock:
            self.runs[run] = (task, kind)

    def shows(self, run: str, events: list[dict[str, Any]]) -> None:
        with self.lock:
            self.shown[run] |= {
                Shown(event["seq"], event["type"], event["content"], event["timestamp"]) for event in events
            }

    def refuses(self, what: str) -> None:
        with self.lock:
            self.answers.append((time.monotonic(), what))
