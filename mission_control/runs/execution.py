"""Execute one run in a worker, from its claim to its end.

One event loop serves the whole run. A reader puts the agent's output into a buffer, a writer stores it in batches,
and a pulse renews the lease and notices a stop request. After all of them have ended, `finish` ends the run.
"""

import asyncio
import logging
import os
import traceback
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import close_old_connections
from django.db.models import Exists, OuterRef, Q

from agents import connections
from agents.backends import registry
from agents.backends.base import (
    Answer,
    Backend,
    BackendError,
    BackendEvent,
    BackendItem,
    EventType,
    Reply,
    Session,
    Usage,
)
from agents.models import Agent
from agents.redaction import redact, redact_secrets
from mission_control.errors import ClaimLost
from mission_control.logs import current_run
from mission_control.models import Run, RunEvent
from mission_control.realtime.frames import RunHeader
from mission_control.realtime.publisher import publish_events, publish_usage
from mission_control.runs import events
from mission_control.runs.async_database import in_db, persist
from mission_control.runs.attached_files import files_for, look_for_files_again
from mission_control.runs.backend_retries import CallRetryPolicy, call_with_retries
from mission_control.runs.buffer import EventBuffer
from mission_control.runs.dialogue import RunDialogue, replies_among
from mission_control.runs.inputs import continuation_of, undelivered, was_called
from mission_control.runs.lifecycle import claim, finish
from mission_control.runs.limits import LimitWatch, RunLimitExceeded, RunLimits
from mission_control.runs.live_usage import LiveUsage
from mission_control.runs.outcomes import DATABASE_LOST, Outcome, failure
from mission_control.runs.parking import park_at_gate, park_for_question, park_for_quota
from mission_control.runs.placement import decline_if_unable, missing_requirement
from mission_control.runs.preparation import (
    agent_of,
    earlier_conversation,
    follow_up_of,
    prepare,
    save_session,
    workdir_of,
)
from mission_control.runs.pulse import Pulse
from mission_control.runs.results import Result, ToolUses
from mission_control.runs.workers import current_worker, is_closing, other_hosts
from mission_control.text import storable

FLUSH_SECONDS = 0.05
CANCEL_PATIENCE_SECONDS = 10.0  # if an agent ignores its cancellation for longer, the worker process ends

logger = logging.getLogger(__name__)
Status = Run.Status


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
    while not await _carry_out(execution):
        logger.info("somebody wrote to the agent in the last moment; it is called again")
    if execution.agent_still_works:
        logger.critical("the agent ignores its cancellation; this worker process ends with it")
        logging.shutdown()
        os._exit(1)


async def _carry_out(execution: "Execution") -> bool:
    """Carry out the run and end or park it; return False if its agent must be called again before that."""
    outcome: Outcome | None = Outcome(Status.ERROR, "The worker failed")
    is_over = True
    try:
        outcome = await execution.carry_out()
    except ClaimLost:
        logger.warning("the claim is lost: another process has ended the run")
        outcome = None
    except Exception as error:  # noqa: BLE001 - any error must end the run with its reason
        outcome = failure(error, of_agent=False)
    finally:
        if outcome is not None:
            is_over = await execution.end(outcome)
    return is_over


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
        self.dialogue = RunDialogue(run, self.watch, can_park=self.can_park)
        self.pulse = Pulse(run, self.claim, self.dialogue, show_usage=self.show_usage)
        self.earlier_usage = Usage(**run.usage)  # of the run's calls before the current one
        self.usage = self.earlier_usage
        self.live_usage = LiveUsage(run)
        self.agent_still_works = False
        self.session_id = run.session_id  # of this run's own conversation
        self.earlier_session: tuple[str, Any] = ("", None)
        self.said = self.continuation = ""  # by people; and what is sent if the conversation continues
        self.written = ""  # what people said besides answers
        self.replies: Mapping[str, Reply] = {}
        self.files: Sequence[Path] = ()  # images and PDFs for the agent
        self.turns = 0  # the number of calls that ended before the current one
        self.answer: str | None = None  # the agent's final answer, if its backend reports one
        self.tools = ToolUses()

    async def carry_out(self) -> Outcome:
        """Run the agent until it completes, fails, waits too long, is stopped or reaches a limit.

        Raises ClaimLost. May be called again, if `end` says so.
        """
        self.begin_turn()
        prompt = await self.prepare()
        writer = asyncio.create_task(self.write())
        pulse = asyncio.create_task(self.pulse.beat())
        reader = asyncio.create_task(self.work(prompt))
        stop = asyncio.create_task(self.pulse.stop_seen.wait())
        park = asyncio.create_task(self.dialogue.park_due.wait())
        limit = asyncio.create_task(self.watch.wait_for_limit())
        lease = asyncio.create_task(self.pulse.wait_for_lease_end())
        try:
            tasks = {reader, stop, park, limit, lease, writer, pulse}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return self.outcome_of(reader, limit, lease, writer, pulse)
        finally:
            await self.cancel(reader)
            self.buffer.close()
            for waiting in (stop, park, limit, lease):
                waiting.cancel()
            try:
                await writer  # never cancelled during a write; output that is buffered at a stop is stored
            finally:
                pulse.cancel()
                with suppress(asyncio.CancelledError, ClaimLost):
                    await pulse

    def begin_turn(self) -> None:
        """Get ready for the next call of the agent in this claim, or for the first."""
        if self.turns:
            self.buffer = self.buffer.following()
            self.earlier_usage = self.usage
        self.dialogue.begin_turn(self.buffer)

    def can_park(self) -> bool:
        """Return whether the agent's conversation can continue after the run was parked."""
        return bool(self.session_id) and self.run.task_id is not None and self.has_capability("sessions")

    def has_capability(self, name: str) -> bool:
        """Return whether the agent's backend can do this. Raises BackendError."""
        agent = self.run.agent
        return agent is not None and name in registry.get(agent.backend).capabilities

    async def prepare(self) -> str:
        """Build the prompt, store it on the run and return it. Raises BackendError."""
        if self.turns:
            look_for_files_again(self.run)
        takes_messages = self.has_capability("steering")
        inputs = await self.dialogue.collect(is_first=not self.turns, takes_messages=takes_messages)
        self.said = continuation_of(inputs)
        self.continuation = self.said if self.session_id else ""
        self.replies = replies_among(inputs)
        self.written = continuation_of(said for said in inputs if said.question is None)
        is_continued = bool(self.turns or self.run.parkings)
        budget_chars = self.limits.prompt_chars
        prompt, notice = await persist(
            prepare, self.run, budget_chars=budget_chars, is_continued=is_continued, inputs=inputs
        )
        if notice and not self.turns:
            await self.buffer.put(BackendEvent(EventType.STATUS, notice))
        return prompt

    async def work(self, prompt: str) -> None:
        """Do the run's work: call the agent, and again while people have written what it did not take."""
        await self.read(prompt)
        while self.dialogue.untaken:
            self.turns += 1
            self.earlier_usage = self.usage
            await self.read(await self.prepare())

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
        if self.pulse.stop_seen.is_set():
            return Outcome(Status.STOPPED)
        if not reader.done() and lease.done():
            logger.error("the lease could not be renewed for %s s; cancelling the agent", settings.LEASE_SECONDS)
            return DATABASE_LOST
        if not reader.done() and self.dialogue.park_due.is_set():
            return Outcome(Status.PARKED)
        if not reader.done():
            return failure(limit.result())
        error = reader.exception()
        return Outcome(Status.COMPLETED) if error is None else failure(error)

    async def read(self, prompt: str) -> None:
        """Call the agent with the prompt and process its output; retry temporary failures."""
        agent = agent_of(self.run)
        await self.refuse_if_only_others_can()
        registry.check_options(agent.backend, agent.backend_options)
        if self.has_capability("sessions"):
            self.earlier_session = await persist(earlier_conversation, self.run)
            await self.continue_with_follow_up()
        self.files = await persist(files_for, self.run)
        policy = CallRetryPolicy(settings.RETRIES, settings.RETRY_SECONDS)
        stream = call_with_retries(lambda: self.watch.listen(self.call(agent, prompt)), policy)
        try:
            async for item in stream:
                if isinstance(item, Usage):
                    self.count(item)
                    self.watch.check(self.usage)
                elif isinstance(item, Session):
                    await self.save_session(item)
                elif isinstance(item, Answer):
                    self.answer = self.storable_answer(item.text)
                else:
                    await self.record(item)
        finally:
            with suppress(RuntimeError):
                await stream.aclose()

    async def continue_with_follow_up(self) -> None:
        """Send only the follow-up, if this is the run's first call and continues an earlier conversation."""
        if not self.run.follow_up or not self.earlier_session[0] or self.session_id or self.turns:
            return
        if not (self.run.parkings and await persist(was_called, self.run)):
            text = await persist(follow_up_of, self.run, budget_chars=self.limits.prompt_chars)
            self.continuation = "\n\n".join(filter(None, [text, self.said]))

    async def refuse_if_only_others_can(self) -> None:
        """Raise BackendError if this machine lacks what the agent needs while workers of other machines are alive.

        With a single machine the backend's own error is enough: it needs no name of the host.
        """
        self.pulse.is_alone = not await persist(other_hosts)
        if self.pulse.is_alone:
            return
        if reason := await asyncio.to_thread(missing_requirement, self.run):
            raise BackendError(f"The host {settings.HOST_NAME} cannot run this agent. {reason}")

    def call(self, agent: Agent, prompt: str) -> AsyncGenerator[BackendItem, None]:
        """Call the agent once and return the stream of its items. Raises BackendError."""
        backend: Backend = registry.get(agent.backend)()
        backend.earlier_session, backend.earlier_state = self.earlier_session
        backend.continuation = self.continuation
        backend.replies, backend.messages = self.replies, self.written
        backend.dialogue = self.dialogue
        backend.files = self.files
        return backend.stream(prompt, agent.backend_options, workdir_of(self.run))

    def count(self, usage: Usage) -> None:
        """Record the usage of the agent's calls so far."""
        self.usage = self.earlier_usage + usage

    async def record(self, event: BackendEvent) -> None:
        """Add the agent's event to the buffer; wait while it is full."""
        if event.type == EventType.INPUT:  # only people write to agents
            event = replace(event, type=EventType.STATUS)
        self.dialogue.note_activity()
        self.tools.record(event)
        await self.buffer.put(event)

    def storable_answer(self, text: str) -> str:
        """Return the agent's answer as it is stored: without keys and passwords, and limited in length."""
        return storable(redact_secrets(text))[: self.limits.output_chars]

    async def save_session(self, session: Session) -> None:
        """Store the agent's conversation, so that a later call can continue it."""
        if await persist(save_session, self.run, session):
            self.session_id = session.id

    async def cancel(self, reader: asyncio.Task[None]) -> None:
        """Cancel the agent and wait until it has cleaned up."""
        if reader.done():
            return
        self.dialogue.is_ending = True
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

    async def show_usage(self) -> None:
        """Store new usage, at most once a second, and send it to those who watch the run."""
        if self.live_usage.is_due(self.usage) and (stored := await in_db(self.live_usage.store, self.usage)):
            await publish_usage(self.header, stored)

    async def end(self, outcome: Outcome) -> bool:
        """End or park the run; return False if its agent must be called again before that.

        That is so if a person wrote or answered in the last moment. A stop that was requested at the last moment
        takes precedence over the agent's own result.
        """
        usage = {} if self.usage == Usage() else asdict(self.usage)
        is_over = await persist(self.end_once, outcome, usage)
        self.turns += 1
        return is_over

    def write_result(self, run: Run) -> None:
        """Write a completed run's results beside its output, in the transaction that ends it."""

    def end_once(self, outcome: Outcome, usage: dict[str, Any]) -> bool:
        mine = Q(status=Status.RUNNING, claim_token=self.claim)
        if outcome.quota is not None and park_for_quota(self.run, outcome.quota, guard=mine, usage=usage):
            return True
        if outcome.status == Status.PARKED:
            is_over = park_for_question(self.run.pk, guard=mine, usage=usage)
        else:
            is_over = outcome.status != Status.STOPPED and finish(
                self.run.pk,
                outcome.status,
                guard=mine & Q(stop_requested_at__isnull=True) & self.has_heard_all(outcome),
                cause=outcome.cause,
                error=outcome.error,
                usage=usage,
                write=self.write_result,
                result=Result(self.answer, self.tools.refused),
            )
        if is_over:
            return True
        if outcome.status not in (Status.COMPLETED, Status.PARKED):
            return finish(self.run.pk, Status.STOPPED, guard=mine, usage=usage) or True
        requested = mine & Q(stop_requested_at__isnull=False)
        if finish(self.run.pk, Status.STOPPED, guard=requested, usage=usage):
            return True
        return not Run.objects.filter(mine, pk=self.run.pk).exists()

    def has_heard_all(self, outcome: Outcome) -> Q:
        """Return the condition that there is no message for the agent that it has not got."""
        if outcome.status != Status.COMPLETED or self.run.task_id is None or self.dialogue.is_closed:
            return Q()
        return ~Q(Exists(undelivered(OuterRef("pk"))))
