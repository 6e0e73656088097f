"""Messages from people to the agents of active runs: how each one reaches its agent, and whether it has."""

import uuid
from collections.abc import Collection, Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from agents.backends import registry
from agents.backends.base import BackendError
from agents.models import Agent
from mission_control.actions import comments
from mission_control.actions.permissions import require_message_to_run
from mission_control.errors import Ended, NotFound, WrongState
from mission_control.models import AttachedFile, Deliverable, Message, Run
from mission_control.runs.lifecycle import promote

Delivery = Message.Delivery


def send(
    run: Run, content: str, *, attachments: Sequence[Deliverable | AttachedFile] = (), by: User | None
) -> tuple[Message, Delivery]:
    """Post a message to the agent of an active run in the task's thread; return it, and how it reaches the agent.

    To a running agent live if its backend can take messages while it works; otherwise at its next turn, or when
    the run continues. Raises Ended, WrongState for a run without a task, NotAllowed, and what `comments.post`
    raises. One transaction, which locks the run's row: a message is never sent to a run that has ended.
    """
    require_message_to_run()
    try:
        return _send(run, content, attachments, by)
    finally:
        promote()  # promotions skip locked rows, and this one may have been resumed meanwhile


def _send(
    run: Run, content: str, attachments: Sequence[Deliverable | AttachedFile], by: User | None
) -> tuple[Message, Delivery]:
    with transaction.atomic():
        runs = Run.objects.light().select_related("task", "agent").select_for_update(of=("self",))
        current = runs.filter(pk=run.pk).first()
        if current is None:
            raise NotFound("Run")
        if not current.is_active:
            raise Ended
        if current.task is None:
            raise WrongState("Only runs of tasks take messages")
        delivery = delivery_to(current)
        message = comments.post(
            current.task, content, by=by, attachments=attachments, run=current, delivery=delivery
        )
    return message, delivery


def delivery_to(run: Run) -> Delivery:
    """Return how a message to the agent of an active run reaches it."""
    is_live = run.status == Run.Status.RUNNING and run.agent is not None and _takes_messages(run.agent)
    return Delivery.LIVE if is_live else Delivery.NEXT_TURN


def _takes_messages(agent: Agent) -> bool:
    """Return whether the agent's backend takes messages while it works."""
    try:
        return "steering" in registry.get(agent.backend).capabilities
    except BackendError:
        return False


def undelivered(run_id: uuid.UUID) -> list[Message]:
    """Return the messages to this run that its agent has not got yet, oldest first."""
    sent = Message.objects.select_related("author").filter(run_id=run_id, delivered_at=None).exclude(delivery="")
    return list(sent.order_by("created_at", "id"))


def mark_delivered(
    run_id: uuid.UUID, keys: Collection[uuid.UUID], *, delivery: Delivery | None = None
) -> list[uuid.UUID]:
    """Record that the agent got these messages, and return the ids of those that had not been delivered before.

    `delivery` says how it got them, if not as announced. In the caller's transaction, if there is one.
    """
    changes = {"delivered_at": timezone.now(), **({"delivery": delivery} if delivery else {})}
    with transaction.atomic():
        pending = Message.objects.select_for_update().filter(run_id=run_id, pk__in=keys, delivered_at=None)
        found = list(pending.order_by("created_at", "id").values_list("pk", flat=True))
        Message.objects.filter(pk__in=found).update(**changes)
    return found
