"""The actions on a task's page, and who may use them."""

import re
from datetime import UTC, datetime

import pytest
from django.db.models import Q
from django.test import Client

from mission_control.actions import tasks
from mission_control.models import Deliverable, Message, Review, Run, RunEvent, Task
from mission_control.runs.lifecycle import finish
from tests import make
from tests.web.conftest import SEES, client_of
from tests.web.pages import SCRIPT, finished_run, html, page_of, part, post, started_run, text_of

pytestmark = pytest.mark.usefixtures("database")

HOSTILE = '</div><script>alert(1)</script><img src=x onerror="alert(2)">'
Type = RunEvent.Type


# ---------------------------------------------------------------- editing
@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("title", "  A new title ", "A new title"),
        ("description", "one\r\ntwo", "one\ntwo"),
        ("description", "", ""),
        ("status", "blocked", "blocked"),
        ("priority", "urgent", "urgent"),
        ("task_type", "human", "human"),
        ("tags", "a, b,,a , c d", ["a", "b", "c d"]),
        ("tags", 'a, "b, c" ,\u200b, d"e', ["a", "b, c", 'd"e']),
        ("tags", "", []),
        ("due_date", "2026-12-24", datetime(2026, 12, 24, 12, tzinfo=UTC)),
        ("due_date", "", None),
        ("estimated_minutes", "45", 45),
        ("estimated_minutes", "", None),
    ],
)
def test_each_property_is_changed_alone(browser, field, given, kept):
    before = {"title": "Old", "description": "Old", "tags": ["old"], "priority": "low"}
    task = make.task(**before, estimated_minutes=5, due_date=datetime(2026, 1, 1, tzinfo=UTC))
    assert post(browser, task, "edit", **{field: given}).status_code == 200
    task.refresh_from_db()
    assert getattr(task, field) == kept
    assert [name for name, value in before.items() if name != field and getattr(task, name) != value] == []


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("title", " "),
        ("title", "x" * 201),
        ("status", "skipped"),
        ("status", "nonsense"),
        ("priority", ""),
        ("tags", ",".join(map(str, range(51)))),
        ("tags", "x" * 51),
        ("due_date", "tomorrow"),
        ("estimated_minutes", "-1"),
        ("estimated_minutes", "99999999999"),
        ("project", "00000000-0000-4000-8000-000000000000"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_words_and_nothing_changes(browser, field, given):
    task = make.task()
    answer = post(browser, task, "edit", **{field: given})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()
    assert Task.objects.get().updated_at == task.updated_at


def test_the_hour_of_a_due_date_stays_when_its_day_does(browser):
    due = datetime(2026, 12, 24, 17, 30, tzinfo=UTC)
    task = make.task(due_date=due)
    post(browser, task, "edit", due_date="2026-12-24")
    task.refresh_from_db()
    assert task.due_date == due


def test_the_status_of_a_running_task_is_not_changed_by_hand(browser):
    task = make.task()
    started_run(task)
    answer = post(browser, task, "edit", status="done")
    assert answer.status_code == 409
    assert "Task has an active run" in answer.content.decode()


def test_assignees_are_replaced_and_keep_their_order(browser):
    first, second, third = make.agent(name="Zoe"), make.agent(name="Bo"), make.agent(name="Cy")
    task = make.task(assignees=[first, second])
    post(browser, task, "assign", agents=[second.pk, third.pk, first.pk])
    assert Task.objects.get().assignee_ids == [first.pk, second.pk, third.pk]
    post(browser, task, "assign")
    assert Task.objects.get().assignee_ids == []


def test_dependencies_are_added_and_removed_and_a_circle_is_refused(browser):
    first, second = make.task(title="First"), make.task(title="Second")
    added = post(browser, second, "dependencies", add=first.pk)
    assert "First" in part(added.content.decode(), "deps")
    circle = post(browser, first, "dependencies", add=second.pk)
    assert circle.status_code == 400
    assert "circular dependency" in circle.content.decode()
    assert post(browser, second, "dependencies", remove=first.pk).status_code == 200
    assert not second.blocked_by.exists()


def test_a_task_is_skipped_and_deleted_and_its_run_forbids_that(browser):
    task = make.task()
    started_run(task)
    assert post(browser, task, "skip").status_code == 400
    refused = browser.post(f"/tasks/{task.pk}/delete", **SCRIPT)
    assert refused.status_code == 409
    assert "Task has an active run" in refused.content.decode()
    finish(Run.objects.get().pk, Run.Status.STOPPED, guard=Q())
    assert post(browser, task, "skip").status_code == 200
    assert Task.objects.get().status == Task.Status.SKIPPED
    assert "Delete" in html(browser, f"/tasks/{task.pk}/delete")
    assert browser.post(f"/tasks/{task.pk}/delete", **SCRIPT)["X-Location"] == "/"
    assert not Task.objects.exists()


# ---------------------------------------------------------------- review
def in_review(**fields) -> Task:
    return tasks.set_status(make.task(**fields), Task.Status.REVIEW)


def test_a_review_stands_first_and_is_approved(browser):
    task = in_review()
    page = page_of(browser, task)
    assert 'class="ask"' in page
    assert "Your turn" in page
    answer = post(browser, task, "review", decision="approve")
    assert answer.status_code == 200
    assert Task.objects.get().status == Task.Status.DONE
    assert "Approved" in part(answer.content.decode(), "review-aside")


def test_changes_are_requested_only_with_words(browser):
    task = in_review()
    wordless = post(browser, task, "review", decision="changes")
    assert wordless.status_code == 400
    assert "describe what should change" in wordless.content.decode()
    assert post(browser, task, "review", decision="changes", feedback="Shorter.").status_code == 200
    assert Task.objects.get().status == Task.Status.ASSIGNED
    assert Review.objects.get().feedback == "Shorter."
    assert Message.objects.get().content == "Shorter."


def test_who_decides_second_is_told(browser):
    task = in_review()
    post(browser, task, "review", decision="approve")
    assert post(browser, task, "review", decision="approve").status_code == 409


# ---------------------------------------------------------------- permissions
ACTIONS = {
    "run": "add_run",
    "stop": "change_run",
    "edit": "change_task",
    "assign": "change_task",
    "dependencies": "change_task",
    "review": "change_task",
    "messages": "add_message",
    "skip": "change_task",
    "delete": "delete_task",
}


def test_a_viewer_sees_no_form_that_would_be_refused(browser):
    everything = [
        f"mission_control.view_{noun}" for noun in ("task", "run", "message", "deliverable", "review", "project")
    ]
    viewer = client_of(make.user(may=everything))
    make.agent()
    task = in_review()
    make.task(blocked_by=[task])
    shown = page_of(viewer, task) + page_of(viewer, make.task())
    assert re.findall(r'<form[^>]*method="post"[^>]*action="/tasks[^"]*"', shown) == []
    assert re.findall(r'<form[^>]*method="post"[^>]*action="/tasks[^"]*"', page_of(browser, task)) != []


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_needs_a_login_its_permission_a_post_and_the_forgery_token(action):
    task, agent = make.task(), make.agent()
    path = f"/tasks/{task.pk}/{action}"
    assert Client().post(path).status_code == 302
    every_other = [f"mission_control.{name}" for name in set(ACTIONS.values()) - {ACTIONS[action]}]
    assert client_of(make.user(may=[*SEES, *every_other])).post(path).status_code == 403
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make.user())
    assert strict.post(path, {"agent": agent.pk}).status_code == 403
    if action != "delete":
        assert client_of(make.user()).get(path).status_code == 405
    assert Task.objects.get().updated_at == task.updated_at


def test_fragments_and_files_need_their_permissions():
    run = finished_run(make.task(), said="said")
    document = Deliverable.objects.get()
    runs = [f"/runs/{run.pk}/{end}" for end in ("output", "log", "prompt")] + [f"/tasks/{run.task_id}/compare"]
    files = [f"/documents/{document.pk}{end}" for end in ("", "/v1", "/v1/file", "/v1-v1")]
    only_tasks = client_of(make.user(may=["mission_control.view_task"]))
    for path in [*runs, *files]:
        assert Client().get(path).status_code == 302, path
        assert only_tasks.get(path).status_code == 403, path
    page = page_of(only_tasks, run.task)
    assert "Can view run" in page
    assert "said" not in text_of(page).replace("said yet", "")


def test_a_plain_form_is_answered_with_the_page_and_a_message(browser):
    task = make.task()
    saved = post(browser, task, "edit", script=False, priority="high")
    assert (saved.status_code, saved["Location"]) == (302, f"/tasks/{task.pk}")
    assert "Saved." in page_of(browser, task)
    post(browser, task, "edit", script=False, priority="nonsense")
    assert "Priority:" in page_of(browser, task)
