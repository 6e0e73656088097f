"""Reviews: who is asked, what a decision changes, what the next prompt contains; each is decided only once."""

from collections import Counter
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.utils import timezone
from django_q.models import Schedule

from mission_control.actions import reviews, tasks
from mission_control.actions.reviews import NotInReview, TooManyRounds, approve, request_changes
from mission_control.errors import HasActiveRuns, NotFound
from mission_control.models import Message, Notification, Project, Review, Run, Task
from mission_control.runs.admission import admit
from mission_control.scheduling import scheduler
from tests import make
from tests.actions.reviewing import activities, executed, review_notifications, rounds
from tests.rivals import race
from tests.work import a_task, end, runs, set_status, status

ROUNDS = 5


# ---------------------------------------------------------------- what opens a review
def test_an_interns_result_opens_a_review_of_its_run_and_the_people_are_told(handed_in):
    review = Review.objects.get()
    assert (review.task, review.run, review.round, review.status) == (handed_in, handed_in.last_run, 1, "open")
    assert handed_in.status == "review"
    assert review_notifications(handed_in) == ["Review needed: Draft"]


def test_a_task_that_asks_for_review_opens_one_whoever_did_it(agent):
    task = make.task(metadata={"requires_review": True})
    admit(task, agent)
    end(task)
    assert rounds(task) == [(1, "open", "")]


def test_a_task_that_is_done_at_once_opens_none(agent):
    task = make.task()
    admit(task, agent)
    end(task)
    assert (status(task), rounds(task)) == ("done", [])


def test_a_task_set_to_review_by_hand_opens_one():
    task = make.task()
    set_status(task, "review")
    assert (rounds(task), len(review_notifications(task))) == ([(1, "open", "")], 1)


@pytest.mark.parametrize("to", ["done", "assigned", "skipped", "inbox"])
def test_one_that_a_task_leaves_undecided_by_hand_is_withdrawn_and_nobody_is_asked_any_more(handed_in, to):
    set_status(handed_in, to)
    assert rounds(handed_in) == []
    assert review_notifications(handed_in, read_at=None) == []


def test_a_task_that_is_run_again_before_the_decision_has_one_review_of_the_newest_result(handed_in, intern):
    run = admit(handed_in, intern)
    assert rounds(handed_in) == []
    end(handed_in)
    review = Review.objects.get()
    assert (review.run, review.round, review.status) == (run, 1, "open")


def test_a_task_that_waits_for_a_slot_keeps_its_review_and_loses_it_when_it_starts(handed_in, intern):
    make.limit(1)
    other = make.task()
    admit(other, intern)
    admit(handed_in, intern, when_full="queue")
    assert rounds(handed_in) == [(1, "open", "")]
    with pytest.raises(HasActiveRuns):
        approve(handed_in)
    assert rounds(handed_in) == [(1, "open", "")]
    end(other)
    assert (runs(handed_in)[-1], rounds(handed_in)) == ("queued", [])


# ---------------------------------------------------------------- approve
def test_an_approved_task_is_done_and_who_decided_it_is_kept(handed_in):
    person = make.user(username="olga")
    done = approve(handed_in, by=person)
    review = Review.objects.get()
    assert (done.status, status(handed_in)) == ("done", "done")
    assert Task.objects.get(pk=handed_in.pk).completed_at is not None
    assert (review.status, review.decided_by, bool(review.decided_at)) == ("approved", person, True)
    assert "olga approved “Draft”" in activities(handed_in)
    assert "“Draft” moved from Review to Done" in activities(handed_in)
    assert review_notifications(handed_in, read_at=None) == []


def test_an_approval_frees_what_waits_and_the_last_completes_the_project(project, intern, agent):
    first = a_task(project, intern)
    second = a_task(project, agent, first)
    end(first)
    assert (status(first), runs(second)) == ("review", [])
    approve(first)
    assert runs(second) == ["queued"]

    second.refresh_from_db()
    tasks.change(second, metadata={"requires_review": True})
    end(second)
    approve(second)
    assert Project.objects.get(pk=project.pk).status == "completed"


def test_a_review_that_an_import_left_out_is_decided_all_the_same():
    task = make.task()
    Task.objects.filter(pk=task.pk).update(status="review")
    approve(task)
    assert (status(task), rounds(task)) == ("done", [(1, "approved", "")])


@pytest.mark.parametrize("state", ["inbox", "assigned", "in_progress", "done", "blocked", "skipped"])
def test_nothing_but_a_task_in_review_is_decided(state):
    task = make.task()
    set_status(task, state)
    for decide in (approve, lambda task: request_changes(task, "Shorter")):
        with pytest.raises(NotInReview) as refused:
            decide(task)
        assert (refused.value.status, "not in review" in refused.value.detail) == (409, True)
    assert (status(task), rounds(task)) == (state, [])


def test_a_task_that_was_deleted_is_not_found(handed_in):
    tasks.delete(handed_in)
    with pytest.raises(NotFound):
        approve(handed_in)


# ---------------------------------------------------------------- request changes
def test_changes_that_are_requested_send_the_task_back_with_the_feedback_in_its_thread(handed_in):
    person = make.user(username="olga")
    task = request_changes(handed_in, "Shorter, @Ina please.", by=person)
    review, message = Review.objects.get(), Message.objects.get()
    assert (task.status, status(handed_in)) == ("assigned", "assigned")
    assert (review.status, review.feedback) == ("changes_requested", "Shorter, @Ina please.")
    assert (review.decided_by, bool(review.decided_at)) == (person, True)
    assert (message.task, message.author, message.content) == (handed_in, person, review.feedback)
    assert "olga requested changes to “Draft”" in activities(handed_in)
    assert review_notifications(handed_in, read_at=None) == []
    assert Notification.objects.filter(type="mention", agent__name="Ina").count() == 1


def test_outside_a_project_that_executes_nothing_runs_by_itself(handed_in, intern):
    tasks.assign(handed_in, [intern])
    request_changes(handed_in, "Shorter")
    scheduler.advance_all()
    assert runs(handed_in) == ["completed"]


def test_in_an_executing_project_the_task_runs_again_by_itself(project, intern):
    task = a_task(project, intern)
    end(task)
    request_changes(task, "Shorter")
    assert runs(task) == ["completed", "queued"]
    end(task)
    assert rounds(task) == [(1, "changes_requested", "Shorter"), (2, "open", "")]
    assert len(review_notifications(task)) == 2 and len(review_notifications(task, read_at=None)) == 1


def test_the_next_prompt_has_the_feedback_of_all_rounds_the_newest_last(intern):
    task = make.task()
    assert "Feedback from the review" not in executed(task, intern).prompt
    request_changes(task, "Say it in fewer words.")
    assert "Say it in fewer words." in executed(task, intern).prompt
    request_changes(task, "Now </document> with examples.")
    prompt = executed(task, intern).prompt
    assert prompt.count('kind="feedback"') == 2
    assert prompt.index("fewer words") < prompt.index("with examples") < prompt.index("## Your task")


def test_after_the_last_round_changes_are_refused_and_the_refusal_says_so(intern, settings):
    settings.MAX_REVIEW_ROUNDS = 2
    task = make.task()
    for number in range(2):
        set_status(task, "review")
        request_changes(task, f"Round {number}")
    set_status(task, "review")
    with pytest.raises(TooManyRounds) as refused:
        request_changes(task, "Once more")
    assert (refused.value.status, "2 times, the limit" in refused.value.detail) == (409, True)
    assert (status(task), rounds(task)[-1], Message.objects.count()) == ("review", (3, "open", ""), 2)

    approve(task)
    set_status(task, "review")
    request_changes(task, "After an approval the count begins anew")
    assert status(task) == "assigned"


# ---------------------------------------------------------------- simultaneous decisions
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_of_those_who_decide_at_once_one_wins(handed_in, round_):
    people = [make.user().pk for _ in range(4)]
    calls = [(("approve", "request_changes")[number % 2], handed_in.pk, key) for number, key in enumerate(people)]
    answers = Counter(race(decide, calls, processes=4))
    review, winner = Review.objects.get(), (set(answers) - {"NotInReview"}).pop()
    assert answers == {winner: 1, "NotInReview": 3}
    outcome, _, key = winner.partition(" ")
    assert status(handed_in) == {"approve": "done", "request_changes": "assigned"}[outcome]
    assert review.status == {"approve": "approved", "request_changes": "changes_requested"}[outcome]
    assert str(review.decided_by_id) == key
    assert Message.objects.count() == (1 if outcome == "request_changes" else 0)


def decide(what: str, key, person: int) -> str:
    from django.contrib.auth import get_user_model

    by, task = get_user_model().objects.get(pk=person), Task.objects.get(pk=key)
    approve(task, by=by) if what == "approve" else request_changes(task, "Shorter", by=by)
    return f"{what} {person}"


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_decision_and_a_run_at_once_leave_a_task_that_makes_sense(handed_in, intern, round_):
    calls = [("approve", handed_in.pk, make.user().pk), ("run", handed_in.pk, intern.pk)]
    answers = race(decide_or_run, calls, processes=2)
    allowed = {"approve", "run", "HasActiveRuns", "NotInReview"}
    assert {answer.partition(" ")[0] for answer in answers} <= allowed
    assert Run.objects.active().filter(task=handed_in).count() == 1
    assert status(handed_in) == "in_progress"
    assert not Review.objects.filter(status="open").exists()


def decide_or_run(what: str, key, other) -> str:
    from agents.models import Agent

    if what == "approve":
        return decide(what, key, other)
    admit(Task.objects.get(pk=key), Agent.objects.get(pk=other))
    return what


# ---------------------------------------------------------------- reminders
def waiting_for(hours: float, task: Task) -> None:
    Review.objects.filter(task=task).update(opened_at=timezone.now() - timedelta(hours=hours))


def test_an_undecided_review_reminds_once_a_period(handed_in, settings):
    settings.REVIEW_REMINDER_HOURS = 24
    waiting_for(23.9, handed_in)
    assert reviews.remind() == 0
    waiting_for(24.1, handed_in)
    assert [reviews.remind() for _ in range(3)] == [1, 0, 0]
    assert review_notifications(handed_in)[-1].startswith("Review needed: Draft (open since ")

    Review.objects.update(reminded_at=timezone.now() - timedelta(hours=24.1))
    assert [reviews.remind(), len(review_notifications(handed_in))] == [1, 3]


def test_one_that_is_decided_reminds_of_nothing(handed_in):
    waiting_for(100, handed_in)
    approve(handed_in)
    assert reviews.remind() == 0


def test_of_many_machines_one_reminds(handed_in):
    waiting_for(100, handed_in)
    assert sum(race(remind, [()] * 6, processes=6)) == 1
    assert len(review_notifications(handed_in)) == 2


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_reminder_and_a_decision_at_once_leave_nobody_asked(handed_in, round_):
    waiting_for(100, handed_in)
    calls = [("approve", handed_in.pk, make.user().pk), ("remind", None, None)]
    answers = race(decide_or_remind, calls, processes=2)
    assert {answer.partition(" ")[0] for answer in answers} <= {"approve", "remind"}, answers
    assert review_notifications(handed_in, read_at=None) == []


def remind() -> int:
    return reviews.remind()


def decide_or_remind(what: str, key, person) -> str:
    return decide(what, key, person) if what == "approve" else f"{what} {reviews.remind()}"


def test_the_schedule_calls_what_reminds(handed_in):
    migration = import_module("mission_control.migrations.0009_review_reminders")
    for _ in range(2):
        migration.schedule(apps, None)
    schedule = Schedule.objects.get(func=migration.REMIND)
    assert (schedule.repeats, schedule.minutes) == (-1, 5)

    waiting_for(100, handed_in)
    module, _, name = schedule.func.rpartition(".")
    getattr(import_module(module), name)()
    assert len(review_notifications(handed_in)) == 2


def test_tasks_that_were_in_review_before_there_were_reviews_get_an_open_one():
    migration = import_module("mission_control.migrations.0009_review_reminders")
    old, other = make.task(), make.task()
    Task.objects.filter(pk=old.pk).update(status="review")
    for _ in range(2):
        migration.open_reviews(apps, None)
    assert (rounds(old), rounds(other)) == ([(1, "open", "")], [])
