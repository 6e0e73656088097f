"""The rules about values are the same for API, pages, admin, planner and import."""

import json
from typing import Any

import pytest
from django.db.models import CharField, TextField
from django.test import Client

from agents.models import Agent
from agents.rules import is_blank
from mission_control.actions import agents, documents, projects, tasks
from mission_control.api.fields import Text
from mission_control.api.serializers.tasks import TaskFields, TaskReader
from mission_control.errors import Invalid
from mission_control.interchange.entries import TaskEntry
from mission_control.models import AccessToken, Deliverable, Project, Task
from mission_control.planning.answers import BadAnswer, Team, title_in
from tests import make
from tests.admin.test_admin import form_of
from tests.api.answers import assert_names, stored
from tests.interchange import conftest as entries
from tests.interchange.conftest import Folder

INVISIBLE = [
    " \n",
    "\u200b",
    "\ufeff\u2060",
    "\u3164",
    "\u2800",
    "\u00ad\u200d",
    "\u202e",
    "\x07",
    "\U000e0041",
    "\ufe0f",
]
VISIBLE = ["a", "ü", "日本語", "🙂", "\u200bx", "…", "-", "\u0301a"]
NAMES = {
    "tasks": ["title"],
    "projects": ["title"],
    "documents": ["title"],
    "agents": ["name", "role"],
}
BASE = {"agents": {"name": "n", "role": "r", "backend": "demo"}}
FIELDS = [(path, field) for path, fields in NAMES.items() for field in fields]
MAKE = {"tasks": make.task, "projects": make.project, "documents": make.document, "agents": make.agent}


def test_what_can_be_seen_is_not_blank_and_what_cannot_is():
    assert [text for text in INVISIBLE if not is_blank(text)] == []
    assert [text for text in VISIBLE if is_blank(text)] == []


@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_the_api_refuses_a_name_that_cannot_be_seen(api, path, field):
    one = f"{path}/{MAKE[path]().pk}"
    before = stored()
    for text in INVISIBLE:
        assert_names(api.post(path, {"title": "t", **BASE.get(path, {}), field: text}), field)
        assert_names(api.patch(one, {field: text}), field)
    assert stored() == before
    for text in VISIBLE:
        assert api.patch(one, {field: text}).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("tasks", {"title": "t", "tags": ["\u200b"]}, "tags"),
        ("agents", {**BASE["agents"], "specialties": ["\u3164"]}, "specialties"),
        ("tokens", {"name": "\u200b"}, "name"),
        ("/api/deep-work/start", {"description": "\u200b" * 20}, "description"),
        ("tasks/{task}/messages", {"content": "\u200b"}, "content"),
    ],
)
def test_other_texts_that_must_not_be_blank_must_be_seen_too(api, path, body, field):
    assert_names(api.post(path.format(task=make.task().pk), body), field)


def test_pages_refuse_names_that_cannot_be_seen():
    browser = Client()
    browser.force_login(make.user())
    before = stored()
    for path, body in (
        ("/tasks/new", {"title": "\u200b"}),
        ("/projects/new", {"kind": "empty", "title": "\u3164"}),
        ("/documents/new", {"title": "\u2800", "type": "draft", "content": "x"}),
        ("/agents/new", {"name": "\u200b", "role": "r", "level": "lead", "backend": "demo"}),
        ("/account/tokens", {"name": "\u200b"}),
    ):
        assert browser.post(path, body).status_code in (200, 400), path
    assert stored() == before
    assert not AccessToken.objects.exists()


def test_the_admin_refuses_what_the_api_refuses():
    browser = Client()
    browser.force_login(make.user())
    before = stored()
    path = "/admin/mission_control/task/add/"
    task = {**form_of(browser.get(path)), "title": "t", "tags": "[]", "metadata": "{}"}
    for field, wrong in (
        ("title", "\u200b"),
        ("tags", '["\u200b"]'),
        ("tags", '{"a": 1}'),
        ("metadata", '{"retry": {"attempts": 99}}'),
        ("metadata", '{"a": NaN}'),
        ("metadata", json.dumps({"a": "x" * 70_000})),
    ):
        answer = browser.post(path, {**task, field: wrong})
        assert answer.status_code == 200
        assert field in answer.context["adminform"].form.errors, wrong
    assert stored() == before


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (make.task, {"title": "\u200b"}, "title"),
    (make.task, {"title": "x" * 201}, "title"),
    (make.task, {"priority": "soon"}, "priority"),
    (make.task, {"tags": ["x" * 51]}, "tags"),
    (make.task, {"estimated_minutes": -1}, "estimated_minutes"),
    (make.task, {"metadata": {"retry": {"attempts": 0}}}, "metadata"),
    (make.task, {"metadata": {"a": float("nan")}}, "metadata"),
    (make.task, {"metadata": []}, "metadata"),
    (make.task, {"tags": {}}, "tags"),
    (make.project, {"title": "\u200b"}, "title"),
    (make.project, {"metadata": {"a": "x" * 70_000}}, "metadata"),
    (make.agent, {"name": "\u3164"}, "name"),
    (make.agent, {"metadata": {"limits": {"run_seconds": 0}}}, "metadata"),
    (make.agent, {"specialties": "x"}, "specialties"),
    (make.document, {"title": "\u200b"}, "title"),
    (make.document, {"content": "x" * (5 * 2**20 + 1)}, "content"),
]
CHANGE: dict[type, Any] = {
    Task: tasks.change,
    Project: projects.change,
    Agent: agents.change,
    Deliverable: documents.change,
}


@pytest.mark.parametrize(("made", "wrong", "field"), WRONG, ids=range(len(WRONG)))
def test_an_action_refuses_what_the_model_does_not_allow_whoever_calls_it(made, wrong, field):
    row = made()
    before = stored()
    for act in (lambda: made(**wrong), lambda: CHANGE[type(row)](row, **wrong)):
        with pytest.raises(Invalid) as refused:
            act()
        assert field in refused.value.body
    assert stored() == before


def test_a_document_of_a_task_and_another_project_is_refused_by_the_action():
    task, other = make.task(project=make.project()), make.project()
    for act in (
        lambda: make.document(task=task, project=other),
        lambda: documents.change(make.document(task=task), project=other),
    ):
        with pytest.raises(Invalid) as refused:
            act()
        assert "project_id" in refused.value.body


def test_a_retry_policy_that_no_scheduler_follows_is_refused_by_the_import(tmp_path):
    folder = Folder(tmp_path / "in")
    wrong = entries.task(metadata={"retry": {"attempts": 99}})
    limited = entries.agent(metadata={"limits": {"run_seconds": 0}})
    taken = folder.write(tasks=[wrong, entries.task()], agents=[limited]).take()
    assert (taken.status, Task.objects.count(), Agent.objects.count()) == (2, 1, 0)
    assert taken.about("tasks.json [0]", "metadata: retry.attempts")
    assert taken.about("agents.json [0]", "metadata: limits.run_seconds")


def test_the_planner_s_names_must_be_seen():
    with pytest.raises(BadAnswer, match="visible"):
        Team.check({"agents": [{"name": "\u200b", "role": "Writer"}]})
    assert title_in("# \u200b\n\nText") == ""


def test_a_field_of_a_task_is_declared_once_for_requests_and_files():
    for name, field in TaskFields().fields.items():
        column = Task._meta.get_field(name)
        assert name in TaskReader.Meta.fields
        assert name in TaskEntry().fields
        if isinstance(field, Text) and isinstance(column, CharField | TextField):
            assert field.max_length == column.max_length
