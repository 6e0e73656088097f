"""The follow-up of a run: the message with which a person continues the conversation with its agent."""

from django.utils import timezone

from mission_control.models import Message, Run, RunEvent
from mission_control.runs import events


def message_of(run: Run) -> Message | None:
    """Return the message in the thread that is the run's follow-up; None if the run repeats an earlier one."""
    if not run.follow_up:
        return None
    sent = Message.objects.filter(run=run.pk, delivery=Message.Delivery.FOLLOW_UP)
    return sent.select_related("author").first()


def write_event(run: Run) -> RunEvent:
    """Store the run's follow-up in its log, in the caller's transaction, which holds the run's row lock.

    From then on its message counts as delivered: it is what the agent is sent first.
    """
    message = message_of(run)
    if message:
        Message.objects.filter(pk=message.pk).update(delivered_at=timezone.now())
    author = message.author if message else run.requested_by
    metadata = {
        "message_id": str(message.pk) if message else None,
        "sender": author.get_username() if author else None,
        "delivery": Message.Delivery.FOLLOW_UP.value,
    }
    return events.append_unfenced(run.pk, events.Draft(RunEvent.Type.INPUT, run.follow_up, metadata))
