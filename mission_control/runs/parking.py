"""Park runs that must wait for something other than a slot, and let them continue.

A parked run holds no slot and has no worker, but it has not ended: its task stays in progress. It continues as a
waiting run under the same id. Each change is a conditional update of the status, so that rivals do it once.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from agents.backends.base import QuotaUsedUp
from agents.models import Agent
from mission_control.actions.activity import note_run
from mission_control.actions.permissions import require_start
from mission_control.errors import NotParked
from mission_control.formatting import utc_time
from mission_control.models import Message, Question, QuotaGate, Run, RunEvent
from mission_control.models.quota import account_name
from mission_control.models.run import usage_columns
from mission_control.realtime.publisher import publish_run
from mission_control.runs import events
from mission_control.runs.lifecycle import promote, reuse_freed_slot
from mission_control.runs.quota_gates import close_gate, is_given_up, open_fallback, open_gate
from mission_control.text import storable

# A run that tests an account has passed when its agent has been sending output for so long.
PASSES_AFTER = timedelta(seconds=5)
NOTICE_CHARS = 200  # of a question, in the notice that its run waits

logger = logging.getLogger(__name__)
Status, ParkedFor = Run.Status, Run.ParkedFor


@dataclass(frozen=True, slots=True)
class Parking:
    """What a run is parked for, with the sentence about it for users; `resumes_at` is None if unknown."""

    parked_for: str
    notice: str
    resumes_at: datetime | None
    quota_account: str = ""
    question_id: str | None = None


def park(run_id: uuid.UUID, parking: Parking, *, guard: Q, usage: dict[str, Any] | None = None) -> bool:
    """Park a running run and give its slot to a waiting one; return False if `guard` does not match it.

    Refused if a stop was requested, or if it would wait for answers that have all been given. One transaction,
    which locks the run's row.
    """
    guard &= Q(status=Status.RUNNING, stop_requested_at__isnull=True)
    changes: dict[str, Any] = {
        "status": Status.PARKED,
        "parked_for": parking.parked_for,
        "resumes_at": parking.resumes_at,
        "quota_account": parking.quota_account,
        "parkings": F("parkings") + 1,
        "tests_quota": False,
        "slot": None,
        "claim_token": None,
        "worker": "",
        "lease_renewed_at": None,
        **(usage_columns(storable(usage)) if usage else {}),
    }
    with transaction.atomic():
        if not Run.objects.filter(guard, pk=run_id).update(**changes):
            return False
        # Read after the lock on the run's row, which whoever answers a question takes too.
        if parking.question_id is not None and not _open_questions(run_id).exists():
            transaction.set_rollback(True)
            return False
        run = Run.objects.light().select_related("task", "agent").get(pk=run_id)
        draft = events.parked(
            parking.parked_for,
            parking.notice,
            resumes_at=parking.resumes_at,
            question_id=parking.question_id,
        )
        event = events.append_unfenced(run_id, draft)
        note_run(run, f"{run.agent_name} waits with “{run.task_title}”: {parking.notice}")
        transaction.on_commit(lambda: publish_run(run, [event]))
        reuse_freed_slot()
    logger.info("parked: %s", parking.notice, extra={"run_id": run_id})
    promote()
    return True


def resume(run_id: uuid.UUID, *, tests_quota: bool = False, agent: Agent | None = None, why: str = "") -> bool:
    """Let a parked run continue as soon as a slot is free; return False if it is not parked any more.

    `tests_quota`: although the quota may still be used up, to find out. With another `agent`, that one continues
    without the conversation of the first; `why` then says so in the output and in the task's thread. The caller
    then calls `promote`. One transaction, which locks the run's row.
    """
    with transaction.atomic():
        run = Run.objects.light().select_for_update(of=("self",)).filter(pk=run_id, status=Status.PARKED).first()
        if run is None:
            return False
        changes: dict[str, Any] = {"status": Status.WAITING, "parked_for": "", "resumes_at": None}
        changes |= {"tests_quota": tests_quota}
        is_other = agent is not None and agent.pk != run.agent_id
        if is_other and agent is not None:
            changes |= {"agent": agent, "agent_name": agent.name, "session_id": "", "declined_hosts": []}
        Run.objects.filter(pk=run_id).update(**changes)
        earlier = run.agent
        run = Run.objects.light().select_related("task", "agent").get(pk=run_id)
        if is_other:
            _announce_other_agent(run, earlier, why)
        note_run(run, f"{run.agent_name} is queued again for “{run.task_title}”")
    return True


def _announce_other_agent(run: Run, earlier: Agent | None, why: str) -> None:
    """Say in the run's output and in the task's thread that another agent continues."""
    sentence = f"{why} {run.agent_name} continues.".strip()
    metadata = {"agent_id": str(run.agent_id)}
    event = events.append_unfenced(run.pk, events.Draft(RunEvent.Type.STATUS, sentence, metadata))
    if run.task is not None:
        Message.objects.create(task=run.task, from_agent=earlier, content=sentence)
    transaction.on_commit(lambda: publish_run(run, [event]))


# ---------------------------------------------------------------- questions
def park_for_question(run_id: uuid.UUID, *, guard: Q, usage: dict[str, Any] | None = None) -> bool:
    """Park a run until its open questions are answered; return False if it has none.

    Also if `guard` does not match it, as with `park`.
    """
    questions = list(_open_questions(run_id).order_by("created_at", "id"))
    if not questions:
        return False
    # Only a default lets it continue by itself.
    expiries = [question.expires_at for question in questions]
    has_defaults = all(question.default for question in questions)
    parking = Parking(
        ParkedFor.QUESTION,
        _question_notice(questions),
        max(expiries) if has_defaults else None,
        question_id=str(questions[0].pk),
    )
    return park(run_id, parking, guard=guard, usage=usage)


def _question_notice(questions: Sequence[Question]) -> str:
    text = " ".join(questions[0].text.split())
    shown = text if len(text) <= NOTICE_CHARS else f"{text[:NOTICE_CHARS]}…"
    more = f" (and {len(questions) - 1} more)" if len(questions) > 1 else ""
    return f"Waits for an answer: {shown}{more}"


def _open_questions(run_id: uuid.UUID) -> QuerySet[Question]:
    return Question.objects.open().filter(run=run_id)


def resume_answered() -> None:
    """Let runs continue that are parked for questions of which none is open any more.

    Whoever answers the last question does this at once. The reaper calls it at every tick, in case that was lost.
    """
    is_asking = Exists(Question.objects.open().filter(run=OuterRef("pk")))
    parked = Run.objects.parked().filter(~is_asking, parked_for=ParkedFor.QUESTION)
    for key in list(parked.values_list("pk", flat=True)):
        resume(key)


# ---------------------------------------------------------------- used up quotas
def continue_now(run: Run, *, agent: Agent | None = None) -> Run:
    """Let a run continue that is parked for a quota, and return it.

    With the same agent, or without `agent`, it tests whether the quota is available again; another agent takes it
    over. Raises NotParked, and NotAllowed if the acting user may not start agents.
    """
    require_start()
    if run.parked_for != ParkedFor.QUOTA:
        raise NotParked
    is_same = agent is None or agent.pk == run.agent_id
    account = account_name(run.quota_account)
    try:
        if not resume(run.pk, tests_quota=is_same, agent=agent, why=f"The quota of {account} is used up."):
            raise NotParked
    finally:
        promote()  # also after a lost race, which locked the run's row: promotions skip locked rows
    return Run.objects.get(pk=run.pk)


def park_for_quota(run: Run, error: QuotaUsedUp, *, guard: Q, usage: dict[str, Any] | None = None) -> bool:
    """Close the account's gate and park the run until it opens, or let its fallback agent continue.

    Returns False if parking is switched off, if the quota has been used up for too long, or if `guard` does not
    match the run.
    """
    if not settings.PARK_ON_QUOTA or run.agent is None or is_given_up(error.account, agent=run.agent):
        return False
    gate = close_gate(
        error.account,
        agent=run.agent,
        reason=str(error),
        resets_at=error.resets_at,
        is_test=run.tests_quota,
    )
    return _park_at(gate, run, guard=guard, usage=usage)


def park_at_gate(run: Run, *, guard: Q) -> bool:
    """Park a run that was just claimed if its agent's quota is used up; return whether it was parked."""
    gate = QuotaGate.of(run.agent_id) if settings.PARK_ON_QUOTA else None
    return gate is not None and _park_at(gate, run, guard=guard)


def _park_at(gate: QuotaGate, run: Run, *, guard: Q, usage: dict[str, Any] | None = None) -> bool:
    resumes_at = gate.closed_until if gate.closed_until > timezone.now() else None
    parking = Parking(ParkedFor.QUOTA, notice_of(gate), resumes_at, quota_account=gate.account)
    if not park(run.pk, parking, guard=guard, usage=usage):
        return False
    if fallback := open_fallback(run.agent):
        _continue_with_fallback(run.pk, fallback, gate.account)
        promote()
    return True


def notice_of(gate: QuotaGate) -> str:
    """Return the sentence about a closed gate, for users."""
    if gate.closed_until <= timezone.now():
        return f"The quota of {gate.name} was used up; another run tests whether it is available again."
    until = utc_time(gate.closed_until)
    if gate.is_reset_known:
        return f"The quota of {gate.name} is used up. Waits until {until}."
    return f"The quota of {gate.name} is used up; it did not say until when. Tries again at {until}."


def _continue_with_fallback(run_id: uuid.UUID, fallback: Agent, account: str) -> bool:
    return resume(run_id, agent=fallback, why=f"The quota of {account_name(account)} is used up.")


def resume_due() -> None:
    """Let the runs continue whose quota is available again. The reaper calls it at every tick.

    When a gate's time has come, its next run goes first; the others follow when that one has got an answer. Any
    number of processes may call this at once.
    """
    resume_answered()
    if not settings.PARK_ON_QUOTA:
        QuotaGate.objects.all().delete()
    for gate in QuotaGate.objects.all():
        _settle(gate)
    parked = list(_parked().select_related("agent__fallback_agent"))
    closed = set(QuotaGate.objects.values_list("account", flat=True)) if parked else set()
    for run in parked:
        if run.quota_account not in closed:
            resume(run.pk)
        elif fallback := open_fallback(run.agent):  # it was named, or got its own quota back, since
            _continue_with_fallback(run.pk, fallback, run.quota_account)


def _parked() -> Any:
    return Run.objects.parked().light().filter(parked_for=ParkedFor.QUOTA)


def _settle(gate: QuotaGate) -> None:
    """Open a gate whose test has passed; start the test of one whose time has come.

    Locks the gate's row: of several processes, one starts the test.
    """
    tests = Run.objects.active().filter(quota_account=gate.account, tests_quota=True)
    with transaction.atomic():
        locked = QuotaGate.objects.select_for_update().filter(pk=gate.pk).first()
        if locked is None:
            return
        if any(_has_passed(run) for run in tests.filter(status=Status.RUNNING)):
            open_gate(gate.account)
        elif locked.closed_until <= timezone.now() and not tests.exists():
            following = _parked().filter(quota_account=gate.account).first()
            if following is None:
                open_gate(gate.account)
            else:
                resume(following.pk, tests_quota=True)


def _has_passed(run: Run) -> bool:
    """Return whether the run's agent has been sending output since it continued."""
    output = RunEvent.objects.filter(run=run, timestamp__gte=run.enqueued_at).exclude(type=RunEvent.Type.STATUS)
    return output.filter(timestamp__lte=timezone.now() - PASSES_AFTER).exists()
