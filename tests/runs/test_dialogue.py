"""A running agent asks people, or for the approval of a tool call, and gets what they answer."""

from datetime import timedelta

import pytest
from django.db.models import Q
from django.utils import timezone

from agents.backends import approvals
from agents.backends.base import Question as Asked
from mission_control.models import Conversation, Question, Run
from mission_control.runs import questions
from mission_control.runs.execution import Execution
from mission_control.runs.lifecycle import claim, promote, stop
from mission_control.runs.outcomes import Outcome
from mission_control.runs.parking import resume_due
from mission_control.runs.slots import capacity
from tests import make
from tests.runs import talking
from tests.runs.talking import Forgetful
from tests.runs.working import Working, logged, scripted
from tests.servers import wait_until

ASK = {"ask": "Which colour?", "options": ["red", "blue"]}
SAY = {"say": "Painted {answer}."}


@pytest.fixture(autouse=True)
def known_backends(settings):
    settings.MISSION_CONTROL_BACKENDS = talking.NAMES
    Forgetful.calls.clear()


@pytest.fixture
def impatient(settings):
    """Park a run as soon as it waits for an answer."""
    settings.QUESTION_HOLD_SECONDS = 0


def an_agent(backend: str = "talking", limits: dict | None = None, **options):
    metadata = {"limits": limits} if limits else {}
    return make.agent(backend=backend, backend_options=options, metadata=metadata)


def let_expire(question: Question) -> None:
    Question.objects.filter(pk=question.pk).update(expires_at=timezone.now())
    questions.expire_due()


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
    work = Working(scripted({"say": "I begin."}, {"ask": "Name?"}, {"say": "Hello {answer}."}))
    run = work.parked()
    assert (run.parked_for, run.slot, run.resumes_at) == ("question", None, None)
    assert capacity()["available"] == 5
    work.answer(text="Ada {answer}")
    assert work.row.status == Run.Status.QUEUED
    work.go_on()
    assert work.completed().output == "I begin.\n\nHello Ada {answer}."
    assert work.phases() == ["started", "asked", "parked", "resumed", "ended"]
    assert work.log("input") == ["Ada {answer}"]
    assert Question.objects.count() == 1


def test_run_goes_on_with_what_people_said_before_it_was_parked_for_the_last_time(impatient):
    work = Working(scripted({"ask": "First?"}, {"say": "1: {answer}"}, {"ask": "Second?"}, {"say": "2: {answer}"}))
    for number, text in ((1, "one"), (2, "two")):
        work.parked()
        work.answer(work.question(number=number), text=text)
        work.go_on()
    assert work.completed().output == "1: one\n\n2: two"
    assert work.phases() == ["started", *["asked", "parked", "resumed"] * 2, "ended"]
    assert [event.seq for event in logged(work.run)] == [*range(1, work.row.last_seq + 1)]


def test_backend_that_cannot_continue_a_conversation_keeps_its_slot(impatient):
    work = Working(an_agent("forgetful", questions=["Who?"]))
    question = work.question()
    wait_until(lambda: timezone.now() > question.created_at + timedelta(seconds=1), what="the hold time to pass")
    assert work.row.status == Run.Status.RUNNING
    work.answer(text="Ada")
    assert "Got Ada" in work.completed().output


def test_several_questions_are_open_at_once_and_the_run_is_parked_with_those_that_are_left(settings):
    work = Working(an_agent(questions=["One?", "Two?", "Three?"]))
    work.question(number=3)
    one, two, three = (Question.objects.get(text=text) for text in ("One?", "Two?", "Three?"))
    work.answer(two, text="b")
    wait_until(lambda: work.log("input") == ["b"], what="the answer to be in the log")
    settings.QUESTION_HOLD_SECONDS = 0
    run = work.parked()
    assert run.parked_for == "question"
    work.answer(three, text="c")
    assert work.row.status == Run.Status.PARKED
    work.answer(one, text="a")
    work.go_on()
    assert "Got a and b and c" in work.completed().output
    assert work.log("input") == ["b", "c", "a"]
    assert Question.objects.count() == 3


def test_continued_conversation_gets_the_answers_in_words(impatient):
    work = Working(an_agent(questions=["Who?"]))
    work.parked()
    assert Conversation.objects.get(run=work.run).state == {"calls": 1}
    work.answer(text="Ada")
    work.go_on()
    work.completed()
    first, second = Forgetful.calls
    assert (first["continuation"], first["session"]) == ("", "")
    assert second["session"] == "the conversation"
    assert "You asked: Who?" in second["continuation"] and "Ada" in second["continuation"]
    assert "You asked: Who?" in second["prompt"] and second["prompt"].endswith(first["prompt"][-60:])


def test_question_that_expires_takes_its_default(impatient, settings):
    step = {**ASK, "default": "red", "timeout_seconds": 600}
    parked = Working(scripted(step, SAY))
    run = parked.parked()
    assert run.resumes_at == parked.question().expires_at
    let_expire(parked.question())
    parked.go_on()
    assert parked.completed().output == "Painted red."
    settings.QUESTION_HOLD_SECONDS = 3600
    held = Working(scripted(step, SAY))
    let_expire(held.question())
    assert held.completed().output == "Painted red."


def test_question_that_expires_without_a_default_ends_the_run(impatient, settings):
    parked = Working(scripted({"say": "I begin."}, ASK, SAY))
    parked.parked()
    let_expire(parked.question())
    settings.QUESTION_HOLD_SECONDS = 3600
    held = Working(scripted({"say": "I begin."}, ASK, SAY))
    let_expire(held.question())
    for run in (parked.over(), held.over()):
        assert (run.status, run.end_cause, run.output) == ("error", "failed", "I begin.")
        assert run.error.startswith("Nobody answered")


def test_run_that_waits_for_an_answer_is_stopped_at_once(impatient, settings):
    parked = Working(scripted(ASK, SAY))
    assert stop(parked.parked()).status == Run.Status.STOPPED
    settings.QUESTION_HOLD_SECONDS = 3600
    held = Working(scripted(ASK, SAY))
    held.question()
    stop(held.row)
    assert held.over().status == Run.Status.STOPPED
    assert set(Question.objects.values_list("status", flat=True)) == {"cancelled"}


def test_answer_in_the_moment_of_parking_lets_the_run_go_on_with_its_slot():
    run = claim(make.run(by=scripted(ASK, SAY)).pk, worker="test")
    asked = questions.create(run, Asked("Which?"), guard=Q(pk=run.pk))
    questions.answer(asked.pk, text="blue")
    assert Execution(run).end_once(Outcome(Run.Status.PARKED), {}) is False
    assert Run.objects.get(pk=run.pk).status == Run.Status.RUNNING
    stop(run, wait_seconds=0)
    assert Execution(run).end_once(Outcome(Run.Status.PARKED), {}) is True
    assert Run.objects.get(pk=run.pk).status == Run.Status.STOPPED


def test_parked_run_whose_answer_did_not_resume_it_is_resumed_by_the_reaper(impatient):
    work = Working(scripted(ASK, SAY))
    work.parked()
    Question.objects.update(status="expired", answer={"choice": "red"})
    resume_due()
    assert work.row.status == Run.Status.WAITING
    promote()
    work.go_on()
    assert work.completed().output == "Painted red."


def test_waiting_for_people_is_neither_silence_nor_work():
    work = Working(an_agent("forgetful", {"idle_seconds": 1, "run_seconds": 1}, questions=["Who?"]))
    question = work.question()
    wait_until(lambda: timezone.now() > question.created_at + timedelta(seconds=3), what="the limits to pass")
    assert work.row.status == Run.Status.RUNNING
    work.answer(text="Ada")
    assert "Got Ada" in work.completed().output


def test_worker_keeps_no_run_longer_than_the_setting_allows(settings):
    settings.RUN_TIMEOUT_SECONDS = 1
    work = Working(an_agent("forgetful", questions=["Who?"]))
    run = work.over()
    assert (run.status, run.end_cause) == ("error", "timeout")
    assert "waited for people" in run.error


# ---------------------------------------------------------------- approvals
def test_tool_call_is_allowed_or_denied_with_a_reason():
    work = Working(an_agent(approvals=["ls", "rm -rf /"]))
    question = work.question()
    assert question.tool == {"name": "Bash", "input": {"command": "ls"}}
    work.answer(question, decision="allow")
    work.answer(work.question(number=2), decision="deny", reason="Never")
    assert "ls: True. rm -rf /: False Never. " in work.completed().output
    assert work.log("input") == ["Allowed", "Denied: Never"]


def test_allowed_once_is_not_allowed_again_but_for_the_run_is():
    work = Working(an_agent(approvals=["git push origin main", "git push origin main", "git push"]))
    work.answer(decision="allow")
    second = work.question(number=2)
    rule = approvals.rule_for("Bash", second.tool["input"])
    assert approvals.matches(rule, "Bash", {"command": "git push"}), "the next one is covered"
    work.answer(second, decision="allow_for_run")
    assert work.completed().output.count("True") == 3
    assert Question.objects.count() == 2


def test_tool_call_that_was_allowed_while_the_run_was_parked_is_allowed_when_it_is_repeated(impatient):
    work = Working(an_agent(approvals=["make deploy"]))
    work.parked()
    work.answer(decision="allow")
    work.go_on()
    assert "make deploy: True" in work.completed().output
    assert Question.objects.count() == 1
    assert "make deploy" in Forgetful.calls[1]["continuation"]


def test_other_call_that_looks_the_same_when_it_is_shown_is_not_allowed(impatient):
    agent = an_agent(approvals=["echo {long}1"])
    work = Working(agent)
    work.parked()
    work.answer(decision="allow")
    agent.backend_options = {"approvals": ["echo {long}2"]}
    agent.save()
    work.go_on()
    assert work.parked().parkings == 2
    assert Question.objects.count() == 2


# ---------------------------------------------------------------- messages
def test_message_reaches_an_agent_live_that_takes_messages():
    work = Working(scripted({"say": "Ready."}, {"wait_for_message": True}, {"say": "You said: {message}"}))
    wait_until(lambda: work.log("message"), what="the first output")
    message = work.write("be brief")
    assert work.completed().output == "Ready.\n\nYou said: be brief"
    assert work.log("message", "input") == ["Ready.", "be brief", "\n\nYou said: be brief"]
    event = logged(work.run, "input").get()
    assert event.metadata["message_id"] == str(message.pk)
    message.refresh_from_db()
    assert message.delivered_at is not None


def test_agent_that_takes_no_messages_gets_them_at_its_next_turn_in_the_same_run():
    work = Working(an_agent(questions=["Who?"]))
    question = work.question()
    work.write("be brief")
    work.write("be kind")
    work.answer(question, text="Ada")
    assert work.completed().output == "Got Ada. Call 1. Got Ada. Call 2. "
    assert work.log("message", "input")[:4] == ["Ada", "Got Ada. Call 1. ", "be brief", "be kind"]
    second = Forgetful.calls[1]
    assert second["session"] == "the conversation"
    assert "be brief" in second["continuation"] and "be kind" in second["continuation"]
    assert "You asked" not in second["continuation"], "the agent has reacted to the answer already"


def test_agent_without_a_conversation_gets_messages_with_the_whole_prompt():
    work = Working(an_agent("forgetful", questions=["Who?"]))
    question = work.question()
    work.write("be brief")
    work.answer(question, text="Ada")
    work.completed()
    first, second = Forgetful.calls
    assert second["continuation"] == ""
    assert "be brief" in second["prompt"] and "Got Ada. Call 1." in second["prompt"]
    assert "You asked: Who?" in second["prompt"] and first["prompt"][-60:] in second["prompt"]


def test_message_in_the_last_moment_lets_the_agent_be_called_again():
    run = claim(make.run(by=an_agent()).pk, worker="test")
    execution = Execution(run)
    work = Working.of(run)
    work.write("one more thing")
    assert execution.end_once(Outcome(Run.Status.COMPLETED), {}) is False
    assert work.row.status == Run.Status.RUNNING
    assert execution.end_once(Outcome(Run.Status.ERROR, "It failed"), {}) is True
    assert work.row.status == Run.Status.ERROR


def test_message_to_a_queued_run_is_in_its_prompt_and_in_its_log_once():
    work = Working.of(make.run(by=an_agent()))
    work.write("be brief")
    work.go_on()
    work.completed()
    assert work.log("input") == ["be brief"]
    [call] = Forgetful.calls
    assert "be brief" in call["prompt"]


def test_message_to_a_parked_run_comes_with_the_answer(impatient):
    work = Working(an_agent(questions=["Who?"]))
    work.parked()
    work.write("be brief")
    assert work.row.status == Run.Status.PARKED
    work.answer(text="Ada")
    work.go_on()
    work.completed()
    assert work.log("input") == ["be brief", "Ada"]
    assert "be brief" in Forgetful.calls[1]["continuation"]
    assert len(Forgetful.calls) == 2


def test_secret_in_a_message_is_not_in_the_log():
    work = Working(scripted({"wait_for_message": True}, {"say": "Done."}))
    work.write("use sk-abcdefghijklmnopqrstuvwx")
    work.completed()
    assert "sk-abcdef" not in work.log("input")[0]
