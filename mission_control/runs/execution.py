"""Execute one run in a worker, from its claim to its end.

One event loop serves the whole run. A reader puts the agent's output into a buffer, a writer stores it in batches,
and a pulse renews the lease and notices a stop request. After all of them have ended, `finish` ends the run.
"""

import asyncio
import logging
import os
import time
import traceback
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import (
    Error,
    InterfaceError,
    OperationalError,
    close_old_connections,
)
from django.db.models import Q
from django.utils import timezone

from agents import connections
from agents.backends import registry
from agents.backends.base import (
    Answer,
    Backend,
    BackendError,
    BackendEvent,
    BackendItem,
    EventType,
    QuotaUsedUp,
    Session,
    Usage,
)
from agents.models import Agent
from agents.redaction import redact, redact_secrets
from mission_control.errors import ClaimLost
from mission_control.logs import current_run
from mission_control.models import Run, RunEvent
from mission_control.models.run import EndCause
from mission_control.realtime.frames import RunHeader
from mission_control.realtime.publisher import publish_events, publish_usage
from mission_control.runs import events
from mission_control.runs.async_database import in_db, persist
from mission_control.runs.attached_files import files_for
from mission_control.runs.backend_retries import CallRetryPolicy, call_with_retries
from mission_control.runs.buffer import EventBuffer, OutputTooLong
from mission_control.runs.lifecycle import claim, finish
from mission_control.runs.limits import LimitWatch, RunLimitExceeded, RunLimits
from mission_control.runs.live_usage import LiveUsage
from mission_control.runs.parking import park_at_gate, park_for_quota
from mission_control.runs.placement import decline_if_unable, missing_requirement
from mission_control.runs.preparation import agent_of, earlier_session, prepare, save_session, workdir_of
from mission_control.runs.results import Result, ToolUses
from mission_control.runs.workers import current_worker, is_closing, other_hosts
from mission_control.text import storable

FLUSH_SECONDS = 0.05
PULSE_SECONDS = 0.25
RENEW_SECONDS = 2.0
CANCEL_PATIENCE_SECONDS = 10.0  # if an agent ignores its cancellation for longer, the worker process ends

logger = logging.getLogger(__name__)
Status = Run.Status


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ends: status, error text for users, and the cause, None for the status's default."""

    status: str
    error: str = ""
    cause: EndCause | None = None
    quota: QuotaUsedUp | None = None  # the run is parked instead, if that is possible


CAUSE_OF_LIMIT = {
    "time": EndCause.TIMEOUT,
    "silence": EndCause.IDLE,
    "output": EndCause.OUTPUT_LIMIT,
    "processes": EndCause.PROCESS_LIMIT,
    "disk": EndCause.DISK_LIMIT,
}
DATABASE_LOST = Outcome(Status.ERROR, cause=EndCause.DATABASE_LOST)


def execute(run_id: uuid.UUID, execution_of: "Callable[[Run], Execution] | None" = None) -> None:
    """Claim the run and execute it; return when it has ended, or at once if it cannot be claimed.

    `execution_of` returns the execution of a run that has no task.
    Raises nothing: an exception would end the worker, and the failed job would be delivered again.
    """
    token = current_run.set(str(run_id))
    try:
        asyncio.run(_execute(run_id, execution_of or Execution))
    except (Exception, SystemExit, asyncio.CancelledError):  # noqa: BLE001 - see above
        logger.error("the run failed unexpectedly, the reaper ends it: %s", redact(traceback.format_exc()))
    finally:
        current_run.reset(token)


async def _execute(run_id: uuid.UUID, execution_of: "Callable[[Run], Execution]") -> None:
    if is_closing():
        logger.info("not claimed: this worker is shutting down; the run stays queued")
        return
    if await persist(_decline_if_unable, run_id):
        logger.info("not claimed: the host %s cannot run its agent, another may", settings.HOST_NAME)
        return
    run = await persist(_claim, run_id, uuid.uuid4())
    if run is None:
        logger.info("not claimed: it is not queued any more")
        return
    if vars(run)["is_gated"] and not run.tests_quota and await persist(_park_at_gate, run):
        return
    execution = execution_of(run)
    outcome: Outcome | None = Outcome(Status.ERROR, "The worker failed")
    try:
        outcome = await execution.carry_out()
    except ClaimLost:
        logger.warning("the claim is lost: another process has ended the run")
        outcome = None
    except Exception as error:  # noqa: BLE001 - any error must end the run with its reason
        outcome = failure(error, of_agent=False)
    finally:
        if outcome is not None:
            await execution.end(outcome)
    if execution.agent_still_works:
        logger.critical("the agent ignores its cancellation; this worker process ends with it")
        logging.shutdown()
        os._exit(1)


def _decline_if_unable(run_id: uuid.UUID) -> bool:
    close_old_connections()  # this thread may have been idle for a long time
    connections.refresh()  # a superuser may have allowed its program or entered its key a moment ago
    if not other_hosts():  # the usual case: no other machine could run it
        return False
    run = Run.objects.light().select_related("agent").filter(pk=run_id, status=Status.QUEUED).first()
    return run is not None and decline_if_unable(run)


def _park_at_gate(run: Run) -> bool:
    return park_at_gate(run, guard=Q(claim_token=run.claim_token))


def _claim(run_id: uuid.UUID, token: uuid.UUID) -> Run | None:
    return claim(run_id, worker=current_worker(), token=token)


def failure(error: BaseException, *, of_agent: bool = True) -> Outcome:
    """Return the outcome of a failure: the error's own text where it is meant for users, otherwise "unexpected".

    For an error that is not the agent's, or that comes from the system, only its class is shown, because the text
    may contain an internal address. The log has the whole text.
    """
    message = str(error) or "The agent failed without an error message"
    if isinstance(error, RunLimitExceeded):
        return Outcome(Status.ERROR, message, error.cause)
    if isinstance(error, OutputTooLong):
        return Outcome(Status.ERROR, message, EndCause.OUTPUT_LIMIT)
    if isinstance(error, QuotaUsedUp):
        return Outcome(Status.ERROR, message, EndCause.QUOTA, error)
    if isinstance(error, BackendError):
        return Outcome(Status.ERROR, message, CAUSE_OF_LIMIT.get(error.limit))
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("the database was lost (%s)", type(error).__name__)
        return DATABASE_LOST
    logger.error("unexpected failure: %s", redact("".join(traceback.format_exception(error))))
    kind = f"Unexpected failure: {type(error).__name__}"
    is_shown = of_agent and not isinstance(error, Error | OSError)
    return Outcome(Status.ERROR, f"{kind}: {error}" if is_shown else kind)


class Execution:
    """A claimed run during its execution."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.header = RunHeader.of(run)
        assert run.claim_token is not None, "only a claimed run is executed"
        self.claim = run.claim_token
        self.seq = run.last_seq
        self.limits = RunLimits.of(run.agent)
        self.watch = LimitWatch(self.limits)
        self.buffer = EventBuffer(max_output_chars=self.limits.output_chars)
        self.earlier_usage = Usage(**run.usage)  # of the run's calls before the current one
        self.usage = self.earlier_usage
        self.live_usage = LiveUsage(run)
        self.stop_seen = asyncio.Event()
        self.renewed_at = time.monotonic()  # when the lease was renewed: first by the claim
        self.is_alone = True  # no worker of another machine was alive at the last renewal of the lease
        self.agent_still_works = False
        self.earlier_session = ""
        self.files: Sequence[Path] = ()  # images and PDFs for the agent
        self.answer: str | None = None  # the agent's final answer, if its backend reports one
        self.tools = ToolUses()

    async def carry_out(self) -> Outcome:
        """Run the agent until it completes, fails, is stopped or reaches a limit. Raises ClaimLost."""
        prompt = await self.prepare()
        writer = asyncio.create_task(self.write())
        pulse = asyncio.create_task(self.pulse())
        reader = asyncio.create_task(self.work(prompt))
        stop = asyncio.create_task(self.stop_seen.wait())
        limit = asyncio.create_task(self.watch.wait_for_limit())
        lease = asyncio.create_task(self.wait_for_lease_end())
        try:
            await asyncio.wait({reader, stop, limit, lease, writer, pulse}, return_when=asyncio.FIRST_COMPLETED)
            return self.outcome_of(reader, limit, lease, writer, pulse)
        finally:
            await self.cancel(reader)
            self.buffer.close()
            stop.cancel()
            limit.cancel()
            lease.cancel()
            try:
                await writer  # never cancelled during a write; output that is buffered at a stop is stored
            finally:
                pulse.cancel()
                with suppress(asyncio.CancelledError, ClaimLost):
                    await pulse

    async def prepare(self) -> str:
        """Build the prompt, store it on the run and return it. Raises BackendError."""
        prompt, notice = await persist(prepare, self.run, budget_chars=self.limits.prompt_chars)
        if notice:
            await self.buffer.put(BackendEvent(EventType.STATUS, notice))
        return prompt

    async def work(self, prompt: str) -> None:
        """Do the run's work: one call of the agent."""
        await self.read(prompt)

    def outcome_of(
        self,
        reader: asyncio.Task[None],
        limit: asyncio.Task[RunLimitExceeded],
        lease: asyncio.Task[None],
        writer: asyncio.Task[None],
        pulse: asyncio.Task[None],
    ) -> Outcome:
        for inner in (writer, pulse):
            if inner.done() and (broken := inner.exception()):
                raise broken
        if self.stop_seen.is_set():
            return Outcome(Status.STOPPED)
        if not reader.done() and lease.done():
            logger.error("the lease could not be renewed for %s s; cancelling the agent", settings.LEASE_SECONDS)
            return DATABASE_LOST
        if not reader.done():
            return failure(limit.result())
        error = reader.exception()
        return Outcome(Status.COMPLETED) if error is None else failure(error)

    async def read(self, prompt: str) -> None:
        """Call the agent with the prompt and process its output; retry temporary failures."""
        agent = agent_of(self.run)
        await self.refuse_if_only_others_can()
        registry.check_options(agent.backend, agent.backend_options)
        if "sessions" in registry.get(agent.backend).capabilities:
            self.earlier_session = await persist(earlier_session, self.run)
        self.files = await persist(files_for, self.run)
        policy = CallRetryPolicy(settings.RETRIES, settings.RETRY_SECONDS)
        stream = call_with_retries(lambda: self.watch.listen(self.call(agent, prompt)), policy)
        try:
            async for item in stream:
                if isinstance(item, Usage):
                    self.count(item)
                    self.watch.check(self.usage)
                elif isinstance(item, Session):
                    await persist(save_session, self.run, item.id)
                elif isinstance(item, Answer):
                    self.answer = self.storable_answer(item.text)
                else:
                    await self.record(item)
        finally:
            with suppress(RuntimeError):
                await stream.aclose()

    async def refuse_if_only_others_can(self) -> None:
        """Raise BackendError if this machine lacks what the agent needs while workers of other machines are alive.

        With a single machine the backend's own error is enough: it needs no name of the host.
        """
        self.is_alone = not await persist(other_hosts)
        if self.is_alone:
            return
        if reason := await asyncio.to_thread(missing_requirement, self.run):
            raise BackendError(f"The host {settings.HOST_NAME} cannot run this agent. {reason}")

    def call(self, agent: Agent, prompt: str) -> AsyncGenerator[BackendItem, None]:
        """Call the agent once and return the stream of its items. Raises BackendError."""
        backend: Backend = registry.get(agent.backend)()
        if self.earlier_session:
            backend.earlier_session = self.earlier_session
        backend.files = self.files
        return backend.stream(prompt, agent.backend_options, workdir_of(self.run))

    def count(self, usage: Usage) -> None:
        """Record the usage of the agent's calls so far."""
        self.usage = self.earlier_usage + usage

    async def record(self, event: BackendEvent) -> None:
        """Add the agent's event to the buffer; wait while it is full."""
        self.tools.record(event)
        await self.buffer.put(event)

    def storable_answer(self, text: str) -> str:
        """Return the agent's answer as it is stored: without keys and passwords, and limited in length."""
        return storable(redact_secrets(text))[: self.limits.output_chars]

    async def cancel(self, reader: asyncio.Task[None]) -> None:
        """Cancel the agent and wait until it has cleaned up."""
        if reader.done():
            return
        reader.cancel()
        await asyncio.wait({reader}, timeout=CANCEL_PATIENCE_SECONDS)
        self.agent_still_works = not reader.done()
        if reader.done() and not reader.cancelled() and reader.exception():
            logger.warning("the agent failed while it was cancelled: %s", type(reader.exception()).__name__)

    async def write(self) -> None:
        """Store buffered events, the first at once, then in batches, until the buffer is closed and empty."""
        while await self.buffer.wait_for_events():
            if drafts := self.buffer.take():  # none if all of it may be the start of a secret
                stored = await self.store(drafts)
                self.seq += len(stored)
                await publish_events(self.header, stored)
            await self.buffer.wait_for_batch(FLUSH_SECONDS)

    async def store(self, drafts: list[events.Draft]) -> list[RunEvent]:
        """Store the next batch of events. Raises ClaimLost, DatabaseError."""
        return await persist(events.append, self.run.pk, self.claim, drafts, after=self.seq)

    async def pulse(self) -> None:
        """Renew the lease, store new usage, and notice a stop request within 0.25 seconds. Raises ClaimLost."""
        answers = True
        while True:
            await asyncio.sleep(PULSE_SECONDS)
            try:
                begun = time.monotonic()
                if begun - self.renewed_at >= RENEW_SECONDS:
                    await in_db(self.renew)
                    self.renewed_at = begun
                if self.live_usage.is_due(self.usage):
                    await self.show_usage()
                if await in_db(self.is_stopped):
                    self.stop_seen.set()
                answers = True
            except Error as error:
                if answers:
                    logger.warning("the database does not answer the pulse (%s)", type(error).__name__)
                answers = False
                await in_db(close_old_connections)

    async def show_usage(self) -> None:
        """Store the usage so far and send it to those who watch the run."""
        if stored := await in_db(self.live_usage.store, self.usage):
            await publish_usage(self.header, stored)

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
        Run.objects.filter(pk=self.run.pk, claim_token=self.claim, status=Status.RUNNING).update(
            lease_renewed_at=timezone.now()
        )
        self.is_alone = not other_hosts()

    def is_stopped(self) -> bool:
        mine = Run.objects.filter(pk=self.run.pk, claim_token=self.claim, status=Status.RUNNING)
        row = mine.values_list("stop_requested_at", flat=True).first()
        if row is None and not mine.exists():
            raise ClaimLost
        return row is not None

    async def end(self, outcome: Outcome) -> None:
        """End the run.

        A stop that was requested at the last moment takes precedence over the agent's own result.
        """
        usage = {} if self.usage == Usage() else asdict(self.usage)
        await persist(self.end_once, outcome, usage)

    def write_result(self, run: Run) -> None:
        """Write a completed run's results beside its output, in the transaction that ends it."""

    def end_once(self, outcome: Outcome, usage: dict[str, Any]) -> None:
        mine = Q(status=Status.RUNNING, claim_token=self.claim)
        if outcome.quota is not None and park_for_quota(self.run, outcome.quota, guard=mine, usage=usage):
            return
        unstopped = mine & Q(stop_requested_at__isnull=True)
        if outcome.status != Status.STOPPED and finish(
            self.run.pk,
            outcome.status,
            guard=unstopped,
            cause=outcome.cause,
            error=outcome.error,
            usage=usage,
            write=self.write_result,
            result=Result(self.answer, self.tools.refused),
        ):
            return
        finish(self.run.pk, Status.STOPPED, guard=mine, usage=usage)
