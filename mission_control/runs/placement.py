"""With several machines: leave a run whose agent this machine cannot run to another one."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from agents.backends import registry
from mission_control.models import Run
from mission_control.runs.lifecycle import enqueue_run
from mission_control.runs.workers import other_hosts

REOFFER_SECONDS = 1.0  # until the job is delivered again, perhaps to this machine


def decline_if_unable(run: Run) -> bool:
    """Decline a queued run if this machine lacks what its agent needs; return whether it was declined.

    The run records which machines declined it, and its job goes back to the queue. Returns False if this machine
    can run it, or if every machine has declined it: then it is claimed here, and ends with the reason. The caller
    has refreshed the connections.
    """
    others = set(other_hosts())
    if not others or missing_requirement(run) is None:
        return False
    with transaction.atomic():
        queued = Run.objects.light().select_for_update().filter(pk=run.pk, status=Run.Status.QUEUED).first()
        if queued is None or not others - set(queued.declined_hosts):
            return False
        declined = sorted({*queued.declined_hosts, settings.HOST_NAME})
        Run.objects.filter(pk=run.pk).update(declined_hosts=declined, enqueued_at=timezone.now())
        enqueue_run(run, delay_seconds=REOFFER_SECONDS)
    return True


def missing_requirement(run: Run) -> str | None:
    """Return what this machine lacks for the run's agent; None if it lacks nothing."""
    agent = run.agent
    return registry.missing_for(agent.backend, agent.backend_options) if agent is not None else None
