"""Pass on new activities, the tasks and projects that they change, and the use of slots, within a web process."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from channels.layers import channel_layers

from mission_control.models import Activity, Notification
from mission_control.realtime.activity_reader import ActivityGapTracker
from mission_control.realtime.changed_objects import Change, changed_objects, question_changes
from mission_control.realtime.frames import Frame, activity_frame, capacity_frame, notifications_frame
from mission_control.realtime.publisher import feed_frame_message
from mission_control.runs.slots import capacity

BOARD = "board"
PAGES = "pages"  # the sockets of our own pages
BATCH_SIZE = 500
MAX_REMEMBERED = 2_000


def groups_of(run: str | None, task: str | None, project: str | None) -> list[str]:
    """Return the groups of the process's channel layer that receive a message about these objects."""
    return [BOARD] + [f"{kind}.{key}" for kind, key in (("run", run), ("task", task), ("project", project)) if key]


@dataclass(frozen=True, slots=True)
class FeedBatch:
    """What one poll found: up to `BATCH_SIZE` activities, what they change, and what top bars show."""

    activities: list[Activity]
    changes: list[Change]
    questions: list[Change]
    capacity: dict[str, int]
    notifications: int


class ActivityRelay:
    """Passes on each new activity and each new state of an object once, over the process's own channel layer."""

    def __init__(self) -> None:
        """Note the newest activity: only later ones are passed on."""
        self.layer = channel_layers["process"]
        self._gap_tracker = ActivityGapTracker()
        self._frame_hashes: dict[str, int] = {}  # task or project → the hash of its last frame
        self._capacity = capacity()
        self._notifications = Notification.objects.count_needing_action()

    async def poll(self, read: Callable[[Callable[[], FeedBatch]], Awaitable[FeedBatch]]) -> bool:
        """Read new rows with `read`, pass them on, and return whether there may be more. Raises DatabaseError."""
        batch = await read(self._read)
        for activity in batch.activities:
            self._gap_tracker.mark_processed(activity)
            await self._forward(activity_frame(activity), activity.task_id, activity.project_id)
        for change in batch.changes:
            await self._forward_change(change)
        for change in batch.questions:
            await self._forward(change.frame, change.task, change.project, run=change.run)
        if batch.capacity != self._capacity:
            self._capacity = batch.capacity
            await self.layer.group_send(BOARD, feed_frame_message(capacity_frame(batch.capacity), None, None))
        if batch.notifications != self._notifications:
            self._notifications = batch.notifications
            frame = notifications_frame(batch.notifications)
            await self.layer.group_send(PAGES, feed_frame_message(frame, None, None))
        return len(batch.activities) == BATCH_SIZE

    def _read(self) -> FeedBatch:
        """Read everything in one call: each switch between threads costs as much as a query."""
        activities = self._gap_tracker.read(BATCH_SIZE)
        changes = changed_objects(activities)
        asked = question_changes(activities)
        return FeedBatch(activities, changes, asked, capacity(), Notification.objects.count_needing_action())

    async def _forward_change(self, change: Change) -> None:
        """Pass on each state of an object once, although several polls may read the same state.

        States are compared by the whole frame: `updated_at` does not change when only related objects do.
        """
        if self._frame_hashes.pop(change.key, None) != hash(change.frame):
            await self._forward(change.frame, change.task, change.project, beside=change.affected_projects)
        self._frame_hashes[change.key] = hash(change.frame)
        if len(self._frame_hashes) > MAX_REMEMBERED:
            del self._frame_hashes[next(iter(self._frame_hashes))]

    async def _forward(
        self,
        frame: Frame,
        task: UUID | str | None,
        project: UUID | str | None,
        *,
        run: str | None = None,
        beside: Iterable[UUID] = (),
    ) -> None:
        """Send the frame to the subscribers of its task, its project, its run, and the projects in `beside`."""
        message = feed_frame_message(frame, task, project)
        groups = groups_of(run, message["task"], message["project"])
        for group in dict.fromkeys([*groups, *(f"project.{key}" for key in beside)]):
            await self.layer.group_send(group, message)
