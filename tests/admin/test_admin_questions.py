"""Operators answer the questions of agents in the admin, under the API's rules."""

import pytest
from django.test import Client
from django.urls import reverse

from agents.backends.base import Option, ToolRequest
from agents.backends.base import Question as Asked
from tests import make

DATABASES = Asked("Which database?", options=[Option("pg", "PostgreSQL"), Option("lite", "SQLite")])
PUSH = Asked("Push it", tool=ToolRequest("Bash", {"command": "git push"}))
LIST = "admin:mission_control_question_changelist"


def client_of(*may: str) -> Client:
    client = Client()
    client.force_login(make.user(may=list(may), is_staff=True))
    return client


def answer(client: Client, *chosen, **fields):
    body = {"action": "answer_selected", "_selected_action": [str(question.pk) for question in chosen], **fields}
    return client.post(reverse(LIST), body, follow=True)


@pytest.mark.parametrize(
    ("asked", "words", "stored"),
    [
        (DATABASES, "2", {"choice": "lite"}),
        (DATABASES, "postgresql", {"choice": "pg"}),
        (DATABASES, "Neither", {"text": "Neither"}),
        (PUSH, "y", {"decision": "allow", "reason": ""}),
        (PUSH, "n, not today", {"decision": "deny", "reason": "not today"}),
    ],
)
def test_question_is_answered_on_the_page_between(asked, words, stored):
    client = client_of("mission_control.view_run", "mission_control.change_run")
    question = make.question(asked)
    page = answer(client, question).content.decode()
    assert (asked.text in page) and 'name="answer"' in page
    question.refresh_from_db()
    assert question.status == "open"
    answer(client, question, give="Answer", answer=words)
    question.refresh_from_db()
    assert (question.status, question.answer) == ("answered", stored)
    assert question.answered_by is not None


def test_refusal_is_shown_and_changes_nothing():
    question = make.question(PUSH)
    shown = answer(
        client_of("mission_control.view_run", "mission_control.change_run"),
        question,
        give="Answer",
        answer="perhaps",
    )
    assert "Decision must be one of" in shown.content.decode()
    question.refresh_from_db()
    assert question.status == "open"


def test_operator_who_may_only_look_cannot_answer():
    client, question = client_of("mission_control.view_run"), make.question()
    assert client.get(reverse("admin:mission_control_question_change", args=[question.pk])).status_code == 200
    assert "answer_selected" not in client.get(reverse(LIST)).content.decode()
    answer(client, question, give="Answer", answer="Yes")
    question.refresh_from_db()
    assert question.status == "open"
    assert client_of("mission_control.view_task").get(reverse(LIST)).status_code == 403
