"""Who may run: the decision is the database's, in one transaction with the creation of the run and its job."""

from collections.abc import Callable
from typing import Any, Literal

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.models import Agent
from mission_control.actions.activity import note
from mission_control.actions.permissions import require_start
from mission_control.errors import (
    AlreadyPlanned,
    AlreadyRunning,
    LimitReached,
    NotForAgents,
    NotFound,
    TaskBlocked,
)
from mission_control.models import Activity, Capacity, Project, Run, Task
from mission_control.runs.lifecycle import begin, promote
from mission_control.runs.slots import free_slots, has_line

ATTEMPTS = 200  # each lost race means that a rival was admitted; nobody loses so often


def admit(
    task: Task,
    agent: Agent,
    *,
    by: User | None = None,
    when_full: Literal["reject", "queue"] = "reject",
    ignore_dependencies: bool = False,
) -> Run:
    """Create a run of the task on a free slot, enqueue its job on commit, and return it (status queued).

    Without a free slot, or while others wait for one: raises LimitReached, or with `when_full="queue"` returns
    a waiting run that starts by itself. Raises NotAllowed, NotForAgents, AlreadyRunning, TaskBlocked, and NotFound
    when task or agent were deleted meanwhile. Two partial unique constraints referee: (task) over active runs and
    (slot) over holding ones.
    """
    require_start()
    if task.task_type != Task.Type.AGENT:
        raise NotForAgents(task.task_type)
    if not ignore_dependencies and (blockers := task.unresolved_blockers()):
        _refuse_if_active(task)  # that says more
        raise TaskBlocked(blockers)
    request = {"ignore_dependencies": True} if ignore_dependencies else {}
    for _ in range(ATTEMPTS):
        slot = _slot_for_newcomer()
        if slot is None and when_full == "reject":
            _refuse_if_active(task)
            raise LimitReached(Capacity.current().limit)
        try:
            run = _insert(
                task, agent, slot, check=lambda _: _forget_failures(task), requested_by=by, request=request
            )
        except IntegrityError as error:
            _explain(error, task, agent)
            continue  # a rival took the slot
        return _placed(run)
    raise LimitReached(Capacity.current().limit)


def admit_due(
    task: Task, agent: Agent, *, check: Callable[[Run], None], request: dict[str, Any] | None = None
) -> Run:
    """Create a run that nobody asked for, on a free slot, else a waiting one, and return it; then call `promote`.

    `check` is called in the run's own transaction, behind its INSERT and before anything else is locked: it claims
    the task by a conditional update, and raises when it is not due any more; that goes on to the caller. It may be
    called again when a rival took the slot. Raises AlreadyRunning and NotFound as `admit` does.
    """
    for _ in range(ATTEMPTS):
        slot = None if has_line() else next(iter(free_slots()), None)
        try:
            return _insert(task, agent, slot, check=check, request=request or {})
        except IntegrityError as error:
            _explain(error, task, agent)
    raise LimitReached(Capacity.current().limit)


def _placed(run: Run) -> Run:
    """Return a committed run as it stands: one that waits may have got a slot that came free before the commit."""
    if run.slot is not None:
        return run
    promote()
    return Run.objects.get(pk=run.pk)


def _forget_failures(task: Task) -> None:
    """Begin to count anew: a person takes it in hand. Most tasks never failed."""
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
    """Create a planning on a free slot, else a waiting one, and return it; `title` is shown as a task's would be.

    `project` makes or changes the project to plan, in the run's own transaction, so that none is in planning
    without a run; it is called again when a rival took the slot. Raises what it raises, AlreadyPlanned, and
    NotFound when the planner was deleted meanwhile.
    """
    for _ in range(ATTEMPTS):
        slot = _slot_for_newcomer()
        run = _new(planner, slot, kind=Run.Kind.PLANNING, task_title=title, request=request, requested_by=by)
        try:
            with transaction.atomic():
                run.project = project()
                run.save(force_insert=True)
                _store(run)
        except IntegrityError as error:
            _explain_planning(error, planner)
            continue
        return _placed(run)
    raise LimitReached(Capacity.current().limit)


def _refuse_if_active(task: Task) -> None:
    if Run.objects.active().filter(task_id=task.pk).exists():
        raise AlreadyRunning


def _slot_for_newcomer() -> int | None:
    """Return a free slot, None when there is none or somebody waits for it: they go first."""
    if has_line():
        promote()
        if has_line():
            return None
    free = free_slots()
    return free[0] if free else None


def _insert(task: Task, agent: Agent, slot: int | None, *, check: Callable[[Run], None], **fields: Any) -> Run:
    """Insert the run, waiting when it has no slot. Foreign keys are checked at the commit: call it inside try."""
    run = _new(agent, slot, project_id=task.project_id, task=task, task_title=task.title, **fields)
    with transaction.atomic():
        run.attempt = Run.objects.filter(task_id=task.pk).count() + 1
        run.save(force_insert=True)
        check(run)
        _store(run)
    return run


def _new(agent: Agent, slot: int | None, **fields: Any) -> Run:
    """Return a run that is not stored yet: queued on its slot, waiting without one."""
    now = timezone.now()
    run = Run(agent=agent, agent_name=agent.name, status=Run.Status.WAITING, queued_at=now, **fields)
    if slot is not None:
        run.status, run.slot, run.last_seq = Run.Status.QUEUED, slot, 1
        run.enqueued_at, run.enqueue_count = now, 1
    return run


def _store(run: Run) -> None:
    """Write what follows from a run that was just inserted, in the caller's transaction."""
    if run.slot is not None:
        begin(run)
        return
    if run.task_id is not None:
        Task.objects.filter(pk=run.task_id).update(last_run=run, updated_at=run.queued_at)
    message = f"{run.agent_name} waits for a free slot to work on '{run.task_title}'"
    note(
        Activity.Type.TASK_UPDATED,
        message,
        task=run.task,
        agent=run.agent,
        project_id=run.project_id,
        run_id=str(run.pk),
    )


def _explain(error: IntegrityError, task: Task, agent: Agent) -> None:
    """Raise what a broken constraint means, or return when it only means that the slot was taken."""
    broken = broken_constraint(error)
    if broken == "task":
        raise AlreadyRunning from None
    if broken == "slot":
        return
    if not Task.objects.filter(pk=task.pk).exists():
        raise NotFound("Task") from None
    if not Agent.objects.filter(pk=agent.pk).exists():
        raise NotFound("Agent") from None
    raise error


def _explain_planning(error: IntegrityError, planner: Agent) -> None:
    """Raise what a broken constraint means, or return when it only means that the slot was taken."""
    broken = broken_constraint(error)
    if broken == "planning":
        raise AlreadyPlanned from None
    if broken == "slot":
        return
    if not Agent.objects.filter(pk=planner.pk).exists():
        raise NotFound("Agent") from None
    raise error


def broken_constraint(error: IntegrityError) -> Literal["task", "planning", "slot", "other"]:
    """Tell the referees apart: PostgreSQL names the constraint, SQLite the column."""
    diagnosis = getattr(error.__cause__, "diag", None)
    said = getattr(diagnosis, "constraint_name", None) or str(error)
    if said in ("one_active_run_a_task", "UNIQUE constraint failed: mission_control_run.task_id"):
        return "task"
    if said in ("one_active_planning_a_project", "UNIQUE constraint failed: mission_control_run.project_id"):
        return "planning"
    if said in ("one_run_a_slot", "UNIQUE constraint failed: mission_control_run.slot"):
        return "slot"
    return "other"
