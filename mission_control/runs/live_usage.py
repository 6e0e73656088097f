"""Store the usage of a run on its row while it is active, so that people and limits see it before the end."""

import time
from dataclasses import asdict

from agents.backends.base import Usage
from mission_control.models import Run
from mission_control.models.run import usage_columns
from mission_control.text import storable

LEAST_SECONDS = 1.0  # between two writes


class LiveUsage:
    """Stores a run's changed usage, at most once a second; writes nothing for a run that reports none."""

    def __init__(self, run: Run) -> None:
        self._mine = Run.objects.filter(pk=run.pk, claim_token=run.claim_token, status=Run.Status.RUNNING)
        self._stored = Usage(**run.usage)
        self._stored_at: float | None = None

    def is_due(self, usage: Usage) -> bool:
        """Return whether the usage has changed, and the last one was stored long enough ago."""
        is_early = self._stored_at is not None and time.monotonic() - self._stored_at < LEAST_SECONDS
        return not is_early and usage != self._stored

    def store(self, usage: Usage) -> dict[str, object] | None:
        """Store the usage and return it as the API shows it; None if the run is not the caller's any more."""
        columns = usage_columns(storable(asdict(usage)))
        if not self._mine.update(**columns):
            return None
        self._stored, self._stored_at = usage, time.monotonic()
        return Run(**columns).usage
