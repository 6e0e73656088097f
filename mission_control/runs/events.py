"""A run's log. Every RunEvent is written here; the numbers of a run's events start at 1 without gaps."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from mission_control.errors import ClaimLost
from mission_control.models import Message, Question, Run, RunEvent
from mission_control.text import storable

Type = RunEvent.Type


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that has no number yet."""

    type: str
    content: str
    metadata: dict[str, Any] = field(default_factory=dict)
    timestamp: datetime = field(default_factory=timezone.now)


def started(run: Run) -> Draft:
    """Return a run's first event."""
    return Draft(
        Type.STATUS, "started", {"phase": "started", "agent_id": str(run.agent_id), "attempt": run.attempt}
    )


def parked(reason: str, notice: str, *, resumes_at: datetime | None, question_id: str | None = None) -> Draft:
    """Return the event of a run that is parked; the notice says to users what it waits for."""
    time = resumes_at.isoformat().replace("+00:00", "Z") if resumes_at else None
    metadata = {"phase": "parked", "parked_for": reason, "resumes_at": time, "question_id": question_id}
    return Draft(Type.STATUS, notice, metadata)


def resumed(run: Run) -> Draft:
    """Return the event of a run that was parked and has a slot again."""
    return Draft(Type.STATUS, f"{run.agent_name} continues", {"phase": "resumed", "agent_id": str(run.agent_id)})


def ended(outcome: str, error: str) -> Draft:
    """Return a run's last event."""
    return Draft(Type.STATUS, outcome, {"phase": "ended", "error": error or None})


def append(run_id: uuid.UUID, claim: uuid.UUID, drafts: list[Draft], *, after: int) -> list[RunEvent]:
    """Store events of a running run with the numbers after `after`, and return them.

    One transaction: a single UPDATE checks status and claim (the fence), assigns the numbers and renews the lease.
    Raises ClaimLost if the caller no longer holds the claim. Idempotent: repeated after a commit whose answer was
    lost, it finds the events and returns them.
    """
    last = after + len(drafts)
    with transaction.atomic():
        mine = Run.objects.filter(pk=run_id, status=Run.Status.RUNNING, claim_token=claim)
        if mine.filter(last_seq=after).update(last_seq=last, lease_renewed_at=timezone.now()):
            _mark_delivered(run_id, drafts)
            return write(run_id, drafts, after=after)
        if mine.filter(last_seq=last).exists():
            return list(RunEvent.objects.filter(run_id=run_id, seq__gt=after).order_by("seq"))
        raise ClaimLost


def _mark_delivered(run_id: uuid.UUID, drafts: list[Draft]) -> None:
    """Record that the agent got the messages and answers that these events are about, in the same transaction."""
    inputs = [draft.metadata for draft in drafts if draft.type == Type.INPUT]
    for rows, name in ((Message.objects, "message_id"), (Question.objects, "question_id")):
        if keys := [metadata[name] for metadata in inputs if name in metadata]:
            rows.filter(pk__in=keys, run=run_id, delivered_at=None).update(delivered_at=timezone.now())


def append_unfenced(run_id: uuid.UUID, draft: Draft) -> RunEvent:
    """Store one event with a change of status, in the caller's transaction, which holds the run's row lock."""
    Run.objects.filter(pk=run_id).update(last_seq=F("last_seq") + 1)
    last = Run.objects.values_list("last_seq", flat=True).get(pk=run_id)
    return write(run_id, [draft], after=last - 1)[0]


def write(run_id: uuid.UUID, drafts: Iterable[Draft], *, after: int) -> list[RunEvent]:
    """Store events with the numbers after `after`, in the caller's transaction, which holds the run's row lock."""
    return RunEvent.objects.bulk_create(
        RunEvent(
            run_id=run_id,
            seq=seq,
            type=draft.type,
            content=storable(draft.content),
            timestamp=draft.timestamp,
            metadata=storable(draft.metadata),
        )
        for seq, draft in enumerate(drafts, start=after + 1)
    )


def after(run_id: uuid.UUID | str, seq: int, *, limit: int | None = None) -> list[RunEvent]:
    """Return a run's stored events after number `seq`, in order."""
    rows = RunEvent.objects.filter(run_id=run_id, seq__gt=seq).order_by("seq")
    return list(rows[:limit] if limit is not None else rows)


def output_of(run_id: uuid.UUID) -> str:
    """Return the run's output: all messages of the agent, joined."""
    messages = RunEvent.objects.filter(run_id=run_id, type=Type.MESSAGE).order_by("seq")
    return "".join(messages.values_list("content", flat=True))
