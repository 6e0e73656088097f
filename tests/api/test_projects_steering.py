"""Plain changes of a project's status, and the activity that every change of a project writes."""

import pytest

from mission_control.models import Activity, Run
from tests import make
from tests.api.conftest import Api

PLAIN = [("approve", "approved"), ("pause", "paused"), ("resume", "executing")]


@pytest.mark.parametrize(("action", "status"), PLAIN)
@pytest.mark.parametrize("before", ["draft", "planning", "completed", "paused"])
def test_the_status_is_changed_from_any(api, action, status, before):
    project = make.project(status=before)
    answer = api.post(f"projects/{project.pk}/{action}")
    assert (answer.status_code, answer.json().keys()) == (200, {"project"})
    assert answer.json()["project"]["status"] == status
    assert answer.json() == {"project": api.get(f"projects/{project.pk}/").json()["project"]}


def test_the_first_execution_is_when_it_started(api):
    path = f"projects/{make.project().pk}"
    started = api.post(f"{path}/resume/").json()["project"]["started_at"]
    api.post(f"{path}/pause")
    assert started and api.post(f"{path}/resume").json()["project"]["started_at"] == started


def test_a_plain_pause_stops_nothing_and_a_plain_resume_completes_nothing(api):
    project = make.project(status="executing")
    run = make.run(make.task(project=project))
    api.post(f"projects/{project.pk}/pause")
    assert Run.objects.get(pk=run.pk).status == "queued"

    finished = make.project()
    api.patch(f"tasks/{make.task(project=finished).pk}", {"status": "done"})
    assert api.post(f"projects/{finished.pk}/resume").json()["project"]["status"] == "executing"


@pytest.mark.parametrize(("action", "status"), PLAIN)
def test_it_is_a_change_that_is_asked_for(action, status):
    path = f"projects/{make.project().pk}/{action}"
    others = ["mission_control.view_project", "mission_control.add_project", "mission_control.change_task"]
    assert Api(make.user(may=others)).post(path).status_code == 403
    may = ["mission_control.change_project", *(["mission_control.add_run"] if action == "resume" else [])]
    assert Api(make.user(may=may)).post(path).status_code == 200
    assert Api(None).post(f"projects/{make.agent().pk}/{action}").json() == {"detail": "Project not found"}


def test_every_change_of_a_project_writes_one_activity_and_none_when_nothing_changes(api):
    project = api.made("projects", title="Book")["id"]
    api.patch(f"projects/{project}", {"title": "Novel"})
    api.patch(f"projects/{project}", {"title": "Novel"})
    api.post(f"projects/{project}/approve")
    api.post(f"projects/{project}/approve")
    api.delete(f"projects/{project}")

    lines = Activity.objects.order_by("number")
    assert [(line.type, line.message, str(line.project_id), line.metadata["project"]) for line in lines] == [
        ("task_updated", message, project, project)
        for message in (
            "Project created: Book",
            "Project updated: Novel",
            "Project “Novel” moved from Draft to Approved",
            "Project deleted: Novel",
        )
    ]
    assert (lines[2].metadata["before"], lines[2].metadata["status"]) == ("draft", "approved")


def test_another_team_is_a_change(api):
    project = make.project()
    api.patch(f"projects/{project.pk}", {"team_agent_ids": [str(make.agent().pk)]})
    assert Activity.objects.filter(message=f"Project updated: {project.title}").count() == 1
