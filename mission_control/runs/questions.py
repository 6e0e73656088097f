"""Questions of agents to people: create, answer, expire. Each question ends once, by a conditional update.

All functions lock the run's row first, as the end of a run does: a question is never created for a run that has
ended, and never answered after its run has ended.
"""

import json
import logging
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from agents.backends import base
from agents.redaction import redact_data, redact_secrets
from agents.rules import DATA_LEVELS, DESCRIPTION_CHARS, is_blank, is_storable
from mission_control.actions.permissions import acting_user, require_answer
from mission_control.errors import ClaimLost, Invalid, NotFound, NotOpen
from mission_control.models import Message, Question, Run
from mission_control.models.question import KEY_CHARS
from mission_control.models.run import EndCause
from mission_control.runs.lifecycle import finish, promote
from mission_control.runs.open_questions import cancel_open, close, note_question, notify, open_of
from mission_control.runs.parking import resume
from mission_control.text import storable

__all__ = ["answer", "cancel_open", "create", "expire_due", "open_of", "reply_of", "stored_input"]

DECISIONS = {"allow": "Allow", "allow_for_run": "Allow for this run", "deny": "Deny"}
MAX_OPTIONS, OPTION_ID_CHARS, OPTION_LABEL_CHARS = 100, 200, 1_000
MAX_INPUT_CHARS = 256 * 1024  # of a tool's input as JSON; of a longer one, the long texts are cut
CUT_CHARS = 10_000
CUT_END = " more characters]"
SHOWN_CHARS = 200  # of a question in notifications and activities
LONGEST_SECONDS = 366 * 24 * 3600.0

logger = logging.getLogger(__name__)
Status, Kind = Question.Status, Question.Kind
_unstopped = Q(stop_requested_at__isnull=True)  # a run with a request ends as stopped


# ---------------------------------------------------------------- ask
def create(run: Run, question: base.Question, *, guard: Q, pk: uuid.UUID | None = None) -> Question:
    """Store an agent's question and notify people; return it. Raises ClaimLost if `guard` does not match the run.

    One transaction, which locks the run's row. Idempotent with a `pk`: called again after a commit whose answer
    was lost, it returns the question that it stored.
    """
    fields = _fields_of(question)
    with transaction.atomic():
        locked = _locked_run(run.pk, guard & Q(status=Run.Status.RUNNING))
        if locked is None:
            raise ClaimLost
        if pk is not None and (stored := Question.objects.filter(pk=pk, run_id=run.pk).first()):
            return stored
        made = Question.objects.create(
            **({"pk": pk} if pk else {}),
            run=locked,
            task=locked.task,
            project_id=locked.project_id,
            agent=locked.agent,
            **fields,
        )
        sentence = _asking(made, locked)
        notify(made, locked, sentence)
        note_question(made, locked, sentence)
    logger.info("asks a question", extra={"run_id": run.pk})
    return made


def _fields_of(question: base.Question) -> dict[str, Any]:
    """Return the columns of a question. Agents are not trusted: values are limited, and secrets are removed."""
    tool = question.tool
    options = [] if tool else _options_of(question.options)
    default = _shown(question.default, DESCRIPTION_CHARS)
    allowed = set(DECISIONS) if tool else {option["id"] for option in options}
    if allowed and default not in allowed:
        default = ""
    return {
        "kind": Kind.APPROVAL if tool else Kind.QUESTION,
        "text": _shown(question.text, DESCRIPTION_CHARS),
        "options": options,
        "tool": {"name": _shown(tool.name, OPTION_ID_CHARS), "input": stored_input(tool.input)} if tool else None,
        "default": default,
        "key": storable(question.key)[:KEY_CHARS],
        "expires_at": timezone.now() + timedelta(seconds=_seconds_of(question.timeout_seconds)),
    }


def _shown(text: str, chars: int) -> str:
    return storable(redact_secrets(str(text)))[:chars]


def _options_of(options: Sequence[base.Option]) -> list[dict[str, str]]:
    """Return the options as they are stored: each with an id of its own."""
    found: dict[str, dict[str, str]] = {}
    for number, option in enumerate(options[:MAX_OPTIONS], start=1):
        key = _shown(option.id, OPTION_ID_CHARS)
        if is_blank(key) or key in found:
            key = str(number)
        found.setdefault(key, {"id": key, "label": _shown(option.label, OPTION_LABEL_CHARS).strip() or key})
    return list(found.values())


def stored_input(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool's input as questions store and show it: without secrets, and limited in size."""
    data: dict[str, Any] = storable(redact_data(dict(given)))
    if _length(data) <= MAX_INPUT_CHARS:
        return data
    data = _cut(data)
    if _length(data) <= MAX_INPUT_CHARS:
        return data
    return {"too_long": f"The input has {_length(storable(dict(given))):,} characters, too many to show."}


def _length(data: Any) -> int:
    return len(json.dumps(data, ensure_ascii=False))


def _cut(value: Any, depth: int = 0) -> Any:
    """Return the data with its long texts cut, each with a mark."""
    if isinstance(value, str) and len(value) > CUT_CHARS:
        return f"{value[:CUT_CHARS]} … [cut: {len(value) - CUT_CHARS:,}{CUT_END}"
    if isinstance(value, dict) and depth < DATA_LEVELS:
        return {name: _cut(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list) and depth < DATA_LEVELS:
        return [_cut(item, depth + 1) for item in value]
    return value


def was_cut(text: str) -> bool:
    """Return whether a text of a stored input ends with the mark of a cut."""
    return text.endswith(CUT_END)


def _seconds_of(timeout: float | None) -> float:
    if timeout is None or not math.isfinite(timeout):
        return float(settings.QUESTION_EXPIRY_SECONDS)
    return min(max(timeout, 0.0), LONGEST_SECONDS)


def _asking(question: Question, run: Run) -> str:
    if question.kind == Kind.APPROVAL:
        return f"{run.agent_name} wants to use {question.tool_name} for “{run.task_title}”"
    return f"{run.agent_name} asks about “{run.task_title}”: {_one_line(question.text)}"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else f"{line[: SHOWN_CHARS - 1]}…"


def _locked_run(run_id: uuid.UUID, which: Q) -> Run | None:
    """Return the run if it matches, with its row locked, also against its end."""
    runs = Run.objects.light().select_related("task", "agent").select_for_update(of=("self",))
    return runs.filter(which, pk=run_id).first()


# ---------------------------------------------------------------- answer
@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer: as it is stored, and its words for people."""

    stored: dict[str, str]
    words: str


def answer(
    pk: uuid.UUID,
    *,
    choice: str | None = None,
    text: str | None = None,
    decision: str | None = None,
    reason: str = "",
    by: User | None = None,
) -> Question:
    """Answer an open question, let its parked run continue, and return the question.

    Exactly one of `choice`, `text` and `decision` is given. Of several answers at the same time one wins. Raises
    NotOpen, Invalid, NotFound, and NotAllowed if the acting user may not answer. The answer appears in the task's
    thread.
    """
    require_answer()
    question = Question.objects.filter(pk=pk).first()
    if question is None:
        raise NotFound("Question")
    if question.status != Status.OPEN:
        raise NotOpen(question)
    given = _valid(question, choice=choice, text=text, decision=decision, reason=reason)
    try:
        return _store_answer(question, given, by or acting_user())
    finally:
        promote()  # also after a lost race, which locked the row of the run: promotions skip locked rows


def _store_answer(question: Question, given: _Answer, by: User | None) -> Question:
    """Store the answer with what follows from it, in one transaction. Raises NotOpen."""
    with transaction.atomic():
        run = _locked_run(question.run_id, Q())
        changes = {"answer": given.stored, "answered_by": by, "answered_at": timezone.now()}
        mine = Question.objects.open().filter(pk=question.pk)
        if run is None or not mine.update(status=Status.ANSWERED, **changes):
            raise NotOpen(_current(question.pk))
        question = _current(question.pk)
        _post(question, run, given.words, by)
        who = by.get_username() if by else "Someone"
        close(question, run, f"{who} answered {run.agent_name} on “{run.task_title}”: {_one_line(given.words)}")
        _continue(run)
    return question


def _current(pk: uuid.UUID) -> Question:
    """Return the question as it is now. Raises NotFound if it was deleted."""
    found = Question.objects.select_related("answered_by").filter(pk=pk).first()
    if found is None:
        raise NotFound("Question")
    return found


def _valid(
    question: Question, *, choice: str | None, text: str | None, decision: str | None, reason: str
) -> _Answer:
    """Return the answer if the question allows it. Raises Invalid, which names the field."""
    given = {"choice": choice, "text": text, "decision": decision}
    named = [name for name, value in given.items() if value is not None]
    wanted = ["decision"] if question.kind == Kind.APPROVAL else ["choice", "text"]
    if len(named) != 1:
        raise Invalid(named[1] if named else wanted[0], f"Give exactly one of: {', '.join(wanted)}.")
    [name] = named
    value = given[name]
    if name not in wanted:
        raise Invalid(name, f"This question is answered with: {' or '.join(wanted)}.")
    if question.kind == Kind.APPROVAL:
        return _decided(question, str(value), reason)
    if not is_blank(reason):
        raise Invalid("reason", "Only a decision has a reason.")
    if name == "choice":
        labels = {option["id"]: option["label"] for option in question.options}
        if value not in labels:
            raise Invalid("choice", _allowed_choices(list(labels)))
        return _Answer({"choice": str(value)}, labels[value])
    return _Answer({"text": _text("text", str(value))}, str(value))


def _allowed_choices(ids: list[str]) -> str:
    return (
        f"Choice must be one of: {', '.join(ids)}." if ids else "This question has no choices; answer with text."
    )


def _decided(question: Question, decision: str, reason: str) -> _Answer:
    if decision not in DECISIONS:
        raise Invalid("decision", f"Decision must be one of: {', '.join(DECISIONS)}.")
    reason = "" if is_blank(reason) else _text("reason", reason)
    words = f"{DECISIONS[decision]}: {question.tool_name}"
    return _Answer({"decision": decision, "reason": reason}, f"{words}. {reason}" if reason else words)


def _text(field: str, text: str) -> str:
    label = field.capitalize()
    if is_blank(text):
        raise Invalid(field, f"{label} may not be blank.")
    if len(text) > DESCRIPTION_CHARS:
        raise Invalid(field, f"{label} may have at most {DESCRIPTION_CHARS:,} characters.")
    if not is_storable(text):
        raise Invalid(field, f"{label} may not contain NUL characters or half of a surrogate pair.")
    return text


def _post(question: Question, run: Run, words: str, by: User | None) -> None:
    """Post the answer in the task's thread. Not as a message to the agent, which gets the answer itself."""
    if run.task is None:
        return
    metadata = {"question_id": str(question.pk), "run_id": str(run.pk), "question": _one_line(question.text)}
    Message.objects.create(task=run.task, author=by, content=words[:DESCRIPTION_CHARS], metadata=metadata)


def _continue(run: Run) -> None:
    """Let the run continue if it is parked for a question and has no open one any more. The caller promotes."""
    if run.status == Run.Status.PARKED and run.parked_for == Run.ParkedFor.QUESTION and not open_of(run.pk):
        resume(run.pk)


def reply_of(question: Question) -> base.Reply | None:
    """Return the answer as backends get it; None without one. An expired question may have its default."""
    given = question.answer
    if not isinstance(given, dict):
        return None
    if question.kind == Kind.APPROVAL:
        is_allowed = given.get("decision") in ("allow", "allow_for_run")
        return base.Reply(is_allowed=is_allowed, reason=given.get("reason", ""))
    if "choice" in given:
        labels = {option["id"]: option["label"] for option in question.options}
        key = str(given["choice"])
        return base.Reply(text=labels.get(key, key), choice=key)
    return base.Reply(text=str(given.get("text", "")))


# ---------------------------------------------------------------- withdraw
def withdraw(pk: uuid.UUID) -> bool:
    """Cancel an open question whose answer its agent does not want any more; return False if it is not open."""
    run_id = Question.objects.open().filter(pk=pk).values_list("run_id", flat=True).first()
    if run_id is None:
        return False
    with transaction.atomic():
        run = _locked_run(run_id, Q())
        if run is None or not Question.objects.open().filter(pk=pk).update(status=Status.CANCELLED):
            return False
        question = _current(pk)
        close(question, run, f"{run.agent_name} does not need the answer any more: {_one_line(question.text)}")
    return True


# ---------------------------------------------------------------- expire
def expire_due() -> int:
    """End the open questions whose time has passed; return how many. The reaper calls it at every tick.

    The default is taken as the answer; without a default the run ends in error. Any number of processes may call
    this at once.
    """
    due = Question.objects.open().filter(expires_at__lte=timezone.now()).order_by("expires_at")
    expired = sum(_expire(pk, run_id) for pk, run_id in list(due.values_list("pk", "run_id")))
    if expired:
        promote()
    return expired


def _expire(pk: uuid.UUID, run_id: uuid.UUID) -> bool:
    """Expire one question in a transaction of its own; return False if it is not open any more."""
    with transaction.atomic():
        run = _locked_run(run_id, Q())
        question = Question.objects.open().filter(pk=pk).first()
        if run is None or question is None:
            return False
        taken = _default_answer(question)
        changes = {"answer": taken, "answered_at": timezone.now()} if taken else {}
        Question.objects.open().filter(pk=pk).update(status=Status.EXPIRED, **changes)
        question.status = Status.EXPIRED
        asked = f"{run.agent_name} on “{run.task_title}”"
        if taken:
            close(
                question,
                run,
                f"Nobody answered {asked} in time; the default is taken: {_one_line(question.default)}",
            )
            _continue(run)
        else:
            close(question, run, f"Nobody answered {asked} in time")
            sentence = f"Nobody answered in time: {_one_line(question.text)}"
            finish(run.pk, Run.Status.ERROR, guard=_unstopped, cause=EndCause.FAILED, error=sentence)
    return True


def _default_answer(question: Question) -> dict[str, str] | None:
    if not question.default:
        return None
    if question.kind == Kind.APPROVAL:
        return {"decision": question.default, "reason": ""}
    return {"choice" if question.options else "text": question.default}
