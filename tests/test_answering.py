"""Questions of agents in the terminal: listed and answered by a command, and while a run is followed."""

import io
import os
import signal
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.models import Q

from agents.backends.base import Option, ToolRequest
from agents.backends.base import Question as Asked
from mission_control.management.commands.run_task import Command
from mission_control.models import Question
from mission_control.runs import questions
from mission_control.runs.lifecycle import finish
from tests import make

pytestmark = pytest.mark.django_db
DATABASES = Asked("Which \x1b[31mdatabase?", options=[Option("pg", "PostgreSQL"), Option("lite", "SQLite")])
PUSH = Asked("Push it", tool=ToolRequest("Bash", {"command": "git push"}))


def said(*words: object) -> str:
    out = io.StringIO()
    call_command("answer", *map(str, words), stdout=out)
    return out.getvalue()


def test_open_questions_are_listed_with_their_options_and_tools():
    assert "No agent waits" in said()
    first, second = make.question(DATABASES), make.question(PUSH)
    listed = said()
    assert all(text in listed for text in (str(first.pk), str(second.pk), "2. SQLite", "git push", "y = allow"))


@pytest.mark.parametrize(
    ("asked", "words", "stored"),
    [
        (DATABASES, ["2"], {"choice": "lite"}),
        (DATABASES, ["use", "files"], {"text": "use files"}),
        (PUSH, ["a"], {"decision": "allow_for_run", "reason": ""}),
        (PUSH, ["no", "not", "today"], {"decision": "deny", "reason": "not today"}),
    ],
)
def test_question_is_answered_by_the_command(asked, words, stored):
    question = make.question(asked)
    assert "Answered" in said(question.pk, *words)
    question.refresh_from_db()
    assert question.answer == stored


@pytest.mark.parametrize("case", ["unknown", "answered", "not allowed"])
def test_refused_answer_ends_with_status_4(case):
    question = make.question(PUSH)
    if case == "answered":
        questions.answer(question.pk, decision="deny")
    words = ["x", "y"] if case == "unknown" else [question.pk, "perhaps" if case == "not allowed" else "y"]
    with pytest.raises(CommandError) as refused:
        said(*words)
    assert refused.value.returncode == 4


@pytest.mark.django_db(transaction=True)
def test_question_is_answered_in_the_terminal_that_follows_the_run(monkeypatch, capfd):
    question = make.question(DATABASES)
    ours, theirs = os.openpty()
    monkeypatch.setattr("sys.stdin", os.fdopen(theirs))
    os.write(ours, b"9 lives\n")

    def end_when_answered() -> None:
        try:
            while Question.objects.open().filter(pk=question.pk).exists():
                threading.Event().wait(0.05)
            finish(question.run_id, "completed", guard=Q())
        finally:
            connections.close_all()

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    worker = threading.Thread(target=end_when_answered)
    worker.start()
    try:
        assert Command().follow(question.run) == "completed"
    finally:
        questions_left = Question.objects.open().filter(pk=question.pk)
        questions_left.update(status="cancelled")
        for number, handler in handlers.items():
            signal.signal(number, handler)
        worker.join(60)
        os.close(ours)
    question.refresh_from_db()
    assert question.answer == {"text": "9 lives"}
    shown = capfd.readouterr().err
    assert "1. PostgreSQL" in shown and "Answered" in shown
