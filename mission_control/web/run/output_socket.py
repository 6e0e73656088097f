"""The WebSocket by which a page follows a run's output. It belongs to the pages and may change with them.

`/ws/pages/runs/RUN/output?after=A&last=L` sends stretches of rendered entries that begin after event A; the page
shows the events up to L. It confirms each stretch with `{"shown": LAST}`, and gets the next one only then.
"""

import asyncio
from typing import Any, ClassVar

from django.urls import re_path

from mission_control.models import Run
from mission_control.realtime.connection import NOT_FOUND, AuthorisedConsumer
from mission_control.realtime.frames import connection_info
from mission_control.realtime.relay import Relay
from mission_control.text import as_uuid
from mission_control.web.run.live_output import Follower, LiveOutput

BAD_REQUEST = 4400
MAX_CHARS = 100  # of a message from the page


class OutputConsumer(AuthorisedConsumer):
    """Needs what the page itself needs: to see tasks and runs."""

    permissions: ClassVar[tuple[str, ...]] = ("mission_control.view_run", "mission_control.view_task")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.output: LiveOutput | None = None
        self.follower: Follower | None = None
        self.sending: asyncio.Task[None] | None = None  # one at most: the next stretch waits for the page's answer

    async def start(self) -> None:
        run_id = as_uuid(self.scope["url_route"]["kwargs"]["key"])
        try:
            after, last = self.number_in_query("after") or 0, self.number_in_query("last")
        except ValueError:
            await self.close(BAD_REQUEST)
            return
        if run_id is None or not await Relay.for_running_loop().read(Run.objects.filter(pk=run_id).exists):
            await self.close(NOT_FOUND)
            return
        await self.send(connection_info())
        self.follower = Follower(after, max(after, last or 0), self.send_stretch, self.end)
        self.output = LiveOutput.of(str(run_id))
        self.output.join(self.follower)

    def send_stretch(self, text: str) -> None:
        """Send without making the run's other pages wait for this one."""
        self.sending = asyncio.create_task(self.send(text))

    def end(self) -> None:
        """Close the socket of a run that was deleted."""
        self.sending = asyncio.create_task(self.close(NOT_FOUND))

    async def leave(self) -> None:
        await super().leave()
        if self.output is not None and self.follower is not None:
            output, self.output = self.output, None
            await output.leave(self.follower)
        if self.sending is not None:
            self.sending.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if len(text_data or "") > MAX_CHARS:
            await self.close(BAD_REQUEST)
        else:
            await super().receive(text_data, bytes_data)

    async def handle_action(self, content: dict[str, Any]) -> None:
        if self.follower is None or self.output is None or not self.follower.confirm(content.get("shown")):
            await self.close(BAD_REQUEST)
        else:
            self.output.wake()


_application: Any = OutputConsumer.as_asgi()  # django's type names a view; channels' router takes an application

websocket_urlpatterns = [re_path(r"^ws/pages/runs/(?P<key>[^/]+)/output/?$", _application)]
