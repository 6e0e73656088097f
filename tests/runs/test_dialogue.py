"""A running agent asks people, or for the approval of a tool call, and gets what they answer."""

import pytest

from mission_control.models import Question, Run
from mission_control.runs.parking import resume_due
from mission_control.runs.slots import capacity
from tests.runs.working import Working, logged, scripted

ASK = {"ask": "Which colour?", "options": ["red", "blue"]}
SAY = {"say": "Painted {answer}."}


@pytest.fixture
def impatient(settings):
    """Park a run as soon as it waits for an answer."""
    settings.QUESTION_HOLD_SECONDS = 0


# ---------------------------------------------------------------- questions
def test_agent_asks_and_goes_on_with_the_answer_in_the_same_call():
    work = Working(scripted({"say": "I begin."}, ASK, SAY))
    question = work.question()
    assert (question.text, [option["id"] for option in question.options]) == ("Which colour?", ["red", "blue"])
    work.answer(choice="blue")
    assert work.completed().output == "I begin.\n\nPainted blue."
    assert work.phases() == ["started", "asked", "ended"]
    answer = logged(work.run, "input").get()
    assert (answer.content, answer.metadata["question_id"]) == ("blue", str(question.pk))
    question.refresh_from_db()
    assert question.delivered_at is not None


def test_run_whose_question_nobody_answers_is_parked_and_goes_on_with_the_answer(impatient):
    work = Working(scripted({"say": "I begin."}, ASK, SAY))
    run = work.parked()
    assert (run.parked_for, run.slot, run.resumes_at) == ("question", None, None)
    assert capacity()["available"] == 5
    work.answer(choice="red")
    assert work.row.status == Run.Status.QUEUED
    work.go_on()
    assert work.completed().output == "I begin.Painted red."
    assert work.phases() == ["started", "asked", "parked", "resumed", "ended"]
    assert work.log("input") == ["red"]
    assert Question.objects.count() == 1


def test_parked_run_whose_answer_did_not_resume_it_is_resumed_by_the_reaper(impatient):
    work = Working(scripted(ASK, SAY))
    work.parked()
    Question.objects.update(status="expired", answer={"choice": "red"})
    resume_due()
    assert work.row.status == Run.Status.WAITING
