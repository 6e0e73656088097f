"""One run in a worker, from its claim to its end.

One event loop for the whole run. A reader puts what the agent says into a buffer, a writer stores it in
batches, a pulse shows that the worker lives and sees a stop. Only then is the run ended, by `finish`.
"""

import asyncio
import logging
import os
import time
import traceback
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, IntegrityError, close_old_connections
from django.db.models import Q
from django.utils import timezone

from agents.backends import registry
from agents.backends.base import Backend, BackendError, BackendEvent, Usage
from agents.models import Agent
from agents.redaction import redact
from mission_control.broadcast import publish_events
from mission_control.frames import RunHeader
from mission_control.logs import current_run
from mission_control.models import Deliverable, Review, Run, RunEvent, Task
from mission_control.runs import events
from mission_control.runs.buffer import EventBuffer, OutputTooLong
from mission_control.runs.errors import ClaimLost
from mission_control.runs.lifecycle import claim, finish
from mission_control.runs.prompts import Brief, Source, build_prompt
from mission_control.runs.workers import current_worker, is_closing

FLUSH_SECONDS = 0.05
PULSE_SECONDS = 0.25
RENEW_SECONDS = 2.0
STORE_PATIENCE_SECONDS = 60.0  # how long a batch is offered to a database that does not answer
CANCEL_PATIENCE_SECONDS = 10.0  # an agent that ignores its cancellation so long is ended with its process

logger = logging.getLogger(__name__)
Status = Run.Status
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ends: completed, error or stopped; the error for people, where there is one."""

    status: str
    error: str = ""


def execute(run_id: uuid.UUID, execution_of: "Callable[[Run], Execution] | None" = None) -> None:
    """Claim the run and carry it out; return when it has ended, or at once when it is not to be claimed.

    `execution_of` says how to carry out a run that is none of a task.
    Raises nothing: an exception that left the job would kill the worker, and a job that failed comes back.
    """
    token = current_run.set(str(run_id))
    try:
        asyncio.run(_execute(run_id, execution_of or Execution))
    except (Exception, SystemExit, asyncio.CancelledError):  # noqa: BLE001 - see above
        logger.error("the run broke off, the reaper ends it: %s", redact(traceback.format_exc()))
    finally:
        current_run.reset(token)


async def _execute(run_id: uuid.UUID, execution_of: "Callable[[Run], Execution]") -> None:
    if is_closing():
        logger.info("not claimed: this worker is shutting down; the run stays queued")
        return
    await in_db(close_old_connections)
    run = await persist(claim, run_id, worker=current_worker(), token=uuid.uuid4())
    if run is None:
        logger.info("not claimed: it is not queued any more")
        return
    execution = execution_of(run)
    outcome: Outcome | None = Outcome(Status.ERROR, "The worker broke off")
    try:
        outcome = await execution.carry_out()
    except ClaimLost:
        logger.warning("the claim is lost; leaving the run to whoever ended it")
        outcome = None
    except Exception as error:  # noqa: BLE001 - whatever it is, the run ends and says so
        outcome = failure(error)
    finally:
        if outcome is not None:
            await execution.end(outcome)
    if execution.agent_still_works:
        logger.critical("the agent ignores its cancellation; this worker process ends with it")
        logging.shutdown()
        os._exit(1)


def failure(error: BaseException) -> Outcome:
    """Return the outcome of a failure: its own words where they are for people, else that it was unexpected."""
    if isinstance(error, BackendError | OutputTooLong):
        return Outcome(Status.ERROR, str(error) or "The agent failed without saying why")
    logger.error("unexpected failure: %s", redact("".join(traceback.format_exception(error))))
    return Outcome(Status.ERROR, f"Unexpected failure: {type(error).__name__}: {error}")


class Execution:
    """A claimed run while it is carried out."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.header = RunHeader.of(run)
        assert run.claim_token is not None, "only a claimed run is carried out"
        self.claim = run.claim_token
        self.seq = run.last_seq
        self.buffer = EventBuffer(max_output_chars=settings.MAX_OUTPUT_CHARS)
        self.usage = Usage()
        self.stop_seen = asyncio.Event()
        self.agent_still_works = False

    async def carry_out(self) -> Outcome:
        """Run the agent until it is done, fails, is stopped, or runs out of time. Raises ClaimLost."""
        prompt = await self.prepare()
        writer = asyncio.create_task(self.write())
        pulse = asyncio.create_task(self.pulse())
        reader = asyncio.create_task(self.work(prompt))
        stop = asyncio.create_task(self.stop_seen.wait())
        try:
            await asyncio.wait(
                {reader, stop, writer, pulse},
                timeout=settings.RUN_TIMEOUT_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
            return await self.outcome_of(reader, writer, pulse)
        finally:
            await self.cancel(reader)
            self.buffer.close()
            stop.cancel()
            try:
                await writer  # never cancelled in mid-write; what is buffered at a stop is stored
            finally:
                pulse.cancel()
                with suppress(asyncio.CancelledError, ClaimLost):
                    await pulse

    async def prepare(self) -> str:
        """Return the prompt to begin with, kept on the run. Raises BackendError."""
        return await persist(prepare, self.run)

    async def work(self, prompt: str) -> None:
        """Do what the run is for: one call of the agent."""
        await self.read(prompt)

    async def outcome_of(
        self, reader: asyncio.Task[None], writer: asyncio.Task[None], pulse: asyncio.Task[None]
    ) -> Outcome:
        for inner in (writer, pulse):
            if inner.done() and (broken := inner.exception()):
                raise broken
        if self.stop_seen.is_set():
            return Outcome(Status.STOPPED)
        if not reader.done():
            return Outcome(Status.ERROR, f"Ran longer than the limit of {settings.RUN_TIMEOUT_SECONDS} seconds")
        error = reader.exception()
        return Outcome(Status.COMPLETED) if error is None else failure(error)

    async def read(self, prompt: str) -> None:
        """Call the agent with the prompt and hear it out."""
        agent = agent_of(self.run)
        name, options = agent.backend, agent.backend_options
        backend: Backend = registry.get(name)()
        registry.check_options(name, options)
        stream = backend.stream(prompt, options, workdir_of(self.run))
        try:
            async for item in stream:
                if isinstance(item, Usage):
                    self.count(item)
                else:
                    await self.hear(item)
        finally:
            with suppress(RuntimeError):
                await stream.aclose()

    def count(self, usage: Usage) -> None:
        """Note what the call of the agent has consumed so far."""
        self.usage = usage

    async def hear(self, event: BackendEvent) -> None:
        """Put what the agent says into the buffer, held back while it is full."""
        await self.buffer.put(event)

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
        """Store what is buffered, the first at once, then in batches, until the buffer is closed and empty."""
        while await self.buffer.filled():
            if drafts := self.buffer.take():  # none when all of it may be the beginning of a secret
                stored = await self.store(drafts)
                self.seq += len(stored)
                await publish_events(self.header, stored)
            await self.buffer.gather(FLUSH_SECONDS)

    async def store(self, drafts: list[events.Draft]) -> list[RunEvent]:
        """Store a batch behind what is stored. Raises ClaimLost, DatabaseError."""
        return await persist(events.append, self.run.pk, self.claim, drafts, after=self.seq)

    async def pulse(self) -> None:
        """Renew the lease, and see a stop within a quarter of a second. Raises ClaimLost."""
        renewed, answers = time.monotonic(), True
        while True:
            await asyncio.sleep(PULSE_SECONDS)
            try:
                if time.monotonic() - renewed >= RENEW_SECONDS:
                    await in_db(self.renew)
                    renewed = time.monotonic()
                if await in_db(self.is_stopped):
                    self.stop_seen.set()
                answers = True
            except DatabaseError as error:
                if answers:
                    logger.warning("the database does not answer the pulse (%s)", type(error).__name__)
                answers = False
                await in_db(close_old_connections)

    def renew(self) -> None:
        Run.objects.filter(pk=self.run.pk, claim_token=self.claim, status=Status.RUNNING).update(
            lease_renewed_at=timezone.now()
        )

    def is_stopped(self) -> bool:
        mine = Run.objects.filter(pk=self.run.pk, claim_token=self.claim, status=Status.RUNNING)
        row = mine.values_list("stop_requested_at", flat=True).first()
        if row is None and not mine.exists():
            raise ClaimLost
        return row is not None

    async def end(self, outcome: Outcome) -> None:
        """End the run. A stop that was asked for in the last moment wins over what the agent made of it."""
        usage = {} if self.usage == Usage() else asdict(self.usage)
        await persist(self.end_once, outcome, usage)

    def write_result(self, run: Run) -> None:
        """Write what the completed run leaves beside its output, in the transaction that ends it."""

    def end_once(self, outcome: Outcome, usage: dict[str, Any]) -> None:
        mine = Q(status=Status.RUNNING, claim_token=self.claim)
        unstopped = mine & Q(stop_requested_at__isnull=True)
        if outcome.status != Status.STOPPED and finish(
            self.run.pk, outcome.status, guard=unstopped, error=outcome.error, usage=usage, write=self.write_result
        ):
            return
        reason = Run.objects.filter(pk=self.run.pk).values_list("stop_reason", flat=True).first()
        finish(self.run.pk, Status.STOPPED, guard=mine, error=reason or "", usage=usage)


def workdir_of(run: Run) -> Path:
    """Return the folder that the run's agent works in, made if need be."""
    scratch = settings.DATA_DIR / "scratch" / str(run.task_id or run.pk)
    folder: Path = run.project.folder if run.project else scratch
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def prepare(run: Run) -> str:
    """Build the run's prompt and keep it on the run. Makes the working folder. Raises BackendError."""
    prompt = events.storable(build_prompt(brief_of(run), budget_chars=settings.PROMPT_BUDGET_CHARS))
    Run.objects.filter(pk=run.pk, claim_token=run.claim_token).update(prompt=prompt)
    return prompt


def agent_of(run: Run) -> Agent:
    """Return the run's agent. Raises BackendError when it was deleted meanwhile."""
    if run.agent is None:
        raise BackendError("The agent of this run was deleted")
    return run.agent


def brief_of(run: Run) -> Brief:
    """Gather what the prompt is made of: four queries. Raises BackendError."""
    agent, task, project = agent_of(run), run.task, run.project
    assert task is not None, "the database holds a run to its task"
    prd = project.prd_document if project else None
    return Brief(
        agent_name=agent.name,
        agent_role=agent.role,
        agent_description=agent.description,
        agent_specialties=[str(specialty) for specialty in agent.specialties],
        project_title=project.title if project else "",
        project_folder=str(workdir_of(run)),
        requirements=Source("requirements", prd.title, prd.content) if prd else None,
        upstream=upstream_of(task),
        feedback=feedback_on(task),
        task_title=task.title,
        task_description=task.description,
        task_priority=task.priority,
    )


def upstream_of(task: Task) -> list[Source]:
    """Return what the finished tasks that this one waited for handed in, oldest task first."""
    documents = Deliverable.objects.filter(
        task__in=task.blocked_by.filter(status=Task.Status.DONE), type=Deliverable.Type.DELIVERABLE
    )
    oldest_first = documents.order_by("task__created_at", "created_at", "id")
    return [
        Source("deliverable", title, content)
        for title, content in oldest_first.values_list("task__title", "content")
    ]


def feedback_on(task: Task) -> list[str]:
    """Return what the reviews of the task asked for, newest last."""
    asked = Review.objects.filter(task=task, status=Review.Status.CHANGES_REQUESTED)
    return list(asked.order_by("round", "decided_at").values_list("feedback", flat=True))


async def in_db(function: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs) -> Answer:
    """Call synchronous database code in the process's one database thread, which keeps its connection."""
    call = sync_to_async(function, thread_sensitive=False, executor=_database_thread(os.getpid()))
    return await call(*args, **kwargs)


@cache
def _database_thread(_pid: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")  # one a process: none survives a fork


async def persist(function: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs) -> Answer:
    """Call a database verb, again and again for a minute while the database does not answer.

    The verb must bear being called again after a commit whose answer was lost.
    """
    deadline = time.monotonic() + STORE_PATIENCE_SECONDS
    while True:
        try:
            return await in_db(function, *args, **kwargs)
        except IntegrityError:
            raise
        except DatabaseError as error:
            if time.monotonic() > deadline:
                raise
            logger.warning("the database does not take it (%s); trying again", type(error).__name__)
            await in_db(close_old_connections)
            await asyncio.sleep(0.5)
