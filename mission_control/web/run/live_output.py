"""A run's output for the pages that follow it: rendered once per process, however many sockets show it.

A page says up to which event it shows the output. From there it gets one stretch after the other, each with all
that is new by then, and the next only after it has confirmed the last one: so for a slow browser one stretch waits
at most.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from channels.db import database_sync_to_async
from django.db import DatabaseError

from mission_control.health.disk import describe_failure
from mission_control.models import Run
from mission_control.realtime.relay import Relay
from mission_control.text import SharedText
from mission_control.web.run import transcript
from mission_control.web.run.transcript import markup

GATHER_SECONDS = 0.12  # between two stretches of one run
REST = 2  # or this many times the time that the last ones took to render, if that is longer
FAR_BEHIND = 1_500  # events: a page that lacks more starts again at the end
CACHED = 4  # stretches of a run that are kept, until there are newer events
SLICE = 10  # pages that are served before other tasks of the event loop get their turn
RETRY_SECONDS = 0.5

TAIL = -1  # the place of a page that is far behind

logger = logging.getLogger(__name__)
_renderer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="output")  # beside the relay's


@dataclass(frozen=True, slots=True)
class LiveStretch:
    """A stretch as it is sent: `text` is the message; the next one begins after event `after`."""

    text: str
    after: int
    last: int
    known: int
    has_ended: bool


class Follower:
    """A page's position: the next stretch begins after event `after`; it shows the events up to `last`.

    The two differ because the last entry shown may still grow, and is then sent again.
    """

    def __init__(self, after: int, last: int, send: Callable[[str], None], end: Callable[[], None]) -> None:
        self.after = after
        self.last = last
        self.end = end  # called if the run is deleted
        self._send = send
        self._is_new = True
        self._unconfirmed: int | None = None

    def is_behind(self, known: int) -> bool:
        """Return whether the page has confirmed what it got, and lacks events."""
        return self._unconfirmed is None and (self._is_new or self.last < known)

    def place(self, known: int) -> int:
        """Return the event after which the page's next stretch begins, or TAIL."""
        return TAIL if known - self.last > FAR_BEHIND else self.after

    def offer(self, stretch: LiveStretch) -> None:
        """Send a stretch, unless it has nothing new for the page."""
        self._is_new = False
        self.after = stretch.after
        if stretch.last > self.last or stretch.has_ended:
            self.last = self._unconfirmed = stretch.last
            self._send(stretch.text)

    def confirm(self, last: object) -> bool:
        """Note that the page shows the stretch that ends at event `last`; return False if it was not sent."""
        if type(last) is not int or last != self._unconfirmed:
            return False
        self._unconfirmed = None
        return True


class LiveOutput:
    """One run's followers in one event loop."""

    _by_loop: dict[asyncio.AbstractEventLoop, dict[str, "LiveOutput"]] = {}

    @classmethod
    def of(cls, run_id: str) -> "LiveOutput":
        """Return a run's output in the running loop. It lasts until its last follower leaves: `join` at once."""
        loop = asyncio.get_running_loop()
        for old in [known for known in cls._by_loop if known.is_closed()]:
            del cls._by_loop[old]
        outputs = cls._by_loop.setdefault(loop, {})
        return outputs.get(run_id) or outputs.setdefault(run_id, cls(run_id))

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._followers: set[Follower] = set()
        self._known = 0
        self._rendered: dict[int, LiveStretch] = {}  # by the event after which they begin
        self._wake = asyncio.Event()
        self._serving = asyncio.create_task(self._serve_forever())

    def join(self, follower: Follower) -> None:
        """Serve a follower until it leaves."""
        self._followers.add(follower)
        self._wake.set()

    async def leave(self, follower: Follower) -> None:
        self._followers.discard(follower)
        outputs = self._by_loop[asyncio.get_running_loop()]
        if not self._followers and outputs.get(self.run_id) is self:
            del outputs[self.run_id]
            self._serving.cancel()
            with suppress(asyncio.CancelledError):
                await self._serving

    def wake(self) -> None:
        """Look for followers that lack events: there is a new one, or one has confirmed its last stretch."""
        self._wake.set()

    def _on_events(self, last_seq: int) -> None:
        if last_seq > self._known:
            self._known = last_seq
            self._rendered.clear()
            self._wake.set()

    async def _serve_forever(self) -> None:
        while True:
            try:
                await self._serve_while_possible()
            except Run.DoesNotExist:
                for follower in list(self._followers):
                    follower.end()
                return
            except DatabaseError as error:
                logger.warning("%s (%s); trying again", describe_failure(error), type(error).__name__)
            except Exception:
                logger.exception("the output of run %s is not sent; trying again", self.run_id)
            self._wake.set()
            await asyncio.sleep(RETRY_SECONDS)

    async def _serve_while_possible(self) -> None:
        """Subscribe first, then read what is stored, so that no event is missed."""
        relay, loop = Relay.for_running_loop(), asyncio.get_running_loop()
        try:
            await relay.follow(self.run_id, self._on_events)
            self._on_events(await relay.read(_last_seq, self.run_id))
            while True:
                await self._wake.wait()
                self._wake.clear()
                began = loop.time()
                await self._serve()
                await asyncio.sleep(max(GATHER_SECONDS, REST * (loop.time() - began)))
        finally:
            await relay.unfollow(self.run_id, self._on_events)

    async def _serve(self) -> None:
        """Send each follower that is behind what it lacks."""
        groups: dict[int, list[Follower]] = {}
        for follower in self._followers:
            if follower.is_behind(self._known):
                groups.setdefault(follower.place(self._known), []).append(follower)
        for place, group in groups.items():
            stretch = await self._stretch_after(place)
            for number, follower in enumerate(group, start=1):
                if follower in self._followers:
                    follower.offer(stretch)
                if number % SLICE == 0:
                    await asyncio.sleep(0)

    async def _stretch_after(self, place: int) -> LiveStretch:
        if place in self._rendered:
            return self._rendered[place]
        stretch = await _render(self.run_id, place)
        self._on_events(stretch.known)
        # Events may have come while it was rendered. A page gets them when it has confirmed this stretch, but not
        # from the cache: it would be offered the same stretch again, and nothing after it.
        if stretch.last == self._known:
            if len(self._rendered) == CACHED:
                del self._rendered[next(iter(self._rendered))]
            self._rendered[place] = stretch
        return stretch


def _last_seq(run_id: str) -> int:
    return Run.objects.values_list("last_seq", flat=True).filter(pk=run_id).first() or 0


def live_stretch(run_id: str, place: int) -> LiveStretch:
    """Read and render the output after event `place`, or its end."""
    run = Run.objects.light().get(pk=run_id)
    stretch = transcript.tail(run) if place == TAIL else transcript.behind(run, place)
    run.refresh_from_db(fields=["status", "last_seq"])  # after the events: with the last one, the run has ended
    last, known = stretch.last or place, max(run.last_seq, stretch.last)
    has_ended = not run.is_active and last >= run.last_seq
    message = {
        "type": "output",
        "run": run_id,
        "first": stretch.first,
        "last": last,
        "known": known,
        "restarts": place == TAIL,  # it replaces what the page shows
        "ended": has_ended,
        "html": markup(run, stretch) if stretch.blocks else "",
    }
    after = stretch.blocks[-1].first - 1 if stretch.blocks else place
    return LiveStretch(SharedText(json.dumps(message)), after, last, known, has_ended)


_render = database_sync_to_async(live_stretch, thread_sensitive=False, executor=_renderer)
