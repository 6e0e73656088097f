"""Publish committed changes to every web process over the channel layer. Best effort: a message may be lost.

Without Redis no channel layer connects the processes: a wakeup makes the web process's relay read the database.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import channel_layers
from django.conf import settings
from django.db import transaction

from mission_control.compat.django_models import runs_on_commit
from mission_control.models import Run, RunEvent
from mission_control.queue.wakeup import NEW_ROWS, wake_listener
from mission_control.realtime.frames import Frame, RunHeader, run_frames

FEED = "feed"  # the only group of the "default" layer; each web process distributes to its own groups
TIMEOUT_SECONDS = 1.0
PAUSE_SECONDS = (
    5.0  # after a failure nothing is published for so long, so that no run waits for an unavailable layer
)

Message = dict[str, Any]  # sent over a channel layer
logger = logging.getLogger(__name__)
_paused_until = 0.0
_sending_loop: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar("serving", default=None)
_pending: set[Future[None]] = set()  # the event loop keeps no strong reference to them


async def publish_events(header: RunHeader, events: list[RunEvent]) -> None:
    """Publish events of one run. Never raises; waits a second at most."""
    if settings.REDIS_URL:
        await _send(run_message(header, run_frames(header, events)))
    else:
        wake_listener(NEW_ROWS)


async def publish_usage(header: RunHeader, usage: Mapping[str, Any]) -> None:
    """Publish a running run's usage so far, as the API shows it. Never raises; waits a second at most."""
    if settings.REDIS_URL:
        await _send(usage_message(header, usage))
    else:
        wake_listener(NEW_ROWS)


def publish_run(run: Run, events: list[RunEvent]) -> None:
    """Publish events of a run from synchronous code, after the commit, without delaying a request."""
    header = RunHeader.of(run)
    _publish(run_message(header, run_frames(header, events)))


def publish_new_activity() -> None:
    """Make every web process read new activities after the commit, once for all activities of the transaction."""
    if not runs_on_commit(_publish_new_activity):
        transaction.on_commit(_publish_new_activity)


def _publish_new_activity() -> None:
    _publish({"type": "news"})


def send_from_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Send what this context publishes from the given long-lived loop, without waiting for it."""
    _sending_loop.set(loop)


def _publish(message: Message) -> None:
    if not settings.REDIS_URL:
        wake_listener(NEW_ROWS)
    elif (loop := _sending_loop.get()) is None:
        async_to_sync(_send)(message)
    else:  # in the order of the calls: the layer sends one message after the other
        sending = asyncio.run_coroutine_threadsafe(_send(message), loop)
        _pending.add(sending)
        sending.add_done_callback(_on_sent)


def _on_sent(sending: Future[None]) -> None:
    _pending.discard(sending)
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


def usage_message(header: RunHeader, usage: Mapping[str, Any]) -> Message:
    """Return the message that carries a run's usage so far."""
    return {
        "type": "run.usage",
        "run": header.run_id,
        "task": header.task_id,
        "project": header.project_id,
        "usage": dict(usage),
    }


def feed_frame_message(
    frame: Frame, task_id: uuid.UUID | str | None, project_id: uuid.UUID | str | None
) -> Message:
    """Return the message within this process that carries a frame that belongs to no run's log."""
    return {
        "type": "feed.frame",
        "task": task_id and str(task_id),
        "project": project_id and str(project_id),
        "frame": frame,
    }


async def _send(message: Message) -> None:
    global _paused_until  # noqa: PLW0603 - one writer
    if time.monotonic() < _paused_until:
        return
    from mission_control.queue.redis import REDIS_ERRORS

    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await channel_layers["default"].group_send(FEED, message)
    except REDIS_ERRORS as error:
        _paused_until = time.monotonic() + PAUSE_SECONDS
        logger.warning(
            "the channel layer does not answer (%s); output is read from the database", type(error).__name__
        )
