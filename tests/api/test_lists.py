"""Lists: envelope, pages, order, filters, and a number of queries that does not grow with the rows."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mission_control.models import Deliverable, Task
from mission_control.runs.lifecycle import stop
from tests import make

MAX_QUERIES = 7


def titles(answer, of="tasks"):
    return [found["title"] for found in answer.json()[of]]


def test_pages_are_linked_and_the_count_is_of_all_that_match(api):
    for number in range(5):
        make.task(title=str(number))
    first = api.get("tasks", limit=2).json()
    assert (len(first["tasks"]), first["count"], first["previous"]) == (2, 5, None)
    second = api.client.get(first["next"]).json()
    last = api.client.get(second["next"]).json()
    assert [task["title"] for page in (first, second, last) for task in page["tasks"]] == ["4", "3", "2", "1", "0"]
    assert last["next"] is None
    assert api.client.get(last["previous"]).json()["tasks"] == second["tasks"]
    assert api.get("tasks", offset=7).json()["tasks"] == []


def test_a_page_has_a_hundred_unless_asked_and_five_hundred_at_most(api):
    Task.objects.bulk_create(Task(title="x") for _ in range(510))
    assert len(api.get("tasks").json()["tasks"]) == 100
    assert len(api.get("tasks", limit=100_000).json()["tasks"]) == 500
    none = api.get("tasks", limit=0).json()
    assert none == {"tasks": [], "count": 510, "next": None, "previous": None}


def test_newest_first_and_the_id_breaks_ties(api):
    old, *rest = [make.task() for _ in range(4)]
    now = timezone.now()
    Task.objects.update(updated_at=now)
    Task.objects.filter(pk=old.pk).update(updated_at=now - timedelta(days=1))
    listed = [found["id"] for found in api.get("tasks").json()["tasks"]]
    assert listed == [*sorted(str(task.pk) for task in rest), str(old.pk)]


def test_a_change_brings_to_the_top(api):
    for path, one in (("tasks", make.task), ("projects", make.project), ("documents", make.document)):
        first, _ = one(), one()
        api.patch(f"{path}/{first.pk}", {"title": "changed"})
        assert titles(api.get(path), path)[0] == "changed"


def test_agents_come_by_name(api):
    for name in ("b", "a", "c"):
        make.agent(name=name)
    assert [found["name"] for found in api.get("agents").json()["agents"]] == ["a", "b", "c"]


def test_tasks_are_found_by_each_filter(api):
    agent, project = make.agent(), make.project()
    make.task(title="One", assignees=[agent], project=project, tags=["a"], priority="urgent", task_type="human")
    make.task(title="Two", tags=["b", "ü \"'"], description="needle 100%")
    make.task(title="Three", tags=["ab", "c,d"])
    Task.objects.filter(title="Three").update(status="done")

    found = {
        ("status", "done"): ["Three"],
        ("status", "assigned"): ["One"],
        ("assignee_id", str(agent.pk)): ["One"],
        ("project_id", str(project.pk)): ["One"],
        ("priority", "urgent"): ["One"],
        ("task_type", "human"): ["One"],
        ("tags", "a"): ["One"],
        ("tags", "b, ab,none"): ["Three", "Two"],
        ("tags", "ü \"'"): ["Two"],
        ("tags", "c,d"): ["Three"],
        ("tags", "x, c,d ,y"): ["Three"],
        ("tags", "c"): [],
        ("tags", "none"): [],
        ("tags", ""): ["Three", "Two", "One"],
        ("search", "needle"): ["Two"],
        ("search", "100%"): ["Two"],
        ("search", "T_o"): [],
        ("ordering", "title"): ["One", "Three", "Two"],
        ("ordering", "-title"): ["Two", "Three", "One"],
        ("ordering", "priority,title"): ["One", "Three", "Two"],
        ("ordering", "-priority,-title"): ["Two", "Three", "One"],
    }
    for (name, value), expected in found.items():
        assert titles(api.get("tasks", **{name: value})) == expected, (name, value)
    assert titles(api.get("tasks", status="done", tags="a")) == []


def test_priorities_are_ordered_by_urgency(api):
    for priority in ("low", "urgent", "medium", "high"):
        make.task(title=priority, priority=priority)
    assert titles(api.get("tasks", ordering="priority")) == ["urgent", "high", "medium", "low"]


def test_documents_runs_and_projects_are_found_by_their_filters(api):
    run = make.run(make.task(project=make.project()))
    other = make.run()
    stop(other)
    make.document(title="Notes", task=run.task, type="research", tags=["x"])
    make.document(title="Draft")
    for filters in ({"type": "research"}, {"task_id": run.task_id}, {"tags": "x"}, {"project_id": run.project_id}):
        assert titles(api.get("documents", **filters), "documents") == ["Notes"], filters
    for filters in (
        {"status": "queued"},
        {"task_id": run.task_id},
        {"agent_id": run.agent_id},
        {"project_id": run.project_id},
    ):
        assert [found["id"] for found in api.get("runs", **filters).json()["runs"]] == [str(run.pk)], filters
    assert api.get("projects", status="draft").json()["count"] == 1
    assert api.get("projects", status="paused").json()["count"] == 0


def grow(number):
    """Create `number` objects of each kind, each with all its related objects."""
    make.limit(1000)
    for _ in range(number):
        agent = make.agent()
        project = make.project(team_agents=[agent])
        first = make.task(project=project, assignees=[agent])
        run = make.run(
            make.task(project=project, assignees=[agent], blocked_by=[first]), agent, ignore_dependencies=True
        )
        document = make.document(task=run.task, project=project, run=run)
        Deliverable.objects.filter(pk=document.pk).update(tags=["x"])


@pytest.mark.parametrize(
    "path", ["agents", "tasks", "tasks/running", "projects", "documents", "deliverables", "runs", "tasks?tags=x"]
)
def test_a_list_takes_the_same_few_queries_however_long_it_is(api, path):
    counts = []
    for number in (3, 27):
        grow(number)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answer = api.call("GET", path)
        assert answer.status_code == 200
        counts.append(len(queries))
    assert answer.json()["count"] >= 30 or "?" in path
    assert counts[0] == counts[1] <= MAX_QUERIES


def test_a_project_with_many_tasks_takes_few_queries(api, django_assert_max_num_queries):
    project = make.project()
    for _ in range(30):
        make.task(project=project, assignees=[make.agent()])
    with django_assert_max_num_queries(MAX_QUERIES + 2):
        assert len(api.get(f"projects/{project.pk}").json()["tasks"]) == 30


def test_lists_of_runs_leave_the_long_texts_in_the_database(api):
    make.run()
    with CaptureQueriesContext(connection) as queries:
        api.get("runs")
        api.get("tasks")
    assert not [query["sql"] for query in queries if '."output"' in query["sql"] or '."prompt"' in query["sql"]]
