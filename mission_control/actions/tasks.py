"""Create, change and delete tasks, for the API, the pages, the admin and the planner."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from agents.models import Agent
from mission_control.actions import notifications, validation
from mission_control.actions.activity import affected_metadata, moved, note
from mission_control.actions.locking import lock_changes, locked
from mission_control.actions.permissions import may_start, require_start, require_stop
from mission_control.errors import HasActiveRuns, Invalid, WrongState
from mission_control.models import Activity, Assignment, Project, Run, Task
from mission_control.models.task import CLEARED_RANK
from mission_control.runs.deliverables import rename_output
from mission_control.runs.lifecycle import finish
from mission_control.runs.open_reviews import open_review, withdraw_review
from mission_control.runs.project_completion import advance_on_commit, complete_if_resolved, reopen

ACTIVE_RUN = "Task has an active run"
DEPENDENCIES_LOCK = 0x6D635F74  # the key of PostgreSQL's advisory lock for every change of dependencies

Status = Task.Status


def create(*, assignees: Sequence[Agent] = (), blocked_by: Sequence[Task] = (), **fields: Any) -> Task:
    """Create a task: in status assigned with assignees, otherwise inbox. `fields` are fields of the model.

    Raises Invalid, also for a dependency on another project's task, and NotAllowed as `change` does. Writes one
    activity, and one for each assignee. The returned task has its assignees and dependencies loaded, so that it
    can be shown without a query.
    """
    task = Task(status=Status.ASSIGNED if assignees else Status.INBOX, **fields)
    validation.check(task, {"title", *fields})
    with transaction.atomic():
        if blocked_by:
            lock_dependencies()
            _refuse_other_projects(task.project, blocked_by)
        task.save(force_insert=True)
        task.blocked_by.add(*blocked_by)
        affected = affected_metadata(tasks=[blocker.pk for blocker in blocked_by], projects=[task.project_id])
        note(Activity.Type.TASK_CREATED, f"Task created: {task.title}", task=task, **affected)
        if assignees:
            _assign(task, assignees)
        _reopen_project(task)
        if assignees:
            _refuse_unpermitted_start(task)
        advance_on_commit(task.project_id)
    task.assignee_ids = [agent.pk for agent in assignees]
    oldest_first = sorted(blocked_by, key=lambda blocker: (blocker.created_at, blocker.pk))
    task.blocker_ids, task.blocked_ids = [blocker.pk for blocker in oldest_first], []
    return task


def change(
    task: Task,
    *,
    assignees: Sequence[Agent] | None = None,
    blocked_by: Sequence[Task] | None = None,
    by: Agent | None = None,
    **fields: Any,
) -> Task:
    """Change the given fields and return the task; `assignees` and `blocked_by` replace. Locks the task's row.

    `by` is the agent that changes it. Assigning a task moves it from inbox to assigned; `started_at` and
    `completed_at` are set once. Writes an activity for each kind of change. An executing project is completed with
    its last task.

    Raises NotAllowed if an executing project would start the task and the acting user may not start agents,
    HasActiveRuns if the status changes while a run is active, Invalid also for a cycle or a dependency on another
    project's task, and NotFound if the task was deleted.
    """
    with transaction.atomic():
        if blocked_by is not None or "project" in fields:
            lock_dependencies()
        task = locked(task, "project")
        changes = {name: value for name, value in fields.items() if getattr(task, name) != value}
        if "status" in changes and Run.objects.active().filter(task=task).exists():
            raise HasActiveRuns(ACTIVE_RUN)
        if "status" in changes:  # a manual change resets the retry counter
            changes |= {"failed_attempts": 0, "retry_at": None, **CLEARED_RANK}
        if assignees and task.status == Status.INBOX and "status" not in fields:
            changes |= {"status": Status.ASSIGNED, **CLEARED_RANK}
        if changes.get("parent_task") == task:
            raise Invalid("parent_task_id", "A task cannot be its own parent.")
        left = task.project_id if "project" in changes else None
        others = _change_dependencies(task, changes.get("project", task.project), blocked_by)
        _save(task, changes, is_touched=blocked_by is not None or assignees is not None, others=others, by=by)
        if assignees is not None:
            _assign(task, assignees)
        if {"status", "project"} & changes.keys():
            complete_if_resolved(task.project_id)
            complete_if_resolved(left)
            _reopen_project(task)
        if assignees or blocked_by is not None or {"status", "project", "task_type"} & changes.keys():
            _refuse_unpermitted_start(task)
        for project_id in {task.project_id, left}:
            advance_on_commit(project_id)
    return task


def skip(task: Task) -> Task:
    """Skip a task and return it. Raises WrongState if it is done, skipped or in progress.

    A waiting or parked run of the task is stopped in the same transaction, before the task is locked, in the order
    of every end of a run. Raises NotAllowed if there is one and the acting user may not stop runs.
    """
    with transaction.atomic():
        waits = Q(status__in=(Run.Status.WAITING, Run.Status.PARKED))
        for run in Run.objects.light().filter(waits, task=task):
            require_stop()
            finish(run.pk, Run.Status.STOPPED, cause=Run.EndCause.CANCELLED, guard=waits)
        task = locked(task, "project")
        if not task.is_skippable:
            raise WrongState(f"Task is {task.get_status_display().lower()} and cannot be skipped")
        return change(task, status=Status.SKIPPED)


def assign(task: Task, agents: Sequence[Agent]) -> Task:
    """Add assignees after the existing ones and return the task. Locks its row; raises as `change` does.

    Changes nothing if all are assigned already and the task is not in the inbox.
    """
    with transaction.atomic():
        task = locked(task, "project")
        known = [assignment.agent for assignment in task.assignments.select_related("agent")]
        new = [agent for agent in agents if agent not in known]
        if new or (agents and task.status == Status.INBOX):
            task = change(task, assignees=[*known, *new])
    return task


def reassign(task: Task, agents: Sequence[Agent]) -> Task:
    """Replace the assignees and return the task. Those that were assigned already keep their order and come first.

    Locks the task's row; raises as `change` does.
    """
    with transaction.atomic():
        task = locked(task, "project")
        known = list(task.assignments.values_list("agent_id", flat=True))
        in_order = sorted(agents, key=lambda agent: known.index(agent.pk) if agent.pk in known else len(known))
        return change(task, assignees=in_order)


def with_first_assignee(task: Task, agent: Agent | None) -> list[Agent]:
    """Return the task's assignees with this agent in place of the first one; none without an agent."""
    if agent is None:
        return []
    others = [assignment.agent for assignment in task.assignments.select_related("agent")][1:]
    return [agent, *(other for other in others if other != agent)]


def assign_unassigned(project: Project, agent: Agent) -> list[Task]:
    """Assign the agent to each of the project's agent tasks that is unassigned and not started."""
    found = project.tasks.not_started().filter(assignments=None, task_type=Task.Type.AGENT)
    return [assign(task, [agent]) for task in found.order_by("created_at", "id")]


def set_status(task: Task, status: str, *, by: Agent | None = None) -> Task:
    """Set the status manually, or as the agent `by`, and return the task. Raises as `change` does."""
    return change(task, status=status, by=by)


def delete(task: Task) -> None:
    """Delete a task with its runs and messages; keep its deliverables. Locks the row first.

    Raises HasActiveRuns while a run of it is active, and NotFound if it was deleted already.
    """
    with transaction.atomic():
        task = locked(task, "project")
        if Run.objects.active().filter(task=task).exists():
            raise HasActiveRuns(ACTIVE_RUN)
        others = {key for rows in (task.blocked_by, task.blocks, task.subtasks) for key in _keys(rows.all())}
        affected = affected_metadata(tasks=others, projects=[task.project_id])
        message = f"Task deleted: {task.title}"
        note(
            Activity.Type.TASK_UPDATED, message, project_id=task.project_id, deleted_task=str(task.pk), **affected
        )
        task.delete()
        complete_if_resolved(task.project_id)
        advance_on_commit(task.project_id)


def _reopen_project(task: Task) -> None:
    """Reopen the task's completed project if the task is not started and the acting user may start agents."""
    if task.status in Task.NOT_STARTED and may_start():
        reopen(task.project_id)


def _refuse_unpermitted_start(task: Task) -> None:
    """Raise NotAllowed if the task's project is executing and would start it, but the acting user may not."""
    if may_start() or task.task_type != Task.Type.AGENT or task.status not in Task.NOT_STARTED:
        return
    executing = Project.objects.filter(tasks=task, status=Project.Status.EXECUTING)
    if executing.exists() and task.assignments.exists():
        require_start()


def _save(
    task: Task, changes: dict[str, Any], *, is_touched: bool, others: set[uuid.UUID], by: Agent | None
) -> None:
    """Save the changed fields and the times of a status; write the activity; open or withdraw a review.

    `others` are other tasks that show the change.
    """
    if not changes and not is_touched:
        return
    before, left, titled, now = task.status, task.project_id, task.title, timezone.now()
    is_edit = is_touched or bool(changes.keys() - {"status"})
    if changes.get("status") == Status.IN_PROGRESS and task.started_at is None:
        changes["started_at"] = now
    if changes.get("status") in Task.RESOLVED and task.completed_at is None:
        changes["completed_at"] = now
    for name, value in changes.items():
        setattr(task, name, value)
    validation.check(task, changes)
    task.save(update_fields=[*changes, "updated_at"])
    if task.title != titled:
        rename_output(task, before=titled)
    affected = affected_metadata(tasks=others, projects=[left, task.project_id] if task.project_id != left else [])
    if task.status != before:
        kind = Activity.Type.TASK_COMPLETED if task.status == Status.DONE else Activity.Type.TASK_UPDATED
        message = f"“{task.title}” {moved(before, task.status)}"
        note(kind, message, task=task, agent=by, is_edit=is_edit, before=before, status=task.status, **affected)
        if task.status == Status.REVIEW:
            open_review(task)
        elif before == Status.REVIEW:
            withdraw_review(task)
    else:
        message = f"Task updated: {task.title}"
        note(Activity.Type.TASK_UPDATED, message, task=task, agent=by, is_edit=is_edit, **affected)


def _assign(task: Task, agents: Sequence[Agent]) -> None:
    """Set the assignees in this order; write an activity and a notification for each new one."""
    known = set(task.assignments.values_list("agent_id", flat=True))
    task.assignments.all().delete()
    Assignment.objects.bulk_create(
        Assignment(task=task, agent=agent, place=place) for place, agent in enumerate(agents)
    )
    new = [agent for agent in agents if agent.pk not in known]
    for agent in new:
        note(Activity.Type.TASK_ASSIGNED, f"{agent.name} was assigned to “{task.title}”", task=task, agent=agent)
    notifications.notify_assigned(task, new)


# ---------------------------------------------------------------- dependencies
def lock_dependencies() -> None:
    """Lock all changes of dependencies until the commit: two concurrent ones could form a cycle unnoticed."""
    lock_changes(DEPENDENCIES_LOCK)


def change_blockers(task: Task, *, add: Task | None = None, remove: Task | None = None) -> Task:
    """Add or remove one blocker and return the task. Locks the dependencies, then the row."""
    with transaction.atomic():
        lock_dependencies()
        task = locked(task, "project")
        blockers = [blocker for blocker in task.blocked_by.all() if blocker not in (add, remove)]
        return change(task, blocked_by=[*blockers, add] if add else blockers)


def _change_dependencies(task: Task, project: Project | None, blocked_by: Sequence[Task] | None) -> set[uuid.UUID]:
    """Set the blockers, or check the existing ones if the task moves to another project.

    Returns the ids of added and removed blockers.
    """
    changed: set[uuid.UUID] = set()
    if blocked_by is not None:
        _refuse_other_projects(project, blocked_by)
        _refuse_cycle(task, project, blocked_by)
        changed = _keys(task.blocked_by.all()) ^ {blocker.pk for blocker in blocked_by}
        task.blocked_by.set(blocked_by)
    elif project != task.project:
        _refuse_other_projects(project, task.blocked_by.only("pk"))
    if project is not None and project != task.project and task.blocks.exclude(project=project).exists():
        raise Invalid("project_id", "Tasks in its current project depend on this task.")
    return changed


def _keys(rows: QuerySet[Task]) -> set[uuid.UUID]:
    return set(rows.order_by().values_list("pk", flat=True))


def _refuse_other_projects(project: Project | None, blocked_by: Iterable[Task]) -> None:
    """Raise Invalid for blockers of another project.

    Reads them again: they may have moved since the caller's read.
    """
    given = Task.objects.filter(pk__in=[blocker.pk for blocker in blocked_by])
    if given.filter(project__isnull=False).exclude(project=project).exists():
        raise Invalid("blocked_by", "A task can only depend on tasks in its own project.")


def _refuse_cycle(task: Task, project: Project | None, blocked_by: Sequence[Task]) -> None:
    """Raise Invalid if the new blockers depend on the task. Reads the project's dependencies in one query.

    A cycle lies within one project, because no task depends on another project's.
    """
    through = Task.blocked_by.through.objects
    edges: dict[uuid.UUID, list[uuid.UUID]] = {}
    for waiting, blocker in through.filter(from_task__project=project).values_list("from_task_id", "to_task_id"):
        edges.setdefault(waiting, []).append(blocker)
    ahead, seen = [blocker.pk for blocker in blocked_by], set()
    while ahead:
        key = ahead.pop()
        if key == task.pk:
            raise Invalid("blocked_by", "This would create a circular dependency.")
        if key not in seen:
            seen.add(key)
            ahead += edges.get(key, [])
