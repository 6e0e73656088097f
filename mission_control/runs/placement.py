"""Several machines: a run whose agent this one cannot run is left to another that may."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agents.backends import registry
from mission_control.models import Run
from mission_control.runs.lifecycle import enqueue_run
from mission_control.runs.workers import other_hosts

AGAIN_SECONDS = 1.0  # until the job is offered again: this machine may be the one that takes it


def leave_to_others(run: Run) -> bool:
    """Decline a queued run when this machine lacks what its agent needs; tell whether it did.

    The run notes who declined it, and its job goes back into the queue. False when this machine can run it, and
    when every machine has declined it: then it is claimed, and ends with the reason.
    """
    others = set(other_hosts())
    if not others or lack_of(run) is None:
        return False
    with transaction.atomic():
        queued = Run.objects.light().select_for_update().filter(pk=run.pk, status=Run.Status.QUEUED).first()
        if queued is None or not others - set(queued.declined_hosts):
            return False
        declined = sorted({*queued.declined_hosts, settings.HOST_NAME})
        Run.objects.filter(pk=run.pk).update(declined_hosts=declined, enqueued_at=timezone.now())
        enqueue_run(run, delay_seconds=AGAIN_SECONDS)
    return True


def lack_of(run: Run) -> str | None:
    """Return what this machine lacks for the run's agent, None when it lacks nothing."""
    agent = run.agent
    return registry.missing_for(agent.backend, agent.backend_options) if agent is not None else None
