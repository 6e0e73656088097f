"""Pass on the usage of running runs to the sockets of a web process."""

from collections.abc import Iterable
from typing import Any

from channels.layers import channel_layers

from mission_control.realtime.activity_relay import groups_of
from mission_control.realtime.frames import RunHeader, usage_frame
from mission_control.realtime.publisher import Message, feed_frame_message, usage_message


class UsageRelay:
    """Passes on each new usage of a run once: as workers publish it, or from the database where they cannot."""

    def __init__(self) -> None:
        self.layer = channel_layers["process"]
        self._passed_on: dict[str, dict[str, Any]] = {}  # by run

    def start_from(self, usages: Iterable[tuple[RunHeader, dict[str, Any] | None]]) -> None:
        """Take these usages as known: only later ones are passed on."""
        self._passed_on = {header.run_id: usage for header, usage in usages if usage}

    async def compare(self, usages: Iterable[tuple[RunHeader, dict[str, Any] | None]], *, passes_on: bool) -> None:
        """Compare with the usages in the database, and forget runs that are not running any more.

        With `passes_on` changed usages are passed on. Without it, workers publish them: what was read here may
        be older than what has arrived since.
        """
        running = {header.run_id: (header, usage) for header, usage in usages if usage}
        for run, (header, usage) in running.items():
            if passes_on and usage != self._passed_on.get(run):
                await self.forward(usage_message(header, usage))
        self._passed_on = {run: usage for run, usage in self._passed_on.items() if run in running}

    async def forward(self, message: Message) -> None:
        """Pass on the usage in a message to the sockets that show its run."""
        run, task, project = message["run"], message["task"], message["project"]
        self._passed_on[run] = message["usage"]
        frame = feed_frame_message(usage_frame(run, task, message["usage"]), task, project)
        for group in groups_of(run, task, project):
            await self.layer.group_send(group, frame)
