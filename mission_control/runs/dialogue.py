"""The dialogue between a run's agent and people: questions, approvals of tool calls, and messages.

A question is a row that people answer; the run's pulse notices the answer. While nobody answers, the run keeps its
slot for a while and is then parked, if its backend can continue the conversation later. What people say to the
agent becomes an event of type `input` in the run's log, and is marked as delivered in the same transaction.
"""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from django.conf import settings
from django.db.models import Q

from agents.backends import base
from agents.backends.base import BackendEvent, EventType, PersonMessage, Reply
from mission_control.models import Question, Run
from mission_control.runs import questions
from mission_control.runs.async_database import in_db, persist
from mission_control.runs.buffer import EventBuffer
from mission_control.runs.inputs import (
    Input,
    decision_of,
    input_of_message,
    input_of_question,
    pending_inputs,
    undelivered,
)
from mission_control.runs.limits import LimitWatch

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
        self._waiting: dict[uuid.UUID, asyncio.Future[Reply]] = {}
        self._logged: set[uuid.UUID] = set()  # messages and questions that are in the log or in the buffer
        self._unread: list[Question] = []  # answered, but the agent may not have got the answer yet
        self._one_reader = asyncio.Lock()

    # ------------------------------------------------------------ what backends call
    async def ask(self, question: base.Question) -> Reply:
        """Return the stored answer if there is one, otherwise ask people and wait."""
        given = replace(question, key=question.key or uuid.uuid4().hex)
        stored = await persist(self._stored, given, uuid.uuid4())
        if isinstance(stored, Reply):
            return stored
        if stored.pk not in self._waiting:
            self._waiting[stored.pk] = asyncio.get_running_loop().create_future()
            self.note_activity()
            metadata = {"phase": "asked", "question_id": str(stored.pk)}
            await self.buffer.put(BackendEvent(EventType.STATUS, f"Asks: {stored.text}", metadata))
        with self.watch.waiting_for_people():
            return await asyncio.shield(self._waiting[stored.pk])

    async def next_message(self) -> PersonMessage:
        """Wait for the next message, and return it; it is in the log by then, or will be before the run ends."""
        while not self.untaken:
            await self.message_seen.wait()
            await self._fetch_messages()
        said = self.untaken.popleft()
        return PersonMessage(str(said.message_id), said.sender, said.text)

    # ------------------------------------------------------------ what the pulse calls
    @property
    def waiting_for(self) -> list[uuid.UUID]:
        """The questions that the agent waits for."""
        return [key for key, future in self._waiting.items() if not future.done()]

    async def take_replies(self) -> None:
        """Hand the answers that people have given to the agent."""
        for row in await in_db(_answered, self.waiting_for):
            await self._log(input_of_question(row))
            self.note_activity()
            if not (future := self._waiting[row.pk]).done():
                future.set_result(_reply(row))

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
        self.park_due.clear()
        self.note_activity()

    async def collect(self, *, is_first: bool) -> list[Input]:
        """Log what people said that is not in the log yet; return everything that the agent has not reacted to."""
        is_new = is_first and not self.run.parkings
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
        return inputs

    # ------------------------------------------------------------ in the database, and the log
    def _stored(self, question: base.Question, pk: uuid.UUID) -> Reply | Question:
        """Return the answer that people have given already, or the open question, which is created if needed."""
        for row in Question.objects.filter(run=self.run).exclude(status=Status.CANCELLED):
            if row.key == question.key:
                return row if row.status == Status.OPEN else _reply(row)
            if question.tool and _allows_for_run(row, question.tool):
                return Reply(is_allowed=True)
        if question.tool and (same := self._unread_call(question.tool)):
            return _reply(same)
        mine = Q(status=Run.Status.RUNNING, claim_token=self.run.claim_token)
        return questions.create(self.run, question, guard=mine, pk=pk)

    def _unread_call(self, tool: base.ToolRequest) -> Question | None:
        """Return the decision on the same tool call, if the agent could not act on it yet; each is used once."""
        call = {"name": tool.name, "input": questions.stored_input(tool.input)}
        for row in self._unread:
            if row.tool == call:
                self._unread.remove(row)
                return row
        return None

    async def _fetch_messages(self) -> None:
        async with self._one_reader:
            self.message_seen.clear()
            for said in await persist(_new_messages, self.run.pk):
                if said.message_id not in self._logged:
                    await self._log(said)
                    self.untaken.append(said)

    async def _log(self, said: Input) -> None:
        """Put what a person said into the log, once; the writer marks it as delivered."""
        if said.key in self._logged:
            return
        await self.buffer.put(BackendEvent(EventType.INPUT, said.text, said.metadata))
        self._logged.add(said.key)


def _answered(keys: list[uuid.UUID]) -> list[Question]:
    """Return those of the questions that have an answer. One without an answer has ended with its run."""
    rows = Question.objects.filter(pk__in=keys, answer__isnull=False).exclude(status=Status.OPEN)
    return list(rows.select_related("answered_by").order_by("answered_at", "created_at"))


def _reply(row: Question) -> Reply:
    return questions.reply_of(row) or Reply(reason="Nobody answered")


def _new_messages(run_id: uuid.UUID) -> list[Input]:
    rows = undelivered(run_id).select_related("author").order_by("created_at", "id")
    return [input_of_message(row) for row in rows]


def _allows_for_run(row: Question, tool: base.ToolRequest) -> bool:
    return row.tool is not None and decision_of(row) == "allow_for_run" and bool(row.tool["name"] == tool.name)
