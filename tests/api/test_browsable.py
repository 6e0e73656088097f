"""The browsable API: every page opens, forms work, and no form field lists all existing objects."""

import re

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
    "runs/{run}/messages",
    "questions",
    "questions/{question}",
    "questions/{question}/answer",
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
        "question": make.question().pk,
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


def test_who_asks_for_the_docs_without_a_login_is_refused_as_everywhere():
    for accept in ("*/*", "application/json"):
        answer = Client(headers={"Accept": accept}).get("/api/docs")
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/json"), accept
        assert answer["WWW-Authenticate"] == "Bearer"
        assert answer.json().keys() == {"detail"}
    page = Client(headers=HTML).get("/api/docs")
    assert (page.status_code, page["Content-Type"].split(";")[0]) == (401, "text/html")


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("tasks", {"running"}),
        (
            "tasks/{task}",
            {"run", "stop", "runs", "documents", "assign", "status", "messages", "attachments"},
        ),
        ("projects/{project}", {"approve", "pause", "resume", "files", "files/content"}),
        ("runs/{run}", {"stop", "events", "stream"}),
        ("documents/{document}", {"versions"}),
        ("agents/{agent}", {"heartbeat"}),
    ],
)
def test_a_page_leads_to_all_that_can_be_done_with_what_it_shows(browser, ids, path, below):
    path = BASE + path.format(**ids)
    for page in (browser.get(path), browser.get(f"{path}/")):
        menu = page.content.decode().partition('id="extra-actions-menu"')[2].partition("</ul>")[0]
        assert {f'href="{path}/{name}"' for name in below} <= set(re.findall(r'href="[^"]*"', menu))


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("tasks/{task}/messages", {"content": "By form"}),
        ("tasks/{task}/attachments", {"document_id": "{document}"}),
        ("tasks/{other}/status", {"status": "done"}),
        ("tasks/{other}/run", {"agent_id": "{agent}", "when_full": "reject"}),
        ("tasks/{task}/stop", {}),
        ("runs/{run}/stop", {}),
        ("agents/{agent}/heartbeat", {}),
        ("projects/{project}/pause", {}),
        ("tokens", {"name": "By form"}),
    ],
)
def test_each_action_has_a_form_that_works(browser, ids, path, form):
    ids["other"] = make.task().pk
    path = BASE + path.format(**ids)
    page = browser.get(path).content.decode()
    assert 'method="POST"' in page
    for field in form:
        assert re.search(f'<(input|select|textarea)[^>]*name="{field}"', page), field
    answer = browser.post(path, {name: value.format(**ids) for name, value in form.items()})
    assert answer.status_code == 200, answer.content.decode()


@pytest.mark.parametrize("path", ["tasks", "tasks/{task}", "/api/session/login/"])
def test_a_page_needs_no_inline_style_or_script(browser, ids, path):
    page = browser.get(path if path.startswith("/") else BASE + path.format(**ids)).content.decode()
    assert not re.search(r"\s(style|on[a-z]+)=", page)
    assert not re.search(r"<script(?![^>]*(src=|application/json))", page)
    assert "mission_control/browsable.css" in page


def test_who_logs_out_is_out(browser):
    path = f"{BASE}tasks"
    [action] = re.findall(r'method="post" action="([^"]*)"', browser.get(path).content.decode())
    assert browser.post(action)["Location"] == "/login", "which removes the drafts of the tab"
    assert browser.get(path).status_code == 401


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
