"""Pass new database rows on to the sockets and streams of a web process: one relay for all of them.

The relay sends every event of every run, in order and once, over the process's own channel layer. In the embedded
profile it is the transport: it reads the database on a wakeup, or when any process commits to the SQLite file. In
the server profile it passes on what workers publish over Redis, and reads the database on a gap, every few
seconds, and often while Redis is unavailable.

The runs' output comes first. The activity feed takes longer to read and may be late by a twentieth of a second: it
is read after the output, once for all activities of a change.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar, cast

from channels.layers import channel_layers
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Q
from django.utils import timezone

from mission_control.compat.channels import ProcessLayer
from mission_control.health.disk import describe_failure
from mission_control.models import Run, RunEvent
from mission_control.queue.wakeup import COUNTER_POLL_SECONDS, NEW_ROWS, CommitCounter, WakeupPipe, commit_counter
from mission_control.realtime.activity_relay import ActivityRelay, groups_of
from mission_control.realtime.frames import Frame, RunHeader, run_frames
from mission_control.realtime.line_relay import LineRelay
from mission_control.realtime.publisher import FEED, Message, run_message
from mission_control.realtime.run_positions import RunPosition, read_positions, recently_active
from mission_control.realtime.usage_relay import UsageRelay
from mission_control.runs import events

POSITIONS = "positions"
SAFETY_POLL_SECONDS = 3.0  # between two polls of the database without a wakeup
POLL_SECONDS = 0.15  # the same where no wakeup can come: on PostgreSQL while Redis is unavailable
GATHER_SECONDS = 0.05  # from the first wakeup for activities until they are read
BATCH_SIZE = 500
MESSAGE_FRAMES = 20  # in one message to sockets; between two, other tasks have their turn
# Lets a poll find a run that started and ended since the last one; machines' clocks may differ by that much.
NEW_RUN_MARGIN = timedelta(seconds=5)
ANNOUNCED_SECONDS = 10.0

logger = logging.getLogger(__name__)
Params = ParamSpec("Params")
Result = TypeVar("Result")


class Relay:
    """Passes on new rows while there are subscribers. All methods belong to one event loop."""

    _by_loop: dict[asyncio.AbstractEventLoop, "Relay"] = {}

    @classmethod
    def for_running_loop(cls) -> "Relay":
        """Return the running loop's relay."""
        loop = asyncio.get_running_loop()
        for old in [known for known in cls._by_loop if known.is_closed()]:
            del cls._by_loop[old]
        return cls._by_loop.setdefault(loop, cls())

    def __init__(self) -> None:
        self.layer = cast("ProcessLayer", channel_layers["process"])
        self.subscribers = 0
        self.members: Counter[str] = Counter()  # by group
        self._line_relay = LineRelay(self.members)
        self._usage_relay = UsageRelay()
        self._followers: dict[str, set[Callable[[int], None]]] = {}  # run → called with each new position
        self._relayed: dict[str, int] = {}  # run → the number of the last event passed on
        # run → when its last event was passed on, its task and project
        self._recently_moved: dict[str, tuple[float, str | None, str | None]] = {}
        self._unfinished: set[str] = set()
        self._activity_relay: ActivityRelay
        self._polled_at = timezone.now()
        self._tasks: list[asyncio.Task[None]] = []
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._wake_activities = asyncio.Event()
        self._redis_answers = bool(settings.REDIS_URL)
        self._database_answers = True
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="relay")

    # ------------------------------------------------------------ subscribers
    async def join(self, channel: str, groups: list[str]) -> None:
        """Subscribe a channel of the process's layer to groups, and start to relay for the first subscriber."""
        for group in [*groups, POSITIONS]:
            await self.layer.group_add(group, channel)
        self.members.update(groups)
        await self._add_subscriber()

    async def leave(self, channel: str, groups: list[str]) -> None:
        for group in [*groups, POSITIONS]:
            await self.layer.group_discard(group, channel)
        self.layer.forget(channel)
        self.members.subtract(groups)
        self.members += Counter()  # drops the groups without members
        await self._remove_subscriber()

    async def follow(self, run: str, on_events: Callable[[int], None]) -> None:
        """Call `on_events` with the number of the run's last event each time it has new ones, until `unfollow`."""
        self._followers.setdefault(run, set()).add(on_events)
        await self._add_subscriber()

    async def unfollow(self, run: str, on_events: Callable[[int], None]) -> None:
        self._followers[run].discard(on_events)
        if not self._followers[run]:
            del self._followers[run]
        await self._remove_subscriber()

    async def _add_subscriber(self) -> None:
        self.subscribers += 1
        async with self._lock:
            if not self._tasks:
                await self._start()

    async def _remove_subscriber(self) -> None:
        self.subscribers -= 1
        if self.subscribers == 0:
            tasks, self._tasks = self._tasks, []
            await _cancel(tasks)

    async def read(
        self, function: Callable[Params, Result], *args: Params.args, **kwargs: Params.kwargs
    ) -> Result:
        """Call database code in the relay's only thread, which keeps its connection."""

        def call() -> Result:
            try:
                return function(*args, **kwargs)
            except DatabaseError:
                connection.close()
                raise

        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    async def _start(self) -> None:
        rows, self._activity_relay = await self.read(_baseline)
        self._relayed = {row.header.run_id: row.last_seq for row in rows}
        self._unfinished = {row.header.run_id for row in rows if row.is_active}
        self._usage_relay.start_from((row.header, row.usage) for row in rows)
        self._polled_at = timezone.now()
        parts = [self._relay_runs, self._relay_activities, self._relay_lines]
        if settings.REDIS_URL:
            parts += [self._relay_published, self._watch_redis]
        self._tasks = [asyncio.create_task(_keep_running(part)) for part in parts]

    # ------------------------------------------------------------ the database
    async def _relay_runs(self) -> None:
        counter = commit_counter()
        pipe = None if settings.REDIS_URL else WakeupPipe(NEW_ROWS)
        if pipe is not None:
            asyncio.get_running_loop().add_reader(pipe.fileno, self._on_wakeup, pipe)
        try:
            await self._poll_forever(counter)
        finally:
            if pipe is not None:
                asyncio.get_running_loop().remove_reader(pipe.fileno)
                pipe.close()

    def _on_wakeup(self, pipe: WakeupPipe) -> None:
        pipe.clear()
        self._wake.set()

    async def _poll_forever(self, counter: CommitCounter | None) -> None:
        announced = polled = time.monotonic()
        while True:
            now = time.monotonic()
            if (counter is not None and counter.has_changed()) or self._wake.is_set():
                self._wake.set()
                self._wake_activities.set()
            if self._wake.is_set() or now - polled >= self._pause:
                self._wake.clear()
                polled = now
                if not await self._poll_safely(self.poll):
                    self._wake.set()
            if now - announced >= SAFETY_POLL_SECONDS:
                announced = now
                await self.layer.group_send(POSITIONS, {"type": "run.positions", "positions": self.positions(now)})
            pause = COUNTER_POLL_SECONDS if counter is not None else self._pause
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), min(pause, 1.0))

    async def _relay_activities(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake_activities.wait(), self._pause)
            await asyncio.sleep(GATHER_SECONDS)
            self._wake_activities.clear()
            if not await self._poll_safely(self._poll_activities):
                self._wake_activities.set()

    async def _relay_lines(self) -> None:
        while True:
            await self._poll_safely(self._send_lines)

    async def _send_lines(self) -> None:
        await self._line_relay.send_next(self.read)

    async def _poll_activities(self) -> None:
        if await self._activity_relay.poll(self.read):
            self._wake_activities.set()

    @property
    def _pause(self) -> float:
        """Seconds between two polls without a wakeup."""
        has_wakeup = settings.EMBEDDED_DATABASE or self._redis_answers
        return SAFETY_POLL_SECONDS if has_wakeup else POLL_SECONDS

    def positions(self, now: float) -> dict[str, tuple[int, str | None, str | None]]:
        """Return the positions of runs with recent events: run → (number of the last event, task, project).

        They tell a subscriber that the last messages of a run, or all of them, did not reach it.
        """
        self._recently_moved = {
            run: moved for run, moved in self._recently_moved.items() if now - moved[0] < ANNOUNCED_SECONDS
        }
        return {
            run: (self._relayed[run], task, project) for run, (_, task, project) in self._recently_moved.items()
        }

    async def _poll_safely(self, poll: Callable[[], Awaitable[None]]) -> bool:
        """Call `poll` and return whether the database answered; wait half a second where it did not."""
        try:
            await poll()
        except DatabaseError as error:
            if self._database_answers:
                logger.warning("%s (%s); trying again", describe_failure(error), type(error).__name__)
            self._database_answers = False
            await asyncio.sleep(0.5)
            return False
        self._database_answers = True
        return True

    async def poll(self) -> None:
        """Read the events of runs that were not passed on yet, and pass them on."""
        now, since = timezone.now(), self._polled_at - NEW_RUN_MARGIN
        unrelayed = await self.read(_unrelayed_events, dict(self._relayed), set(self._unfinished), since)
        self._polled_at = now
        for row, unseen in unrelayed:
            async with self._lock:
                await self._catch_up(row.header, unseen)
                if row.is_active:
                    self._unfinished.add(row.header.run_id)
                else:
                    self._unfinished.discard(row.header.run_id)
        usages = [(row.header, row.usage) for row, _ in unrelayed]
        await self._usage_relay.compare(usages, passes_on=not self._redis_answers)
        self._forget_ended_runs()

    async def _catch_up(self, header: RunHeader, unseen: list[RunEvent]) -> None:
        """Pass on these events, and the later ones where these fill a batch.

        Some may have been passed on since they were read: a poll does not block what comes over Redis.
        """
        while unseen:
            at, last = self._relayed.get(header.run_id, 0), unseen[-1].seq
            new = [event for event in unseen if event.seq > at]
            for number in range(0, len(new), MESSAGE_FRAMES):
                frames = run_frames(header, new[number : number + MESSAGE_FRAMES])
                await self._forward(run_message(header, frames), frames[-1].seq)
            if len(unseen) < BATCH_SIZE:
                return
            unseen = await self.read(events.after, header.run_id, last, limit=BATCH_SIZE)

    async def _forward(self, message: Message, last_seq: int) -> None:
        message["frames"] = [Frame(*frame) for frame in message["frames"]]  # shared by all receivers
        self._relayed[message["run"]] = last_seq
        self._recently_moved[message["run"]] = (time.monotonic(), message["task"], message["project"])
        for on_events in list(self._followers.get(message["run"], ())):
            on_events(last_seq)
        for group in groups_of(message["run"], message["task"], message["project"]):
            await self.layer.group_send(group, message)
        self._line_relay.add(message["run"])

    def _forget_ended_runs(self) -> None:
        """Drop the oldest positions of ended runs beyond 2,000."""
        ended = [run for run in self._relayed if run not in self._unfinished]
        for run in ended[: max(len(ended) - 2_000, 0)]:
            del self._relayed[run]
            self._recently_moved.pop(run, None)

    # ------------------------------------------------------------ the server profile
    async def _relay_published(self) -> None:
        """Pass on what workers and other web processes publish, in order and once."""
        from mission_control.queue.redis import REDIS_ERRORS

        layer = channel_layers["default"]
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(FEED, channel)
                while True:
                    await self._receive(await layer.receive(channel))
            except REDIS_ERRORS as error:
                logger.warning("the relay has no channel layer (%s); trying again", type(error).__name__)
                await asyncio.sleep(1)

    async def _receive(self, message: Message) -> None:
        try:
            async with self._lock:
                if message["type"] == "run.frames":
                    await self._receive_frames(message)
                elif message["type"] == "run.usage":
                    await self._usage_relay.forward(message)
        except DatabaseError as error:
            logger.warning("%s (%s); trying again", describe_failure(error), type(error).__name__)
        if message["type"] == "news" or _changes_status(message):
            self._wake_activities.set()  # activities and capacity are read, so that they arrive in order and once

    async def _receive_frames(self, message: Message) -> None:
        seen = self._relayed.get(message["run"], 0)
        first, last = message["frames"][0][0], message["frames"][-1][0]
        self._unfinished.add(message["run"])
        if first == seen + 1:
            await self._forward(message, last)
        elif last > seen:  # some were lost or arrived out of order: the database has them
            run = await self.read(_run, message["run"])
            if run is not None:
                unseen = await self.read(events.after, run.pk, seen, limit=BATCH_SIZE)
                await self._catch_up(RunHeader.of(run), unseen)

    async def _watch_redis(self) -> None:
        from mission_control.queue.redis import RedisProbe

        probe = RedisProbe()
        while True:
            answers = await probe.answers()
            if answers != self._redis_answers:
                logger.warning("Redis %s", "answers again" if answers else "does not answer; reading the database")
                self._redis_answers = answers
                self._wake.set()
            await asyncio.sleep(1)


async def _keep_running(part: Callable[[], Awaitable[None]]) -> None:
    """Restart a part of the relay when it fails: without it every socket would silently receive nothing."""
    while True:
        try:
            await part()
        except Exception:
            logger.exception("the relay failed; it is restarted")
            await asyncio.sleep(1)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: redis-py swallows a cancellation that arrives while it connects."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.2)


def _changes_status(message: Message) -> bool:
    frames = [Frame(*frame) for frame in message.get("frames", ())]
    return any(frame.changes_status for frame in frames)


# ---------------------------------------------------------------- queries
def _run(run_id: str) -> Run | None:
    return Run.objects.light().filter(pk=run_id).first()


def _unrelayed_events(
    seen: dict[str, int], unfinished: set[str], since: datetime
) -> list[tuple[RunPosition, list[RunEvent]]]:
    """Return the runs that may have new events, each with up to a batch of events that were not passed on."""
    found = []
    for row in read_positions(Q(status__in=Run.ACTIVE) | Q(pk__in=unfinished) | Q(queued_at__gte=since)):
        run, at = row.header.run_id, seen.get(row.header.run_id, 0)
        found.append((row, events.after(run, at, limit=BATCH_SIZE) if row.last_seq > at else []))
    return found


def _baseline() -> tuple[list[RunPosition], ActivityRelay]:
    return read_positions(recently_active()), ActivityRelay()
