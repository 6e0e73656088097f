"""Publish what was committed to every web process, over the channel layer. A hint: it may be lost.

Without Redis there is no layer between processes: a bell tells the web process's follower to read.
"""

import asyncio
import logging
import time
import uuid
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import channel_layers
from django.conf import settings
from django.db import connection, transaction

from mission_control.models import Run, RunEvent
from mission_control.queue.wakeup import NEWS, ring_pipe
from mission_control.realtime.frames import Frame, RunHeader, run_frames

FEED = "feed"  # the one group of the "default" layer; each web process fans out to its own groups
TIMEOUT_SECONDS = 1.0
PAUSE_SECONDS = 5.0  # after a failure the followers carry on alone for so long, and no run waits for a dead layer

Message = dict[str, Any]  # what goes over a channel layer
logger = logging.getLogger(__name__)
_silent_until = 0.0
_serving: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar("serving", default=None)
_under_way: set[Future[None]] = set()  # the loop itself does not keep what it carries out


async def publish_events(header: RunHeader, events: list[RunEvent]) -> None:
    """Publish events of one run. Never raises, waits a second at most."""
    if settings.REDIS_URL:
        await _send(run_message(header, run_frames(header, events)))
    else:
        ring_pipe(NEWS)


def publish_run(run: Run, events: list[RunEvent]) -> None:
    """Publish events of a run from synchronous code, after the commit; a request is not held up by it."""
    header = RunHeader.of(run)
    _publish(run_message(header, run_frames(header, events)))


def publish_news() -> None:
    """Have every web process read the activity feed after the commit, once for all that the transaction noted."""
    if not any(call is _tell_of_news for _, call, *_ in connection.run_on_commit):
        transaction.on_commit(_tell_of_news)


def _tell_of_news() -> None:
    _publish({"type": "news"})


def serve_in(loop: asyncio.AbstractEventLoop) -> None:
    """Have what this context publishes be sent by the loop, which lasts, without waiting for it."""
    _serving.set(loop)


def _publish(message: Message) -> None:
    if not settings.REDIS_URL:
        ring_pipe(NEWS)
    elif (loop := _serving.get()) is None:
        async_to_sync(_send)(message)
    else:  # in the order of the calls: the layer sends one after the other
        sending = asyncio.run_coroutine_threadsafe(_send(message), loop)
        _under_way.add(sending)
        sending.add_done_callback(_sent)


def _sent(sending: Future[None]) -> None:
    _under_way.discard(sending)
    if not sending.cancelled() and (error := sending.exception()):
        logger.error("a message to the web processes was not sent", exc_info=error)


def run_message(header: RunHeader, frames: list[Frame]) -> Message:
    """Return the message that carries frames of one run."""
    return {
        "type": "run.frames",
        "run": header.run_id,
        "task": header.task_id,
        "project": header.project_id,
        "frames": [list(frame) for frame in frames],
    }


def hint_message(frame: Frame, task_id: uuid.UUID | str | None, project_id: uuid.UUID | str | None) -> Message:
    """Return the message that carries a frame of no run's log."""
    return {
        "type": "hint",
        "task": task_id and str(task_id),
        "project": project_id and str(project_id),
        "frame": list(frame),
    }


async def _send(message: Message) -> None:
    global _silent_until  # noqa: PLW0603 - one writer
    if time.monotonic() < _silent_until:
        return
    from mission_control.queue.redis import AWAY

    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await channel_layers["default"].group_send(FEED, message)
    except AWAY as error:
        _silent_until = time.monotonic() + PAUSE_SECONDS
        logger.warning(
            "the channel layer does not answer (%s); output arrives by the database", type(error).__name__
        )
