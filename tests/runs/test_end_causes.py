"""The reason why a run ended is a column, which decides what follows from the end; error texts never do."""

import importlib

import pytest
from django.apps import apps
from django.db.models import Q
from django.utils import timezone

from mission_control.actions import project_execution
from mission_control.actions import tasks as actions
from mission_control.models import Activity, Run, Task
from mission_control.runs import workers
from mission_control.runs.admission import admit
from mission_control.runs.lifecycle import claim, finish, interrupt, stop
from mission_control.runs.reaper import Reaper
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)
DEAD = f"{workers.folder_id()}/group/{workers.node()}/999999999-1"


@pytest.fixture
def project(agent):
    return make.project(status="executing")


def claimed(project, agent, worker="here/1") -> Run:
    task = make.task(project=project, assignees=[agent])
    run = Run.objects.filter(task=task).first() or admit(task, agent)
    return claim(run.pk, worker=worker)


def end(run: Run, outcome: str = "stopped", **options) -> None:
    assert finish(run.pk, outcome, guard=Q(claim_token=run.claim_token), **options)


def complete(run):
    end(run, "completed")


def fail(run):
    end(run, "error", error="It broke")


def stop_by_hand(run):
    stop(run, reason="Enough", wait_seconds=0)
    end(run)


def pause(run):
    project_execution.pause(run.project, wait_seconds=0)
    end(run)


def shut_down(run):
    interrupt("here/")
    end(run)


def lose(run):
    Run.objects.filter(pk=run.pk).update(worker=DEAD)
    Reaper().tick()


@pytest.mark.parametrize(
    ("cause", "happens", "error", "task_status"),
    [
        ("completed", complete, "", "done"),
        ("failed", fail, "It broke", "blocked"),
        ("stopped", stop_by_hand, "Enough", "blocked"),
        ("paused", pause, "The project was paused", "assigned"),
        ("interrupted", shut_down, "Mission Control was shut down", "in_progress"),  # it is started again
        ("worker_lost", lose, "worker lost", "in_progress"),
    ],
)
def test_each_end_has_its_cause(project, agent, cause, happens, error, task_status):
    run = claimed(project, agent)
    assert run.end_cause == ""
    happens(run)

    run.refresh_from_db()
    assert (run.end_cause, run.error, Task.objects.get(pk=run.task_id).status) == (cause, error, task_status)


@pytest.mark.parametrize("text", ["worker lost", "Mission Control was shut down", "The project was paused"])
def test_an_error_text_that_reads_like_another_end_changes_nothing(project, agent, text):
    """Agents, and users who stop runs, may write any text."""
    failed, stopped = claimed(project, agent), claimed(project, agent)
    end(failed, "error", error=text)
    stop(stopped, reason=text, wait_seconds=0)
    end(stopped)

    ends = Run.objects.filter(pk__in=[failed.pk, stopped.pk]).values_list("end_cause", "task__status")
    assert sorted(ends) == [("failed", "blocked"), ("stopped", "blocked")]


def test_a_task_that_is_skipped_cancels_its_waiting_run(project, agent):
    make.limit(1)
    claimed(project, agent)
    waiting = admit(make.task(), agent, when_full="queue")
    actions.skip(waiting.task)

    waiting.refresh_from_db()
    assert (waiting.status, waiting.end_cause) == ("stopped", "cancelled")


def test_the_migration_reads_the_cause_of_older_runs_out_of_their_texts(agent):
    old = {
        ("completed", "", ""): "completed",
        ("error", "No key", ""): "failed",
        ("error", "worker lost", ""): "worker_lost",
        ("error", "Mission Control was shut down", ""): "interrupted",
        ("stopped", "Mission Control was shut down", "Mission Control was shut down"): "interrupted",
        ("stopped", "The project was paused", "The project was paused"): "paused",
        ("stopped", "The task was skipped", ""): "cancelled",
        ("stopped", "Stopped in the terminal", "Stopped in the terminal"): "stopped",
        ("error", "Ran longer than the limit of 5 seconds", ""): "timeout",
        ("error", "The agent gave no sign for 5 seconds, which is the limit", ""): "idle",
        ("error", "The output is longer than the limit of 5,000 characters", ""): "output_limit",
        ("error", "Used 1,200 tokens, more than the limit of 1,000", ""): "token_limit",
        ("error", "Cost $1.50, more than the limit of $1.00", ""): "cost_limit",
        ("error", 'Unexpected failure: OperationalError: server at "10.0.0.7" closed', ""): "database_lost",
    }
    now, made = timezone.now(), {}
    for (status, error, reason), cause in old.items():
        asked = now if reason else None
        more = {"stop_requested_at": asked, "stop_reason": reason, "finished_at": now, "queued_at": now}
        run = Run.objects.create(task=make.task(), agent=agent, status=status, error=error, **more)
        made[run.pk] = cause
    edited = Activity.objects.create(type="task_updated", message="Task updated: One")
    Activity.objects.filter(pk=edited.pk).update(is_edit=False)
    importlib.import_module("mission_control.migrations.0013_end_causes").fill(apps, None)

    assert dict(Run.objects.values_list("pk", "end_cause")) == made
    assert not Run.objects.filter(error__contains="10.0.0.7").exists()
    assert Activity.objects.get(pk=edited.pk).is_edit
