"""Admission: which runs are admitted, which are refused, and why."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.models import OrmQ

from agents.models import Agent
from mission_control.errors import AlreadyRunning, LimitReached, NotForAgents, NotFound, TaskBlocked
from mission_control.models import Activity, Capacity, Run, Task
from mission_control.runs.admission import admit
from mission_control.runs.lifecycle import stop

Status = Run.Status


def test_an_admitted_run_holds_the_lowest_slot_and_its_job_is_in_the_queue(task, agent):
    run = admit(task, agent)

    assert (run.status, run.slot, run.last_seq) == (Status.QUEUED, 1, 1)
    assert OrmQ.objects.count() == 1
    assert list(run.events.values_list("seq", "type", "content")) == [(1, "status", "started")]


def test_an_admitted_task_reads_in_progress_with_its_run_and_leaves_an_activity(task, agent):
    run = admit(task, agent)

    task.refresh_from_db()
    assert (task.status, task.last_run_id) == (Task.Status.IN_PROGRESS, run.pk)
    assert task.started_at is not None
    assert Activity.objects.get(task=task).message == "Demo started working on “Task 0”"


def test_sixth_run_is_refused_while_five_are_active(tasks, agent):
    slots = [admit(task, agent).slot for task in tasks[:5]]

    with pytest.raises(LimitReached, match=r"Maximum concurrent tasks \(5\) reached"):
        admit(tasks[5], agent)
    assert slots == [1, 2, 3, 4, 5]
    assert Run.objects.count() == OrmQ.objects.count() == 5


def test_a_second_run_of_a_task_is_refused_even_when_all_slots_are_taken(tasks, agent):
    for task in tasks[:5]:
        admit(task, agent)

    with pytest.raises(AlreadyRunning):
        admit(tasks[0], agent)


def test_a_run_that_ends_gives_its_slot_back(tasks, agent):
    runs = [admit(task, agent) for task in tasks[:5]]
    stop(runs[2])

    assert admit(tasks[5], agent).slot == 3


def test_the_limit_is_read_anew_at_each_admission(tasks, agent):
    for task in tasks[:5]:
        admit(task, agent)
    Capacity.objects.update(limit=6)

    assert admit(tasks[5], agent).slot == 6


def test_after_the_limit_was_lowered_runs_on_higher_slots_still_count(tasks, agent):
    runs = [admit(task, agent) for task in tasks[:5]]
    Capacity.objects.update(limit=3)
    stop(runs[0])
    stop(runs[1])

    with pytest.raises(LimitReached, match=r"\(3\)"):
        admit(tasks[5], agent)
    stop(runs[4])
    assert admit(tasks[5], agent).slot == 1


def test_a_blocked_task_is_refused_with_its_unfinished_blockers(tasks, agent):
    tasks[0].blocked_by.set(tasks[1:4])
    Task.objects.filter(pk=tasks[1].pk).update(status=Task.Status.DONE)
    Task.objects.filter(pk=tasks[2].pk).update(status=Task.Status.SKIPPED)

    with pytest.raises(TaskBlocked) as refusal:
        admit(tasks[0], agent)
    assert refusal.value.body == {"blocked_by": [str(tasks[3].pk)]}
    assert admit(tasks[0], agent, ignore_dependencies=True).status == Status.QUEUED


@pytest.mark.parametrize("task_type", [Task.Type.HUMAN, Task.Type.REVIEW])
def test_a_task_of_a_person_is_not_run_by_an_agent(task, agent, task_type):
    task.task_type = task_type

    with pytest.raises(NotForAgents):
        admit(task, agent)


@pytest.mark.parametrize("status", [Task.Status.DONE, Task.Status.SKIPPED, Task.Status.BLOCKED])
def test_a_finished_or_blocked_task_may_run_again(task, agent, status):
    Task.objects.filter(pk=task.pk).update(status=status)

    assert admit(task, agent).status == Status.QUEUED


def test_runs_of_a_task_are_counted(task, agent):
    assert [stop(admit(task, agent)).attempt for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("gone", [Task, Agent])
def test_what_was_deleted_meanwhile_is_not_found_and_leaves_nothing(task, agent, gone):
    gone.objects.all().delete()

    with pytest.raises(NotFound, match=f"{gone.__name__} not found"):
        admit(task, agent)
    assert not Run.objects.exists()
    assert not OrmQ.objects.exists()


def test_a_run_that_may_wait_waits_without_a_slot_and_its_task_stays_as_it_was(tasks, agent):
    for task in tasks[:5]:
        admit(task, agent)
    run = admit(tasks[5], agent, when_full="queue")

    tasks[5].refresh_from_db()
    assert (run.status, run.slot, run.last_seq) == (Status.WAITING, None, 0)
    assert (tasks[5].status, tasks[5].last_run_id) == (Task.Status.INBOX, run.pk)
    assert OrmQ.objects.count() == 5


def test_a_run_that_may_wait_starts_at_once_when_there_is_a_slot(task, agent):
    assert admit(task, agent, when_full="queue").status == Status.QUEUED


def test_a_waiting_run_takes_the_slot_that_comes_free(tasks, agent):
    runs = [admit(task, agent) for task in tasks[:5]]
    waiting = admit(tasks[5], agent, when_full="queue")
    stop(runs[3])

    waiting.refresh_from_db()
    tasks[5].refresh_from_db()
    assert (waiting.status, waiting.slot, waiting.last_seq) == (Status.QUEUED, 4, 1)
    assert tasks[5].status == Task.Status.IN_PROGRESS
    assert OrmQ.objects.count() == 6


def test_waiting_runs_start_by_priority_then_age(tasks, agent):
    runs = [admit(task, agent) for task in tasks[:5]]
    for task, priority in zip(tasks[5:], ["medium", "low", "urgent"], strict=True):
        Task.objects.filter(pk=task.pk).update(priority=priority)
    waiting = [admit(task, agent, when_full="queue") for task in tasks[5:]]
    order = []
    for run in runs[:3]:
        stop(run)
        started = Run.objects.filter(pk__in=[run.pk for run in waiting], status=Status.QUEUED)
        order += [run.task.title for run in started if run.task.title not in order]

    assert order == ["Task 7", "Task 5", "Task 6"]


def test_a_newcomer_does_not_overtake_a_waiting_run(tasks, agent):
    for task in tasks[:5]:
        admit(task, agent)
    waiting = admit(tasks[5], agent, when_full="queue")
    Capacity.objects.update(limit=6)  # a slot becomes free and no waiting run has been promoted

    with pytest.raises(LimitReached):
        admit(tasks[6], agent)
    waiting.refresh_from_db()
    assert waiting.slot == 6


def test_a_waiting_task_is_already_running_for_a_second_request(tasks, agent):
    for task in tasks[:5]:
        admit(task, agent)
    admit(tasks[5], agent, when_full="queue")

    with pytest.raises(AlreadyRunning):
        admit(tasks[5], agent, when_full="queue")


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"slot": 1}, "one_run_a_slot|run.slot"),
        ({"slot": None}, "holding_run_has_a_slot"),
        ({"status": Status.WAITING, "slot": 3}, "waiting_run_has_no_slot"),
        ({"slot": 2, "status": Status.RUNNING}, "running_run_is_claimed"),
        ({"slot": 2, "status": Status.STOPPED}, "ended_run_says_when"),
        ({"slot": 2, "task": None}, "task_run_has_a_task"),
    ],
)
def test_the_database_itself_refuses_a_wrong_state(tasks, agent, changes, constraint):
    admit(tasks[0], agent)
    wrong = {"status": Status.QUEUED, "task": tasks[1], "queued_at": timezone.now()} | changes

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Run.objects.create(agent=agent, **wrong)


def test_the_database_itself_refuses_a_second_active_run_of_a_task(task, agent):
    admit(task, agent)

    with pytest.raises(IntegrityError, match=r"one_active_run_a_task|run\.task_id"), transaction.atomic():
        Run.objects.create(agent=agent, task=task, status=Status.QUEUED, slot=2, queued_at=timezone.now())
