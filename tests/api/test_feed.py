"""The activity feed, the stats and the standup."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mission_control.actions import comments, tasks
from mission_control.actions.activity import note
from mission_control.models import Activity, Notification, Task
from mission_control.queries.standup import COMPLETED_WITHIN, LINES_A_SECTION
from mission_control.runs.lifecycle import claim, finish
from tests import make
from tests.api.answers import NOBODY, assert_names
from tests.api.conftest import Api

FIELDS = {"id", "type", "agent_id", "message", "task_id", "document_id", "created_at", "metadata"}
SECTIONS = ["Completed", "In Progress", "Blocked", "Team Status"]


def sections(standup: str) -> dict[str, list[str]]:
    """Return the entries of each section."""
    first, *rest = standup.split("\n## ")
    assert first.strip() == f"# Daily Standup - {timezone.now():%b %d, %Y}"
    return {name: [line for line in lines if line] for name, *lines in (section.split("\n") for section in rest)}


# ---------------------------------------------------------------- activity
def test_the_feed_is_read_newest_first(api):
    task = make.task(title="Write", assignees=[make.agent(name="Ada")])
    listed = api.get("activity").json()
    assert listed.keys() == {"activities", "count", "next", "previous"}
    newest = listed["activities"][0]
    assert newest.keys() == FIELDS
    assert (newest["type"], newest["message"]) == ("task_assigned", "Ada was assigned to “Write”")
    assert newest["task_id"] == str(task.pk)
    assert newest["id"] == str(Activity.objects.first().uid)
    assert [line["type"] for line in listed["activities"]] == [
        "task_assigned",
        "task_created",
        "agent_status_changed",
    ]


def test_the_feed_has_fifty_lines_unless_asked(api):
    for number in range(60):
        note(Activity.Type.TASK_UPDATED, str(number))
    page = api.get("activity").json()
    assert (len(page["activities"]), page["count"]) == (50, 60)
    assert page["activities"][0]["message"] == "59"
    assert len(api.client.get(page["next"]).json()["activities"]) == 10
    assert len(api.get("activity", limit=55).json()["activities"]) == 55


def test_the_feed_is_found_by_agent_and_task(api):
    agent, task = make.agent(), make.task()
    tasks.assign(task, [agent])
    by_agent = api.get("activity", agent_id=agent.pk).json()["activities"]
    assert {line["agent_id"] for line in by_agent} == {str(agent.pk)}
    by_task = api.get("activity", task_id=task.pk).json()
    assert {line["task_id"] for line in by_task["activities"]} == {str(task.pk)}
    assert by_task["count"] == Activity.objects.filter(task=task).count() < Activity.objects.count()
    assert api.get("activity", agent_id=NOBODY).json()["activities"] == []


@pytest.mark.parametrize(
    ("name", "value"), [("agent_id", "x"), ("task_id", "1"), ("limit", "-1"), ("limit", "x"), ("offset", "1.5")]
)
def test_a_bad_filter_of_the_feed_is_refused_by_its_name(api, name, value):
    assert_names(api.get("activity", **{name: value}), name)


@pytest.mark.parametrize("path", ["activity", "stats", "standup", "notifications", "tasks/{task}/messages"])
def test_the_feed_takes_the_same_few_queries_however_long_it_is(api, path):
    first = make.task()
    counts = []
    for number in (1, 50):
        for _ in range(number):
            grow(first)
        with CaptureQueriesContext(connection) as queries:
            answer = api.call("GET", path.format(task=first.pk))
        assert answer.status_code == 200
        counts.append(len(queries))
    # A full section of the standup runs one more query to count the rest.
    assert counts[1] - counts[0] <= (4 if path == "standup" else 0)
    assert counts[1] <= 20


def grow(thread: Task) -> None:
    """Create one of everything that the feed shows."""
    agent, author = make.agent(), make.user()
    for status in ("done", "in_progress", "blocked"):
        tasks.set_status(make.task(assignees=[agent]), status)
    comments.post(thread, "Hello", by=author)


@pytest.mark.embedded
@pytest.mark.parametrize("filters", [{"agent_id": NOBODY}, {"task_id": NOBODY}, {}], ids=["agent", "task", "all"])
def test_the_newest_of_the_feed_is_read_in_order_from_an_index(filters):
    plan = Activity.objects.filter(**filters)[:50].explain()
    assert "TEMP B-TREE" not in plan
    assert not filters or "SEARCH" in plan


# ---------------------------------------------------------------- stats
def test_stats_name_every_status_zeros_too(api):
    stats = api.get("stats").json()["stats"]
    nothing = dict.fromkeys
    assert stats == {
        "agents": {"total": 0, "by_status": nothing(["idle", "active", "blocked", "offline"], 0)},
        "tasks": {
            "total": 0,
            "by_status": nothing(["inbox", "assigned", "in_progress", "review", "done", "blocked", "skipped"], 0),
        },
        "projects": {
            "total": 0,
            "by_status": nothing(
                [
                    "draft",
                    "planning",
                    "awaiting_approval",
                    "approved",
                    "executing",
                    "paused",
                    "completed",
                    "failed",
                ],
                0,
            ),
        },
        "messages": {"total": 0},
        "activities": {"total": 0},
        "documents": {"total": 0},
        "notifications": {"total": 0, "undelivered": 0, "unread": 0},
    }


def test_stats_count_what_there_is(api):
    busy, idle = make.agent(), make.agent()
    for _ in range(2):
        make.run(make.task(), busy)  # an agent counts once, with any number of runs
    make.agent(status="offline")
    task = make.task(assignees=[idle, busy])
    make.project(status="paused")
    make.document()
    comments.post(task, "Hello")
    Notification.objects.filter(agent=idle).update(delivered_at=timezone.now(), read_at=timezone.now())
    Notification.objects.filter(agent=busy).update(delivered_at=timezone.now())

    stats = api.get("stats").json()["stats"]
    assert stats["agents"] == {"total": 3, "by_status": {"idle": 1, "active": 1, "blocked": 0, "offline": 1}}
    assert stats["tasks"]["total"] == 3
    assert {name: number for name, number in stats["tasks"]["by_status"].items() if number} == {
        "assigned": 1,
        "in_progress": 2,
    }
    assert stats["projects"]["by_status"]["paused"] == stats["projects"]["total"] == 1
    assert (stats["messages"], stats["documents"]) == ({"total": 1}, {"total": 1})
    assert stats["activities"] == {"total": Activity.objects.count()}
    assert stats["notifications"] == {"total": 2, "undelivered": 0, "unread": 1}


# ---------------------------------------------------------------- standup
def test_the_standup_has_its_sections_also_when_there_is_nothing_to_say(api):
    standup = api.get("standup").json()["standup"]
    assert standup.split("\n")[0] == f"# Daily Standup - {timezone.now():%b %d, %Y}"
    assert sections(standup) == {name: ["Nothing."] for name in SECTIONS}


def test_the_standup_says_who_did_what_and_what_is_in_the_way(api):
    ada, bob = make.agent(name="Ada", role="Writer"), make.agent(name="Bob", role="Tester", status="blocked")
    tasks.set_status(make.task(title="Draft", assignees=[bob, ada]), "done")
    old = tasks.set_status(make.task(title="Old"), "done")
    Task.objects.filter(pk=old.pk).update(completed_at=timezone.now() - timedelta(hours=25))
    make.run(make.task(title="Text\n## Heading", assignees=[ada]), ada)
    tasks.set_status(make.task(title="Stuck"), "blocked")
    make.task(title="Waiting")

    assert sections(api.get("standup").json()["standup"]) == {
        "Completed": ["- Draft (Bob, Ada)"],
        "In Progress": ["- Text ## Heading (Ada)"],
        "Blocked": ["- Stuck (unassigned)"],
        "Team Status": ["- Ada (Writer): active", "- Bob (Tester): blocked"],
    }


def test_the_standup_says_why_a_task_is_blocked(api):
    run = make.run(make.task(title="Draft"))
    finish(claim(run.pk, worker="test").pk, "error", guard=Q(), error="no key")
    assert sections(api.get("standup").json()["standup"])["Blocked"] == ["- Draft (unassigned): no key"]


def test_the_standup_is_of_a_readable_length(api):
    Task.objects.bulk_create(Task(title=str(number), status="blocked") for number in range(1_000))
    Task.objects.bulk_create(Task(title=str(number), status="in_progress") for number in range(LINES_A_SECTION))
    standup = sections(api.get("standup").json()["standup"])
    assert len(standup["Blocked"]) == LINES_A_SECTION + 1
    assert standup["Blocked"][-1] == f"- … and {1_000 - LINES_A_SECTION} more"
    assert len(standup["In Progress"]) == LINES_A_SECTION
    assert "more" not in standup["In Progress"][-1]


@pytest.mark.embedded
def test_the_standup_goes_through_no_more_than_the_tasks_that_it_is_about():
    since = timezone.now() - COMPLETED_WITHIN
    plan = (
        Task.objects.filter(status="done", completed_at__gte=since).order_by("-completed_at", "id")[:20].explain()
    )
    assert "task_status_completed (status=? AND completed_at>?)" in plan


# ---------------------------------------------------------------- permissions
VIEWS = ["activity", "deliverable", "message", "notification", "project", "task"]


def test_the_permissions_decide_about_the_feed():
    viewer = {f"mission_control.view_{name}" for name in VIEWS} | {"agents.view_agent"}
    needed = {
        "activity": {"mission_control.view_activity"},
        "stats": viewer,
        "standup": {"agents.view_agent", "mission_control.view_task"},
    }
    for path, permissions in needed.items():
        assert Api(make.user(may=sorted(permissions))).get(path).status_code == 200, path
        for permission in permissions:
            refused = Api(make.user(may=sorted(viewer - {permission}))).get(path)
            assert (refused.status_code, refused.json().keys()) == (403, {"detail"}), (path, permission)
