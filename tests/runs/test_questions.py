"""An agent asks, people answer: each question ends once, and the run continues."""

from datetime import timedelta
from functools import partial

import pytest
from django.db.models import Q
from django.utils import timezone

from agents.backends.base import Option, Reply, ToolRequest
from agents.backends.base import Question as Asked
from mission_control.actions.permissions import acting
from mission_control.errors import ClaimLost, Ended, Invalid, NotAllowed, NotOpen, WrongState
from mission_control.models import Activity, Message, Notification, Question, Run, Task
from mission_control.runs import messages, parking, questions
from mission_control.runs.lifecycle import claim, finish, stop
from mission_control.runs.reaper import Reaper
from tests import make, rivals
from tests.backends import Scripted

Status, RunStatus = Question.Status, Run.Status
DATABASES = Asked("Which database?", options=[Option("pg", "PostgreSQL"), Option("lite", "SQLite")])
PUSH = Asked("Push it", tool=ToolRequest("Bash", {"command": "git push"}))


class Steered(Scripted):
    """Takes messages while it works."""

    capabilities = ("steering",)


def running() -> Run:
    run = claim(make.run().pk, worker="test")
    assert run is not None
    return run


def mine(run: Run) -> Q:
    return Q(claim_token=run.claim_token)


def ask(asked: Asked = DATABASES, run: Run | None = None) -> Question:
    run = run or running()
    return questions.create(run, asked, guard=mine(run))


def parked(question: Question) -> Run:
    run = Run.objects.get(pk=question.run_id)
    place = parking.Parking(Run.ParkedFor.QUESTION, "It waits", None, question_id=str(question.pk))
    assert parking.park(run.pk, place, guard=mine(run))
    return Run.objects.get(pk=run.pk)


def due(question: Question) -> Question:
    """Let the question's time pass, and the reaper notice."""
    Question.objects.filter(pk=question.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    Reaper().tick()
    question.refresh_from_db()
    return question


def unread() -> int:
    return Notification.objects.count_needing_action()


# ---------------------------------------------------------------- ask
def test_question_has_what_the_agent_asked_and_people_are_notified():
    question = ask()
    assert (question.kind, question.status, question.text) == ("question", "open", "Which database?")
    assert question.options == [{"id": "pg", "label": "PostgreSQL"}, {"id": "lite", "label": "SQLite"}]
    assert question.task_id == question.run.task_id and question.agent_id == question.run.agent_id
    assert timedelta(hours=23) < question.expires_at - timezone.now() <= timedelta(hours=24)
    [told] = Notification.objects.for_people().filter(type="question")
    assert "Which database?" in told.content and told.source_task_id == question.task_id
    assert unread() == 1
    assert Activity.objects.filter(message__contains="Which database?").count() == 1


def test_question_is_stored_once_although_the_call_is_repeated():
    run = running()
    key = Question().pk
    first = questions.create(run, DATABASES, guard=mine(run), pk=key)
    again = questions.create(run, DATABASES, guard=mine(run), pk=key)
    assert first.pk == again.pk == key
    assert Question.objects.count() == 1 and unread() == 1


@pytest.mark.parametrize("loss", ["claim", "end"])
def test_worker_that_lost_its_claim_cannot_ask(loss):
    run = running()
    guard = mine(run)
    if loss == "claim":
        Run.objects.filter(pk=run.pk).update(claim_token="0" * 32)
    else:
        assert finish(run.pk, RunStatus.STOPPED, guard=guard)
    with pytest.raises(ClaimLost):
        questions.create(run, DATABASES, guard=guard)
    assert not Question.objects.exists() and not Notification.objects.filter(type="question").exists()


def test_hostile_question_is_limited_and_shows_no_secret():
    key = "ghp_" + "a1B2" * 10
    options = [Option("", "a"), Option("x", "b"), Option("x", "c"), *(Option(str(n), "n") for n in range(500))]
    question = ask(Asked("a\x00b" * 100_000, options=options, timeout_seconds=1e308, default="none of them"))
    assert len(question.text) == 50_000 and "\x00" not in question.text
    ids = [option["id"] for option in question.options]
    assert len(ids) == len(set(ids)) <= 100 and all(ids)
    assert question.default == ""
    assert question.expires_at < timezone.now() + timedelta(days=367)

    written = ask(
        Asked("", tool=ToolRequest("Write", {"content": "x" * 10**6, "token": key, "deep": [{"a": key}]}))
    )
    assert key not in str(written.tool) and "more characters" in written.tool["input"]["content"]
    assert len(str(written.tool)) < 300_000
    many = ask(Asked("", tool=ToolRequest("Write", {str(number): "x" * 9_000 for number in range(200)})))
    assert list(many.tool["input"]) == ["too_long"]


def test_secret_in_a_default_or_in_the_name_of_an_option_is_not_stored():
    key = "ghp_" + "a1B2" * 10
    free = ask(Asked("Which token?", default=f"Use {key}"))
    assert key not in free.default and free.default.startswith("Use ")
    chosen = ask(Asked("Which token?", options=[Option(key, "this"), Option("none", "none")], default=key))
    assert key not in str(chosen.options)
    assert chosen.default == chosen.options[0]["id"]


# ---------------------------------------------------------------- answer
def test_answer_is_stored_with_its_person_and_ends_the_notification():
    user = make.user()
    question = questions.answer(ask().pk, choice="lite", by=user)
    assert (question.status, question.answer, question.answered_by) == ("answered", {"choice": "lite"}, user)
    assert questions.reply_of(question) == Reply(text="SQLite", choice="lite")
    assert unread() == 0
    [said] = Message.objects.filter(task_id=question.task_id)
    assert (said.content, said.author, said.from_agent) == ("SQLite", user, None)
    assert said.metadata["question_id"] == str(question.pk)
    assert messages.undelivered(question.run_id) == []


@pytest.mark.parametrize(("decision", "is_allowed"), [("allow", True), ("allow_for_run", True), ("deny", False)])
def test_approval_is_decided_with_a_reason(decision, is_allowed):
    question = questions.answer(ask(PUSH).pk, decision=decision, reason="Not on Fridays")
    assert questions.reply_of(question) == Reply(is_allowed=is_allowed, reason="Not on Fridays")
    assert "Bash" in Message.objects.get().content and "Not on Fridays" in Message.objects.get().content


def test_free_text_answers_a_question_with_options_too():
    question = questions.answer(ask().pk, text="Neither; use a file")
    assert questions.reply_of(question) == Reply(text="Neither; use a file")


@pytest.mark.parametrize(
    ("asked", "given", "field"),
    [
        (DATABASES, {}, "choice"),
        (DATABASES, {"choice": "oracle"}, "choice"),
        (DATABASES, {"choice": "pg", "text": "pg"}, "text"),
        (DATABASES, {"decision": "allow"}, "decision"),
        (DATABASES, {"text": " \u200b"}, "text"),
        (DATABASES, {"text": "a\x00"}, "text"),
        (DATABASES, {"text": "x" * 50_001}, "text"),
        (DATABASES, {"choice": "pg", "reason": "It is faster"}, "reason"),
        (Asked("Why?"), {"choice": "pg"}, "choice"),
        (PUSH, {}, "decision"),
        (PUSH, {"decision": "always"}, "decision"),
        (PUSH, {"text": "yes"}, "text"),
        (PUSH, {"decision": "deny", "reason": "x" * 50_001}, "reason"),
    ],
)
def test_answer_that_the_question_does_not_allow_is_refused(asked, given, field):
    question = ask(asked)
    with pytest.raises(Invalid) as refused:
        questions.answer(question.pk, **given)
    assert field in refused.value.body
    question.refresh_from_db()
    assert question.status == "open" and question.answer is None


def test_second_answer_is_refused_with_the_question():
    question = ask()
    questions.answer(question.pk, choice="pg")
    with pytest.raises(NotOpen) as refused:
        questions.answer(question.pk, choice="lite")
    assert refused.value.question.answer == {"choice": "pg"}
    assert Message.objects.count() == 1


def answer_one(key, choice: str) -> str:
    questions.answer(key, choice=choice)
    return choice


def test_of_many_simultaneous_answers_exactly_one_wins():
    question = ask()
    run = parked(question)
    answers = rivals.race(answer_one, [(question.pk, choice) for choice in ["pg", "lite"] * 8])
    [won] = [said for said in answers if said != "NotOpen"]
    question.refresh_from_db()
    assert question.answer == {"choice": won}
    assert Message.objects.filter(task_id=question.task_id).count() == 1
    assert Run.objects.get(pk=run.pk).status == RunStatus.QUEUED
    assert run.events.filter(metadata__phase="resumed").count() == 1


def end_one(run_id) -> str:
    return "stopped" if stop(Run.objects.get(pk=run_id), wait_seconds=0).status == "stopped" else "active"


def act(what: str, key) -> str:
    if what == "answer":
        return answer_one(key, "pg")
    return end_one(key) if what == "stop" else expire_one(key)


def expire_one(key) -> str:
    Question.objects.filter(pk=key).update(expires_at=timezone.now() - timedelta(seconds=1))
    return f"expired {questions.expire_due()}"


def test_answer_that_races_with_a_stop_and_the_expiry_leaves_one_consistent_end():
    for _ in range(4):
        question = ask()
        run = parked(question)
        rivals.race(act, [("answer", question.pk), ("stop", run.pk), ("expire", question.pk)], processes=3)
        question.refresh_from_db()
        run.refresh_from_db()
        assert question.status != "open" and not run.is_active
        assert run.events.filter(metadata__phase="ended").count() == 1
        assert Message.objects.filter(task_id=run.task_id).count() == (question.status == "answered")
        assert not Notification.objects.filter(type="question").unread().exists()


def test_parked_run_continues_when_its_last_question_is_answered():
    first = ask()
    second = ask(PUSH, first.run)
    run = parked(first)
    questions.answer(first.pk, choice="pg")
    run.refresh_from_db()
    assert run.status == RunStatus.PARKED
    questions.answer(second.pk, decision="allow")
    run.refresh_from_db()
    assert run.status == RunStatus.QUEUED


def test_user_without_the_permission_cannot_answer():
    question = ask()
    with acting(lambda: make.user(may=["mission_control.view_run"])), pytest.raises(NotAllowed):
        questions.answer(question.pk, choice="pg")
    assert Question.objects.open().count() == 1


# ---------------------------------------------------------------- the end
def test_questions_of_a_run_that_ends_are_cancelled():
    question = ask()
    stop(question.run, wait_seconds=0)
    assert finish(question.run_id, RunStatus.STOPPED, guard=Q())
    question.refresh_from_db()
    assert question.status == "cancelled" and not Notification.objects.filter(type="question").unread().exists()
    with pytest.raises(NotOpen):
        questions.answer(question.pk, choice="pg")


def test_default_is_taken_when_nobody_answers_and_the_run_continues():
    question = ask(Asked("Which?", options=DATABASES.options, default="lite", timeout_seconds=60))
    run = parked(question)
    question = due(question)
    assert (question.status, questions.reply_of(question)) == ("expired", Reply(text="SQLite", choice="lite"))
    assert Run.objects.get(pk=run.pk).status == RunStatus.QUEUED
    assert not Notification.objects.filter(type="question").unread().exists()


@pytest.mark.parametrize("is_parked", [True, False])
def test_run_whose_question_nobody_answers_ends_in_error(is_parked):
    question = ask()
    if is_parked:
        parked(question)
    question = due(question)
    run = Run.objects.get(pk=question.run_id)
    assert question.status == "expired" and questions.reply_of(question) is None
    assert (run.status, run.end_cause) == (RunStatus.ERROR, "failed")
    assert run.error.startswith("Nobody answered") and "Which database?" in run.error


def test_question_that_is_not_due_stays_open():
    question = ask()
    Reaper().tick()
    assert questions.open_of(question.run_id) == [question]


def test_deleted_task_takes_its_questions_along():
    question = ask()
    assert finish(question.run_id, RunStatus.STOPPED, guard=Q())
    Task.objects.get(pk=question.task_id).delete()
    assert not Question.objects.exists()


# ---------------------------------------------------------------- messages
def test_message_waits_for_the_agent_until_it_is_delivered(settings):
    settings.MISSION_CONTROL_BACKENDS = {"demo": "tests.backends.Scripted"}
    run, user = running(), make.user()
    message, delivery = messages.send(run, "Use tabs", by=user)
    assert (delivery, message.delivery, message.run_id) == ("next_turn", "next_turn", run.pk)
    later, _ = messages.send(run, "No, spaces", by=user)
    assert messages.undelivered(run.pk) == [message, later]
    assert messages.mark_delivered(run.pk, [message.pk]) == [message.pk]
    assert messages.mark_delivered(run.pk, [message.pk, later.pk]) == [later.pk]
    assert messages.undelivered(run.pk) == []
    assert Message.objects.get(pk=later.pk).delivered_at is not None


def test_message_reaches_an_agent_live_whose_backend_takes_messages(settings):
    settings.MISSION_CONTROL_BACKENDS = {"demo": "tests.runs.test_questions.Steered"}
    run = running()
    assert messages.send(run, "Left", by=None)[1] == "live"
    parked(ask(run=run))
    assert messages.send(run, "Right", by=None)[1] == "next_turn"


def test_message_to_an_ended_run_is_refused_with_a_hint():
    run = running()
    assert finish(run.pk, RunStatus.STOPPED, guard=Q())
    with pytest.raises(Ended) as refused:
        messages.send(run, "Too late", by=None)
    assert refused.value.body == {"hint": "follow_up"}
    assert not Message.objects.exists()


def test_user_without_the_permissions_cannot_write_to_an_agent():
    run = running()
    for may in (["mission_control.add_message"], ["mission_control.change_run"]):
        with acting(partial(make.user, may=may)), pytest.raises(NotAllowed):
            messages.send(run, "Hello", by=None)


def test_planning_takes_no_messages():
    from mission_control.runs.admission import admit_planning

    with pytest.raises(WrongState):
        messages.send(admit_planning(make.agent(), "Plan", request={}), "Hello", by=None)
