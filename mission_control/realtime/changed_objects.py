"""The tasks and projects that activities are about, as the API shows them now."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mission_control import hooks
from mission_control.actions.activity import OBJECTS_AT_ONCE, touched
from mission_control.hooks import Hook
from mission_control.models import Activity
from mission_control.realtime.frames import Frame, changed_frame

CHANGES = {kind for kind in Activity.Type if kind.startswith("task_")}


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
        for key, shown in _shown_now(Hook.SHOW_TASKS, tasks)
    ] + [
        Change(shown["id"], changed_frame("project", shown), None, shown["id"])
        for _, shown in _shown_now(Hook.SHOW_PROJECTS, projects)
    ]


def _shown_now(hook: Hook, keys: Iterable[uuid.UUID]) -> list[tuple[uuid.UUID, dict[str, Any]]]:
    """Return which of these objects there still are, as the API shows them, in the order of the keys."""
    wanted = list(keys)
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(wanted), OBJECTS_AT_ONCE):
        found |= {shown["id"]: shown for shown in hooks.call(hook, wanted[start : start + OBJECTS_AT_ONCE])}
    return [(key, found[str(key)]) for key in wanted if str(key) in found]
