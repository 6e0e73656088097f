"""The WebSocket of this product's own pages. Its path, query and frames are internal: they may change."""

from mission_control.models import Notification
from mission_control.queries.feed_position import has_changed_since
from mission_control.realtime.activity_relay import PAGES
from mission_control.realtime.consumers import BoardConsumer
from mission_control.realtime.frames import OUTPUT, Frame, capacity_frame, connection_info, notifications_frame
from mission_control.realtime.line_relay import LINES
from mission_control.runs.slots import capacity


class PageConsumer(BoardConsumer):
    """`/ws/pages?since=POSITION&output=all|lines`: everything that a page shows live.

    The greeting says whether anything has changed since the page was rendered at that position of the feed. Output
    comes whole, as the newest line of each run, or by default not at all.
    """

    async def find_groups(self) -> list[str] | None:
        self.output = self.in_query("output")
        return [*(await super().find_groups() or []), PAGES, *([LINES] if self.output == "lines" else [])]

    async def greet(self) -> None:
        assert self.relay is not None
        missed, slots, notifications = await self.relay.read(_page_state, self.in_query("since") or "")
        await self.send(connection_info(missed=missed))
        for frame in (capacity_frame(slots), notifications_frame(notifications)):
            if frame.event not in self.hidden_events:
                await self.forward([frame])

    def wants(self, frame: Frame) -> bool:
        return frame.event != OUTPUT or self.output == "all"


def _page_state(since: str) -> tuple[bool, dict[str, int], int]:
    """Return whether the page missed changes, the use of slots, and how many notifications need action."""
    return has_changed_since(since), capacity(), Notification.objects.count_needing_action()
