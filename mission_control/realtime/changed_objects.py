"""The tasks, projects and questions that activities changed, as the API shows them now."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mission_control import hooks
from mission_control.actions.activity import OBJECTS_AT_ONCE, affected_ids
from mission_control.hooks import Hook
from mission_control.models import Activity
from mission_control.realtime.frames import ANSWERED, ASKED, Frame, changed_frame, question_frame
from mission_control.text import as_uuid

CHANGES_A_TASK = {Activity.Subject.TASK, Activity.Subject.RUN, Activity.Subject.REVIEW}


@dataclass(frozen=True, slots=True)
class Change:
    """A changed object: its frame, its task, project and run, and the projects that the change affects."""

    key: str
    frame: Frame
    task: str | None
    project: str | None
    affected_projects: frozenset[uuid.UUID] = frozenset()
    run: str | None = None


def changed_objects(activities: list[Activity]) -> list[Change]:
    """Return the tasks and projects that these activities changed, as the API now shows them, in their order.

    Every change writes an activity in its own transaction, so none is missed, whichever process made it. The
    activity also names the objects that show the changed one: a task's blockers list the tasks that they block,
    and a project lists its tasks.
    """
    tasks: dict[uuid.UUID, set[uuid.UUID]] = {}  # task → the projects that its change affects
    projects: dict[uuid.UUID, None] = {}
    for activity in activities:
        affected_projects = affected_ids(activity, "projects")
        if activity.subject in CHANGES_A_TASK and activity.task_id:
            tasks.setdefault(activity.task_id, set()).update(affected_projects)
        for key in affected_ids(activity, "tasks"):
            tasks.setdefault(key, set())
        if activity.subject == Activity.Subject.PROJECT and activity.project_id:
            projects[activity.project_id] = None
        projects |= dict.fromkeys(affected_projects)
    return [
        Change(shown["id"], changed_frame("task", shown), shown["id"], shown["project_id"], frozenset(tasks[key]))
        for key, shown in _shown_now(Hook.SHOW_TASKS, tasks)
    ] + [
        Change(shown["id"], changed_frame("project", shown), None, shown["id"])
        for _, shown in _shown_now(Hook.SHOW_PROJECTS, projects)
    ]


def question_changes(activities: list[Activity]) -> list[Change]:
    """Return the questions that these activities concern, each with its frame, in the order of the activities.

    A frame shows the question as it is now: that of a new question, which may be answered by then, too.
    """
    noted = [(activity, as_uuid(activity.metadata.get("question_id"))) for activity in activities]
    keys = dict.fromkeys(key for _, key in noted if key)
    shown = dict(_shown_now(Hook.SHOW_QUESTIONS, keys)) if keys else {}
    found = []
    for activity, key in noted:
        if key is None or key not in shown:
            continue
        one = shown[key]
        event = ASKED if activity.metadata.get("question_status") == "open" else ANSWERED
        frame = question_frame(event, one, activity.created_at)
        found.append(Change(one["id"], frame, one["task_id"], one["project_id"], run=one["run_id"]))
    return found


def _shown_now(hook: Hook, keys: Iterable[uuid.UUID]) -> list[tuple[uuid.UUID, dict[str, Any]]]:
    """Return those of the objects that still exist, as the API shows them, in the order of the keys."""
    wanted = list(keys)
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(wanted), OBJECTS_AT_ONCE):
        found |= {shown["id"]: shown for shown in hooks.call(hook, wanted[start : start + OBJECTS_AT_ONCE])}
    return [(key, found[str(key)]) for key in wanted if str(key) in found]
