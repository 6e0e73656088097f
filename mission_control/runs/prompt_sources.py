"""Read a task's thread and attached documents, as material for the next prompt."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models.functions import Left

from mission_control.formatting import utc_time
from mission_control.models import Deliverable, Message, Run, Task
from mission_control.runs.attached_files import AttachedSources, attached_sources, last_start, paths_by_id
from mission_control.runs.prompt_sections import Source
from mission_control.text import as_uuid

MAX_MESSAGES = 1_000  # read for one prompt
MAX_DOCUMENTS = 100
ROWS_AT_ONCE = 20
MESSAGE, NEW_MESSAGE = "message", "new message"  # new: since the last completed attempt began
OUTPUT_CHARS = 20_000  # of the end of an attempt's output


@dataclass
class Correspondence:
    """Messages and documents, oldest first, and the number of older ones that were not read."""

    thread: list[Source] = field(default_factory=list)
    older_messages: int = 0
    documents: list[Source] = field(default_factory=list)
    older_documents: int = 0
    files: AttachedSources = field(default_factory=AttachedSources)
    earlier_answer: Source | None = None
    earlier_output: Source | None = None
    follow_up: str = ""  # with the paths of the files attached to it
    follow_up_documents: list[Source] = field(default_factory=list)
    unsent: list[Source] = field(default_factory=list)  # messages that the agent's conversation does not contain


def correspondence_of(run: Run, task: Task, feedback: list[str], *, budget_chars: int) -> Correspondence:
    """Return the newest messages and attached documents of the task, as many as fit into the budget.

    Messages that repeat the `feedback` of reviews are left out: it has its own section in the prompt. The task's
    last deliverable is included if there is feedback on it, a message since that attempt started, or a follow-up.
    The message of the run's own follow-up is left out of the thread for the same reason.
    """
    found = Correspondence()
    since = last_start(task)
    attached = _read_thread(found, run, task, since, set(feedback), budget_chars)
    _read_documents(found, run, task, attached, budget_chars)
    found.files = attached_sources(run, task)
    if feedback or run.follow_up or any(source.kind == NEW_MESSAGE for source in found.thread):
        found.earlier_answer = _earlier_answer(task)
    if run.follow_up:
        found.earlier_output = _earlier_output(run)
        _read_follow_up(found, run, task, budget_chars)
    return found


def _read_thread(
    found: Correspondence,
    run: Run,
    task: Task,
    since: datetime | None,
    feedback: set[str],
    budget_chars: int,
) -> list[uuid.UUID]:
    """Read the newest messages; return the ids of the documents attached to them, newest first."""
    messages = Message.objects.filter(task=task).select_related("from_agent", "author")
    known_until = _last_conversation(run) if run.follow_up else None
    left, read, attached = budget_chars, 0, list[uuid.UUID]()
    paths = dict[str, str]()
    for message in messages.order_by("-created_at", "-id")[:MAX_MESSAGES].iterator(ROWS_AT_ONCE):
        if left <= 0:
            break
        read += 1
        attached += [key for given in message.attachment_ids if (key := as_uuid(given))]
        if message.content not in feedback and not _is_follow_up_of(run, message):
            if message.attachment_ids and not paths:
                paths = paths_by_id(run, task)
            text = _with_files(message, paths)
            is_new = since is not None and message.created_at > since
            source = Source(NEW_MESSAGE if is_new else MESSAGE, _headline(message), text)
            found.thread.insert(0, source)
            if known_until and _is_unknown(message, run, known_until):
                found.unsent.insert(0, source)
            left -= len(text)
    found.older_messages = messages.count() - read
    return attached


def _with_files(message: Message, paths: Mapping[str, str]) -> str:
    """Return the text of a message, with the paths of the files attached to it."""
    names = [paths[key] for key in map(str, message.attachment_ids) if key in paths]
    return f"{message.content}\n[Attached: {', '.join(names)}]" if names else message.content


def _last_conversation(run: Run) -> datetime | None:
    """Return when the attempt started whose conversation the run can continue; None if there is none."""
    begun = Run.objects.filter(task=run.task_id, agent=run.agent_id).exclude(session_id="").exclude(pk=run.pk)
    return begun.order_by("-queued_at", "id").values_list("started_at", flat=True).first()


def _is_unknown(message: Message, run: Run, known_until: datetime) -> bool:
    """Return whether the agent's conversation, whose last part started at that time, lacks the message."""
    is_own = message.from_agent_id is not None and message.from_agent_id == run.agent_id
    is_sent = message.delivered_at is not None or message.run_id == run.pk
    return message.created_at > known_until and not is_sent and not is_own


def _is_follow_up_of(run: Run, message: Message) -> bool:
    """Return whether the run sends this message as its follow-up; a retry sends that of an earlier run."""
    is_follow_up = message.delivery == Message.Delivery.FOLLOW_UP
    return bool(run.follow_up) and is_follow_up and message.content == run.follow_up


def _headline(message: Message) -> str:
    if message.from_agent:
        sender = f"agent {message.from_agent.name}"
    else:
        sender = message.author.get_username() if message.author else "somebody"
    return f"{sender}, {utc_time(message.created_at)}"


def _read_documents(
    found: Correspondence, run: Run, task: Task, attached: list[uuid.UUID], budget_chars: int
) -> None:
    """Read the newest documents: those of the task that no run wrote, and those attached to messages."""
    of_task = Deliverable.objects.filter(task=task, run__isnull=True).order_by()
    keys = {*of_task.values_list("pk", flat=True), *attached}
    if run.project and run.project.prd_document_id:
        keys.discard(run.project.prd_document_id)  # it has its own section
    newest = Deliverable.objects.filter(pk__in=keys).order_by("-updated_at", "id")
    left, total = budget_chars, newest.count()
    for title, content in newest.values_list("title", "content")[:MAX_DOCUMENTS].iterator(ROWS_AT_ONCE):
        if left <= 0:
            break
        found.documents.insert(0, Source("attachment", title, content))
        left -= len(content)
    found.older_documents = total - len(found.documents)


def _earlier_answer(task: Task) -> Source | None:
    handed_in = Deliverable.objects.filter(task=task, run__isnull=False).order_by("-updated_at", "id")
    title, content = handed_in.values_list("title", "content").first() or ("", "")
    return Source("deliverable", title, content) if content else None


def _earlier_output(run: Run) -> Source | None:
    """Return the end of the output of the attempt that the run continues, if that did not complete."""
    earlier = Run.objects.filter(pk=run.previous_run_id or run.pk).exclude(status=Run.Status.COMPLETED)
    attempt, output = earlier.values_list("attempt", "output").first() or (0, "")
    if not output.strip():
        return None
    cut = "…" if len(output) > OUTPUT_CHARS else ""
    return Source("output", f"Attempt {attempt}", cut + output[-OUTPUT_CHARS:])


def _read_follow_up(found: Correspondence, run: Run, task: Task, budget_chars: int) -> None:
    """Read what is attached to the run's follow-up; a retry sends what the message had that it repeats."""
    found.follow_up = run.follow_up
    sent = Message.objects.filter(task=task, delivery=Message.Delivery.FOLLOW_UP, content=run.follow_up)
    message = sent.order_by("-created_at", "-id").first()
    if message is None or not message.attachment_ids:
        return
    found.follow_up = _with_files(message, paths_by_id(run, task))
    keys = [key for given in message.attachment_ids if (key := as_uuid(given))]
    documents = Deliverable.objects.filter(pk__in=keys[:MAX_DOCUMENTS])
    starts = documents.annotate(start=Left("content", budget_chars + 1)).values_list("title", "start")
    found.follow_up_documents = [Source("attachment", title, start) for title, start in starts]
