"""Reviews in the API and the admin, and who may decide them."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.urls import reverse

from mission_control.actions import reviews, tasks
from mission_control.models import Message, Review, Task
from tests import make
from tests.api.answers import NOBODY, assert_names
from tests.api.conftest import Api

migration = import_module("mission_control.migrations.0009_review_reminders")
REVIEW_FIELDS = {
    *("id", "task_id", "run_id", "round", "status", "feedback"),
    *("decided_by", "opened_at", "decided_at", "reminded_at", "reason"),
}


@pytest.fixture
def task() -> Task:
    made = make.task(title="Draft")
    return tasks.set_status(made, "review")


def test_an_approval_answers_the_task_as_it_now_stands(api, task):
    answer = api.post(f"tasks/{task.pk}/approve")
    assert answer.status_code == 200
    assert answer.json() == {"task": api.get(f"tasks/{task.pk}").json()["task"]}
    assert (answer.json()["task"]["status"], bool(answer.json()["task"]["completed_at"])) == ("done", True)


def test_a_request_for_changes_answers_the_task_assigned(api, task):
    answer = api.post(f"tasks/{task.pk}/request-changes", {"feedback": " Shorter, please.\n"})
    assert answer.status_code == 200
    assert answer.json() == {"task": api.get(f"tasks/{task.pk}").json()["task"]}
    assert answer.json()["task"]["status"] == "assigned"
    [said] = api.get(f"tasks/{task.pk}/messages").json()["messages"]
    assert (said["content"], said["from_agent_id"], said["author"]) == (
        "Shorter, please.",
        "human",
        api.user.get_username(),
    )


@pytest.mark.parametrize("feedback", ["", "  \n", None, 1, ["x"], "x" * 50_001, "a\x00b"])
def test_feedback_is_a_text_that_says_something(api, task, feedback):
    assert_names(api.post(f"tasks/{task.pk}/request-changes", {"feedback": feedback}), "feedback")
    assert_names(api.post(f"tasks/{task.pk}/request-changes", {}), "feedback")
    assert Task.objects.get().status == "review"
    assert not Message.objects.exists()


def test_who_decided_what_and_when_is_listed_newest_first(api, task):
    api.post(f"tasks/{task.pk}/request-changes", {"feedback": "Shorter"})
    tasks.set_status(task, "review")
    api.post(f"tasks/{task.pk}/approve")
    tasks.set_status(task, "review")
    page = api.get(f"tasks/{task.pk}/reviews").json()
    assert page.keys() == {"reviews", "count", "next", "previous"}
    assert page["count"] == 3
    open_, approved, changes = page["reviews"]
    assert all(review.keys() == REVIEW_FIELDS for review in page["reviews"])
    assert [(review["round"], review["status"]) for review in page["reviews"]] == [
        (3, "open"),
        (2, "approved"),
        (1, "changes_requested"),
    ]
    assert (open_["decided_by"], open_["decided_at"], open_["feedback"]) == (None, None, "")
    assert (approved["decided_by"], changes["decided_by"]) == (api.user.get_username(),) * 2
    assert (changes["feedback"], changes["task_id"], changes["run_id"]) == ("Shorter", str(task.pk), None)
    assert changes["decided_at"].endswith("Z") and changes["opened_at"] < changes["decided_at"]


def test_the_number_of_queries_does_not_grow_with_the_reviews(api, task, django_assert_max_num_queries):
    for number in range(4):
        reviews.request_changes(task, f"{number}", by=make.user())
        tasks.set_status(task, "review")
    with django_assert_max_num_queries(9):
        assert api.get(f"tasks/{task.pk}/reviews").json()["count"] == 5


@pytest.mark.parametrize(("path", "body"), [("approve", None), ("request-changes", {"feedback": "x"})])
def test_what_is_not_in_review_is_409(api, path, body):
    task = make.task()
    answer = api.post(f"tasks/{task.pk}/{path}", body)
    assert (answer.status_code, answer.json()) == (409, {"detail": "Task is inbox, not in review"})
    tasks.set_status(task, "review")
    assert [api.post(f"tasks/{task.pk}/{path}", body).status_code for _ in range(2)] == [200, 409]


def test_after_the_last_round_changes_are_409(api, task, settings):
    settings.MAX_REVIEW_ROUNDS = 1
    api.post(f"tasks/{task.pk}/request-changes", {"feedback": "x"})
    tasks.set_status(task, "review")
    answer = api.post(f"tasks/{task.pk}/request-changes", {"feedback": "y"})
    assert answer.status_code == 409
    assert answer.json() == {
        "detail": "Changes have been requested 1 time, the limit. Approve the task or edit it manually"
    }
    assert api.post(f"tasks/{task.pk}/approve").status_code == 200


@pytest.mark.parametrize("key", [NOBODY, "x"])
@pytest.mark.parametrize("path", ["approve", "request-changes"])
def test_an_unknown_task_is_404(api, key, path):
    answer = api.post(f"tasks/{key}/{path}", {"feedback": "x"})
    assert (answer.status_code, answer.json()) == (404, {"detail": "Task not found"})


def test_the_tasks_that_a_review_sends_back_can_be_named(api):
    texts = [tasks.set_status(make.task(), "done") for _ in range(2)]
    review = make.task(task_type="review", blocked_by=texts)
    path = f"tasks/{review.pk}/request-changes"
    assert reviews.start_review_task(review)
    assert_names(api.post(path, {"feedback": "x", "task_ids": [NOBODY]}), "task_ids")
    assert_names(api.post(path, {"feedback": "x", "task_ids": [str(review.pk)]}), "task_ids")
    answer = api.post(path, {"feedback": "x", "task_ids": [str(texts[1].pk)]})
    assert answer.json()["task"]["status"] == "assigned"
    assert [Task.objects.get(pk=text.pk).status for text in texts] == ["done", "assigned"]


# ---------------------------------------------------------------- permissions
def test_the_permission_to_change_tasks_decides(task):
    path = f"tasks/{task.pk}"
    reader = Api(make.user(may=["mission_control.view_task", "mission_control.add_task"]))
    assert reader.post(f"{path}/approve").status_code == 403
    assert reader.post(f"{path}/request-changes", {"feedback": "x"}).status_code == 403
    assert reader.get(f"{path}/reviews").status_code == 403
    assert Task.objects.get().status == "review"
    changer = Api(make.user(may=["mission_control.change_task"]))
    assert changer.post(f"{path}/request-changes", {"feedback": "x"}).status_code == 200
    tasks.set_status(task, "review")
    assert changer.post(f"{path}/approve").status_code == 200
    assert Api(make.user(may=["mission_control.view_review"])).get(f"{path}/reviews").status_code == 200


def test_nobody_decides_without_a_login(task):
    for path in ("approve", "request-changes"):
        assert Client().post(f"/api/mission-control/tasks/{task.pk}/{path}").status_code == 401


@pytest.mark.parametrize("name", ["Viewer", "Operator", "Administrator"])
def test_every_group_reads_reviews(name, task):
    editor = connection.schema_editor()
    migration.groups.make_groups(apps, editor)  # an earlier test may have emptied all tables
    migration.let_read(apps, editor)
    user = make.user(may=[])
    user.groups.add(Group.objects.get(name=name))
    assert Api(user).get(f"tasks/{task.pk}/reviews").status_code == 200


def test_a_group_that_an_administrator_deleted_is_not_made_again():
    Group.objects.all().delete()
    migration.let_read(apps, connection.schema_editor())
    assert not Group.objects.exists()


# ---------------------------------------------------------------- the admin
@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(make.user(username="staff"))
    return client


def test_a_tasks_page_shows_its_reviews_and_saves_without_touching_them(staff, task):
    reviews.request_changes(task, "Shorter, <b>please</b>.", by=make.user(username="olga"))
    tasks.set_status(task, "review")
    url = reverse("admin:mission_control_task_change", args=[task.pk])
    page = staff.get(url)
    text = page.content.decode()
    assert "Shorter, &lt;b&gt;please&lt;/b&gt;." in text and "olga" in text
    form = page.context["adminform"].form
    body = {name: form.get_initial_for_field(field, name) or "" for name, field in form.fields.items()}
    body |= {"title": "Renamed", "tags": "[]", "metadata": "{}", "blocked_by": ""}
    inline = page.context["inline_admin_formsets"][0].formset.management_form
    body |= {f"{inline.prefix}-{name}": value for name, value in inline.initial.items()}
    answer = staff.post(url, body)
    assert answer.status_code == 302, answer.content.decode()
    task.refresh_from_db()
    assert task.title == "Renamed"
    assert Review.objects.filter(task=task).count() == 2


def test_the_list_of_reviews_approves_and_tells_what_it_cannot(staff, task):
    other = tasks.set_status(make.task(title="Other"), "review")
    reviews.request_changes(other, "Shorter")
    body = {"action": "approve_selected", "_selected_action": [str(key) for key in keys()]}
    answer = staff.post(reverse("admin:mission_control_review_changelist"), body, follow=True)
    told = sorted(str(message) for message in answer.context["messages"])
    assert len(told) == 2
    assert any(message.endswith("approved") for message in told)
    assert any("not in review" in message for message in told)
    assert (Task.objects.get(pk=task.pk).status, Task.objects.get(pk=other.pk).status) == ("done", "assigned")
    assert Review.objects.get(task=task).decided_by.get_username() == "staff"


def keys():
    return Review.objects.values_list("pk", flat=True)


def test_the_pages_of_reviews_show_them_and_change_nothing(staff, task):
    review = Review.objects.get(task=task)
    assert staff.get(reverse("admin:mission_control_review_changelist")).status_code == 200
    page = staff.get(reverse("admin:mission_control_review_change", args=[review.pk]))
    assert page.status_code == 200
    assert b'name="_save"' not in page.content
    assert staff.get(reverse("admin:mission_control_review_add")).status_code == 403


def test_who_may_only_look_at_reviews_decides_none_in_the_admin(task):
    client = Client()
    client.force_login(make.user(may=["mission_control.view_review"], is_staff=True))
    body = {"action": "approve_selected", "_selected_action": [str(key) for key in keys()]}
    client.post(reverse("admin:mission_control_review_changelist"), body, follow=True)
    assert Task.objects.get().status == "review"
