"""The view that takes the answer to a question, from the card of any page."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from mission_control.actions import permissions
from mission_control.errors import NotOpen, Refusal
from mission_control.models import Question
from mission_control.runs import questions
from mission_control.web.question.cards import QuestionCard, with_rows
from mission_control.web.shared.views import by_script, person_of, sees, zone_of


@require_POST
@sees("view_task", *permissions.STOP_RUN)
def answer_question(request: HttpRequest, question_id: uuid.UUID) -> HttpResponse:
    """Answer a question. JavaScript gets the card as it is now, a plain form a redirect and a message."""
    get_object_or_404(Question, pk=question_id)
    error, status = "", 200
    try:
        questions.answer(question_id, by=person_of(request), **_answer_in(request))
    except Refusal as refusal:
        error, status = refusal.detail, refusal.status
        if not isinstance(refusal, NotOpen):
            error = f"{error.rstrip('.')}."
    card = QuestionCard(get_object_or_404(with_rows(Question.objects.all()), pk=question_id), error=error)
    if by_script(request):
        with timezone.override(zone_of(request)):
            return render(request, "question/_question.html", {"card": card}, status=status)
    text = f"{error}: {card.outcome}" if status == 409 and not card.is_open else error or "Answered."
    messages.add_message(request, messages.INFO, text, extra_tags="warn" if error else "ok")
    if request.POST.get("back") == "overview" or card.question.task_id is None:
        return redirect("overview")
    return redirect("task", card.question.task_id)


def _answer_in(request: HttpRequest) -> dict[str, str]:
    """Return what the pressed button says: an option, a decision with its reason, or else the written text."""
    given = request.POST
    if "decision" in given:
        return {"decision": given["decision"], "reason": _written(given.get("reason", ""))}
    return {"choice": given["choice"]} if "choice" in given else {"text": _written(given.get("text", ""))}


def _written(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
