"""Failed and lost runs are retried: if the task has a retry policy, and if the run was not the cause."""

from datetime import timedelta

import pytest
from django.db.models import Q
from django.utils import timezone

from mission_control.actions import project_execution
from mission_control.models import Activity, Run, Task
from mission_control.models.retry import RetryPolicy
from mission_control.runs import workers
from mission_control.runs.admission import admit
from mission_control.runs.lifecycle import claim, end_lost, finish, interrupt, stop
from mission_control.runs.reaper import Reaper
from mission_control.scheduling import scheduler
from tests import make
from tests.rivals import race
from tests.runs.test_between_two_looks import rival
from tests.work import a_task, active, end, runs, set_status, status

THRICE = {"retry": {"attempts": 3, "backoff_seconds": 60}}


def let_time_pass() -> None:
    """Make every retry due."""
    assert Task.objects.filter(retry_at__gt=timezone.now()).update(retry_at=timezone.now() - timedelta(seconds=1))


def said(task: Task, text: str) -> bool:
    return Activity.objects.filter(task=task, message__contains=text).exists()


# ---------------------------------------------------------------- a policy
def test_without_a_policy_an_error_blocks_the_task(project, agent):
    task = a_task(project, agent)
    end(task, "error")
    task.refresh_from_db()
    assert (task.status, task.retry_at, task.failed_attempts) == ("blocked", None, 0)


def test_a_failed_task_is_tried_again_when_its_pause_is_over_until_its_attempts_are_used_up(project, agent):
    task = a_task(project, agent, metadata=THRICE)
    end(task, "error")
    scheduler.advance_all()
    assert (status(task), runs(task)) == ("assigned", ["error"])
    assert said(task, "retrying at 20")

    let_time_pass()
    scheduler.advance_all()
    end(task, "error")
    let_time_pass()
    scheduler.advance_all()
    end(task, "error")
    scheduler.advance_all()
    task.refresh_from_db()
    assert (task.status, task.retry_at, runs(task)) == ("blocked", None, ["error"] * 3)


def test_a_success_forgets_the_failures(project, agent):
    task = a_task(project, agent, metadata={"retry": {"attempts": 2}})
    end(task, "error")
    end(task)
    task.refresh_from_db()
    assert (task.status, task.failed_attempts, task.retry_at) == ("done", 0, None)


@pytest.mark.parametrize("how", ["runs it", "assigns it"])
def test_who_takes_it_in_hand_begins_to_count_anew(project, agent, how):
    task = a_task(project, agent, metadata=THRICE)
    end(task, "error")
    if how == "runs it":
        admit(Task.objects.get(pk=task.pk), agent)
    else:
        set_status(task, "blocked")
        set_status(task, "assigned")
    assert runs(task) == ["error", "queued"]
    task.refresh_from_db()
    assert (task.failed_attempts, task.retry_at) == (0, None)


def test_a_stop_is_not_tried_again(project, agent):
    task = a_task(project, agent, metadata={"retry": {"attempts": 10}})
    end(task, "stopped")
    scheduler.advance_all()
    assert (status(task), runs(task)) == ("blocked", ["stopped"])


def test_each_pause_is_twice_the_one_before_and_none_longer_than_a_day():
    policy = RetryPolicy(10, 3600)
    assert [policy.pause(number) // timedelta(hours=1) for number in range(1, 7)] == [1, 2, 4, 8, 16, 24]


@pytest.mark.parametrize(
    "stored", [None, [], "3", {"attempts": 0}, {"attempts": True}, {"attempts": 2, "more": 1}]
)
def test_a_stored_policy_that_no_action_would_take_is_none(project, agent, stored):
    task = a_task(project, agent)
    Task.objects.filter(pk=task.pk).update(metadata={"retry": stored})
    end(task, "error")
    assert status(task) == "blocked"


def test_a_retry_of_a_paused_project_waits_until_it_goes_on(project, agent):
    task = a_task(project, agent, metadata=THRICE)
    end(task, "error")
    project_execution.pause(project)
    let_time_pass()
    scheduler.advance_all()
    assert runs(task) == ["error"]
    project_execution.resume(project)
    assert runs(task) == ["error", "queued"]


def test_a_task_outside_projects_is_tried_again_by_the_agent_that_failed(agent):
    task = a_task(None, make.agent(), metadata=THRICE)
    admit(task, agent)
    end(task, "error")
    scheduler.advance_all()
    assert runs(task) == ["error"]
    let_time_pass()
    assert set(race(advance_all, [()] * 8)) == {None}
    assert (runs(task), active(task).agent) == (["error", "queued"], agent)


def test_a_retry_that_a_rival_made_and_that_failed_again_is_not_made_twice(agent):
    task = a_task(None, agent, metadata=THRICE)
    admit(task, agent)
    end(task, "error")
    let_time_pass()

    def try_again() -> None:
        scheduler.advance_all()
        end(task, "error")

    with rival(try_again, after='SELECT "mission_control_task"."id"'):
        scheduler.advance_all()
    assert runs(task) == ["error", "error"]


def advance_all() -> None:
    scheduler.advance_all()


# ---------------------------------------------------------------- losses
def lose(task: Task) -> None:
    """Let the worker of the task's run die, and the reaper find out."""
    claim(active(task).pk, worker=f"{workers.folder_id()}/group/{workers.node()}/999999999-1")
    Reaper().tick()


def test_a_run_that_was_lost_with_its_worker_is_started_again_three_times(project, agent):
    task = a_task(project, agent)
    for number in range(1, 4):
        lose(task)
        assert runs(task) == ["error"] * number + ["queued"]
    assert said(task, "interrupted; it restarts automatically")
    lose(task)
    assert (status(task), runs(task)) == ("blocked", ["error"] * 4)

    admit(task, agent, by=make.user())
    lose(task)
    assert runs(task) == ["error"] * 5 + ["queued"]


def test_a_run_whose_worker_lost_its_database_is_started_again_three_times(project, agent):
    """The run is not the cause, unless it writes something that no database accepts."""
    task = a_task(project, agent)
    for number in range(1, 4):
        end(task, "error", cause=Run.EndCause.DATABASE_LOST)
        assert runs(task) == ["error"] * number + ["queued"]
    end(task, "error", cause=Run.EndCause.DATABASE_LOST)
    assert (status(task), runs(task)) == ("blocked", ["error"] * 4)


def test_a_run_that_was_lost_outside_an_executing_project_is_not_started_again(agent):
    tasks = [a_task(project, agent) for project in (None, make.project(status="approved"))]
    for task in tasks:
        admit(task, agent)
        lose(task)
    assert [(status(task), runs(task)) for task in tasks] == [("blocked", ["error"])] * 2


def test_a_run_that_was_lost_while_it_was_to_stop_is_not_started_again(project, agent):
    task = a_task(project, agent)
    run = claim(active(task).pk, worker=f"{workers.folder_id()}/group/{workers.node()}/999999999-1")
    stop(run, wait_seconds=0)
    Reaper().tick()
    assert (status(task), runs(task)) == ("blocked", ["stopped"])


def test_a_lost_run_that_was_to_stop_says_why_also_when_the_reaper_read_it_before(project, agent):
    task = a_task(project, agent)
    seen = claim(active(task).pk, worker="lost")
    stop(seen, reason="Not today", wait_seconds=0)
    assert end_lost(seen)
    assert Run.objects.get(task=task).error == "Not today"


def test_a_shutdown_is_not_the_tasks_fault_however_often(project, agent):
    task = a_task(project, agent)
    for _ in range(5):
        run = claim(active(task).pk, worker="here/1")
        interrupt("here/")
        assert finish(run.pk, Run.Status.STOPPED, guard=Q(claim_token=run.claim_token))
    assert runs(task) == ["stopped"] * 5 + ["queued"]
