"""Clients that watch: sockets of a run, of its task, of everything, and streams. They keep every frame.

A client reconnects after a lost connection with the last number it got, as "Resuming" in the contract says.
"""

import asyncio
import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.chaos.ledger import Shown
from tests.product import Product

AGAIN_SECONDS = 0.15
BROKEN = (OSError, TimeoutError, WebSocketException, httpx.HTTPError)
LAST = "mc_task_completed"


def shown(event: str, data: dict[str, Any]) -> Shown:
    said = data.get("content", "") if event != LAST else f"{data['status']}: {data['error']}"
    return Shown(data["seq"], event, said, data["timestamp"])


@dataclass
class Drop:
    """A connection that ended before all events had come."""

    at: float  # on the monotonic clock
    why: str
    opened: bool  # whether it was ever open


@dataclass
class Watch:
    """One client of one run, from its first number to its last, over as many connections as needed."""

    run: str
    task: str
    kind: str  # run, task or stream
    frames: list[Shown] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)

    @property
    def after(self) -> int:
        return self.frames[-1].seq if self.frames else 0

    @property
    def is_complete(self) -> bool:
        return bool(self.frames) and self.frames[-1].type == LAST


@dataclass
class Seat:
    """One connection of a client that watches everything."""

    path: str
    said_hello_at: datetime
    frames: dict[str, list[Shown]] = field(default_factory=lambda: defaultdict(list))
    is_open: bool = True


class Audience:
    """All clients that watch one product, in one event loop in its own thread."""

    BOARDS = ("/ws/mission-control", "/ws")

    def __init__(self, product: Product) -> None:
        self.host = f"127.0.0.1:{product.port}"
        self.headers = {"Authorization": f"Bearer {product.token}"}
        self.watches: list[Watch] = []
        self.seats: list[Seat] = []
        self.seat_drops: list[Drop] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="audience", daemon=True)
        self._thread.start()
        self._tasks: set[asyncio.Task] = set()
        self._http = httpx.AsyncClient(headers=self.headers, timeout=httpx.Timeout(20, connect=10))
        for path in self.BOARDS:
            self._loop.call_soon_threadsafe(self._begin, self._sit, path)

    def watch(self, run: str, task: str, chance: random.Random) -> None:
        """Let one client follow the run, and sometimes two."""
        for kind in chance.sample(["run", "task", "stream"], chance.choice([1, 1, 2])):
            watch = Watch(run, task, kind)
            self.watches.append(watch)
            self._loop.call_soon_threadsafe(self._begin, self._follow, watch)

    def forget(self) -> None:
        """Forget the clients that were checked; those that watch everything stay connected."""
        self.watches, self.seat_drops = [], []
        self.seats = [seat for seat in self.seats if seat.is_open]
        for seat in self.seats:
            seat.frames = defaultdict(list)

    def end(self) -> None:
        for task in list(self._tasks):
            self._loop.call_soon_threadsafe(task.cancel)
        deadline = time.monotonic() + 10
        while self._tasks and time.monotonic() < deadline:
            time.sleep(0.05)
        asyncio.run_coroutine_threadsafe(self._http.aclose(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    # ------------------------------------------------------------ in the event loop
    def _begin(self, function: Callable, *arguments: Any) -> None:
        task = self._loop.create_task(function(*arguments))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, watch: Watch) -> None:
        frames = self._streamed if watch.kind == "stream" else self._socketed
        while not watch.is_complete:
            opened: list[bool] = []
            why = "it ended before the run's last event"
            try:
                async for event, data in frames(watch, opened):
                    if data.get("run_id") == watch.run:
                        watch.frames.append(shown(event, data))
                        if watch.is_complete:
                            return
            except BROKEN as error:
                why = reason(error)
            watch.drops.append(Drop(time.monotonic(), why, bool(opened)))
            await asyncio.sleep(AGAIN_SECONDS)

    async def _socketed(self, watch: Watch, opened: list[bool]) -> AsyncIterator[tuple[str, dict]]:
        path = f"/ws/mission-control/runs/{watch.run}?after={watch.after}"
        if watch.kind == "task":
            path = f"/ws/mission-control/tasks/{watch.task}?run={watch.run}&after={watch.after}"
        async with self._connect(path) as socket:
            async for text in socket:
                opened.append(True)
                frame = json.loads(text)
                if "seq" in frame.get("data", {}):
                    yield frame["event_type"], frame["data"]

    async def _streamed(self, watch: Watch, opened: list[bool]) -> AsyncIterator[tuple[str, dict]]:
        url = f"http://{self.host}/api/mission-control/runs/{watch.run}/stream?after={watch.after}"
        async with self._http.stream("GET", url) as answer:
            answer.raise_for_status()
            opened.append(True)
            event = ""
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    yield event, json.loads(value)

    async def _sit(self, path: str) -> None:
        """Watch everything until cancelled."""
        while True:
            seat = None
            why = "it ended"
            try:
                async with self._connect(path) as socket:
                    async for text in socket:
                        frame = json.loads(text)
                        if frame["type"] == "connection_info":
                            seat = Seat(path, datetime.now(UTC))
                            self.seats.append(seat)
                        elif seat and "seq" in frame.get("data", {}):
                            data = frame["data"]
                            seat.frames[data["run_id"]].append(shown(frame["event_type"], data))
            except BROKEN as error:
                why = reason(error)
            finally:
                if seat:
                    seat.is_open = False
            self.seat_drops.append(Drop(time.monotonic(), f"{path}: {why}", seat is not None))
            await asyncio.sleep(AGAIN_SECONDS)

    def _connect(self, path: str) -> connect:
        url = f"ws://{self.host}{path}"
        return connect(url, additional_headers=self.headers, max_size=None, open_timeout=15, proxy=None)


def reason(error: Exception) -> str:
    if isinstance(error, ConnectionClosed):
        return f"closed with {error.rcvd.code if error.rcvd else 'no code'}"
    if isinstance(error, httpx.HTTPStatusError):
        return f"answered {error.response.status_code}"
    return f"{type(error).__name__}: {error}"[:120]
