"""Send the newest line of each run's output to the pages that show it, a few times a second."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from channels.layers import channel_layers
from django.db import DatabaseError

from mission_control import hooks
from mission_control.hooks import Hook
from mission_control.realtime.frames import Frame
from mission_control.realtime.publisher import feed_frame_message

LINES = "lines"
LINES_SECONDS = 0.25


class LineRelay:
    """Collects the runs that have written something. Each process reads a line once for all of its sockets."""

    def __init__(self, members: Counter[str]) -> None:
        """Lines are sent only while `members`, the number of subscribers by group, has some for lines."""
        self.layer = channel_layers["process"]
        self._members = members
        self._runs: set[str] = set()
        self._wake = asyncio.Event()

    def add(self, run: str) -> None:
        """Send the run's newest line soon."""
        if self._members[LINES]:
            self._runs.add(run)
            self._wake.set()

    async def send_next(self, read: Callable[..., Awaitable[Any]]) -> None:
        """Wait until a run has written something, then read and send the new lines. Raises DatabaseError."""
        await self._wake.wait()
        await asyncio.sleep(LINES_SECONDS)
        self._wake.clear()
        runs, self._runs = self._runs, set()
        try:
            lines = await read(hooks.call, Hook.LATEST_LINES, runs)
        except DatabaseError:  # read them again when the database answers
            self._runs |= runs
            self._wake.set()
            raise
        frame = Frame(0, "page_lines", "", json.dumps({"lines": lines}))
        await self.layer.group_send(LINES, feed_frame_message(frame, None, None))
