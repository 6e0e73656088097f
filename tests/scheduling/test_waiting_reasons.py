"""Every task that does not start has a waiting reason."""

import pytest

from mission_control.actions import project_execution, tasks
from mission_control.api import querysets
from mission_control.models import Project, Task
from mission_control.runs.lifecycle import stop
from mission_control.runs.open_reviews import open_review
from mission_control.scheduling.waiting_reasons import waiting_for
from tests import make
from tests.work import a_task, active, end, set_status


def reason(task: Task) -> str:
    project = Project.objects.get(pk=task.project_id)
    return waiting_for(project, querysets.tasks().filter(project=project)).get(str(task.pk), "")


def test_a_task_says_which_tasks_hold_it_back(project, agent):
    blockers = [a_task(project, title=f"Blocker {number}") for number in range(5)]
    task = a_task(project, agent, *blockers)
    assert reason(task) == "blocked by “Blocker 0”, “Blocker 1”, “Blocker 2” and 2 more"
    for blocker in blockers[1:]:
        tasks.skip(blocker)
    assert reason(task) == "blocked by “Blocker 0”"


def test_a_task_without_an_agent_says_so(project):
    assert reason(a_task(project)) == "no agent assigned"


def test_a_task_in_the_line_and_one_behind_it_wait_for_a_slot(project, agent):
    make.limit(1)
    started, *others = [a_task(project, agent) for _ in range(3)]
    assert [reason(task) for task in (started, *others)] == ["", "queued", "queued"]


@pytest.mark.parametrize("outcome", ["error", "stopped"])
def test_a_blocked_task_says_how_it_failed(project, agent, outcome):
    task = a_task(project, agent)
    end(task, outcome, error="No paper")
    assert reason(task) == {"error": "failed: No paper", "stopped": "stopped: No paper"}[outcome]


def test_what_people_did_by_hand_is_said(project, agent):
    task = a_task(project, agent)
    end(task, "stopped")
    assert reason(task) == "stopped: manually"
    assert reason(set_status(task, "in_progress")) == "set to in progress manually"
    assert reason(set_status(a_task(project), "blocked")) == "set to blocked manually"


def test_a_task_to_be_tried_again_says_when(project, agent):
    task = a_task(project, agent, metadata={"retry": {"attempts": 2, "backoff_seconds": 600}})
    end(task, "error")
    task.refresh_from_db()
    assert reason(task) == "retrying in 10 min"


def test_a_task_whose_run_was_stopped_in_the_line_says_so(project, agent):
    make.limit(1)
    _, task = a_task(project, agent), a_task(project, agent)
    stop(active(task))
    assert reason(task) == "removed from the queue; run it manually"


def test_tasks_of_people_say_that_they_wait_for_them(project):
    human, review = a_task(project, task_type="human"), a_task(project, task_type="review")
    assert (reason(human), reason(review)) == ("human task", "needs review")


def test_a_result_to_be_reviewed_says_so(project):
    task = a_task(project, make.agent(level="intern"))
    end(task)
    assert reason(task) == "needs review"


def test_a_task_of_a_project_that_does_not_execute_says_so(project, agent):
    task = a_task(project, agent)
    project_execution.pause(project)
    assert reason(task) == "the project is paused"


def test_it_is_in_the_plan(client, project):
    task = a_task(project)
    client.force_login(make.user())
    answer = client.get(f"/api/deep-work/projects/{project.pk}/plan").json()
    assert answer["waiting_for"] == {str(task.pk): "no agent assigned"}


@pytest.mark.parametrize(
    ("retry", "answer"),
    [
        ({"attempts": 3, "backoff_seconds": 60}, 200),
        ({"attempts": 10}, 200),
        ({"attempts": 0}, 400),
        ({"attempts": 11}, 400),
        ({"attempts": "3"}, 400),
        ({"attempts": True}, 400),
        ({"attempts": 2, "backoff_seconds": -1}, 400),
        ({"attempts": 2, "backoff_seconds": 86_401}, 400),
        ({"attempts": 2, "backoff_seconds": 1.5}, 400),
        ({"attempts": 2, "pause": 1}, 400),
        ({}, 400),
        (3, 400),
        (None, 400),
    ],
)
def test_a_retry_policy_is_checked_when_it_is_given(client, retry, answer):
    client.force_login(make.user())
    body = {"title": "Try", "metadata": {"retry": retry}}
    given = client.post("/api/mission-control/tasks", body, content_type="application/json")
    assert given.status_code == answer
    if answer == 400:
        assert given.json()["metadata"] == [given.json()["detail"]]
        assert not Task.objects.exists()


def test_a_task_that_was_sent_to_review_says_why(project):
    task = set_status(a_task(project), "review")
    assert reason(task) == "needs review"
    open_review(task, reason="The agent produced no output")
    assert reason(task) == "needs review: The agent produced no output"
