"""The API in a browser: every page opens, forms work, nothing in them lists all that exist."""

import pytest
from django.test import Client

from mission_control.models import Task
from tests import make
from tests.api.conftest import BASE

HTML = {"Accept": "text/html"}
PAGES = [
    "agents",
    "agents/{agent}",
    "backends",
    "capacity",
    "tasks",
    "tasks/running",
    "tasks/{task}",
    "tasks/{task}/run",
    "tasks/{task}/stop",
    "tasks/{task}/runs",
    "tasks/{task}/documents",
    "projects",
    "projects/{project}",
    "documents",
    "documents/{document}",
    "documents/{document}/versions",
    "deliverables",
    "runs",
    "runs/{run}",
    "runs/{run}/stop",
    "runs/{run}/events",
]


@pytest.fixture
def ids():
    run = make.run(make.task(project=make.project()))
    document = make.document(task=run.task)
    return {
        "run": run.pk,
        "task": run.task_id,
        "agent": run.agent_id,
        "project": run.project_id,
        "document": document.pk,
    }


@pytest.fixture
def browser():
    client = Client(headers=HTML)
    client.force_login(make.user())
    return client


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_for_who_is_logged_in_and_for_who_is_not(browser, ids, path):
    path = BASE + path.format(**ids)
    page = browser.get(path)
    assert page.status_code in (200, 405)
    assert page["Content-Type"].startswith("text/html")
    assert "<style>" not in page.content.decode()

    anonymous = Client(headers=HTML).get(path)
    assert anonymous.status_code == 401
    assert "/api/session/login/" in anonymous.content.decode()


def test_the_login_page_opens():
    assert Client().get("/api/session/login/").status_code == 200


def test_no_form_lists_what_exists(browser, ids):
    make.task(title="Never an option")
    for path in ("tasks/{task}", "tasks/{task}/run", "documents", "projects/{project}", "runs"):
        assert "Never an option" not in browser.get(BASE + path.format(**ids)).content.decode()
    assert "Never an option</option>" not in browser.get(f"{BASE}tasks").content.decode()


def test_a_form_creates_and_a_wrong_one_says_why(browser):
    answer = browser.post(
        f"{BASE}tasks", {"title": "By form", "priority": "low", "project_id": "", "due_date": ""}
    )
    assert answer.status_code == 200
    assert Task.objects.get().title == "By form"
    wrong = browser.post(f"{BASE}tasks", {"title": ""})
    assert wrong.status_code == 400
    assert "Title may not be blank." in wrong.content.decode()


def test_the_form_of_a_change_begins_with_what_there_is(browser):
    task = make.task(title="As it is", project=make.project(), assignees=[make.agent()])
    page = browser.get(f"{BASE}tasks/{task.pk}").content.decode()
    raw = page.partition('name="_content"')[2].partition("</textarea>")[0]
    assert "As it is" in raw
    assert str(task.project_id) in raw


def test_long_lists_are_paged_and_can_be_filtered(browser):
    Task.objects.bulk_create(Task(title="x") for _ in range(120))
    page = browser.get(f"{BASE}tasks").content.decode()
    assert "offset=100" in page
    assert 'name="assignee_id"' in page


@pytest.mark.parametrize("path", PAGES)
def test_options_are_answered(api, ids, path):
    answer = api.call("OPTIONS", path.format(**ids))
    assert answer.status_code == 200
