"""Starting or stopping an agent needs the permission for it, in every request that does so."""

import pytest
from django.test import Client
from django.urls import reverse

from mission_control.actions import tasks
from mission_control.models import Project, Run, Task
from tests import make
from tests.api.conftest import Api

NEITHER = [
    *(f"mission_control.{verb}_{noun}" for verb in ("view", "add", "change") for noun in ("project", "task")),
    *("mission_control.view_run", "agents.view_agent"),
]


@pytest.fixture
def planner():
    """Return a user who may change all work, but neither start nor stop an agent."""
    return make.user(may=NEITHER, is_staff=True)


@pytest.fixture
def page(planner):
    client = Client()
    client.force_login(planner)
    return client


@pytest.fixture
def executing():
    return make.project(status="executing")


def assigned(project: Project, **fields) -> Task:
    """Return a task that has an agent and was never started."""
    return make.task(project=project, assignees=[make.agent()], **fields)


def refused(answer) -> None:
    assert (answer.status_code, Run.objects.count()) == (403, 0)
    assert "Can add run" in answer.json()["detail"]


@pytest.mark.parametrize("before", ["draft", "paused", "awaiting_approval", "failed"])
def test_a_project_is_not_started_by_a_status(planner, before):
    project = make.project(status=before)
    assigned(project)
    refused(Api(planner).patch(f"projects/{project.pk}", {"status": "executing"}))
    assert Api(planner).post(f"projects/{project.pk}/resume").status_code == 403
    project.refresh_from_db()
    assert project.status == before
    assert Api(planner).patch(f"projects/{project.pk}", {"status": "paused"}).status_code == 200


def test_an_executing_project_is_given_no_task_to_start(planner, executing):
    api, agent = Api(planner), make.agent()
    body = {"title": "Mine", "project_id": str(executing.pk)}
    refused(api.post("tasks", {**body, "assignee_ids": [str(agent.pk)]}))
    assert not Task.objects.exists()
    task = api.made("tasks", **body)
    refused(api.post(f"tasks/{task['id']}/assign", {"agent_ids": [str(agent.pk)]}))
    refused(api.patch(f"tasks/{task['id']}", {"assignee_ids": [str(agent.pk)]}))
    elsewhere = assigned(make.project())
    refused(api.patch(f"tasks/{elsewhere.pk}", {"project_id": str(executing.pk)}))


def test_a_task_of_an_executing_project_is_not_started_again(planner, executing):
    task = make.task(project=executing, assignees=[make.agent()], task_type="human")
    tasks.change(task, task_type="agent", status="review")
    api = Api(planner)
    refused(api.post(f"tasks/{task.pk}/status", {"status": "assigned"}))
    refused(api.post(f"tasks/{task.pk}/request-changes", {"feedback": "Once more"}))
    assert api.post(f"tasks/{task.pk}/approve").status_code == 200


def test_the_pages_and_the_admin_start_nothing_either(page, executing):
    project = make.project(status="paused")
    assigned(project)
    for name in ("resume", "approve", "start"):
        assert page.post(reverse(f"project-{name}", args=[project.pk])).status_code == 403
    form = {"title": project.title, "status": "executing", "tags": "[]", "metadata": "{}", "creator_id": "human"}
    said = page.post(reverse("admin:mission_control_project_change", args=[project.pk]), form, follow=True)
    assert "Can add run" in said.content.decode()
    make.task(project=executing)  # keeps the project from being completed
    done = tasks.change(assigned(executing), status="done")
    page.post(reverse("task-move", args=[done.pk]), {"to": "assigned"})
    done.refresh_from_db()
    project.refresh_from_db()
    assert (project.status, done.status, Run.objects.count()) == ("paused", "done", 0)


def test_a_run_that_waits_is_not_stopped_by_skipping_its_task(planner, page, executing):
    make.limit(1)
    make.run()
    task = make.task(project=executing)
    run = make.run(task, when_full="queue")
    answer = Api(planner).post(f"/api/deep-work/projects/{executing.pk}/tasks/{task.pk}/skip")
    assert (answer.status_code, "Can change run" in answer.json()["detail"]) == (403, True)
    page.post(reverse("task-skip", args=[task.pk]))
    chosen = {"action": "skip_selected", "_selected_action": str(task.pk)}
    page.post(reverse("admin:mission_control_task_changelist"), chosen)
    run.refresh_from_db()
    task.refresh_from_db()
    assert (run.status, task.status) == ("waiting", "inbox")
