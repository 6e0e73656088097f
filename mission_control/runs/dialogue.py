"""The dialogue between a run's agent and people: questions, approvals of tool calls, and messages.

A question is a row that people answer; the run's pulse notices the answer. While nobody answers, the run keeps its
slot for a while and is then parked, if its backend can continue the conversation later. What people say to the
agent becomes an event of type `input` in the run's log, and is marked as delivered in the same transaction.
"""

import asyncio
import hashlib
import json
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from django.conf import settings
from django.db.models import Q

from agents.backends import approvals, base
from agents.backends.base import BackendEvent, EventType, PersonMessage, Reply
from mission_control.models import Question, Run
from mission_control.runs import questions
from mission_control.runs.async_database import in_db, persist
from mission_control.runs.attached_files import files_of_message, folder_of
from mission_control.runs.buffer import EventBuffer
from mission_control.runs.inputs import (
    Input,
    decision_of,
    input_of_message,
    input_of_question,
    pending_inputs,
    undelivered,
    was_called,
)
from mission_control.runs.limits import LimitWatch
from mission_control.text import storable

OWN_KEY_CHARS = 120

Status = Question.Status


class RunDialogue(base.Dialogue):
    """The dialogue of a claimed run, for all calls of its agent. `buffer` takes the output of the current ones."""

    buffer: EventBuffer

    def __init__(self, run: Run, watch: LimitWatch, *, can_park: Callable[[], bool]) -> None:
        self.run, self.watch, self.can_park = run, watch, can_park
        self.message_seen = asyncio.Event()  # there are messages that the agent has not got
        self.park_due = asyncio.Event()  # nobody has answered for the hold time
        self.untaken: deque[Input] = deque()  # messages that are in the log, but that the agent did not take
        self.is_closed = False  # the run ends although there is a message that cannot be delivered
        self._active_at = time.monotonic()  # when the agent or a person last said something
        self.is_ending = False  # the call of the agent is being cancelled
        self._waiting: dict[uuid.UUID, asyncio.Future[Reply]] = {}
        self._withdrawn: set[uuid.UUID] = set()
        self._logged: set[uuid.UUID] = set()  # messages and questions that are in the log or in the buffer
        self._unread: list[Question] = []  # answered, but the agent may not have got the answer yet
        self._one_reader = asyncio.Lock()

    # ------------------------------------------------------------ what backends call
    async def ask(self, question: base.Question) -> Reply:
        """Return the stored answer if there is one, otherwise ask people and wait."""
        given = replace(question, key=_key_of(question))
        stored = await persist(self._stored, given, uuid.uuid4())
        if isinstance(stored, Reply):
            return stored
        if stored.pk not in self._waiting:
            self._waiting[stored.pk] = asyncio.get_running_loop().create_future()
            self.note_activity()
            metadata = {"phase": "asked", "question_id": str(stored.pk)}
            await self.buffer.put(BackendEvent(EventType.STATUS, f"Asks: {stored.text}", metadata))
        self._withdrawn.discard(stored.pk)
        try:
            with self.watch.waiting_for_people():
                return await asyncio.shield(self._waiting[stored.pk])
        except asyncio.CancelledError:
            if not self.is_ending:  # the agent itself does not want the answer any more
                self._withdrawn.add(stored.pk)
            raise

    async def next_message(self) -> PersonMessage:
        """Wait for the next message, and return it; it is in the log by then, or will be before the run ends."""
        while not self.untaken:
            await self.message_seen.wait()
            await self._fetch_messages()
        said = self.untaken.popleft()
        return PersonMessage(str(said.message_id), said.sender, said.text, said.files)

    # ------------------------------------------------------------ what the pulse calls
    @property
    def waiting_for(self) -> list[uuid.UUID]:
        """The questions that the agent waits for."""
        waiting = self._waiting.items()
        return [key for key, future in waiting if not future.done() and key not in self._withdrawn]

    async def take_replies(self) -> None:
        """Hand the answers that people have given to the agent."""
        for row in await in_db(_answered, self.waiting_for):
            await self._log(input_of_question(row))
            self.note_activity()
            if not (future := self._waiting[row.pk]).done():
                future.set_result(_reply(row))

    async def withdraw(self) -> None:
        """Cancel the questions whose answers the agent does not want any more."""
        while self._withdrawn:
            key = self._withdrawn.pop()
            self._waiting.pop(key, None)
            await in_db(questions.withdraw, key)

    def check_patience(self) -> None:
        """Notice that nobody has answered for the hold time, while the agent did nothing else."""
        held_seconds = time.monotonic() - self._active_at
        if held_seconds >= settings.QUESTION_HOLD_SECONDS and self.waiting_for and self.can_park():
            self.park_due.set()

    # ------------------------------------------------------------ what the execution calls
    def note_activity(self) -> None:
        self._active_at = time.monotonic()

    def begin_turn(self, buffer: EventBuffer) -> None:
        """Get ready for the next call of the agent; nothing of the last one waits any more."""
        self.buffer = buffer
        self._waiting = {}
        self._withdrawn = set()
        self.is_ending = False
        self.park_due.clear()
        self.note_activity()

    async def collect(self, *, is_first: bool, takes_messages: bool) -> list[Input]:
        """Log what people said that is not in the log yet; return everything that the agent has not reacted to.

        An agent that takes messages while it works gets those that came before its first call like any other.
        """
        is_new = is_first and not (self.run.parkings and await persist(was_called, self.run))
        if is_new and not vars(self.run).get("has_input", True):  # the usual case, without a query
            return []
        known = list(self.untaken)
        self.untaken.clear()
        taken = {said.message_id for said in known}
        found = await persist(pending_inputs, self.run, is_new=is_new)
        inputs = known + [said for said in found if said.message_id is None or said.message_id not in taken]
        for said in inputs:
            if not said.is_logged:
                await self._log(said)
        self._unread = [said.question for said in inputs if said.question is not None]
        self.is_closed = not is_first and not inputs
        if is_first and takes_messages:
            self.untaken.extend(said for said in inputs if said.question is None)
            return [said for said in inputs if said.question is not None]
        return inputs

    # ------------------------------------------------------------ in the database, and the log
    def _stored(self, question: base.Question, pk: uuid.UUID) -> Reply | Question:
        """Return the answer that people have given already, or the open question, which is created if needed."""
        for row in Question.objects.filter(run=self.run).exclude(status=Status.CANCELLED):
            if row.key == question.key:
                return row if row.status == Status.OPEN else _reply(row)
            if question.tool and self._allows_for_run(row, question.tool):
                return Reply(is_allowed=True)
        if question.tool and (same := self._unread_decision(question.tool)):
            return _reply(same)
        mine = Q(status=Run.Status.RUNNING, claim_token=self.run.claim_token)
        return questions.create(self.run, question, guard=mine, pk=pk)

    def _allows_for_run(self, row: Question, tool: base.ToolRequest) -> bool:
        """Return whether a person allowed such calls for the whole run with this decision."""
        if row.tool is None or decision_of(row) != "allow_for_run":
            return False
        if _is_about(row, tool):
            return True
        rule = approvals.rule_for(row.tool["name"], row.tool["input"])
        workdir = folder_of(self.run.project, self.run.task_id or self.run.pk)
        return bool(rule) and approvals.matches(rule, tool.name, tool.input, workdir=workdir)

    def _unread_decision(self, tool: base.ToolRequest) -> Question | None:
        """Return the decision on the same tool call, if the agent could not act on it yet; each is used once."""
        for row in self._unread:
            if _is_about(row, tool):
                self._unread.remove(row)
                return row
        return None

    async def _fetch_messages(self) -> None:
        async with self._one_reader:
            self.message_seen.clear()
            for said in await persist(_new_messages, self.run):
                if said.message_id not in self._logged:
                    await self._log(said)
                    self.untaken.append(said)

    async def _log(self, said: Input) -> None:
        """Put what a person said into the log, once; the writer marks it as delivered."""
        if said.key in self._logged:
            return
        await self.buffer.put(BackendEvent(EventType.INPUT, said.text, said.metadata))
        self._logged.add(said.key)


def _key_of(question: base.Question) -> str:
    """Return the key of a question as it is stored. That of a tool call ends with the digest of the call.

    The stored input is no proof of a call, because secrets are removed from it, and long texts are cut.
    """
    own = question.key or uuid.uuid4().hex
    if len(own) > OWN_KEY_CHARS:
        own = hashlib.sha256(own.encode(errors="replace")).hexdigest()
    return f"{own}#{_digest_of(question.tool)}" if question.tool else own


def _is_about(row: Question, tool: base.ToolRequest) -> bool:
    """Return whether the question is about exactly this tool call."""
    return row.tool is not None and row.key.endswith(f"#{_digest_of(tool)}")


def _digest_of(tool: base.ToolRequest) -> str:
    call = json.dumps([tool.name, storable(dict(tool.input))], sort_keys=True)
    return hashlib.sha256(call.encode()).hexdigest()


def _answered(keys: list[uuid.UUID]) -> list[Question]:
    """Return those of the questions that have an answer. One without an answer has ended with its run."""
    rows = Question.objects.filter(pk__in=keys, answer__isnull=False).exclude(status=Status.OPEN)
    return list(rows.select_related("answered_by").order_by("answered_at", "created_at"))


def _reply(row: Question) -> Reply:
    return questions.reply_of(row) or Reply(reason="Nobody answered")


def _new_messages(run: Run) -> list[Input]:
    rows = undelivered(run.pk).select_related("author").order_by("created_at", "id")
    return [replace(input_of_message(row), files=files_of_message(run, row)) for row in rows]


def replies_among(inputs: Iterable[Input]) -> dict[str, Reply]:
    """Return the answers to questions among what people said, by the question's key."""
    return {said.question.key: _reply(said.question) for said in inputs if said.question is not None}
