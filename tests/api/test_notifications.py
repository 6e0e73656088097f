"""Notifications: who gets which, and what the recipient can do with them."""

from datetime import timedelta

import pytest
from django.db.models import Q
from django.utils import timezone

from mission_control.actions import agents, tasks
from mission_control.models import Notification
from mission_control.runs.lifecycle import claim, finish, stop
from tests import make
from tests.api.answers import NOBODY, assert_names
from tests.api.conftest import Api

FIELDS = {
    "id",
    "agent_id",
    "type",
    "content",
    "source_message_id",
    "source_task_id",
    "delivered",
    "read",
    "created_at",
    "delivered_at",
    "metadata",
}


def end(run, outcome: str, error: str = "") -> None:
    assert finish(claim(run.pk, worker="test").pk, outcome, guard=Q(), error=error)


def for_people() -> list[tuple[str, str]]:
    found = Notification.objects.filter(agent=None).order_by("created_at", "type")
    return list(found.values_list("type", "content"))


def test_an_assignment_tells_each_new_assignee_once():
    ada, bob = make.agent(name="Ada"), make.agent(name="Bob")
    task = make.task(title="Write", assignees=[ada])
    tasks.change(task, assignees=[bob, ada])
    tasks.assign(task, [ada, bob])
    told = list(
        Notification.objects.values_list("agent__name", "type", "content", "source_task").order_by("agent__name")
    )
    assert told == [(name, "task_assigned", "You were assigned to: Write", task.pk) for name in ("Ada", "Bob")]


def test_the_end_of_a_run_tells_the_people_how_it_ended():
    ok, bad, stopped = (make.run(make.task(title=title)) for title in ("Ok", "Bad", "Stopped"))
    end(ok, "completed")
    end(bad, "error", "no key")
    stop(stopped)
    assert for_people() == [
        ("run_completed", "Demo completed “Ok”"),
        ("run_failed", "Demo failed on “Bad”: no key"),
    ]
    first = Notification.objects.get(type="run_completed")
    assert (first.source_task, first.metadata) == (ok.task, {"run_id": str(ok.pk)})


def test_a_task_that_goes_to_review_tells_the_people():
    end(make.run(make.task(title="Intern's"), make.agent(level="intern")), "completed")
    tasks.set_status(make.task(title="By hand"), "review")
    assert ("review_needed", "Review needed: Intern's") in for_people()
    assert ("review_needed", "Review needed: By hand") in for_people()
    assert len(for_people()) == 3


def test_an_agent_s_notifications_go_with_it_and_do_not_become_the_people_s():
    agent = make.agent()
    make.task(assignees=[agent])
    agents.delete(agent)
    assert not Notification.objects.exists()


def test_notifications_outlive_their_task():
    task = make.task(assignees=[make.agent()])
    tasks.delete(task)
    assert Notification.objects.get().source_task is None


def test_notifications_are_listed_newest_first(api):
    agent = make.agent()
    for title in ("One", "Two"):
        make.task(title=title, assignees=[agent])
    listed = api.get("notifications").json()
    assert listed.keys() == {"notifications", "count", "next", "previous"}
    newest, oldest = listed["notifications"]
    assert newest.keys() == FIELDS
    assert (newest["content"], oldest["content"]) == ("You were assigned to: Two", "You were assigned to: One")
    assert (newest["agent_id"], newest["delivered"], newest["read"]) == (str(agent.pk), False, False)
    assert newest["delivered_at"] is None


def test_a_mark_is_set_once_and_keeps_its_first_time(api):
    make.task(assignees=[make.agent()])
    key = Notification.objects.get().pk
    first = api.post(f"notifications/{key}/delivered").json()
    assert first["success"] is True
    assert first["notification"]["delivered"] is True and first["notification"]["read"] is False
    assert first["notification"]["delivered_at"].endswith("Z")
    assert api.post(f"notifications/{key}/delivered").json() == first

    long_ago = timezone.now() - timedelta(days=1)
    assert api.post(f"notifications/{key}/read").json()["notification"]["read"] is True
    Notification.objects.update(read_at=long_ago)
    api.post(f"notifications/{key}/read")
    assert Notification.objects.get().read_at == long_ago


def test_notifications_are_found_by_their_filters(api):
    ada, bob = make.agent(), make.agent()
    for agent in (ada, bob):
        make.task(assignees=[agent])
    delivered = Notification.objects.get(agent=ada)
    api.post(f"notifications/{delivered.pk}/delivered")
    api.post(f"notifications/{Notification.objects.get(agent=bob).pk}/read")

    def found(**query):
        return {
            notification["agent_id"] for notification in api.get("notifications", **query).json()["notifications"]
        }

    both = {str(ada.pk), str(bob.pk)}
    assert found(agent_id=ada.pk) == {str(ada.pk)}
    assert found(agent_id=NOBODY) == set()
    spellings = [
        ("true", "false"),
        ("True", "False"),
        ("1", "0"),
        ("yes", "no"),
        ("on", "OFF"),
        ("y", "n"),
        ("t", "f"),
    ]
    for yes, no in spellings:
        assert found(undelivered_only=yes) == {str(bob.pk)}
        assert found(unread_only=yes) == {str(ada.pk)}
        assert found(undelivered_only=no) == found(unread_only=no) == both
    assert found(undelivered_only="", unread_only="") == both
    assert found(undelivered_only="true", unread_only="true") == set()


@pytest.mark.parametrize(
    ("name", "value"), [("agent_id", "x"), ("undelivered_only", "maybe"), ("unread_only", "2"), ("limit", "-1")]
)
def test_a_bad_filter_is_refused_by_its_name(api, name, value):
    assert_names(api.get("notifications", **{name: value}), name)


@pytest.mark.parametrize("action", ["delivered", "read"])
def test_an_unknown_notification_is_404(api, action):
    for key in (NOBODY, "x"):
        answer = api.post(f"notifications/{key}/{action}")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Notification not found"})


def test_the_permission_decides_about_notifications():
    make.task(assignees=[make.agent()])
    key = Notification.objects.get().pk
    reader = Api(make.user(may=["mission_control.view_notification"]))
    assert reader.get("notifications").status_code == 200
    for action in ("delivered", "read"):
        assert reader.post(f"notifications/{key}/{action}").status_code == 403
    writer = Api(make.user(may=["mission_control.change_notification"]))
    assert writer.get("notifications").status_code == 403
    assert writer.post(f"notifications/{key}/read").status_code == 200
    assert Notification.objects.get().delivered_at is None


@pytest.mark.embedded
@pytest.mark.parametrize(
    "filters",
    [{}, {"agent_id": NOBODY}, {"delivered_at": None}, {"read_at": None}],
    ids=["all", "agent", "undelivered", "unread"],
)
def test_the_newest_notifications_are_read_in_order_from_an_index(filters):
    plan = Notification.objects.filter(**filters)[:100].explain()
    assert "USING INDEX notification_" in plan
    assert "TEMP B-TREE" not in plan
