"""The groups that a migration creates: what each may do, and that an administrator can change this."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from mission_control.models import AccessToken, Capacity, Run, Task
from tests import make
from tests.api.conftest import Api

VIEWER = {
    "agents": ["agent"],
    "mission_control": [
        *("activity", "assignment", "capacity", "deliverable", "deliverableversion", "message", "notification"),
        *("project", "review", "run", "runevent", "task", "workergroup"),
    ],
}
ALL = ["view", "add", "change", "delete"]
OPERATOR = {
    "agents.agent": ALL,
    "mission_control.assignment": ALL,
    "mission_control.deliverable": ALL,
    "mission_control.message": ALL,
    "mission_control.notification": ["change"],
    "mission_control.project": ALL,
    "mission_control.run": ["add", "change"],
    "mission_control.task": ALL,
}
ADMINISTRATOR = {
    "auth.user": ALL,
    "auth.group": ALL,
    "mission_control.accesstoken": ["view", "add", "delete"],
    "mission_control.capacity": ["change"],
}


def held(group: str) -> set[str]:
    rows = Permission.objects.filter(group__name=group).values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in rows}


def spelled(permissions: dict[str, list[str]]) -> set[str]:
    models = ((*model.split("."), actions) for model, actions in permissions.items())
    return {f"{app}.{action}_{model}" for app, model, actions in models for action in actions}


def make_groups() -> None:
    """Create the groups as the migrations do: the first creates them, a later one adds its model's permissions."""
    for name, make_or_grant in (("0006_groups", "make_groups"), ("0009_review_reminders", "let_read")):
        migration = import_module(f"mission_control.migrations.{name}")
        getattr(migration, make_or_grant)(apps, connection.schema_editor())


@pytest.fixture(autouse=True)
def groups(database):
    """Provide the groups of the migration, also after a test that emptied all tables."""
    if not Group.objects.exists():
        make_groups()


@pytest.fixture
def of():
    """Return a function that makes an API client for a member of a group."""

    def member(group: str) -> Api:
        user = make.user(may=[], is_staff=True)
        user.groups.add(Group.objects.get(name=group))
        return Api(user)

    return member


def test_each_group_has_what_its_name_says_and_what_the_one_before_has():
    viewer = {f"{app}.view_{model}" for app, models in VIEWER.items() for model in models}
    assert held("Viewer") == viewer
    assert held("Operator") == viewer | spelled(OPERATOR)
    assert held("Administrator") == viewer | spelled(OPERATOR) | spelled(ADMINISTRATOR)


def test_groups_are_made_before_django_has_made_the_permissions():
    before = {name: held(name) for name in ("Viewer", "Operator", "Administrator")}
    Group.objects.all().delete()
    Permission.objects.all().delete()
    make_groups()
    assert {name: held(name) for name in before} == before


def test_a_viewer_reads_and_watches_and_changes_nothing(of):
    viewer, run = of("Viewer"), make.run()
    reads = ["agents", "tasks", "runs", "projects", "documents", "capacity", f"runs/{run.pk}/events", "/metrics"]
    assert {path: viewer.get(path).status_code for path in reads} == dict.fromkeys(reads, 200)
    refused = [
        viewer.post("tasks", {"title": "x"}),
        viewer.patch(f"tasks/{run.task_id}", {"title": "x"}),
        viewer.delete(f"tasks/{run.task_id}"),
        viewer.post(f"tasks/{make.task().pk}/run", {"agent_id": str(run.agent_id)}),
        viewer.post(f"tasks/{run.task_id}/stop"),
        viewer.post("agents", {"name": "x", "role": "y"}),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert (Task.objects.count(), Run.objects.count()) == (2, 1)


def test_an_operator_works_and_gives_nobody_access(of):
    operator = of("Operator")
    agent = operator.made("agents", name="Ada", role="Writer", backend="demo")
    task = operator.made("tasks", title="Write")
    assert operator.post(f"tasks/{task['id']}/run", {"agent_id": agent["id"]}).status_code == 200
    assert operator.post(f"tasks/{task['id']}/stop").status_code == 200
    assert operator.delete(f"tasks/{task['id']}").status_code == 200
    client = Client()
    client.force_login(operator.user)
    for name in ("auth_user_add", "mission_control_accesstoken_add"):
        assert client.get(reverse(f"admin:{name}")).status_code == 403
    client.post(reverse("admin:mission_control_capacity_change", args=[1]), {"limit": 9})
    assert Capacity.current().limit == 5


def test_an_administrator_makes_users_tokens_and_room(of):
    administrator, client = of("Administrator").user, Client()
    client.force_login(administrator)
    assert client.get(reverse("admin:auth_user_add")).status_code == 200
    token = {"user": administrator.pk, "name": "x"}
    assert client.post(reverse("admin:mission_control_accesstoken_add"), token).status_code == 200
    assert AccessToken.objects.filter(name="x").exists()
    client.post(reverse("admin:mission_control_capacity_change", args=[1]), {"limit": 9})
    assert Capacity.current().limit == 9


def test_what_an_administrator_changed_stays_at_the_next_migrate():
    group = Group.objects.get(name="Operator")
    group.permissions.remove(Permission.objects.get(codename="delete_agent"))
    Group.objects.get(name="Viewer").delete()
    call_command("migrate", verbosity=0)
    assert "agents.delete_agent" not in held("Operator")
    assert not Group.objects.filter(name="Viewer").exists()


# ---------------------------------------------------------------- nobody can grant more than they have
def admin_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def change_form(user, **fields) -> dict:
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "12:00:00", "last_login_0": "", "last_login_1": ""}
    return {"username": user.username, "is_active": "on", **joined, **fields}


def test_an_administrator_gives_the_groups_and_permissions_of_its_own_and_no_others(of):
    administrator, colleague = of("Administrator").user, make.user(may=[])
    client, path = admin_of(administrator), reverse("admin:auth_user_change", args=[colleague.pk])
    own, beyond = Group.objects.get(name="Operator"), Group.objects.create(name="Beyond")
    beyond.permissions.add(Permission.objects.get(codename="add_permission"))
    page = client.post(path, change_form(colleague, groups=[own.pk], is_staff="on"))
    assert page.status_code == 302
    assert [*colleague.groups.all()] == [own]
    for field, key in (("groups", beyond.pk), ("user_permissions", beyond.permissions.get().pk)):
        page = client.post(path, change_form(colleague, **{field: [key]}))
        assert field in page.context["adminform"].form.errors
    client.post(path, change_form(colleague, groups=[own.pk], is_superuser="on"))
    colleague.refresh_from_db()
    assert (colleague.is_superuser, [*colleague.groups.all()]) == (False, [own])


def test_an_administrator_changes_no_user_and_no_group_with_more_rights(of):
    client = admin_of(of("Administrator").user)
    other, beyond = make.user(may=["auth.add_permission"], is_active=False), Group.objects.create(name="Beyond")
    beyond.permissions.add(Permission.objects.get(codename="add_permission"))
    refused = [
        client.post(reverse("admin:auth_user_change", args=[other.pk]), change_form(other)),
        client.post(reverse("admin:auth_user_password_change", args=[other.pk]), {"password1": "x"}),
        client.post(reverse("admin:auth_user_delete", args=[other.pk]), {"post": "yes"}),
        client.post(reverse("admin:auth_group_change", args=[beyond.pk]), {"name": "Mine"}),
        client.post(reverse("admin:auth_group_delete", args=[beyond.pk]), {"post": "yes"}),
    ]
    for name, key in (("user", other.pk), ("group", beyond.pk)):
        chosen = {"action": "delete_selected", "_selected_action": key, "post": "yes"}
        refused.append(client.post(reverse(f"admin:auth_{name}_changelist"), chosen))
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    page = client.post(
        reverse("admin:auth_group_add"), {"name": "New", "permissions": beyond.permissions.get().pk}
    )
    assert "permissions" in page.context["adminform"].form.errors


def test_a_superuser_gives_everything():
    client, colleague = admin_of(make.user()), make.user(may=[])
    path = reverse("admin:auth_user_change", args=[colleague.pk])
    client.post(path, change_form(colleague, is_superuser="on", is_staff="on"))
    colleague.refresh_from_db()
    assert (colleague.is_superuser, colleague.is_staff) == (True, True)
