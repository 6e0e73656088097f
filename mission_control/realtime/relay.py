"""The web process's own eye on the database: one for all its sockets and streams.

It passes on, over the process's own channel layer, every event of every run in order, each once. Embedded it is
the transport: it wakes when a bell rings, or when any process commits to the SQLite file. In the server profile it
relays what workers publish over Redis, and looks into the database on a gap, every few seconds, and often while
Redis is away.

The runs' output goes first. The activity feed takes longer to read, and tells what people can wait a twentieth of
a second for: it is read behind the output, once for all that a change brings.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from channels.layers import channel_layers
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Q
from django.utils import timezone

from mission_control.health.disk import trouble
from mission_control.models import Run, RunEvent
from mission_control.queue.wakeup import LOOK_SECONDS, NEWS, CommitCounter, Pipe, commit_counter
from mission_control.realtime.activity_relay import FeedFollower, groups_of
from mission_control.realtime.frames import Frame, RunHeader, run_frames
from mission_control.realtime.publisher import FEED, Message, run_message
from mission_control.runs import events

POSITIONS = "positions"
SAFETY_SECONDS = 3.0  # between two looks at the database when nothing called for one
BLIND_SECONDS = 0.15  # the same without a bell: PostgreSQL while Redis is away
GATHER_SECONDS = 0.05  # from the first news for the feed to its reading
BATCH = 500
# A run that began and ended between two looks is still found; machines' clocks may differ by that much.
NEW_RUN_MARGIN = timedelta(seconds=5)
RECENT = timedelta(seconds=60)
ANNOUNCED_SECONDS = 10.0

logger = logging.getLogger(__name__)
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class Follower:
    """Follows while somebody is subscribed. All methods belong to one event loop."""

    _by_loop: dict[asyncio.AbstractEventLoop, "Follower"] = {}

    @classmethod
    def here(cls) -> "Follower":
        """Return the running loop's follower."""
        loop = asyncio.get_running_loop()
        for old in [known for known in cls._by_loop if known.is_closed()]:
            del cls._by_loop[old]
        return cls._by_loop.setdefault(loop, cls())

    def __init__(self) -> None:
        self.layer = channel_layers["process"]
        self.subscribers = 0
        self._seen: dict[str, int] = {}  # run → the last number passed on
        self._moved: dict[str, tuple[float, str | None, str | None]] = {}  # run → when, its task and project
        self._unfinished: set[str] = set()
        self._feed: FeedFollower
        self._looked_at = timezone.now()
        self._tasks: list[asyncio.Task[None]] = []
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._wake_feed = asyncio.Event()
        self._redis_answers = bool(settings.REDIS_URL)
        self._database_answers = True
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="follower")

    # ------------------------------------------------------------ subscribers
    async def join(self, channel: str, groups: list[str]) -> None:
        """Subscribe a channel of the process's layer to groups, and follow from now on at the latest."""
        for group in [*groups, POSITIONS]:
            await self.layer.group_add(group, channel)
        self.subscribers += 1
        async with self._lock:
            if not self._tasks:
                await self._start()

    async def leave(self, channel: str, groups: list[str]) -> None:
        for group in [*groups, POSITIONS]:
            await self.layer.group_discard(group, channel)
        self.subscribers -= 1
        if self.subscribers == 0:
            tasks, self._tasks = self._tasks, []
            await _end(tasks)

    async def read(self, function: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        """Call database code in the follower's one thread, which keeps its connection."""

        def call() -> Answer:
            try:
                return function(*args, **kwargs)
            except DatabaseError:
                connection.close()
                raise

        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    async def _start(self) -> None:
        rows, self._feed = await self.read(_baseline)
        self._seen = {header.run_id: last_seq for header, last_seq, _ in rows}
        self._unfinished = {header.run_id for header, _, is_active in rows if is_active}
        self._looked_at = timezone.now()
        parts = [self._follow, self._follow_feed]
        if settings.REDIS_URL:
            parts += [self._relay, self._watch_redis]
        self._tasks = [asyncio.create_task(_for_ever(part)) for part in parts]

    # ------------------------------------------------------------ the database
    async def _follow(self) -> None:
        counter = commit_counter()
        pipe = None if settings.REDIS_URL else Pipe(NEWS)
        if pipe is not None:
            asyncio.get_running_loop().add_reader(pipe.fileno, self._hear, pipe)
        try:
            await self._look_again_and_again(counter)
        finally:
            if pipe is not None:
                asyncio.get_running_loop().remove_reader(pipe.fileno)
                pipe.close()

    def _hear(self, pipe: Pipe) -> None:
        pipe.clear()
        self._wake.set()

    async def _look_again_and_again(self, counter: CommitCounter | None) -> None:
        announced = looked = time.monotonic()
        while True:
            now = time.monotonic()
            if (counter is not None and counter.has_rung()) or self._wake.is_set():
                self._wake.set()
                self._wake_feed.set()
            if self._wake.is_set() or now - looked >= self._pause:
                self._wake.clear()
                looked = now
                if not await self._safely(self.look):
                    self._wake.set()
            if now - announced >= SAFETY_SECONDS:
                announced = now
                await self.layer.group_send(POSITIONS, {"type": "run.positions", "positions": self.positions(now)})
            pause = LOOK_SECONDS if counter is not None else self._pause
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), min(pause, 1.0))

    async def _follow_feed(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake_feed.wait(), self._pause)
            await asyncio.sleep(GATHER_SECONDS)
            self._wake_feed.clear()
            if not await self._safely(self._look_at_feed):
                self._wake_feed.set()

    async def _look_at_feed(self) -> None:
        if await self._feed.look(self.read):
            self._wake_feed.set()

    @property
    def _pause(self) -> float:
        """Seconds between two looks when nothing called for one."""
        has_bell = settings.EMBEDDED_DATABASE or self._redis_answers
        return SAFETY_SECONDS if has_bell else BLIND_SECONDS

    def positions(self, now: float) -> dict[str, tuple[int, str | None, str | None]]:
        """Return where the runs stand that moved lately: run → (last number, task, project).

        By this a subscriber sees that the last messages of a run, or all, did not reach it.
        """
        self._moved = {run: moved for run, moved in self._moved.items() if now - moved[0] < ANNOUNCED_SECONDS}
        return {run: (self._seen[run], task, project) for run, (_, task, project) in self._moved.items()}

    async def _safely(self, look: Callable[[], Awaitable[None]]) -> bool:
        """Look, and tell whether the database answered; after a while where it did not."""
        try:
            await look()
        except DatabaseError as error:
            if self._database_answers:
                logger.warning("%s (%s); looking again", trouble(error), type(error).__name__)
            self._database_answers = False
            await asyncio.sleep(0.5)
            return False
        self._database_answers = True
        return True

    async def look(self) -> None:
        """Compare what the database has of runs with what was passed on, and pass on the rest."""
        now, since = timezone.now(), self._looked_at - NEW_RUN_MARGIN
        news = await self.read(_news, dict(self._seen), set(self._unfinished), since)
        self._looked_at = now
        for header, is_active, unseen in news:
            async with self._lock:
                await self._catch_up(header, unseen)
                if is_active:
                    self._unfinished.add(header.run_id)
                else:
                    self._unfinished.discard(header.run_id)
        self._forget()

    async def _catch_up(self, header: RunHeader, unseen: list[RunEvent]) -> None:
        """Pass on these events, and where they are a whole batch what is behind them.

        Some may have been passed on since they were read: a look holds up nothing that is relayed.
        """
        while unseen:
            at, last = self._seen.get(header.run_id, 0), unseen[-1].seq
            if last > at:
                news = [event for event in unseen if event.seq > at]
                await self._pass_on(run_message(header, run_frames(header, news)), last)
            if len(unseen) < BATCH:
                return
            unseen = await self.read(events.after, header.run_id, last, limit=BATCH)

    async def _pass_on(self, message: Message, last_seq: int) -> None:
        self._seen[message["run"]] = last_seq
        self._moved[message["run"]] = (time.monotonic(), message["task"], message["project"])
        for group in groups_of(message["run"], message["task"], message["project"]):
            await self.layer.group_send(group, message)

    def _forget(self) -> None:
        """Keep the places of runs that have ended for a while, not for ever: the oldest go first."""
        ended = [run for run in self._seen if run not in self._unfinished]
        for run in ended[: max(len(ended) - 2_000, 0)]:
            del self._seen[run]
            self._moved.pop(run, None)

    # ------------------------------------------------------------ the server profile
    async def _relay(self) -> None:
        """Pass on what workers and other web processes publish, in order, each once."""
        from mission_control.queue.redis import AWAY

        layer = channel_layers["default"]
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(FEED, channel)
                while True:
                    await self._take_in(await layer.receive(channel))
            except AWAY as error:
                logger.warning("the relay has no channel layer (%s); trying again", type(error).__name__)
                await asyncio.sleep(1)

    async def _take_in(self, message: Message) -> None:
        try:
            async with self._lock:
                if message["type"] == "run.frames":
                    await self._take_in_frames(message)
        except DatabaseError as error:
            logger.warning("%s (%s); looking again", trouble(error), type(error).__name__)
        if message["type"] == "news" or _changes_status(message):
            self._wake_feed.set()  # activities and capacity are read, so that they come in order and once

    async def _take_in_frames(self, message: Message) -> None:
        seen = self._seen.get(message["run"], 0)
        first, last = message["frames"][0][0], message["frames"][-1][0]
        self._unfinished.add(message["run"])
        if first == seen + 1:
            await self._pass_on(message, last)
        elif last > seen:  # some were lost, or overtaken: the database has them
            run = await self.read(_run, message["run"])
            if run is not None:
                unseen = await self.read(events.after, run.pk, seen, limit=BATCH)
                await self._catch_up(RunHeader.of(run), unseen)

    async def _watch_redis(self) -> None:
        from mission_control.queue.redis import Pulse

        pulse = Pulse()
        while True:
            answers = await pulse.beats()
            if answers != self._redis_answers:
                logger.warning("Redis %s", "answers again" if answers else "does not answer; reading the database")
                self._redis_answers = answers
                self._wake.set()
            await asyncio.sleep(1)


async def _for_ever(part: Callable[[], Awaitable[None]]) -> None:
    """Keep a part of the follower going: without it every socket would fall silent and nobody would know."""
    while True:
        try:
            await part()
        except Exception:
            logger.exception("the follower broke; it begins again")
            await asyncio.sleep(1)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: redis-py swallows a cancellation that meets it while it connects."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.2)


def _changes_status(message: Message) -> bool:
    frames = [Frame(*frame) for frame in message.get("frames", ())]
    return bool(frames) and (frames[0].seq == 1 or frames[-1].is_last)


# ---------------------------------------------------------------- what it reads
def _run(run_id: str) -> Run | None:
    return Run.objects.light().filter(pk=run_id).first()


def standing(which: Q) -> list[tuple[RunHeader, int, bool]]:
    """Return (header, last_seq, is it active) of runs."""
    rows = Run.objects.light().filter(which).order_by()  # by an order SQLite would go through all the runs
    return [(RunHeader.of(run), run.last_seq, run.is_active) for run in rows]


def _news(
    seen: dict[str, int], unfinished: set[str], since: datetime
) -> list[tuple[RunHeader, bool, list[RunEvent]]]:
    """Return (header, is it active, what of its log was not passed on: at most a batch) of each moving run."""
    news = []
    for header, last_seq, is_active in _moving(unfinished, since):
        at = seen.get(header.run_id, 0)
        news.append((header, is_active, events.after(header.run_id, at, limit=BATCH) if last_seq > at else []))
    return news


def _moving(unfinished: set[str], since: datetime) -> list[tuple[RunHeader, int, bool]]:
    return standing(Q(status__in=Run.ACTIVE) | Q(pk__in=unfinished) | Q(queued_at__gte=since))


def recently_active() -> Q:
    """Runs that are active or ended lately: whose frames may still be under way."""
    return Q(status__in=Run.ACTIVE) | Q(finished_at__gte=timezone.now() - RECENT)


def _baseline() -> tuple[list[tuple[RunHeader, int, bool]], FeedFollower]:
    return standing(recently_active()), FeedFollower()
