"""The contract (API.md), statement by statement. A comment before each test quotes the statement.

Statements that other files test:

    General rules
      slash, JSON, ids, times, login, envelopes of lists    here, and test_schema.py
      permissions, 401, sessions and CSRF                     test_permissions.py, test_groups.py
      tokens                                                  test_tokens.py
      create, change, delete and their envelopes              test_objects.py
      pages, order, filters                                   test_lists.py, test_feed.py, test_notifications.py
      errors, sizes, "no input … may give a 5xx"              test_bad_everywhere.py, test_bad_fields.py,
                                                              test_bad_requests.py, test_fuzzed.py
    Objects                                                   test_contract_objects.py, test_objects.py,
                                                              test_dependencies.py, test_heartbeats.py
      messages, mentions                                      test_threads.py
      activity, notifications                                 test_feed.py, test_notifications.py
      events and their numbers                                runs/test_events.py
    Running a task: answers and their order                   test_contract_objects.py, test_running.py
      the limit, waiting, priorities                          runs/test_admission.py, runs/test_races.py
      stop, ends, deliverable                                 runs/test_lifecycle.py, runs/test_execution.py
      Server-Sent Events                                      realtime/test_silence.py, properties/test_realtime.py
      what the agent is sent                                  runs/test_prompts.py, properties/test_prompts.py
    WebSocket                                                 realtime/
    The other endpoints                                       test_threads.py, test_feed.py, test_files.py,
                                                              test_projects_steering.py
    Deep Work                                                 test_deep_work.py, runs/test_pause.py
    Operations                                                test_operations.py, test_metrics.py, test_schema.py
    Agent backends                                            test_contract_objects.py, agents/
"""

import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import resolve
from django.utils import timezone

from mission_control.models import Activity, Deliverable, Notification, Project, Run, Task
from tests import make
from tests.api.answers import NOBODY
from tests.api.conftest import Api
from tests.api.endpoints import ALL, READS, one_of_each

OPEN = ("/healthz", "/readyz")
FOR_EVERY_USER = ("/api/schema", "/api/docs", "/api/mission-control/tokens")
NO_JSON = ("/api/docs", "/api/schema", "/metrics", "/stream", "/content")  # a page or a file, no objects
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
LISTS = {  # path → the plural in its envelope, the default limit
    "agents": ("agents", 100),
    "tasks": ("tasks", 100),
    "projects": ("projects", 100),
    "documents": ("documents", 100),
    "deliverables": ("deliverables", 100),
    "runs": ("runs", 100),
    "questions": ("questions", 100),
    "activity": ("activities", 50),
    "notifications": ("notifications", 100),
    "tokens": ("tokens", 100),
    "usage": ("usage", 100),
    "tasks/{tasks}/messages": ("messages", 100),
    "tasks/{tasks}/documents": ("documents", 100),
    "tasks/{tasks}/runs": ("runs", 100),
    "tasks/{tasks}/reviews": ("reviews", 100),
    "documents/{documents}/versions": ("versions", 100),
    "deliverables/{documents}/versions": ("versions", 100),
    "tasks/{tasks}/attachments": ("attachments", 100),
    "tasks/{tasks}/files": ("files", 100),
    "projects/{projects}/files": ("files", 100),
}


@pytest.fixture
def ids(api):
    return one_of_each(api.user)


def named(endpoint):
    return endpoint.name


def paired(answer, name=""):
    """Yield each name with its value, from all levels of an answer."""
    if isinstance(answer, dict):
        for key, value in answer.items():
            yield key, value
            yield from paired(value, key)
    elif isinstance(answer, list):
        for item in answer:
            yield from paired(item, name)


# ---------------------------------------------------------------- General rules
# The contract: "Canonical paths have no trailing slash; with one, the same answer (no redirect of a POST)."
@pytest.mark.parametrize("endpoint", ALL, ids=named)
def test_each_path_leads_to_the_same_with_a_slash(ids, endpoint):
    plain, slashed = resolve(endpoint.path(ids)).func, resolve(endpoint.path(ids) + "/").func
    assert vars(plain)["cls"] is vars(slashed)["cls"]
    assert getattr(plain, "actions", None) == getattr(slashed, "actions", None)


# The contract: "JSON in and out": also for a client that accepts nothing in particular.
@pytest.mark.parametrize("endpoint", [read for read in READS if not read.route.endswith(NO_JSON)], ids=named)
def test_what_is_read_is_json_and_its_ids_and_times_have_their_form(api, ids, endpoint):
    answer = api.call("GET", endpoint.path(ids))
    assert answer.headers["Content-Type"] == "application/json"
    for name, value in paired(answer.json()):
        if value is None or name in ("options_schema", "metadata"):
            continue
        if name == "id" or name.endswith("_id"):  # "IDs are lower-case UUID strings."
            assert value == "human" or str(uuid.UUID(value)) == value, name
        if name.endswith("_ids"):
            assert all(str(uuid.UUID(key)) == key for key in value), name
        if name.endswith("_at") or name in ("due_date", "last_heartbeat", "timestamp"):
            assert TIME.fullmatch(value), (name, value)  # "Times are ISO 8601 UTC."


# The contract: "Every endpoint but /healthz and /readyz needs a user … None: 401 … WWW-Authenticate"
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("endpoint", ALL, ids=named)
def test_every_endpoint_but_the_probes_needs_a_user(ids, endpoint, slash):
    answer = Client().generic(endpoint.method, endpoint.path(ids) + slash)
    if endpoint.route in OPEN:
        assert answer.status_code in (200, 503)
    else:
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert endpoint.route == "/api/docs" or answer.json().keys() == {"detail"}  # this one is a page


# The contract: "A user without the permission: 403."
@pytest.mark.parametrize(
    "endpoint", [e for e in ALL if not e.route.startswith((*OPEN, *FOR_EVERY_USER))], ids=named
)
def test_every_endpoint_asks_for_a_permission(ids, endpoint):
    answer = Api(make.user(may=[])).call(endpoint.method, endpoint.path(ids))
    assert (answer.status_code, answer.json().keys()) == (403, {"detail"})


# The contract: "A list answers {"<plural>": […], "count", "next", "previous"}; ?limit= … and ?offset=."
def test_every_list_is_in_the_table():
    paged = {
        endpoint.name.removeprefix("GET ")
        for endpoint in READS
        if endpoint.action == "list" or endpoint.action in getattr(endpoint.view, "lists", {})
    }
    assert paged == {re.sub(r"\{\w+\}", "{pk}", path) for path in LISTS}


@pytest.mark.parametrize("path", LISTS)
def test_every_list_has_its_envelope(api, ids, path):
    envelope, _ = LISTS[path]
    whole = api.get(path.format(**ids)).json()
    assert whole.keys() == {envelope, "count", "next", "previous"}
    assert (len(whole[envelope]), whole["next"], whole["previous"]) == (whole["count"], None, None)
    none = api.get(path.format(**ids), limit=0).json()
    assert none == {envelope: [], "count": whole["count"], "next": None, "previous": None}
    behind = api.get(path.format(**ids), offset=1).json()
    assert (behind[envelope], behind["count"]) == (whole[envelope][1:], whole["count"])


@pytest.mark.parametrize("path", ["agents", "projects", "documents", "activity", "notifications", "runs"])
def test_every_list_has_its_default_and_its_most(api, path):
    envelope, default = LISTS[path]
    make_many(path, 505)
    lengths = [len(api.get(path, **query).json()[envelope]) for query in ({}, {"limit": 500}, {"limit": 501})]
    assert lengths == [default, 500, 500]
    page = api.get(path, limit=3, offset=4).json()
    assert [link.partition("?")[2] for link in (page["next"], page["previous"])] == [
        "limit=3&offset=7",
        "limit=3&offset=1",
    ]


def make_many(path, number):
    of = {
        "projects": lambda i: Project(title=str(i)),
        "documents": lambda i: Deliverable(title=str(i)),
        "activity": lambda i: Activity(type="task_updated", message=str(i)),
        "notifications": lambda i: Notification(type="mention", content=str(i)),
    }
    if path == "agents":
        agent = make.agent()
        type(agent).objects.bulk_create(type(agent)(name=str(i), role="r") for i in range(number))
    elif path == "runs":
        agent = make.agent()
        tasks = Task.objects.bulk_create(Task(title=str(i)) for i in range(number))
        ended = {
            "agent": agent,
            "status": "stopped",
            **dict.fromkeys(("queued_at", "finished_at"), timezone.now()),
        }
        Run.objects.bulk_create(Run(task=task, **ended) for task in tasks)
    else:
        rows = [of[path](i) for i in range(number)]
        type(rows[0])._default_manager.bulk_create(rows)


# The contract: "tasks, documents, projects by updated_at, newest first; … the id breaks ties."
@pytest.mark.parametrize(("path", "model"), [("documents", Deliverable), ("projects", Project), ("tasks", Task)])
def test_what_was_changed_last_comes_first_and_the_id_breaks_ties(api, path, model):
    make_one = {"documents": make.document, "projects": make.project, "tasks": make.task}[path]
    old, *same = [make_one() for _ in range(4)]
    now = timezone.now()
    model.objects.update(updated_at=now)
    model.objects.filter(pk=old.pk).update(updated_at=now - timedelta(hours=1))
    listed = [found["id"] for found in api.get(path).json()[path]]
    assert listed == [*sorted(str(one.pk) for one in same), str(old.pk)]


def test_agents_of_one_name_come_by_id(api):
    same = [make.agent(name="Same") for _ in range(4)]
    first = make.agent(name="A")
    listed = [found["id"] for found in api.get("agents").json()["agents"]]
    assert listed == [str(first.pk), *sorted(str(agent.pk) for agent in same)]


def test_runs_come_newest_first_and_messages_oldest_first(api):
    runs = [make.run() for _ in range(3)]
    assert [found["id"] for found in api.get("runs").json()["runs"]] == [str(run.pk) for run in reversed(runs)]
    path = f"tasks/{make.task().pk}/messages"
    for text in ("one", "two", "three"):
        api.made(path, content=text)
    assert [found["content"] for found in api.get(path).json()["messages"]] == ["one", "two", "three"]


# The contract: "A filter by an id that … does not exist [is] an empty list."
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("tasks", "assignee_id"),
        ("tasks", "project_id"),
        ("documents", "task_id"),
        ("documents", "project_id"),
        ("deliverables", "task_id"),
        ("activity", "agent_id"),
        ("activity", "task_id"),
        ("notifications", "agent_id"),
        ("runs", "task_id"),
        ("runs", "agent_id"),
        ("runs", "project_id"),
        ("questions", "task_id"),
        ("questions", "run_id"),
        ("questions", "agent_id"),
    ],
)
def test_a_filter_by_an_id_of_nothing_is_an_empty_list(api, ids, path, name):
    assert api.get(path).json()["count"] > 0
    answer = api.get(path, **{name: NOBODY})
    assert (answer.status_code, answer.json()["count"], answer.json()[LISTS[path][0]]) == (200, 0, [])


# The contract: "A delete answers 200 {"success": true, "message": "Task <id> deleted"}", then it is 404.
@pytest.mark.parametrize(
    ("path", "noun"),
    [
        ("agents", "Agent"),
        ("tasks", "Task"),
        ("projects", "Project"),
        ("documents", "Document"),
        ("deliverables", "Document"),
        ("tokens", "Token"),
    ],
)
def test_a_delete_says_so_and_a_second_one_is_404(api, path, noun):
    ids = one_of_each(api.user)
    api.post(f"runs/{ids['runs']}/stop")
    one = f"{path}/{ids[path]}"
    answer = api.delete(one)
    assert (answer.status_code, answer.json()) == (
        200,
        {"success": True, "message": f"{noun} {ids[path]} deleted"},
    )
    for again in (api.delete(one), api.get(one)):
        assert (again.status_code, again.json()) == (404, {"detail": f"{noun} not found"})
