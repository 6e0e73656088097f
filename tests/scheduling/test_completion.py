"""When a project is completed, and when it continues."""

import pytest
from django.db import connection

from mission_control.actions import project_execution, projects, tasks
from mission_control.actions.permissions import acting
from mission_control.models import Activity, Deliverable, Project, Run, Task
from mission_control.runs.execution import execute
from mission_control.scheduling import scheduler
from tests import make
from tests.runs.test_between_two_looks import rival
from tests.servers import wait_until


def status(project: Project) -> str:
    return Project.objects.get(pk=project.pk).status


@pytest.mark.parametrize(
    "start", [project_execution.resume, lambda project: projects.change(project, status="executing")]
)
def test_an_empty_project_that_was_started_is_completed_by_the_next_sweep(start):
    project = make.project(status="paused")
    start(project)
    assert status(project) == "executing"
    scheduler.advance_all()
    assert status(project) == "completed"
    assert Project.objects.get(pk=project.pk).completed_at is not None


def test_a_task_added_to_a_completed_project_runs(project, agent):
    projects.change(project, status="completed")
    Project.objects.filter(pk=project.pk).update(started_at=project.created_at)
    task = make.task(project=project, assignees=[agent])
    assert status(project) == "executing"
    assert Run.objects.get(task=task).status == "queued"
    assert Activity.objects.filter(message=f"Project continues with a new task: {project.title}").count() == 1


@pytest.mark.parametrize("how", ["moved", "opened"])
def test_a_task_that_is_moved_into_a_completed_project_or_opened_again_lets_it_go_on(project, how):
    task = make.task(project=project if how == "opened" else None)
    if how == "opened":
        tasks.change(task, status="done")
    else:
        tasks.change(make.task(project=project), status="done")
    Project.objects.filter(pk=project.pk).update(started_at=project.created_at, status="completed")
    tasks.change(task, **({"status": "inbox"} if how == "opened" else {"project": project}))
    assert status(project) == "executing"


def test_a_project_that_was_set_to_completed_and_never_executed_stays_so():
    project = make.project(status="completed")
    make.task(project=project)
    assert status(project) == "completed"


def test_a_done_task_added_to_nothing_reopens_nothing(project):
    projects.change(project, status="completed")
    tasks.change(make.task(), status="done")
    assert status(project) == "completed"


def completed(*open_tasks: str) -> Project:
    """Return a project that was executed and completed, by hand if tasks are still open."""
    project = make.project()
    for title in open_tasks:
        make.task(project=project, title=title)
    projects.change(project, status="executing")
    return projects.change(project, status="completed")


def test_closing_the_open_tasks_of_a_project_that_was_completed_by_hand_leaves_it_completed():
    project = completed("First", "Second", "Third")
    first, second, third = Task.objects.filter(project=project)
    tasks.skip(first)
    tasks.change(second, status="done")
    tasks.change(third, status="blocked")
    assert status(project) == "completed"


def test_without_the_permission_to_start_agents_nobody_lets_a_completed_project_go_on(agent):
    project = completed()
    done = tasks.change(make.task(), status="done")
    user = make.user(may=["mission_control.add_task", "mission_control.change_task"])
    with acting(lambda: user):
        added = make.task(project=project, assignees=[agent])
        tasks.change(make.task(), project=project)
        tasks.change(done, project=project, status="assigned")
    assert status(project) == "completed"
    assert not Run.objects.exists()

    tasks.change(added, status="inbox")
    assert status(project) == "executing"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one transaction write at a time")
def test_a_task_that_is_added_while_the_project_is_being_completed_is_not_left_behind():
    project = make.project()
    last = make.task(project=project)
    projects.change(project, status="executing")
    look_for_open_tasks = 'SELECT %s AS "a" FROM "mission_control_task"'
    Task.objects.filter(pk=last.pk).update(status="done")
    with rival(lambda: make.task(project=project), after=look_for_open_tasks, wait_seconds=1):
        scheduler.complete_resolved()
    assert wait_until(lambda: Task.objects.filter(project=project).count() == 2) and status(project) == "executing"


@pytest.mark.parametrize("when", ["after", "during"])
def test_a_deliverable_is_named_after_its_task_also_when_that_is_renamed(when, agent):
    run = make.run(make.task(title="Old"), agent)
    if when == "during":
        tasks.change(run.task, title="New")
    execute(run.pk)
    if when == "after":
        tasks.change(run.task, title="New")
    assert Deliverable.objects.get().title == "Deliverable: New"


def test_a_deliverable_that_a_person_named_keeps_its_name(agent):
    run = make.run(make.task(title="Old"), agent)
    execute(run.pk)
    Deliverable.objects.update(title="Mine")
    tasks.change(run.task, title="New")
    assert Deliverable.objects.get().title == "Mine"
