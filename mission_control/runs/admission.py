"""Who may run: the decision is the database's, in one transaction with the creation of the run and its job."""

from typing import Literal

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.models import Agent
from mission_control.feed import note
from mission_control.models import Activity, Capacity, Run, Task
from mission_control.runs.errors import AlreadyRunning, LimitReached, NotForAgents, NotFound, TaskBlocked
from mission_control.runs.lifecycle import begin, promote
from mission_control.runs.slots import free_slots

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
    a waiting run that starts by itself. Raises NotForAgents, AlreadyRunning, TaskBlocked, and NotFound when
    task or agent were deleted meanwhile. Two partial unique constraints referee: (task) over active runs and
    (slot) over holding ones.
    """
    if task.task_type != Task.Type.AGENT:
        raise NotForAgents(task.task_type)
    _refuse_if_active(task)
    if not ignore_dependencies and (blockers := task.unresolved_blockers()):
        raise TaskBlocked(blockers)
    for _ in range(ATTEMPTS):
        slot = _slot_for_newcomer()
        if slot is None and when_full == "reject":
            _refuse_if_active(task)  # it may have started since the first look: that says more than the limit
            raise LimitReached(Capacity.current().limit)
        try:
            run = _insert(task, agent, by=by, slot=slot)
        except IntegrityError as error:
            _explain(error, task, agent)
            continue  # a rival took the slot
        if slot is None:
            promote()  # a slot may have come free while the row was not committed yet
            run = Run.objects.get(pk=run.pk)
        return run
    raise LimitReached(Capacity.current().limit)


def _refuse_if_active(task: Task) -> None:
    if Run.objects.active().filter(task_id=task.pk).exists():
        raise AlreadyRunning


def _slot_for_newcomer() -> int | None:
    """Return a free slot, None when there is none or somebody waits for it: they go first."""
    if Run.objects.waiting().exists():
        promote()
        if Run.objects.waiting().exists():
            return None
    free = free_slots()
    return free[0] if free else None


def _insert(task: Task, agent: Agent, *, by: User | None, slot: int | None) -> Run:
    """Insert the run, waiting when it has no slot. Foreign keys are checked at the commit: call it inside try."""
    now = timezone.now()
    run = Run(
        kind=Run.Kind.TASK,
        project_id=task.project_id,
        task=task,
        task_title=task.title,
        agent=agent,
        agent_name=agent.name,
        requested_by=by,
        status=Run.Status.WAITING,
        queued_at=now,
    )
    if slot is not None:
        run.status, run.slot, run.last_seq = Run.Status.QUEUED, slot, 1
        run.enqueued_at, run.enqueue_count = now, 1
    with transaction.atomic():
        run.attempt = Run.objects.filter(task_id=task.pk).count() + 1
        run.save(force_insert=True)
        if slot is not None:
            begin(run)
        else:
            _wait(run, task, agent)
    return run


def _wait(run: Run, task: Task, agent: Agent) -> None:
    Task.objects.filter(pk=task.pk).update(last_run=run, updated_at=run.queued_at)
    message = f"{agent.name} waits for a free slot to work on '{task.title}'"
    note(Activity.Type.TASK_UPDATED, message, task=task, agent=agent, run_id=str(run.pk))


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


def broken_constraint(error: IntegrityError) -> Literal["task", "slot", "other"]:
    """Tell the two referees apart: PostgreSQL names the constraint, SQLite the column."""
    diagnosis = getattr(error.__cause__, "diag", None)
    said = getattr(diagnosis, "constraint_name", None) or str(error)
    if said in ("one_active_run_a_task", "UNIQUE constraint failed: mission_control_run.task_id"):
        return "task"
    if said in ("one_run_a_slot", "UNIQUE constraint failed: mission_control_run.slot"):
        return "slot"
    return "other"
