"""The activity feed: every change leaves one line, whoever made it, and what changed is read from the lines."""

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import Q
from django.utils.module_loading import import_string

from agents.models import Agent
from mission_control.broadcast import publish_news
from mission_control.frames import Frame, changed_frame
from mission_control.models import Activity, Deliverable, Project, Task
from mission_control.rights import acting_user
from mission_control.text import as_uuid

MESSAGE_CHARS = 500
# Upwards, and so by name: a frame holds an object as the API shows it.
SHOWN_TASKS = "mission_control.api.serializers.tasks.shown_tasks"
SHOWN_PROJECTS = "mission_control.api.serializers.projects.shown_projects"
CHANGES = {kind for kind in Activity.Type if kind.startswith("task_")}
OBJECTS_AT_ONCE = 500


def note(
    type: Activity.Type,
    message: str,
    *,
    task: Task | None = None,
    agent: Agent | None = None,
    document: Deliverable | None = None,
    project_id: uuid.UUID | None = None,
    is_edit: bool = False,
    **metadata: Any,
) -> Activity:
    """Store one activity in the caller's transaction and send `mc_activity_created` after its commit.

    Its metadata names the person who acts, where one does; `metadata` says with `touching` what else shows the
    change.
    """
    if person := acting_user():
        metadata = {**metadata, "person": person.get_username()}
    activity = Activity.objects.create(
        type=type,
        message=message if len(message) <= MESSAGE_CHARS else message[: MESSAGE_CHARS - 1] + "…",
        task=task,
        agent=agent,
        document=document,
        project_id=project_id or (task.project_id if task else None),
        is_edit=is_edit,
        metadata=metadata,
    )
    publish_news()
    return activity


def note_project(project: Project, message: str, **metadata: Any) -> Activity:
    """Store one activity about a project itself, which `metadata` names; else as `note`."""
    return note(
        Activity.Type.TASK_UPDATED, message, project_id=project.pk, **{**metadata, "project": str(project.pk)}
    )


def touching(*, tasks: Iterable[uuid.UUID] = (), projects: Iterable[uuid.UUID | None] = ()) -> dict[str, Any]:
    """Return the metadata that names the other tasks, and the projects, in which a change of a task shows."""
    named = {"touched_tasks": tasks, "touched_projects": (key for key in projects if key)}
    found = {name: sorted({str(key) for key in keys}) for name, keys in named.items()}
    return {name: keys for name, keys in found.items() if keys}


def touched(activity: Activity, kind: Literal["tasks", "projects"]) -> list[uuid.UUID]:
    """Return what the line names as touched. An imported one may hold anything there."""
    named = activity.metadata.get(f"touched_{kind}")
    keys = map(as_uuid, named) if isinstance(named, list) else ()
    return [key for key in keys if key]


class Unread:
    """What a reader has not had of the feed, from its making on; each line once.

    On PostgreSQL a number can be committed after a higher one. One that was passed over is looked for again, until
    it has been missing for so long that its transaction must have been rolled back.
    """

    GAP_SECONDS = 60.0
    MOST_GAPS = 200

    def __init__(self) -> None:
        newest = Activity.objects.order_by("-number").values_list("number", flat=True)[: self.MOST_GAPS]
        there = set(newest)
        self.number = max(there | {0})  # below 1 is what an import put behind all that was there
        self.gaps: dict[int, float] = {}
        lowest = max(self.number - self.MOST_GAPS, 1)
        self._pass_over([number for number in range(lowest, self.number) if number not in there])

    def read(self, limit: int) -> list[Activity]:
        """Return the lines that `had` was not told of, lowest first, at most so many."""
        wanted = Q(number__gt=self.number)
        if self.gaps:  # from the first of them on: by the OR alone SQLite would go through the whole feed
            wanted = Q(number__gte=min(self.gaps)) & (wanted | Q(number__in=list(self.gaps)))
        return list(Activity.objects.filter(wanted).order_by("number")[:limit])

    def had(self, activity: Activity) -> None:
        """Take note that a line was read for good."""
        now = time.monotonic()
        self.gaps = {gap: since for gap, since in self.gaps.items() if now - since < self.GAP_SECONDS}
        if activity.number > self.number:
            self._pass_over(range(self.number + 1, activity.number)[-self.MOST_GAPS :])
            self.number = activity.number
        else:
            self.gaps.pop(activity.number, None)

    def _pass_over(self, numbers: Iterable[int]) -> None:
        self.gaps |= dict.fromkeys(numbers, time.monotonic())


# ---------------------------------------------------------------- what lines tell of
@dataclass(frozen=True, slots=True)
class Change:
    """A changed object: its frame, its task and project, and the projects that the change touched."""

    key: str
    frame: Frame
    task: str | None
    project: str | None
    touched_projects: frozenset[uuid.UUID] = frozenset()


def changes_told_by(activities: list[Activity]) -> list[Change]:
    """Return the tasks and projects whose change these lines tell, as the API now shows them, in their order.

    Every change leaves a line in the same transaction, so none is missed, whoever made it. The line names what
    else shows it: a task's blockers show whom they hold back, its project its tasks.
    """
    tasks: dict[uuid.UUID, set[uuid.UUID]] = {}  # with the projects that each touched
    projects: dict[uuid.UUID, None] = {}
    for activity in activities:
        touched_projects = touched(activity, "projects")
        if activity.type in CHANGES and activity.task_id:
            tasks.setdefault(activity.task_id, set()).update(touched_projects)
        for key in touched(activity, "tasks"):
            tasks.setdefault(key, set())
        if "project" in activity.metadata and activity.project_id:
            projects[activity.project_id] = None
        projects |= dict.fromkeys(touched_projects)
    return [
        Change(shown["id"], changed_frame("task", shown), shown["id"], shown["project_id"], frozenset(tasks[key]))
        for key, shown in _shown_now(SHOWN_TASKS, tasks)
    ] + [
        Change(shown["id"], changed_frame("project", shown), None, shown["id"])
        for _, shown in _shown_now(SHOWN_PROJECTS, projects)
    ]


def _shown_now(reader: str, keys: Iterable[uuid.UUID]) -> list[tuple[uuid.UUID, dict[str, Any]]]:
    """Return which of these objects there still are, as the API shows them, in the order of the keys."""
    wanted = list(keys)
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(wanted), OBJECTS_AT_ONCE):
        found |= {shown["id"]: shown for shown in import_string(reader)(wanted[start : start + OBJECTS_AT_ONCE])}
    return [(key, found[str(key)]) for key in wanted if str(key) in found]
