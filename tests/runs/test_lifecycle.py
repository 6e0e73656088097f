"""Stops, and the state after a run's end."""

import pytest
from django.db.models import Q

from mission_control.errors import NotRunning
from mission_control.models import Activity, Run, Task
from mission_control.runs.admission import admit
from mission_control.runs.lifecycle import claim, finish, interrupt, promote, stop

Status = Run.Status


def test_a_queued_run_is_stopped_at_once_and_is_not_claimed_any_more(task, agent):
    run = stop(admit(task, agent))

    task.refresh_from_db()
    assert (run.status, task.status) == (Status.STOPPED, Task.Status.BLOCKED)
    assert claim(run.pk, worker="late") is None


def test_a_waiting_run_that_is_stopped_leaves_its_task_as_it_was(tasks, agent):
    for task in tasks[:5]:
        admit(task, agent)
    run = stop(admit(tasks[5], agent, when_full="queue"))

    tasks[5].refresh_from_db()
    assert (run.status, tasks[5].status) == (Status.STOPPED, Task.Status.INBOX)
    assert list(run.events.values_list("seq", "content")) == [(1, "stopped")]


def test_what_has_ended_cannot_be_stopped(task, agent):
    run = stop(admit(task, agent))

    with pytest.raises(NotRunning):
        stop(run)


def test_the_first_reason_for_a_stop_is_kept(task, agent):
    run = claim(admit(task, agent).pk, worker="folder/group/node/1-1")
    interrupt("folder/group/")
    stop(run, reason="another", wait_seconds=0)

    run.refresh_from_db()
    assert (run.stop_cause, run.stop_reason) == ("interrupted", "Mission Control was shut down")


def test_only_runs_of_the_named_workers_are_interrupted_and_each_is_named_once(tasks, agent):
    ours = claim(admit(tasks[0], agent).pk, worker="folder/group/node/1-1")
    claim(admit(tasks[1], agent).pk, worker="folder/another/node/2-2")
    admit(tasks[2], agent)

    assert [run.pk for run in interrupt("folder/group/")] == [ours.pk]
    assert interrupt("folder/group/") == []
    assert Run.objects.filter(stop_requested_at__isnull=False).count() == 1


def test_an_end_after_a_stop_request_is_not_recorded_as_done(task, agent):
    run = claim(admit(task, agent).pk, worker="test")
    stop(run, wait_seconds=0)

    assert finish(run.pk, Status.COMPLETED, guard=Q(claim_token=run.claim_token)) is False
    assert finish(run.pk, Status.STOPPED, guard=Q(claim_token=run.claim_token)) is True
    run.refresh_from_db()
    assert run.status == Status.STOPPED


def test_a_run_ends_once(task, agent):
    run = claim(admit(task, agent).pk, worker="test")

    assert finish(run.pk, Status.COMPLETED, guard=Q()) is True
    assert finish(run.pk, Status.ERROR, guard=Q(), error="late") is False
    run.refresh_from_db()
    assert (run.status, run.last_seq) == (Status.COMPLETED, 2)


def test_each_end_leaves_one_line_in_the_feed_that_says_how_it_ended(tasks, agent):
    for task, outcome, error in zip(tasks, ["completed", "error", "stopped"], ["", "no key", ""], strict=False):
        finish(claim(admit(task, agent).pk, worker="test").pk, outcome, guard=Q(), error=error)

    said = [Activity.objects.filter(task=task).order_by("number").last() for task in tasks[:3]]
    assert [(line.type, line.message) for line in said] == [
        ("task_completed", "Demo completed “Task 0”"),
        ("task_updated", "Demo failed on “Task 1”: no key"),
        ("task_updated", "Demo was stopped on “Task 2”"),
    ]


def test_an_error_is_shown_without_secrets_and_short(task, agent):
    run = claim(admit(task, agent).pk, worker="test")
    secret = "sk-abcdefghijklmnopqrstuvwxyz123456"
    finish(run.pk, Status.ERROR, guard=Q(), error=f"key {secret} in /root/.config/keys {'x' * 500}")

    run.refresh_from_db()
    assert secret not in run.error and "/root" not in run.error
    assert len(run.error) <= 203 and run.error.endswith("...")


def test_promotion_gives_out_no_more_than_the_free_slots(tasks, agent):
    for task in tasks[:4]:
        admit(task, agent)
    Run.objects.bulk_create(
        Run(task=task, agent=agent, agent_name="Demo", status=Status.WAITING, queued_at=task.created_at)
        for task in tasks[4:]
    )

    assert [run.task for run in promote()] == [tasks[4]]
    assert promote() == []
