"""Admission: the database decides which runs start, in the transaction that creates the run and its job."""

import uuid
from collections.abc import Callable
from typing import Any, Literal

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.models import Agent
from mission_control.actions.activity import note_run
from mission_control.actions.permissions import require_start
from mission_control.errors import (
    AlreadyPlanned,
    AlreadyRunning,
    LimitReached,
    NotForAgents,
    NotFound,
    TaskBlocked,
)
from mission_control.models import Capacity, Project, Run, Task
from mission_control.runs.lifecycle import promote, start_on_slot
from mission_control.runs.slots import free_slots, has_waiting_runs

REFUSED_BY = {"task": AlreadyRunning, "planning": AlreadyPlanned}  # by constraint
ATTEMPTS = 200  # each lost race means that another run was admitted; so many in a row do not occur


def admit(
    task: Task,
    agent: Agent,
    *,
    by: User | None = None,
    when_full: Literal["reject", "queue"] = "reject",
    ignore_dependencies: bool = False,
    follow_up: str = "",
    write: Callable[[Run], None] = lambda _: None,
) -> Run:
    """Create a run of the task on a free slot, enqueue its job on commit, and return it (status queued).

    With `follow_up`, the run continues the agent's conversation about the task with this message. `write` adds
    rows in the run's own transaction, after its INSERT; it is called again if a rival took the slot.

    If no slot is free or other runs wait for one, raises LimitReached; with `when_full="queue"` it returns a
    waiting run that starts later without further calls. Raises NotAllowed, NotForAgents, AlreadyRunning,
    TaskBlocked, and NotFound if the task or agent has been deleted. Two partial unique constraints decide between
    rivals: (task) over active runs and (slot) over holding runs.
    """
    require_start()
    if task.task_type != Task.Type.AGENT:
        raise NotForAgents(task.task_type)
    if not ignore_dependencies and (blockers := task.unresolved_blockers()):
        _refuse_if_active(task)  # the more useful answer
        raise TaskBlocked(blockers)
    fields: dict[str, Any] = {"request": {"ignore_dependencies": True} if ignore_dependencies else {}}
    if follow_up:
        fields |= {"follow_up": follow_up, "previous_run": previous_run(task.pk, agent)}

    def write_all(run: Run) -> None:
        _reset_retry_counter(task)
        write(run)

    for _ in range(ATTEMPTS):
        slot = _slot_for_new_run()
        if slot is None and when_full == "reject":
            _refuse_if_active(task)
            raise LimitReached(Capacity.current().limit)
        try:
            run = _insert(task, agent, slot, check=write_all, requested_by=by, **fields)
        except IntegrityError as error:
            _raise_refusal(error, agent, task)
            continue  # a rival took the slot
        return _after_commit(run)
    raise LimitReached(Capacity.current().limit)


def admit_due(
    task: Task, agent: Agent, *, check: Callable[[Run], None], request: dict[str, Any] | None = None
) -> Run:
    """Create an automatic run on a free slot, otherwise a waiting one, and return it.

    The caller then calls `promote`. `check` is called in the run's own transaction, after its INSERT and before
    any lock: it claims the task by a conditional update, and raises if the task is no longer due; that exception
    reaches the caller. It is called again if a rival took the slot. If the task's last run was a follow-up that
    did not complete, the new run sends that follow-up again. Raises AlreadyRunning and NotFound as `admit` does.
    """
    fields: dict[str, Any] = {"request": request or {}}
    if follow_up := _unfinished_follow_up(task):
        fields |= {"follow_up": follow_up, "previous_run": previous_run(task.pk, agent)}
    for _ in range(ATTEMPTS):
        slot = None if has_waiting_runs() else next(iter(free_slots()), None)
        try:
            return _insert(task, agent, slot, check=check, **fields)
        except IntegrityError as error:
            _raise_refusal(error, agent, task)
    raise LimitReached(Capacity.current().limit)


def previous_run(task_id: uuid.UUID, agent: Agent) -> Run | None:
    """Return the run that a follow-up continues: the agent's last one of the task, else the task's last one."""
    runs = Run.objects.light().filter(task=task_id).order_by("-queued_at", "id")
    return runs.filter(agent=agent).first() or runs.first()


def _unfinished_follow_up(task: Task) -> str:
    """Return the follow-up of the task's last run, if that run did not complete; otherwise an empty text."""
    if task.last_run_id is None:
        return ""
    last = Run.objects.filter(pk=task.last_run_id, task=task.pk, status__in=[Run.Status.ERROR, Run.Status.STOPPED])
    return last.values_list("follow_up", flat=True).first() or ""


def _after_commit(run: Run) -> Run:
    """Return a committed run. If it waits, promote first: a slot may have become free before the commit."""
    if run.slot is not None:
        return run
    promote()
    return Run.objects.get(pk=run.pk)


def _reset_retry_counter(task: Task) -> None:
    """Reset the retry counter, on manual runs. Skips the query for the many tasks that never failed."""
    if task.failed_attempts or task.retry_at is not None:
        Task.objects.filter(pk=task.pk).update(failed_attempts=0, retry_at=None)


def admit_planning(
    planner: Agent,
    title: str,
    *,
    request: dict[str, Any],
    project: Callable[[], Project | None] = lambda: None,
    by: User | None = None,
) -> Run:
    """Create a planning run on a free slot, otherwise a waiting one, and return it.

    `title` is shown in place of a task's title.

    `project` creates or changes the project to plan, in the run's own transaction, so that no project is in
    planning without a run; it is called again if a rival took the slot. Raises what `project` raises,
    AlreadyPlanned, and NotFound if the planner has been deleted.
    """
    for _ in range(ATTEMPTS):
        slot = _slot_for_new_run()
        run = _new(planner, slot, kind=Run.Kind.PLANNING, task_title=title, request=request, requested_by=by)
        try:
            with transaction.atomic():
                run.project = project()
                run.save(force_insert=True)
                _store(run)
        except IntegrityError as error:
            _raise_refusal(error, planner)
            continue
        return _after_commit(run)
    raise LimitReached(Capacity.current().limit)


def _refuse_if_active(task: Task) -> None:
    if Run.objects.active().filter(task_id=task.pk).exists():
        raise AlreadyRunning


def _slot_for_new_run() -> int | None:
    """Return a free slot; None if there is none, or if it belongs to a waiting run."""
    if has_waiting_runs():
        promote()
        if has_waiting_runs():
            return None
    free = free_slots()
    return free[0] if free else None


def _insert(task: Task, agent: Agent, slot: int | None, *, check: Callable[[Run], None], **fields: Any) -> Run:
    """Insert the run; it waits if it has no slot. Raises IntegrityError, for foreign keys only at the commit."""
    run = _new(agent, slot, project_id=task.project_id, task=task, task_title=task.title, **fields)
    with transaction.atomic():
        run.attempt = Run.objects.filter(task_id=task.pk).count() + 1
        run.save(force_insert=True)
        check(run)
        _store(run)
    return run


def _new(agent: Agent, slot: int | None, **fields: Any) -> Run:
    """Return an unsaved run: queued with a slot, waiting without one."""
    now = timezone.now()
    run = Run(agent=agent, agent_name=agent.name, status=Run.Status.WAITING, queued_at=now, **fields)
    if slot is not None:
        run.status, run.slot, run.last_seq = Run.Status.QUEUED, slot, 1
        run.enqueued_at, run.enqueue_count = now, 1
    return run


def _store(run: Run) -> None:
    """Start a run that was just inserted, or record that it waits, in the caller's transaction."""
    if run.slot is not None:
        start_on_slot(run)
        return
    if run.task_id is not None:
        Task.objects.filter(pk=run.task_id).update(last_run=run, updated_at=run.queued_at)
    message = f"{run.agent_name} is queued for “{run.task_title}”"
    note_run(run, message)


def _raise_refusal(error: IntegrityError, agent: Agent, task: Task | None = None) -> None:
    """Raise the refusal that a violated constraint means; return when only the slot was taken."""
    violated = broken_constraint(error)
    if violated == "slot":
        return
    if violated in REFUSED_BY:
        raise REFUSED_BY[violated] from None
    for row, noun in ((task, "Task"), (agent, "Agent")):
        if row is not None and not type(row)._default_manager.filter(pk=row.pk).exists():
            raise NotFound(noun) from None
    raise error


def broken_constraint(error: IntegrityError) -> Literal["task", "planning", "slot", "other"]:
    """Return which constraint was violated: PostgreSQL reports its name, SQLite the column."""
    diagnosis = getattr(error.__cause__, "diag", None)
    violated = getattr(diagnosis, "constraint_name", None) or str(error)
    if violated in ("one_active_run_a_task", "UNIQUE constraint failed: mission_control_run.task_id"):
        return "task"
    if violated in ("one_active_planning_a_project", "UNIQUE constraint failed: mission_control_run.project_id"):
        return "planning"
    if violated in ("one_run_a_slot", "UNIQUE constraint failed: mission_control_run.slot"):
        return "slot"
    return "other"
