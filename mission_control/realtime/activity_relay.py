"""The web process's eye on the activity feed: its lines, the objects that they tell of, and the slots."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from channels.layers import channel_layers

from mission_control.models import Activity
from mission_control.realtime.activity_reader import Unread
from mission_control.realtime.changed_objects import Change, changes_told_by
from mission_control.realtime.frames import Frame, activity_frame, capacity_frame
from mission_control.realtime.publisher import hint_message
from mission_control.runs.slots import capacity

BOARD = "board"
BATCH = 500
MOST_REMEMBERED = 2_000


def groups_of(run: str | None, task: str | None, project: str | None) -> list[str]:
    """Return the groups of the process's layer that a message about these goes to."""
    return [BOARD] + [f"{kind}.{key}" for kind, key in (("run", run), ("task", task), ("project", project)) if key]


@dataclass(frozen=True, slots=True)
class Lines:
    """What one look found: at most a batch of activities, what they tell of, and the slots."""

    activities: list[Activity]
    changes: list[Change]
    capacity: dict[str, int]


class FeedFollower:
    """Passes on, over the process's own channel layer, each line of the feed once, and each state of an object."""

    def __init__(self) -> None:
        """Read where the feed stands: what comes behind it is passed on."""
        self.layer = channel_layers["process"]
        self._unread = Unread()
        self._shown: dict[str, int] = {}  # task or project → the hash of its last frame
        self._capacity = capacity()

    async def look(self, read: Callable[[Callable[[], Lines]], Awaitable[Lines]]) -> bool:
        """Read with `read` what is new and pass it on; tell whether there may be more. Raises DatabaseError."""
        lines = await read(self._read)
        for activity in lines.activities:
            self._unread.had(activity)
            await self._pass_on(activity_frame(activity), activity.task_id, activity.project_id)
        for change in lines.changes:
            await self._pass_on_change(change)
        if lines.capacity != self._capacity:
            self._capacity = lines.capacity
            await self.layer.group_send(BOARD, hint_message(capacity_frame(lines.capacity), None, None))
        return len(lines.activities) == BATCH

    def _read(self) -> Lines:
        """Read all at once: each change of threads costs as much as a query."""
        activities = self._unread.read(BATCH)
        return Lines(activities, changes_told_by(activities), capacity())

    async def _pass_on_change(self, change: Change) -> None:
        """Pass on each state of an object once: what one look read early, the next would tell again.

        By all of it, not by `updated_at`: what others' changes do to what it shows does not move that.
        """
        if self._shown.pop(change.key, None) != hash(change.frame):
            await self._pass_on(change.frame, change.task, change.project, beside=change.touched_projects)
        self._shown[change.key] = hash(change.frame)
        if len(self._shown) > MOST_REMEMBERED:
            del self._shown[next(iter(self._shown))]

    async def _pass_on(
        self, frame: Frame, task: UUID | str | None, project: UUID | str | None, *, beside: Iterable[UUID] = ()
    ) -> None:
        """Pass it on to those who follow its task, its project, or one of the projects `beside`."""
        message = hint_message(frame, task, project)
        groups = groups_of(None, message["task"], message["project"])
        for group in dict.fromkeys([*groups, *(f"project.{key}" for key in beside)]):
            await self.layer.group_send(group, message)
