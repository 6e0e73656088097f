"""Planning runs hold a slot, wait, are stopped, lost and raced like any run; their project shows the end."""

import os
import signal
import threading

import pytest

from agents.models import Agent
from mission_control import jobs, planning
from mission_control.actions import projects
from mission_control.errors import HasActiveRuns
from mission_control.models import Deliverable, Project, Run, Task
from mission_control.planning.execution import execution_of
from mission_control.runs.lifecycle import STOP_SECONDS, claim, stop
from mission_control.runs.outcomes import Outcome
from mission_control.runs.reaper import Reaper, recover
from mission_control.runs.slots import capacity
from tests import make, rivals
from tests.planning.planners import GOAL, NAMES, a_planner, carried_out, planned, started
from tests.servers import wait_until


@pytest.fixture(autouse=True)
def known_backends(settings):
    settings.MISSION_CONTROL_BACKENDS = NAMES
    settings.PLANNER_BACKEND = "planner"


def told(project: Project) -> tuple[str, str | None]:
    project.refresh_from_db()
    return project.status, project.metadata.get("planning_error")


def nothing_was_written() -> bool:
    return not (
        Task.objects.exists() or Deliverable.objects.exists() or Agent.objects.exclude(name="Planner").exists()
    )


# ---------------------------------------------------------------- slots
def test_a_planning_holds_a_slot_from_the_answer_to_the_end():
    a_planner()
    _, run = started()
    assert (run.status, run.slot, capacity()["queued"]) == ("queued", 1, 1)
    carried_out(run)
    assert capacity()["available"] == 5


def test_at_the_limit_a_planning_waits_and_starts_by_itself():
    a_planner()
    make.limit(1)
    holding = make.run()
    project, run = started()
    assert (run.status, run.slot, told(project)) == ("waiting", None, ("planning", None))
    stop(holding)
    run.refresh_from_db()
    assert run.status == "queued"
    carried_out(run)
    assert told(project) == ("awaiting_approval", None)


def test_a_planning_that_waits_can_be_stopped():
    a_planner()
    make.limit(1)
    make.run()
    project, run = started()
    stop(run, reason="no longer wanted")
    assert told(project) == ("failed", "Planning was stopped: no longer wanted")
    assert run.events.count() == 2  # the result for the project, and the end


def test_a_project_is_not_deleted_while_it_is_planned():
    project, _ = started()
    with pytest.raises(HasActiveRuns):
        projects.delete(project)


# ---------------------------------------------------------------- stop
@pytest.mark.parametrize("step", ["goal_analysis", "tasks", "team"])
def test_a_stop_in_mid_plan_fails_the_project_and_leaves_nothing_of_the_plan(step):
    a_planner(silent_at=step)
    project, run = started()
    thread = threading.Thread(target=jobs.execute_run, args=(str(run.pk),))
    thread.start()
    wait_until(lambda: run.events.filter(metadata__step=step).exists(), what=f"the step {step}")
    ended = stop(run, wait_seconds=10 * STOP_SECONDS)
    thread.join(30)
    assert (ended.status, told(project)) == ("stopped", ("failed", "Planning was stopped"))
    assert nothing_was_written()


def test_a_stop_in_the_last_moment_wins_over_the_plan():
    a_planner()
    project, run = started()
    claimed = claim(run.pk, worker="test")
    stop(claimed, reason="no", wait_seconds=0)
    execution_of(claimed).end_once(Outcome(Run.Status.COMPLETED), {})
    assert told(project) == ("failed", "Planning was stopped: no")
    assert nothing_was_written()


# ---------------------------------------------------------------- loss
@pytest.fixture
def worker_at_work():
    """A real worker process in the middle of a plan, at its last step."""
    a_planner(silent_at="team")
    project, run = started()
    worker = rivals.start(jobs.execute_run, str(run.pk))
    wait_until(lambda: run.events.filter(metadata__step="team").exists(), what="the last step")
    yield project, run, worker
    worker.kill()
    worker.join()


def killed(worker) -> None:
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()


def test_a_planning_whose_worker_was_killed_fails_and_leaves_nothing_of_the_plan(worker_at_work):
    project, run, worker = worker_at_work
    Reaper().tick()
    assert told(project) == ("planning", None)
    killed(worker)
    Reaper().tick()
    run.refresh_from_db()
    assert (run.status, told(project)) == ("error", ("failed", "Planning failed: worker lost"))
    assert nothing_was_written()
    assert capacity()["available"] == 5


def test_after_a_restart_an_interrupted_planning_has_failed_and_can_be_done_again(worker_at_work):
    project, run, worker = worker_at_work
    killed(worker)
    run.refresh_from_db()
    recover(run.worker.partition("/")[0])
    assert told(project) == ("failed", "Planning failed: worker lost")
    Agent.objects.update(backend_options={})
    planning.replan(project)
    carried_out(Run.objects.active().get(project=project))
    assert told(project) == ("awaiting_approval", None)


# ---------------------------------------------------------------- races
def replan_one(project) -> str:
    return planning.replan(Project.objects.get(pk=project)).status


def start_one(_) -> str:
    return Run.objects.get(project=planning.start(GOAL), kind="planning").status


def test_of_many_who_plan_a_project_again_at_once_one_does():
    a_planner()
    project = make.project(status="failed", description=GOAL)
    answers = rivals.race(replan_one, [(project.pk,)] * 16)
    assert answers.count("planning") == 1
    assert set(answers) <= {"planning", "WrongState", "AlreadyPlanned"}
    assert Run.objects.filter(project=project).count() == 1


def test_many_plannings_at_once_never_hold_more_than_the_limit_and_none_is_lost():
    a_planner()
    make.limit(3)
    answers = rivals.race(start_one, [(number,) for number in range(16)])
    assert sorted(answers) == ["queued"] * 3 + ["waiting"] * 13
    assert Project.objects.filter(status="planning").count() == Run.objects.active().count() == 16


def plan_one(_) -> str:
    project, run = planned()
    return f"{project.status} {run.status}"


def test_plans_that_are_written_at_once_are_all_written_whole():
    a_planner()
    make.limit(8)
    assert rivals.race(plan_one, [(number,) for number in range(8)]) == ["awaiting_approval completed"] * 8
    assert Task.objects.count() == 16 and Project.objects.exclude(prd_document=None).count() == 8
