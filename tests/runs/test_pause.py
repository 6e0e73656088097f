"""A project's pause stops its runs and resets their tasks; its last task completes it."""

import threading

import pytest
from django.db.models import Q

from mission_control.actions import project_execution
from mission_control.actions import tasks as verbs
from mission_control.models import Activity, Project, Run, Task
from mission_control.runs.admission import admit
from mission_control.runs.execution import execute
from mission_control.runs.lifecycle import claim, end_lost, finish, stop
from tests import make
from tests.rivals import race
from tests.servers import wait_until

Status = Run.Status


@pytest.fixture
def project() -> Project:
    return make.project(status="executing")


def begun(project: Project, agent, **options) -> Run:
    return admit(make.task(project=project), agent, **options)


def claimed(project: Project, agent) -> Run:
    return claim(begun(project, agent).pk, worker="test")


def statuses(*runs: Run) -> list[tuple[str, str]]:
    """Return the status of each run and that of its task."""
    return [Run.objects.values_list("status", "task__status").get(pk=run.pk) for run in runs]


def end(run: Run) -> None:
    """End a run as its worker does when it sees the stop."""
    assert finish(run.pk, Status.STOPPED, guard=Q(claim_token=run.claim_token))


def test_waiting_and_queued_runs_are_stopped_and_no_freed_slot_goes_to_the_paused(project, agent):
    make.limit(2)
    other = make.task()
    queued = [begun(project, agent), begun(project, agent)]
    waiting = begun(project, agent, when_full="queue")
    theirs = admit(other, agent, when_full="queue")

    project_execution.pause(project)

    assert statuses(*queued) == [(Status.STOPPED, Task.Status.ASSIGNED)] * 2
    assert statuses(waiting) == [(Status.STOPPED, Task.Status.INBOX)]
    assert statuses(theirs) == [(Status.QUEUED, Task.Status.IN_PROGRESS)]
    assert not Activity.objects.filter(task=waiting.task, message__contains="started working").exists()


def test_a_running_run_is_told_to_stop_and_its_task_is_assigned_again_when_it_has_ended(project, agent):
    run = claimed(project, agent)
    project_execution.pause(project, wait_seconds=0)
    assert Project.objects.get(pk=project.pk).status == "paused"
    assert statuses(run) == [(Status.RUNNING, Task.Status.IN_PROGRESS)]

    end(run)
    run.refresh_from_db()
    assert (run.end_cause, run.error) == ("paused", "The project was paused")
    assert statuses(run) == [(Status.STOPPED, Task.Status.ASSIGNED)]


def test_a_task_is_given_back_also_when_the_project_goes_on_before_its_run_has_ended(project, agent):
    run = claimed(project, agent)
    project_execution.pause(project, wait_seconds=0)
    project_execution.resume(project)
    end(run)
    assert statuses(run) == [(Status.STOPPED, Task.Status.ASSIGNED)]


def test_a_task_is_given_back_also_when_the_paused_runs_worker_died(project, agent):
    run = claimed(project, agent)
    project_execution.pause(project, wait_seconds=0)
    assert end_lost(run)
    assert statuses(run) == [(Status.STOPPED, Task.Status.ASSIGNED)]


def test_what_was_stopped_by_hand_before_or_after_the_pause_is_blocked(project, agent):
    before = claimed(project, agent)
    stop(before, wait_seconds=0)
    project_execution.pause(project, wait_seconds=0)
    end(before)
    after = begun(project, agent)
    stop(after)
    assert statuses(before, after) == [(Status.STOPPED, Task.Status.BLOCKED)] * 2


def test_a_repeated_pause_stops_what_runs_in_spite_of_the_first(project, agent):
    project_execution.pause(project)
    run = begun(project, agent)
    project_execution.pause(project)
    assert statuses(run) == [(Status.STOPPED, Task.Status.ASSIGNED)]


def test_a_pause_waits_until_the_agents_have_ended_and_keeps_what_they_said(project):
    agents = [
        make.agent(backend_options={"chunks": 1000, "chunk_bytes": 50, "delay_seconds": 0.05}) for _ in range(2)
    ]
    runs = [begun(project, agent) for agent in agents]
    workers = [threading.Thread(target=execute, args=(run.pk,)) for run in runs]
    for worker in workers:
        worker.start()
    wait_until(lambda: Run.objects.filter(last_seq__gt=1).count() == 2, what="the agents to speak")

    project_execution.pause(project, wait_seconds=20)  # on a busy machine two seconds may be too few

    assert statuses(*runs) == [(Status.STOPPED, Task.Status.ASSIGNED)] * 2
    assert all(Run.objects.get(pk=run.pk).output for run in runs)
    for worker in workers:
        worker.join(30)


# ---------------------------------------------------------------- completion
def test_an_executing_project_is_completed_by_the_end_of_its_last_run(project, agent):
    verbs.skip(make.task(project=project))
    Project.objects.update(status="executing", completed_at=None)
    run = claimed(project, agent)
    finish(run.pk, Status.COMPLETED, guard=Q())
    project.refresh_from_db()
    assert (project.status, bool(project.completed_at)) == ("completed", True)
    assert Activity.objects.order_by("number").last().message == f"Project completed: {project.title}"


@pytest.mark.parametrize("outcome", [Status.ERROR, Status.STOPPED])
def test_a_run_that_did_not_end_well_completes_nothing(project, agent, outcome):
    finish(claimed(project, agent).pk, outcome, guard=Q())
    project.refresh_from_db()
    assert project.status == "executing"


def test_a_run_whose_result_is_to_be_reviewed_completes_nothing(project):
    intern = make.agent(level="intern")
    run = claimed(project, intern)
    finish(run.pk, Status.COMPLETED, guard=Q())
    project.refresh_from_db()
    assert (statuses(run), project.status) == ([(Status.COMPLETED, Task.Status.REVIEW)], "executing")


@pytest.mark.parametrize("round_", range(3))
def test_of_the_last_tasks_that_end_at_once_one_completes_the_project(project, agent, round_):
    make.limit(5)
    runs = [begun(project, agent) for _ in range(5)]
    assert race(complete, [(run.pk,) for run in runs], processes=5) == [True] * 5
    project.refresh_from_db()
    assert project.status == "completed"
    assert Activity.objects.filter(message__startswith="Project completed").count() == 1


@pytest.mark.parametrize("round_", range(3))
def test_a_pause_and_ends_at_once_leave_no_run_going_and_no_task_in_progress(project, agent, round_):
    make.limit(5)
    runs = [begun(project, agent) for _ in range(4)]
    calls = [(run.pk,) for run in runs[:2]] + [(project.pk,)] + [(run.pk,) for run in runs[2:]]
    race(complete_or_pause, calls, processes=5)
    project.refresh_from_db()
    assert project.status in ("paused", "completed")
    left = set(statuses(*runs))
    assert left <= {(Status.COMPLETED, Task.Status.DONE), (Status.STOPPED, Task.Status.ASSIGNED)}
    assert not Run.objects.active().exists()


def complete(run) -> bool:
    claimed_run = claim(run, worker="test")
    return claimed_run is not None and finish(run, Status.COMPLETED, guard=Q(status=Status.RUNNING))


def complete_or_pause(key) -> bool:
    project = Project.objects.filter(pk=key).first()
    if project is not None:
        return project_execution.pause(project, wait_seconds=20).status == "paused"
    claimed_run = claim(key, worker="test")
    if claimed_run is None:
        return False
    ended = finish(key, Status.COMPLETED, guard=Q(status=Status.RUNNING))
    return ended or finish(key, Status.STOPPED, guard=Q(status=Status.RUNNING), cause=Run.EndCause.PAUSED)
