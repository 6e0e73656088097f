"""The pulse of a run during its execution: it renews the lease, and notices what others write about the run."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from django.conf import settings
from django.db import Error, close_old_connections
from django.db.models import Exists, OuterRef, Value
from django.utils import timezone

from mission_control.errors import ClaimLost
from mission_control.models import Question, Run
from mission_control.runs.async_database import in_db
from mission_control.runs.dialogue import RunDialogue
from mission_control.runs.inputs import undelivered
from mission_control.runs.workers import other_hosts

PULSE_SECONDS = 0.25
RENEW_SECONDS = 2.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Signs:
    """What others have written about a running run."""

    is_stopped: bool
    has_message: bool
    has_reply: bool


class Pulse:
    """Looks at the run's row four times a second, with one query, while its agent works."""

    def __init__(
        self,
        run: Run,
        claim: uuid.UUID,
        dialogue: RunDialogue,
        *,
        show_usage: Callable[[], Awaitable[None]],
    ) -> None:
        self.run, self.claim, self.dialogue, self.show_usage = run, claim, dialogue, show_usage
        self.stop_seen = asyncio.Event()
        self.renewed_at = time.monotonic()  # when the lease was renewed: first by the claim
        self.is_alone = True  # no worker of another machine was alive at the last renewal of the lease

    async def beat(self) -> None:
        """Renew the lease, show new usage, and notice a stop request, answers and messages. Raises ClaimLost."""
        answers = True
        while True:
            await asyncio.sleep(PULSE_SECONDS)
            try:
                begun = time.monotonic()
                if begun - self.renewed_at >= RENEW_SECONDS:
                    await in_db(self.renew)
                    self.renewed_at = begun
                await self.show_usage()
                await self.notice(await in_db(self.look))
                answers = True
            except Error as error:
                if answers:
                    logger.warning("the database does not answer the pulse (%s)", type(error).__name__)
                answers = False
                await in_db(close_old_connections)

    async def notice(self, signs: Signs) -> None:
        if signs.is_stopped:
            self.stop_seen.set()
        if signs.has_message:
            self.dialogue.message_seen.set()
        if signs.has_reply:
            await self.dialogue.take_replies()
        await self.dialogue.withdraw()
        self.dialogue.check_patience()

    async def wait_for_lease_end(self) -> None:
        """Return when the lease has expired while workers of other machines are alive.

        From then on one of them may take over the task, so this agent must not continue. Its output is stored if
        the database answers before another process ends the run. On a single machine there is no other worker, and
        the agent continues.
        """
        left: float = settings.LEASE_SECONDS
        while left > 0:
            await asyncio.sleep(left)
            left = self.renewed_at + settings.LEASE_SECONDS - time.monotonic()
            if self.is_alone:
                left = max(left, PULSE_SECONDS)

    def renew(self) -> None:
        Run.objects.filter(pk=self.run.pk, claim_token=self.claim, status=Run.Status.RUNNING).update(
            lease_renewed_at=timezone.now()
        )
        self.is_alone = not other_hosts()

    def look(self) -> Signs:
        """Read the run's row. Raises ClaimLost."""
        mine = Run.objects.filter(pk=self.run.pk, claim_token=self.claim, status=Run.Status.RUNNING)
        row = mine.values_list("stop_requested_at", self.has_message(), self.has_reply()).first()
        if row is None:
            raise ClaimLost
        return Signs(row[0] is not None, *row[1:])

    def has_message(self) -> Exists | Value:
        if self.run.task_id is None:  # nobody can write to a planner
            return Value(False)
        return Exists(undelivered(OuterRef("pk")))

    def has_reply(self) -> Exists | Value:
        waiting = self.dialogue.waiting_for
        if not waiting:
            return Value(False)
        return Exists(Question.objects.filter(pk__in=waiting).exclude(status=Question.Status.OPEN))
