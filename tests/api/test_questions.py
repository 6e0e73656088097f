"""Clients see what agents ask, answer, and write to running agents."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from agents.backends.base import Option, ToolRequest
from agents.backends.base import Question as Asked
from mission_control.models import Message, Question
from mission_control.runs import questions
from mission_control.runs.lifecycle import stop
from tests import make
from tests.api.conftest import Api

QUESTION = (
    "id run_id task_id project_id agent_id kind text options tool default expires_at status answer answered_by"
    " answered_at created_at"
)
DATABASES = Asked("Which database?", options=[Option("pg", "PostgreSQL"), Option("lite", "SQLite")], default="pg")
PUSH = Asked("Push it", tool=ToolRequest("Bash", {"command": "git push"}))


@pytest.fixture
def question(transactional_db) -> Question:
    return make.question(DATABASES)


@pytest.fixture
def approval(transactional_db) -> Question:
    return make.question(PUSH)


def test_question_has_the_fields_of_the_contract(api, question, approval):
    shown = api.get(f"questions/{question.pk}").json()["question"]
    assert set(shown) == set(QUESTION.split())
    assert (shown["kind"], shown["status"], shown["text"]) == ("question", "open", "Which database?")
    assert shown["options"] == [{"id": "pg", "label": "PostgreSQL"}, {"id": "lite", "label": "SQLite"}]
    assert (shown["default"], shown["tool"], shown["answer"], shown["answered_by"]) == ("pg", None, None, None)
    assert (shown["run_id"], shown["task_id"]) == (str(question.run_id), str(question.task_id))
    tool = api.get(f"questions/{approval.pk}").json()["question"]
    assert (tool["kind"], tool["options"], tool["default"]) == ("approval", [], None)
    assert tool["tool"] == {"name": "Bash", "input": {"command": "git push"}}


def test_questions_are_listed_newest_first_and_filtered(api, question, approval):
    listed = api.get("questions").json()
    assert [one["id"] for one in listed["questions"]] == [str(approval.pk), str(question.pk)]
    assert (listed["count"], listed["next"], listed["previous"]) == (2, None, None)
    questions.answer(approval.pk, decision="allow")
    for given, found in (
        ({"status": "open"}, question),
        ({"status": "answered"}, approval),
        ({"task_id": question.task_id}, question),
        ({"run_id": approval.run_id}, approval),
        ({"agent_id": approval.agent_id}, approval),
    ):
        assert [one["id"] for one in api.get("questions", **given).json()["questions"]] == [str(found.pk)], given
    assert api.get("questions", limit=1).json()["next"]
    assert api.get("questions", run_id=uuid.uuid4()).json()["count"] == 0


def test_wrong_filters_are_refused(api, question):
    for wrong in ({"status": "x"}, {"task_id": "x"}, {"run_id": " "}, {"agent_id": "1"}):
        assert api.get("questions", **wrong).status_code == 400, wrong


def test_list_needs_the_same_queries_for_many_questions(api, question, django_assert_max_num_queries):
    for _ in range(5):
        questions.answer(make.question(DATABASES, run=question.run).pk, choice="pg", by=api.user)
    with django_assert_max_num_queries(6):
        assert api.get("questions").json()["count"] == 6


def test_answer_is_stored_under_the_name_of_the_user(api, question):
    shown = api.post(f"questions/{question.pk}/answer", {"choice": "lite"}).json()["question"]
    assert (shown["status"], shown["answer"]) == ("answered", {"choice": "lite"})
    assert shown["answered_by"] == api.user.get_username() and shown["answered_at"]
    [said] = api.get(f"tasks/{question.task_id}/messages").json()["messages"]
    assert (said["content"], said["author"]) == ("SQLite", api.user.get_username())


def test_approval_is_denied_with_a_reason(api, approval):
    given = {"decision": "deny", "reason": "Not now"}
    assert api.post(f"questions/{approval.pk}/answer", given).json()["question"]["answer"] == given


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "choice"),
        ({"choice": "oracle"}, "choice"),
        ({"choice": 1}, "choice"),
        ({"choice": None}, "choice"),
        ({"choice": "pg", "text": "pg"}, "text"),
        ({"text": ""}, "text"),
        ({"text": "a\x00"}, "text"),
        ({"text": "x" * 50_001}, "text"),
        ({"decision": "allow"}, "decision"),
        ({"decision": "maybe"}, "decision"),
        ({"text": "a", "reason": []}, "reason"),
    ],
)
def test_wrong_answer_is_400_that_names_the_field(api, question, body, field):
    refused = api.post(f"questions/{question.pk}/answer", body)
    assert refused.status_code == 400 and field in refused.json(), refused.json()
    assert api.get(f"questions/{question.pk}").json()["question"]["status"] == "open"


def test_second_answer_is_409_with_the_question(api, question):
    api.post(f"questions/{question.pk}/answer", {"choice": "pg"})
    refused = api.post(f"questions/{question.pk}/answer", {"choice": "lite"})
    assert refused.status_code == 409
    assert refused.json()["detail"] == "The question is already answered"
    assert refused.json()["question"]["answer"] == {"choice": "pg"}
    assert set(refused.json()["question"]) == set(QUESTION.split())


@pytest.mark.parametrize("end", ["cancelled", "expired"])
def test_answer_that_comes_too_late_is_409_with_the_question(api, question, end):
    if end == "expired":
        Question.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        questions.expire_due()
    else:
        Question.objects.update(status="cancelled")
    refused = api.post(f"questions/{question.pk}/answer", {"choice": "lite"})
    assert (refused.status_code, refused.json()["question"]["status"]) == (409, end)


def test_unknown_question_is_404(api):
    for key in (uuid.uuid4(), "x"):
        for answer in (api.get(f"questions/{key}"), api.post(f"questions/{key}/answer", {"text": "a"})):
            assert (answer.status_code, answer.json()) == (404, {"detail": "Question not found"})


def test_user_who_may_only_look_cannot_answer(question):
    viewer = Api(make.user(may=["mission_control.view_run"]))
    assert viewer.get(f"questions/{question.pk}").status_code == 200
    assert viewer.post(f"questions/{question.pk}/answer", {"choice": "pg"}).status_code == 403
    assert viewer.call("OPTIONS", "questions").status_code == 200


# ---------------------------------------------------------------- messages
def test_message_to_a_run_is_in_the_thread_of_its_task(api, question):
    document = make.document()
    body = {"content": "Use tabs", "attachment_ids": [str(document.pk)]}
    sent = api.post(f"runs/{question.run_id}/messages", body).json()
    assert set(sent) == {"message", "delivery"}
    assert sent["delivery"] in ("live", "next_turn")
    assert (sent["message"]["content"], sent["message"]["attachment_ids"]) == ("Use tabs", [str(document.pk)])
    assert sent["message"]["author"] == api.user.get_username()
    thread = api.get(f"tasks/{question.task_id}/messages").json()["messages"]
    assert [message["id"] for message in thread] == [sent["message"]["id"]]


def test_message_to_an_ended_run_is_409_with_a_hint(api):
    run = stop(make.run())
    refused = api.post(f"runs/{run.pk}/messages", {"content": "Too late"})
    assert (refused.status_code, refused.json()["hint"]) == (409, "follow_up")
    assert not Message.objects.exists()


def test_message_to_a_planning_is_400(api):
    from mission_control.runs.admission import admit_planning

    run = admit_planning(make.agent(), "Plan", request={})
    assert api.post(f"runs/{run.pk}/messages", {"content": "Hello"}).status_code == 400


@pytest.mark.parametrize(
    "body", [{}, {"content": ""}, {"content": 1}, {"content": "a\x00"}, {"content": "a", "attachment_ids": ["x"]}]
)
def test_wrong_message_is_400(api, body):
    assert api.post(f"runs/{make.run().pk}/messages", body).status_code == 400
    assert not Message.objects.exists()


def test_message_to_a_run_needs_both_permissions(db):
    run = make.run()
    needed = ["mission_control.add_message", "mission_control.change_run"]
    for may, status in (([needed[0]], 403), ([needed[1]], 403), (needed, 200)):
        assert Api(make.user(may=may)).post(f"runs/{run.pk}/messages", {"content": "a"}).status_code == status
