"""What people said to the agent of a run: messages, answers, decisions on tool calls. As events, and as prompts.

An input counts as read once the agent has sent output after it. Until then it is sent again with each call.
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mission_control.models import Message, Question, Run, RunEvent
from mission_control.text import as_uuid

SHOWN_CHARS = 2_000  # of a question, and of a tool's input, in a prompt
MOST_INPUTS = 50  # in a prompt
OUTPUT = (RunEvent.Type.MESSAGE, RunEvent.Type.THINKING, RunEvent.Type.TOOL_USE, RunEvent.Type.TOOL_RESULT)
DECISIONS = {"allow": "Allowed", "allow_for_run": "Allowed for this run", "deny": "Denied"}


@dataclass(frozen=True, slots=True)
class Input:
    """A message from a person or, with a `question`, the answer to it."""

    text: str
    sender: str
    message_id: uuid.UUID | None = None
    question: Question | None = None
    is_logged: bool = False
    files: Sequence[Path] = ()  # attached to the message, in the working folder

    @property
    def key(self) -> uuid.UUID:
        """Return the id of the message or question."""
        key = self.message_id if self.question is None else self.question.pk
        assert key is not None, "it is one of them"
        return key

    @property
    def metadata(self) -> dict[str, Any]:
        """Return the metadata of its event."""
        if self.question is not None:
            return {"question_id": str(self.question.pk), "sender": self.sender}
        return {"message_id": str(self.message_id), "sender": self.sender}

    def for_agent(self) -> str:
        """Return it in plain words, for an agent whose conversation continues."""
        if self.question is None:
            return f"{self.sender or 'A person'} wrote:\n\n{self.text}"
        if self.question.tool is not None:
            given = json.dumps(self.question.tool["input"], ensure_ascii=False)
            call = f"You asked to use the tool {self.question.tool['name']} with this input: {_short(given)}"
            return f"{call}\n\n{self.text}"
        by = self.sender or ("Nobody answered in time; the default" if self.is_default else "The answer")
        return f"You asked: {_short(self.question.text)}\n\n{by}: {self.text}"

    @property
    def is_default(self) -> bool:
        return self.question is not None and self.question.status == Question.Status.EXPIRED


def continuation_of(inputs: Iterable[Input]) -> str:
    """Return what an agent gets whose conversation continues."""
    return "\n\n".join(said.for_agent() for said in inputs)


def decision_of(question: Question) -> str:
    """Return the decision on a tool call; empty if there is none."""
    return str(question.answer.get("decision", "")) if isinstance(question.answer, dict) else ""


def input_of_message(message: Message, *, is_logged: bool = False) -> Input:
    """Return a message as the agent gets it."""
    sender = message.author.get_username() if message.author else ""
    return Input(message.content, sender, message_id=message.pk, is_logged=is_logged)


def input_of_question(question: Question, *, is_logged: bool = False) -> Input:
    """Return the answer to a question: in words, the label of the chosen option, or the decision."""
    given = question.answer if isinstance(question.answer, dict) else {}
    text: str
    if decision := decision_of(question):
        reason = given.get("reason", "")
        text = f"{DECISIONS.get(decision, decision)}: {reason}" if reason else DECISIONS.get(decision, decision)
    elif "choice" in given:
        labels = {option["id"]: option["label"] for option in question.options}
        text = str(labels.get(given["choice"], given["choice"]))
    else:
        text = given.get("text", "")
    sender = question.answered_by.get_username() if question.answered_by else ""
    return Input(text, sender, question=question, is_logged=is_logged)


def undelivered(run_id: Any) -> Any:
    """Return the query of the messages to a run that its agent has not got. `run_id` may be an OuterRef."""
    return Message.objects.filter(run=run_id, delivered_at=None).exclude(delivery="")


def pending_inputs(run: Run, *, is_new: bool) -> list[Input]:
    """Return what people said that the agent has not got or has not reacted to, in its order.

    `is_new`: the agent has not been called yet.
    """
    logged = [] if is_new else list(_unread(run))
    answered = Question.objects.filter(run=run, delivered_at=None, answer__isnull=False)
    new: list[tuple[datetime, Input]] = [
        (question.answered_at or question.created_at, input_of_question(question))
        for question in answered.select_related("answered_by")
    ]
    messages = undelivered(run.pk).select_related("author")
    new += [(message.created_at, input_of_message(message)) for message in messages]
    return logged + [said for _, said in sorted(new, key=lambda timed: timed[0])]


def was_called(run: Run) -> bool:
    """Return whether the run's agent has begun its work: a run may be parked before that."""
    return bool(run.session_id) or RunEvent.objects.filter(run=run, type__in=OUTPUT).exists()


def _unread(run: Run) -> Iterable[Input]:
    output = RunEvent.objects.filter(run=run, type__in=OUTPUT).order_by("-seq").values_list("seq", flat=True)
    return _logged(run, after=output.first() or 0)


def all_inputs(run: Run) -> list[Input]:
    """Return everything that people said to the agent, as far as it is in the log, oldest first."""
    return list(_logged(run, after=0))[-MOST_INPUTS:]


def _logged(run: Run, *, after: int) -> Iterable[Input]:
    events = RunEvent.objects.filter(run=run, type=RunEvent.Type.INPUT, seq__gt=after).order_by("seq")
    found = list(events.values_list("metadata", flat=True))
    questions = _by_id(Question.objects.select_related("answered_by"), found, "question_id")
    messages = _by_id(Message.objects.select_related("author"), found, "message_id")
    for metadata in found:
        if question := questions.get(as_uuid(metadata.get("question_id"))):
            yield input_of_question(question, is_logged=True)
        elif message := messages.get(as_uuid(metadata.get("message_id"))):
            yield input_of_message(message, is_logged=True)


def _by_id(rows: Any, metadata: list[dict[str, Any]], name: str) -> dict[Any, Any]:
    keys = [key for entry in metadata if (key := as_uuid(entry.get(name)))]
    return {row.pk: row for row in rows.filter(pk__in=keys)} if keys else {}


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]} …"
