"""Review tasks: what opens them, and what a decision changes for the tasks that they review."""

import pytest

from mission_control.actions.reviews import approve, request_changes, start_review_task
from mission_control.errors import Invalid
from mission_control.models import Message, Notification, Project, Review, Run
from mission_control.runs.execution import execute
from mission_control.runs.lifecycle import stop
from mission_control.scheduling import scheduler
from tests import make
from tests.actions.reviewing import review_notifications, rounds
from tests.work import a_task, active, end, runs, set_status, status

ROUNDS = 5


@pytest.fixture
def chain(project, agent):
    """Return two writing tasks and a review task of both, which has just been opened."""
    texts = [a_task(project, agent, title=title) for title in ("One", "Two")]
    review = a_task(project, None, *texts, title="Look at both", task_type="review")
    for text in texts:
        end(text)
    return [*texts, review]


def test_a_review_task_is_in_review_when_its_blockers_are_done_and_the_people_hear_once(chain):
    *_, review = chain
    scheduler.advance_all()
    assert (status(review), review_notifications(review)) == ("review", ["Review needed: Look at both"])
    assert start_review_task(review) is False
    assert len(review_notifications(review)) == 1


def test_a_review_task_is_not_opened_while_it_waits_and_no_other_task_ever(project, agent):
    text = a_task(project, agent)
    assert start_review_task(a_task(project, None, text, task_type="review")) is False
    assert start_review_task(a_task(None, None)) is False
    assert not Review.objects.exists()


def test_an_approved_review_task_is_done_and_the_project_with_it(chain, project):
    approve(chain[-1])
    assert [status(task) for task in chain] == ["done"] * 3
    assert Project.objects.get(pk=project.pk).status == "completed"


def test_changes_to_what_a_review_task_is_about_send_all_of_it_back_and_the_review_waits(chain, intern):
    one, two, review = chain
    request_changes(review, "Both are too long.", by=make.user(username="olga"))
    assert status(review) == "assigned"
    for text in (one, two):
        assert runs(text) == ["completed", "queued"]
        assert rounds(text) == [(1, "changes_requested", "Both are too long.")]
    assert Message.objects.filter(content="Both are too long.").count() == 3

    run = active(one)
    execute(run.pk)
    assert "Both are too long." in Run.objects.get(pk=run.pk).prompt
    assert status(review) == "assigned"
    end(two)
    assert (status(review), len(review_notifications(review))) == ("review", 2)
    assert rounds(review) == [(1, "changes_requested", "Both are too long."), (2, "open", "")]


def test_only_what_is_named_goes_back(chain):
    one, two, review = chain
    request_changes(review, "The second is too long.", rejected=[two])
    assert (status(one), runs(two), status(review)) == ("done", ["completed", "queued"], "assigned")


@pytest.mark.parametrize("of", ["review", "other"])
def test_a_task_that_the_review_is_not_about_is_refused_and_nothing_happens(chain, of):
    named = {"review": chain[-1], "other": make.task()}[of]
    with pytest.raises(Invalid) as refused:
        request_changes(chain[-1], "Shorter", rejected=[named])
    assert refused.value.body.keys() == {"task_ids"}
    assert ([status(task) for task in chain], Message.objects.count()) == (["done", "done", "review"], 0)


def test_a_task_of_another_type_is_about_its_own_result_only(handed_in):
    with pytest.raises(Invalid):
        request_changes(handed_in, "Shorter", rejected=[handed_in])


def test_a_review_behind_a_review_sends_back_both_the_text_and_the_review_between(project, agent):
    text = a_task(project, agent)
    first = a_task(project, None, text, task_type="review")
    second = a_task(project, None, first, task_type="review")
    end(text)
    approve(first)
    request_changes(second, "Not yet.")
    assert [runs(text)[-1], status(first), status(second)] == ["queued", "assigned", "assigned"]
    end(text)
    assert [status(first), status(second)] == ["review", "assigned"]


def test_a_person_whose_task_is_sent_back_is_told_again(project):
    text = a_task(project, None, task_type="human", title="By hand")
    review = a_task(project, None, text, task_type="review")
    set_status(text, "done")
    request_changes(review, "Once more, please.")
    told = Notification.objects.filter(type="human_task", source_task=text)
    assert (status(text), told.count()) == ("assigned", 2)


def test_what_is_run_again_by_itself_can_still_be_stopped(project, intern):
    task = a_task(project, intern)
    end(task)
    request_changes(task, "Shorter")
    stop(active(task))
    assert (status(task), rounds(task)) == ("blocked", [(1, "changes_requested", "Shorter")])
