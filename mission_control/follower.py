"""The web process's own eye on the database: one for all its sockets and streams.

It passes on, over the process's own channel layer, every event of every run in order, each once. Embedded it is
the transport: it wakes when a bell rings, or when any process commits to the SQLite file. In the server profile it
relays what workers publish over Redis, and looks into the database on a gap, every few seconds, and often while
Redis is away.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar
from uuid import UUID

from channels.layers import channel_layers
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Q
from django.utils import timezone

from mission_control.bells import LOOK_SECONDS, NEWS, CommitCounter, Pipe, commit_counter
from mission_control.broadcast import FEED, Message, hint_message, run_message
from mission_control.feed import Change, Unread, changes_told_by
from mission_control.frames import Frame, RunHeader, activity_frame, capacity_frame, run_frames
from mission_control.models import Activity, Run, RunEvent
from mission_control.runs import events
from mission_control.runs.slots import capacity

BOARD, POSITIONS = "board", "positions"
SAFETY_SECONDS = 3.0  # between two looks at the database when nothing called for one
BLIND_SECONDS = 0.15  # the same without a bell: PostgreSQL while Redis is away
BATCH = 500
# A run that began and ended between two looks is still found; machines' clocks may differ by that much.
NEW_RUN_MARGIN = timedelta(seconds=5)
RECENT = timedelta(seconds=60)
ANNOUNCED_SECONDS = 10.0
MOST_REMEMBERED = 2_000

logger = logging.getLogger(__name__)
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def groups_of(run: str | None, task: str | None, project: str | None) -> list[str]:
    """Return the groups of the process's layer that a message about these goes to."""
    return [BOARD] + [f"{kind}.{key}" for kind, key in (("run", run), ("task", task), ("project", project)) if key]


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
        self._feed: Unread
        self._shown: dict[str, int] = {}  # task or project → the hash of its last frame
        self._capacity: dict[str, int] = {}
        self._looked_at = timezone.now()
        self._tasks: list[asyncio.Task[None]] = []
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
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
        rows, self._feed, self._capacity = await self.read(_baseline)
        self._seen = {header.run_id: last_seq for header, last_seq, _ in rows}
        self._unfinished = {header.run_id for header, _, is_active in rows if is_active}
        self._looked_at = timezone.now()
        parts = [self._follow, self._relay, self._watch_redis] if settings.REDIS_URL else [self._follow]
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
            rung = counter is not None and counter.has_rung()
            pause = BLIND_SECONDS if counter is None and not self._redis_answers else SAFETY_SECONDS
            if rung or self._wake.is_set() or now - looked >= pause:
                self._wake.clear()
                looked = now
                await self._look_safely()
            if now - announced >= SAFETY_SECONDS:
                announced = now
                await self.layer.group_send(POSITIONS, {"type": "run.positions", "positions": self.positions(now)})
            if counter is not None:
                pause = LOOK_SECONDS
            elif self._unfinished:
                pause = BLIND_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), min(pause, 1.0))

    def positions(self, now: float) -> dict[str, tuple[int, str | None, str | None]]:
        """Return where the runs stand that moved lately: run → (last number, task, project).

        By this a subscriber sees that the last messages of a run, or all, did not reach it.
        """
        self._moved = {run: moved for run, moved in self._moved.items() if now - moved[0] < ANNOUNCED_SECONDS}
        return {run: (self._seen[run], task, project) for run, (_, task, project) in self._moved.items()}

    async def _look_safely(self) -> None:
        try:
            await self.look()
            self._database_answers = True
        except DatabaseError as error:
            if self._database_answers:
                logger.warning("the database does not answer (%s); looking again", type(error).__name__)
            self._database_answers = False
            self._wake.set()
            await asyncio.sleep(0.5)

    async def look(self) -> None:
        """Compare what the database has with what was passed on, and pass on the rest."""
        async with self._lock:
            since = self._looked_at - NEW_RUN_MARGIN
            self._looked_at = timezone.now()
            news = await self.read(_news, self._seen, self._unfinished, since, self._feed)
            for header, is_active, unseen in news.runs:
                await self._catch_up(header, unseen)
                if is_active:
                    self._unfinished.add(header.run_id)
                else:
                    self._unfinished.discard(header.run_id)
            await self._pass_on_activities(news.activities)
            await self._pass_on_changes(news.changes)
            await self._pass_on_capacity(news.capacity)
            self._forget()

    async def _catch_up(self, header: RunHeader, unseen: list[RunEvent]) -> None:
        """Pass on these events, and where they are a whole batch what is behind them."""
        while unseen:
            await self._pass_on(run_message(header, run_frames(header, unseen)), unseen[-1].seq)
            if len(unseen) < BATCH:
                return
            unseen = await self.read(events.after, header.run_id, unseen[-1].seq, limit=BATCH)

    async def _pass_on(self, message: Message, last_seq: int) -> None:
        self._seen[message["run"]] = last_seq
        self._moved[message["run"]] = (time.monotonic(), message["task"], message["project"])
        for group in groups_of(message["run"], message["task"], message["project"]):
            await self.layer.group_send(group, message)

    async def _pass_on_activities(self, activities: list[Activity]) -> None:
        for activity in activities:
            self._feed.had(activity)
            await self._pass_on_hint(activity_frame(activity), activity.task_id, activity.project_id)
        if len(activities) == BATCH:
            self._wake.set()

    async def _pass_on_changes(self, changes: list[Change]) -> None:
        """Pass on each state of an object once: what one look read early, the next would tell again.

        By all of it, not by `updated_at`: what others' changes do to what it shows does not move that.
        """
        for change in changes:
            if self._shown.pop(change.key, None) != hash(change.frame):
                await self._pass_on_hint(change.frame, change.task, change.project, beside=change.touched_projects)
            self._shown[change.key] = hash(change.frame)
            if len(self._shown) > MOST_REMEMBERED:
                del self._shown[next(iter(self._shown))]

    async def _pass_on_hint(
        self, frame: Frame, task: UUID | str | None, project: UUID | str | None, *, beside: Iterable[UUID] = ()
    ) -> None:
        """Pass it on to those who follow its task, its project, or one of the projects `beside`."""
        message = hint_message(frame, task, project)
        groups = groups_of(None, message["task"], message["project"])
        for group in dict.fromkeys([*groups, *(f"project.{key}" for key in beside)]):
            await self.layer.group_send(group, message)

    async def _pass_on_capacity(self, current: dict[str, int]) -> None:
        if current != self._capacity:
            self._capacity = current
            await self.layer.group_send(BOARD, hint_message(capacity_frame(current), None, None))

    def _forget(self) -> None:
        """Keep the places of runs that have ended for a while, not for ever: the oldest go first."""
        ended = [run for run in self._seen if run not in self._unfinished]
        for run in ended[: max(len(ended) - 2_000, 0)]:
            del self._seen[run]
            self._moved.pop(run, None)

    # ------------------------------------------------------------ the server profile
    async def _relay(self) -> None:
        """Pass on what workers and other web processes publish, in order, each once."""
        from mission_control.redis_server import AWAY

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
            logger.warning("the database does not answer (%s); looking again", type(error).__name__)
        if message["type"] == "hint" or _changes_status(message):
            self._wake.set()  # activities and capacity are read, so that they come in order and once

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
        from mission_control.redis_server import Pulse

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


@dataclass(frozen=True, slots=True)
class News:
    """What one look found: each moving run with what of its log was not passed on, at most a batch."""

    runs: list[tuple[RunHeader, bool, list[RunEvent]]]
    activities: list[Activity]
    changes: list[Change]
    capacity: dict[str, int]


def _news(seen: dict[str, int], unfinished: set[str], since: datetime, feed: Unread) -> News:
    """Read all that a look asks for at once: each change of threads costs as much as a query."""
    runs = []
    for header, last_seq, is_active in _moving(unfinished, since):
        at = seen.get(header.run_id, 0)
        runs.append((header, is_active, events.after(header.run_id, at, limit=BATCH) if last_seq > at else []))
    activities = feed.read(BATCH)
    return News(runs, activities, changes_told_by(activities), capacity())


def _moving(unfinished: set[str], since: datetime) -> list[tuple[RunHeader, int, bool]]:
    return standing(Q(status__in=Run.ACTIVE) | Q(pk__in=unfinished) | Q(queued_at__gte=since))


def recently_active() -> Q:
    """Runs that are active or ended lately: whose frames may still be under way."""
    return Q(status__in=Run.ACTIVE) | Q(finished_at__gte=timezone.now() - RECENT)


def _baseline() -> tuple[list[tuple[RunHeader, int, bool]], Unread, dict[str, int]]:
    return standing(recently_active()), Unread(), capacity()
