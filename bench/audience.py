"""Starts and controls the process with the WebSocket clients (`readers.py`) for the measurements."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable
from typing import Self

from tests.product import CHECKOUT, Product

CONNECT_SECONDS = 60
LIFE_SECONDS = 600  # of the readers' process, even if this process dies


class Audience:
    """A number of sockets that read, and of sockets that have stopped reading. A context manager."""

    def __init__(self, product: Product, *, sockets: int, stalled: int = 0) -> None:
        self.told = {
            "host": "127.0.0.1",
            "port": product.port,
            "path": "/ws/mission-control",
            "token": product.token,
            "sockets": sockets,
            "stalled": stalled,
            "deadline_seconds": LIFE_SECONDS,
        }
        self.lines: queue.Queue[dict | None] = queue.Queue()
        self.ended: set[str] = set()
        self.cpu_seconds = 0.0

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "bench.readers"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            command, cwd=CHECKOUT, stdin=pipe, stdout=pipe, text=True
        )
        threading.Thread(target=self._listen, daemon=True).start()
        self.process.stdin.write(json.dumps(self.told) + "\n")
        self.process.stdin.flush()
        try:
            self._await("ready", seconds=CONNECT_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()

    def _listen(self) -> None:
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def _await(self, what: str, *, seconds: float) -> dict:
        """Return the next line of the readers, which must have this key. Raises AssertionError."""
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"the readers did not say {what!r} within {seconds} s") from None
        assert line is not None and what in line, f"the readers said {line} instead of {what!r}"
        self.cpu_seconds = line["cpu_seconds"]
        return line

    def await_end(self, runs: Iterable[str], *, seconds: float = 120) -> None:
        """Wait until every socket has received the last frame of each run."""
        while not self.ended.issuperset(runs):
            self.ended.add(self._await("ended", seconds=seconds)["ended"])

    def report(self) -> dict[str, list[dict]]:
        """End the readers and return run → what each socket received of it."""
        self.process.stdin.close()
        return self._await("report", seconds=120)["report"]
