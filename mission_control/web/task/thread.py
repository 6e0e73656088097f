"""The thread of a task as its page shows it: a conversation of people with agents, with the runs folded into it.

Runs, their answers and their questions are shown from their own rows, so no text is stored twice: an answer is the
version of the task's document that the run wrote.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models.functions import Left, Length
from django.utils.safestring import SafeString

from mission_control.models import DeliverableVersion, Message, Question, Run, Task
from mission_control.models.attached_file import content_url
from mission_control.web.question.cards import QuestionCard
from mission_control.web.shared.markdown import all_rendered
from mission_control.web.task.rows import MessageRow, RunRow

ANSWER_CHARS = 2_000  # of an answer; the rest is in its document
SHOWN_QUESTIONS = 50
Delivery = Message.Delivery


@dataclass(slots=True)
class Answer:
    """The final answer of a completed run: a version of the task's document, or the start of a long one."""

    run: Run
    document_id: Any
    version: int
    html: SafeString
    is_cut: bool


@dataclass(slots=True)
class Entry:
    """One entry of the thread: a message, a folded run, a run's answer, or a question that has been closed."""

    at: datetime
    message: MessageRow | None = None
    row: RunRow | None = None
    answer: Answer | None = None
    card: QuestionCard | None = None
    rank: int = field(default=1)  # among entries of the same moment


def entries_of(
    task: Task, messages: Sequence[MessageRow], rows: Sequence[RunRow], *, is_cut: bool, with_answers: bool
) -> list[Entry]:
    """Return the entries of a task's thread, oldest first.

    `is_cut`: there are earlier messages, so runs from before the first shown one are left out. Two queries, none
    without runs.
    """
    since = messages[0].message.created_at if is_cut and messages else None
    runs = [row.run for row in rows if row.run.task_id == task.pk]
    found = [Entry(row.message.created_at, message=row, rank=0) for row in messages]
    found += [Entry(row.run.queued_at, row=row) for row in rows if since is None or row.run.queued_at >= since]
    if runs:
        found += _answers(task, runs, since) if with_answers else []
        found += _questions(runs, since)
    starts = _starts(messages)
    for entry in found:
        if entry.row and entry.row.run.pk in starts:  # a follow-up is written just after its run
            entry.at = max(entry.at, starts[entry.row.run.pk])
    return sorted(found, key=lambda entry: (entry.at, entry.rank))


def _starts(messages: Iterable[MessageRow]) -> dict[Any, datetime]:
    """Return when the follow-ups were written, by the ids of their runs."""
    sent = [row.message for row in messages if row.message.delivery == Delivery.FOLLOW_UP]
    return {message.run_id: message.created_at for message in sent}


def _answers(task: Task, runs: Sequence[Run], since: datetime | None) -> list[Entry]:
    ended = {run.pk: run for run in runs if run.finished_at and (since is None or run.finished_at >= since)}
    versions = DeliverableVersion.objects.filter(run__in=list(ended)).defer("content")
    cut = list(versions.annotate(start=Left("content", ANSWER_CHARS), size=Length("content")))
    files_url = content_url(task.project_id, task.pk)
    texts = all_rendered((vars(version)["start"] for version in cut), files_url=files_url)
    entries = []
    for version, html in zip(cut, texts, strict=True):
        assert version.run_id is not None, "the query filters for it"
        run = ended[version.run_id]
        is_cut = vars(version)["size"] > ANSWER_CHARS
        answer = Answer(run, version.deliverable_id, version.version, html, is_cut)
        entries.append(Entry(run.finished_at or version.created_at, answer=answer, rank=2))
    return entries


def _questions(runs: Sequence[Run], since: datetime | None) -> list[Entry]:
    """Return the questions that are closed; open ones are at the top of the page."""
    closed = Question.objects.filter(run__in=runs).exclude(status=Question.Status.OPEN)
    newest = (
        closed.select_related("run", "answered_by").defer("run__output", "run__prompt").order_by("-created_at")
    )
    return [
        Entry(question.created_at, card=QuestionCard(question))
        for question in newest[:SHOWN_QUESTIONS]
        if since is None or question.created_at >= since
    ]
