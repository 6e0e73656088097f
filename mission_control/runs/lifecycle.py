"""Every change of a run's status after its creation, apart from parking: claim, promote, stop, finish.

Each is a conditional UPDATE that names the expected status; a caller whose update matches no row was too late and
does nothing. `finish` is the only way to end a run, whatever the reason.
"""

import logging
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from agents.models import Agent
from agents.redaction import shown_error
from mission_control import hooks
from mission_control.actions import notifications
from mission_control.actions.activity import note_run
from mission_control.compat.django_models import PreparedLookup
from mission_control.errors import NotRunning
from mission_control.hooks import Hook
from mission_control.models import Activity, AttachedFile, Notification, Run, RunEvent, Task, UsageRecord
from mission_control.models.run import EndCause, usage_columns
from mission_control.models.task import CLEARED_RANK
from mission_control.queue.broker import enqueue
from mission_control.realtime.publisher import publish_run
from mission_control.runs import events, follow_ups
from mission_control.runs.deliverables import save_output
from mission_control.runs.inputs import undelivered
from mission_control.runs.open_questions import cancel_open
from mission_control.runs.open_reviews import open_review, withdraw_review
from mission_control.runs.planning_outcome import settle_project
from mission_control.runs.project_completion import advance_on_commit, complete_if_resolved
from mission_control.runs.quota_gates import GATED_AGENT, open_gate
from mission_control.runs.results import Result
from mission_control.runs.retries import after_failure
from mission_control.runs.slots import free_slots, has_waiting_runs, waiting_queue
from mission_control.runs.workers import is_dead
from mission_control.text import storable

STOP_SECONDS = 2.0
MAX_PROMOTIONS = 100

logger = logging.getLogger(__name__)
Status = Run.Status
# The error text, for users, of runs that Mission Control itself ended.
TEXTS = {
    EndCause.PAUSED: "The project was paused",
    EndCause.INTERRUPTED: "Mission Control was shut down",
    EndCause.WORKER_LOST: "worker lost",
    EndCause.DATABASE_LOST: "The worker lost its database",
    EndCause.CANCELLED: "The task was skipped",
}
STOP_ROUNDS = 5  # of `stop_all`: each run may be parked and continue while others are stopped
DEFAULT_CAUSE = {
    Status.COMPLETED.value: EndCause.COMPLETED,
    Status.ERROR.value: EndCause.FAILED,
    Status.STOPPED.value: EndCause.STOPPED,
}
# The ends that notify users. A stop does not: the user who stopped the run knows.
NOTIFICATIONS = {
    Status.COMPLETED.value: Notification.Type.RUN_COMPLETED,
    Status.ERROR.value: Notification.Type.RUN_FAILED,
}


def _claimed() -> QuerySet[Run]:
    files = AttachedFile.objects.may_concern(OuterRef("task_id"), OuterRef("project_id"))
    signs = {
        "is_gated": GATED_AGENT,
        "has_input": Exists(undelivered(OuterRef("pk"))),
        "has_files": Exists(files),
    }
    return Run.objects.filter(status=Status.RUNNING).annotate(**signs).select_related("task", "agent", "project")


CLAIMED = PreparedLookup(_claimed)
ENDED = PreparedLookup(lambda: Run.objects.select_related("task", "agent"))


def enqueue_run(run: Run, *, delay_seconds: float = 0.0) -> None:
    """Write the run's job in the caller's transaction."""
    enqueue(hooks.path_of(Hook.EXECUTE_RUN), str(run.pk), delay_seconds=delay_seconds)


def claim(run_id: uuid.UUID, *, worker: str, token: uuid.UUID | None = None) -> Run | None:
    """Claim a queued run for the caller.

    Returns None if it is not queued: claimed by another, stopped, or deleted. Idempotent: called again with the
    same `token` after a commit whose answer was lost, it finds its claim. The run is annotated with `is_gated`:
    whether its agent's quota is used up, `has_input`: whether people have written to it already, and `has_files`:
    whether its task or project has attached files.
    """
    now, token = timezone.now(), token or uuid.uuid4()
    Run.objects.filter(pk=run_id, status=Status.QUEUED).update(
        status=Status.RUNNING,
        started_at=Coalesce("started_at", now),
        claim_token=token,
        worker=worker,
        host=settings.HOST_NAME,
        lease_renewed_at=now,
    )
    claimed = CLAIMED.get(run_id)
    return claimed if claimed is not None and claimed.claim_token == token else None


def start_on_slot(run: Run) -> None:
    """Start a run that was just given a slot, or continue one that was parked.

    Write its job, next event, task and activity in the caller's transaction. The caller has written the number of
    that event as `last_seq` with the slot.
    """
    enqueue_run(run)  # first, so that its wakeup is sent first: a worker starts while the frame is published
    draft = events.resumed(run) if run.parkings else events.started(run)
    written = events.write(run.pk, [draft], after=run.last_seq - 1)
    if run.follow_up and not run.parkings:
        written.append(follow_ups.write_event(run))
    now = timezone.now()
    if run.task_id is not None:
        Task.objects.filter(pk=run.task_id).update(
            status=Task.Status.IN_PROGRESS,
            started_at=Coalesce("started_at", now),
            last_run=run,
            updated_at=now,
            **CLEARED_RANK,
        )
    if run.task is not None and run.task.status == Task.Status.REVIEW:  # its status before the update above
        withdraw_review(run.task)  # after the lock on the task's row, in the same order as a decision
    begins = "continues with" if run.parkings else "started working on"
    note_run(run, f"{run.agent_name} {begins} “{run.task_title}”")
    transaction.on_commit(lambda: publish_run(run, written))
    transaction.on_commit(lambda: logger.info("admitted on slot %s", run.slot, extra={"run_id": run.pk}))


def promote() -> list[Run]:
    """Give free slots to waiting runs, by task priority, then age; return these runs.

    Concurrent calls are safe.
    """
    promoted = []
    for _ in range(MAX_PROMOTIONS):  # pragma: no branch - a bound that nothing reaches
        if not has_waiting_runs() or not (free := free_slots()):
            break
        try:
            with transaction.atomic():
                run = _promote_next(free[0])
        except IntegrityError:
            continue  # a rival took the slot, or the task was deleted: try again
        if run is None:
            break
        promoted.append(run)
    return promoted


def _promote_next(slot: int) -> Run | None:
    """Give the slot to the next waiting run. Locks the run's row; skips rows that rivals have locked."""
    waiting = waiting_queue()
    if connection.features.has_select_for_update_skip_locked:
        waiting = waiting.select_for_update(skip_locked=True, of=("self",))
    run = waiting.first()
    if run is None:
        return None
    changed = Run.objects.filter(pk=run.pk, status=Status.WAITING).update(
        status=Status.QUEUED, slot=slot, enqueued_at=timezone.now(), enqueue_count=1, last_seq=F("last_seq") + 1
    )
    if not changed:  # pragma: no cover - impossible while its row, or on SQLite the file, is locked
        return None
    run = Run.objects.select_related("task", "agent").get(pk=run.pk)
    start_on_slot(run)
    return run


def stop(
    run: Run, *, reason: str = "", cause: EndCause = EndCause.STOPPED, wait_seconds: float = STOP_SECONDS
) -> Run:
    """Stop a run and return it. Raises NotRunning if it has ended already.

    A parked, waiting or queued run ends at once. A running one is requested to stop, and awaited for up to
    `wait_seconds`. If the status changes at the same time, the function tries again with the new one.
    """
    for _ in range(100):  # pragma: no branch - its status does not change so often
        if request_stop(Q(pk=run.pk), reason=reason, cause=cause):
            return await_end(run, seconds=wait_seconds)
        early = Q(status__in=Run.UNCLAIMED)
        if finish(run.pk, Status.STOPPED, error=reason, cause=cause, guard=early):
            return Run.objects.get(pk=run.pk)
        if not Run.objects.active().filter(pk=run.pk).exists():
            break
    raise NotRunning


def stop_all(which: Q, *, cause: EndCause, wait_seconds: float = STOP_SECONDS) -> None:
    """Stop these runs.

    End the parked, waiting and queued ones, request the running ones to stop, and await those together. Waits up
    to `wait_seconds`. Waiting runs end first, so that none of them gets a slot that becomes free. A run whose
    status changes during one step is handled in the next, or in the next round if it was parked: a run with a
    request is not parked any more.
    """
    early = Q(status__in=Run.UNCLAIMED)
    for _ in range(STOP_ROUNDS):  # pragma: no branch - runs are not parked so often
        for status in Run.UNCLAIMED:  # in this order
            for key in list(Run.objects.filter(which, status=status).values_list("pk", flat=True)):
                finish(key, Status.STOPPED, cause=cause, guard=early)
        running = list(Run.objects.light().filter(which, status=Status.RUNNING, stop_requested_at__isnull=True))
        if not running:
            break
        request_stop(Q(pk__in=[run.pk for run in running]), cause=cause)
    deadline = time.monotonic() + wait_seconds
    for run in Run.objects.light().filter(which, status=Status.RUNNING):
        await_end(run, seconds=max(deadline - time.monotonic(), 0))


def request_stop(which: Q, *, cause: EndCause, reason: str = "") -> int:
    """Request running runs to stop, and return how many now have a request; the pulse of each run notices it.

    A run keeps the cause and reason of its first request.
    """
    running = Run.objects.filter(which, status=Status.RUNNING)
    requested = running.filter(stop_requested_at__isnull=True).update(
        stop_requested_at=timezone.now(), stop_cause=cause, stop_reason=reason or TEXTS.get(cause, "")
    )
    # Only runs with a request: another may have been claimed since the update, without one.
    return requested or running.filter(stop_requested_at__isnull=False).count()


def await_end(run: Run, *, seconds: float) -> Run:
    """Return the run as soon as it has ended, or in its current state after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        current = Run.objects.light().get(pk=run.pk)
        if not current.is_active or time.monotonic() >= deadline:
            return current
        time.sleep(0.03)


def interrupt(worker_prefix: str) -> list[Run]:
    """Request every run of these workers to stop for a shutdown; return the runs that had no request before."""
    requested = list(
        Run.objects.light().filter(
            status=Status.RUNNING, worker__startswith=worker_prefix, stop_requested_at__isnull=True
        )
    )
    if requested:
        request_stop(Q(pk__in=[run.pk for run in requested]), cause=EndCause.INTERRUPTED)
    return requested


def abandon(worker_prefix: str) -> list[Run]:
    """End the runs of those of these workers that are dead after a shutdown; return them."""
    lost = [
        run
        for run in Run.objects.light().filter(status=Status.RUNNING, worker__startswith=worker_prefix)
        if is_dead(run.worker)
    ]
    return [run for run in lost if end_lost(run, EndCause.INTERRUPTED)]


def end_lost(run: Run, cause: EndCause = EndCause.WORKER_LOST) -> bool:
    """End a run whose worker is dead, unless its lease was renewed since `run` was read.

    If a stop was requested the run ends as stopped.
    """
    asleep = Q(status=Status.RUNNING, claim_token=run.claim_token, lease_renewed_at=run.lease_renewed_at)
    wanted = asleep & Q(stop_requested_at__isnull=False)
    return finish(run.pk, Status.STOPPED, error=run.stop_reason, guard=wanted) or finish(
        run.pk, Status.ERROR, cause=cause, guard=asleep & Q(stop_requested_at__isnull=True)
    )


def finish(
    run_id: uuid.UUID,
    outcome: str,
    *,
    guard: Q,
    cause: EndCause | None = None,
    error: str = "",
    usage: dict[str, Any] | None = None,
    write: Callable[[Run], None] | None = None,
    result: Result | None = None,
) -> bool:
    """End a run: the only way, for success, error, stop and loss. Returns False if `guard` does not match it.

    One transaction, which locks the run's row first, writes deliverable, task, activity and last event, and gives
    the slot to a waiting run. `write` adds further results of a completed run; if it raises, everything is rolled
    back. A completed run's deliverable is the text of `result`, or the whole output without one; empty text is not
    saved. On commit: publish frames and promote waiting runs. `completed` is refused if a stop was requested.
    Without `cause`, a stop has the cause of its request, and any other end its default. Without `error`, the text
    is that of the cause.
    """
    if outcome == Status.COMPLETED:
        guard &= Q(stop_requested_at__isnull=True)
    now = timezone.now()
    with transaction.atomic():
        before = Run.objects.light().select_for_update().filter(guard, pk=run_id).first()
        if before is None:
            return False
        if outcome == Status.STOPPED:  # the caller may have read the row before the stop request
            cause, error = cause or _stored_cause(before.stop_cause), error or before.stop_reason
        cause = cause or DEFAULT_CAUSE[outcome]
        error = error or TEXTS.get(cause, "")
        error = shown_error(storable(error)) if error else ""
        changes: dict[str, Any] = {"status": outcome, "finished_at": now, "end_cause": cause, "error": error}
        changes |= {"parked_for": "", "resumes_at": None}
        if usage is not None:
            changes |= usage_columns(storable(usage))
        output = changes["output"] = events.output_of(run_id)
        changed = Run.objects.active().filter(guard, pk=run_id).update(**changes)
        if not changed:
            return False
        if before.tests_quota and outcome == Status.COMPLETED:
            transaction.on_commit(partial(open_gate, before.quota_account))
        was_waiting = before.status == Status.WAITING and before.started_at is None
        _settle(run_id, outcome, error, output, was_waiting=was_waiting, now=now, write=write, result=result)
        reuse_freed_slot()
    promote()
    return True


def _stored_cause(stored: str) -> EndCause | None:
    return EndCause(stored) if stored else None


def _settle(
    run_id: uuid.UUID,
    outcome: str,
    error: str,
    output: str,
    *,
    was_waiting: bool,
    now: datetime,
    write: Callable[[Run], None] | None = None,
    result: Result | None = None,
) -> None:
    """Write the consequences of a run's end, in the transaction that ended it."""
    run = ENDED.get(run_id)
    assert run is not None, "its row is locked"
    cancel_open(run_id)
    if run.started_at is not None:
        UsageRecord.of(run).save(force_insert=True)
    review_reason = ""
    if outcome == Status.COMPLETED and run.task is not None:
        review_reason = result.review_reason(output) if result else ""
        text = result.text(output) if result else output
        if text.strip() or result is None:
            save_output(run, text)
    if outcome == Status.COMPLETED and write is not None:
        write(run)
    if run.task is not None:
        review_reason = _settle_task(run.task, run, was_waiting=was_waiting, now=now, review_reason=review_reason)
    last = [*settle_project(run, outcome, error), *_warning(run_id, review_reason)]
    last.append(events.append_unfenced(run_id, events.ended(outcome, error)))
    kind, message = _activity_of(run, outcome, error or review_reason)
    note_run(run, message, type=kind)
    # No notification about the analysis of a goal, which has neither: a request waits for it.
    if outcome in NOTIFICATIONS and (run.task_id or run.project_id):
        notifications.create(NOTIFICATIONS[outcome], message, task=run.task, run_id=str(run_id))
    if outcome == Status.COMPLETED and run.task is not None:
        complete_if_resolved(run.task.project_id)
    transaction.on_commit(lambda: publish_run(run, last))
    advance_on_commit(run.task.project_id if run.task else run.project_id)  # after the frame
    how = f"{outcome} ({error})" if error else outcome
    transaction.on_commit(lambda: logger.info("ended: %s", how, extra={"run_id": run_id}))


def _settle_task(task: Task, run: Run, *, was_waiting: bool, now: datetime, review_reason: str) -> str:
    """Write the consequences of a run's end for its task.

    A run that never started does not change the task's status. Returns the reason that sent the task to review;
    empty if there is none, or if the task's metadata excludes reviews.
    """
    agent, changes = run.agent, dict[str, Any](updated_at=now)
    if was_waiting:
        Task.objects.filter(pk=task.pk).update(**changes)
        return ""
    wanted = task.metadata.get("requires_review")
    review_reason = "" if wanted is False else review_reason
    changes |= CLEARED_RANK
    if run.end_cause == EndCause.PAUSED:
        changes["status"] = Task.Status.ASSIGNED
    elif run.status != Status.COMPLETED:
        changes |= after_failure(task, run, now=now)
    elif review_reason or wanted is True or (agent and agent.level == Agent.Level.INTERN):
        changes["status"] = Task.Status.REVIEW
    else:
        changes |= {"status": Task.Status.DONE, "completed_at": Coalesce("completed_at", now)}
    if run.status == Status.COMPLETED:
        changes |= {"failed_attempts": 0, "retry_at": None}
    Task.objects.filter(pk=task.pk).update(**changes)
    if changes["status"] == Task.Status.REVIEW:
        open_review(task, run, reason=review_reason)
    return review_reason


def _warning(run_id: uuid.UUID, review_reason: str) -> list[RunEvent]:
    """Store the event with the reason why a completed run does not complete its task."""
    if not review_reason:
        return []
    metadata = {"needs_review": review_reason}
    draft = events.Draft(RunEvent.Type.STATUS, f"Needs review: {review_reason}", metadata)
    return [events.append_unfenced(run_id, draft)]


def _activity_of(run: Run, outcome: str, why: str) -> tuple[Activity.Type, str]:
    if outcome == Status.COMPLETED:
        done = Activity.Type.TASK_COMPLETED if run.task_id else Activity.Type.TASK_UPDATED
        but = f" (needs review: {why})" if why else ""
        return done, f"{run.agent_name} completed “{run.task_title}”{but}"
    if outcome == Status.STOPPED:
        because = f": {why}" if why else ""
        return Activity.Type.TASK_UPDATED, f"{run.agent_name} was stopped on “{run.task_title}”{because}"
    return Activity.Type.TASK_UPDATED, f"{run.agent_name} failed on “{run.task_title}”: {why}"


def reuse_freed_slot() -> None:
    """Give a free slot to a waiting run within the transaction that freed it."""
    free = free_slots()
    if not free or not waiting_queue().exists():
        return
    try:
        with transaction.atomic():
            _promote_next(free[0])
    except IntegrityError:
        logger.debug("a rival was faster; promotion is tried again after the commit")
