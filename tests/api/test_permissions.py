"""Authentication and permissions: who has access to what."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from mission_control.models import Run
from tests import make
from tests.api.conftest import BASE, Api

READS = [
    ("agents.view_agent", "agents"),
    ("agents.view_agent", "agents/{agent}"),
    ("agents.view_agent", "backends"),
    ("agents.view_agent", "backends/choices"),
    ("mission_control.view_task", "tasks"),
    ("mission_control.view_task", "tasks/running"),
    ("mission_control.view_task", "tasks/{task}"),
    ("mission_control.view_run", "tasks/{task}/runs"),
    ("mission_control.view_deliverable", "tasks/{task}/documents"),
    ("mission_control.view_project", "projects"),
    ("mission_control.view_project", "projects/{project}"),
    ("mission_control.view_deliverable", "documents"),
    ("mission_control.view_deliverable", "documents/{document}"),
    ("mission_control.view_deliverable", "documents/{document}/versions"),
    ("mission_control.view_deliverable", "deliverables/{document}"),
    ("mission_control.view_run", "runs"),
    ("mission_control.view_run", "runs/{run}"),
    ("mission_control.view_run", "runs/{run}/events"),
    ("mission_control.view_run", "questions"),
    ("mission_control.view_run", "questions/{question}"),
    ("mission_control.view_run", "capacity"),
    ("mission_control.view_project", "projects/{project}/files"),
    ("mission_control.view_message", "tasks/{task}/messages"),
    ("mission_control.view_activity", "activity"),
    ("mission_control.view_notification", "notifications"),
]
WRITES = [
    ("agents.add_agent", "POST", "agents"),
    ("agents.add_agent", "POST", "backends/choices"),
    ("agents.change_agent", "PATCH", "agents/{agent}"),
    ("agents.delete_agent", "DELETE", "agents/{agent}"),
    ("mission_control.add_task", "POST", "tasks"),
    ("mission_control.change_task", "PATCH", "tasks/{task}"),
    ("mission_control.delete_task", "DELETE", "tasks/{task}"),
    ("mission_control.add_run", "POST", "tasks/{task}/run"),
    ("mission_control.change_run", "POST", "tasks/{task}/stop"),
    ("mission_control.change_run", "POST", "runs/{run}/stop"),
    ("mission_control.change_run", "POST", "questions/{question}/answer"),
    ("mission_control.add_project", "POST", "projects"),
    ("mission_control.change_project", "PATCH", "projects/{project}"),
    ("mission_control.delete_project", "DELETE", "projects/{project}"),
    ("mission_control.change_project", "POST", "projects/{project}/approve"),
    ("mission_control.change_project", "POST", "projects/{project}/pause"),
    ("mission_control.change_task", "POST", "tasks/{task}/assign"),
    ("mission_control.change_task", "POST", "tasks/{task}/status"),
    ("mission_control.add_message", "POST", "tasks/{task}/messages"),
    ("agents.change_agent", "POST", "agents/{agent}/heartbeat"),
    ("mission_control.add_deliverable", "POST", "documents"),
    ("mission_control.change_deliverable", "PATCH", "documents/{document}"),
    ("mission_control.delete_deliverable", "DELETE", "documents/{document}"),
]
ALL = [(needed, "GET", path) for needed, path in READS] + WRITES


@pytest.fixture
def ids():
    run = make.run()
    return {
        "run": run.pk,
        "task": run.task_id,
        "agent": run.agent_id,
        "question": make.question().pk,
        "project": make.project().pk,
        "document": make.document().pk,
    }


@pytest.mark.parametrize(("needed", "method", "path"), ALL)
def test_nobody_gets_in_without_a_login(ids, needed, method, path):
    answer = Client().generic(method, BASE + path.format(**ids))
    assert answer.status_code == 401
    assert answer.json().keys() == {"detail"}
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("needed", "method", "path"), ALL)
def test_the_permission_decides(ids, needed, method, path):
    others = sorted({permission for permission, *_ in ALL} - {needed})
    path = path.format(**ids)
    refused = Api(make.user(may=others)).call(method, path, {} if method != "GET" else None)
    assert (refused.status_code, refused.json().keys()) == (403, {"detail"})

    allowed = Api(make.user(may=[needed])).call(method, path, {} if method != "GET" else None)
    assert allowed.status_code in (200, 400, 409), allowed.json()


def test_a_user_without_permissions_stops_nothing(ids):
    Api(make.user(may=["mission_control.view_task"])).post(f"tasks/{ids['task']}/stop")
    assert Run.objects.get(pk=ids["run"]).status == "queued"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer x",
        "Bearer a b",
        "Bearer " + "0" * 64,
        "Bearer " + "0" * 100_000,
        "Bearer \xff\xfe",
        "Bearer ümlaut",
        "Token x",
        "Basic YTpi",
        "\xff",
    ],
)
def test_a_wrong_token_is_401(header):
    answer = Client().get(f"{BASE}tasks", HTTP_AUTHORIZATION=header)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")


def test_an_expired_token_and_an_inactive_user_are_401():
    expired = make.token(expiry=timedelta(seconds=-1))
    inactive = make.user(is_active=False)
    assert Api(token=expired).get("tasks").status_code == 401
    assert Api(inactive).get("tasks").status_code == 401


def test_a_session_needs_the_csrf_token_to_write():
    client, user = Client(enforce_csrf_checks=True), make.user()
    client.force_login(user)
    body: dict[str, Any] = {"data": '{"title": "x"}', "content_type": "application/json"}
    assert client.get(f"{BASE}tasks").status_code == 200
    refused = client.post(f"{BASE}tasks", **body)
    assert (refused.status_code, refused.json().keys()) == (403, {"detail"})

    page = client.get(f"{BASE}tasks", headers={"Accept": "text/html"})
    token = page.cookies[settings.CSRF_COOKIE_NAME].value
    assert client.post(f"{BASE}tasks", **body, headers={"X-CSRFToken": token}).status_code == 200
