"""The contract's objects and actions, statement by statement: see test_contract.py."""

from itertools import product as every
from typing import Any

import pytest

from agents.models import Agent
from mission_control.models import Activity, Deliverable, Notification, Project, Run, RunEvent, Task
from mission_control.runs.lifecycle import claim
from tests import make
from tests.api.answers import NOBODY, assert_names
from tests.api.endpoints import BY_NAME

MESSAGE = "id task_id from_agent_id content attachment_ids mentions created_at metadata author"
BACKENDS = "claude_agent_sdk pydantic_ai command acp openai_agents google_adk codex_cli opencode copilot_sdk demo"
TASK_STATUSES = "inbox assigned in_progress review done blocked skipped"
ACTIVITIES = (
    "task_created task_updated task_assigned task_completed message_sent document_created document_updated"
    " agent_heartbeat agent_status_changed mention"
)
# The contract: "status: …", "level: …", "priority: …", "task_type: …", "type: …": what may be read and written.
WRITTEN = {
    ("agents", "status"): "idle active blocked offline",
    ("agents", "level"): "intern specialist lead",
    ("tasks", "status"): TASK_STATUSES,
    ("tasks", "priority"): "low medium high urgent",
    ("tasks", "task_type"): "agent human review",
    ("documents", "type"): "deliverable research protocol template draft",
    ("deliverables", "type"): "deliverable research protocol template draft",
    ("projects", "status"): "draft planning awaiting_approval approved executing paused completed failed",
}
READ = [
    (Agent.Status, WRITTEN["agents", "status"]),
    (Agent.Level, WRITTEN["agents", "level"]),
    (Task.Status, TASK_STATUSES),
    (Task.Priority, WRITTEN["tasks", "priority"]),
    (Task.Type, WRITTEN["tasks", "task_type"]),
    (Deliverable.Type, WRITTEN["documents", "type"]),
    (Project.Status, WRITTEN["projects", "status"]),
    (Activity.Type, ACTIVITIES),
    (Run.Kind, "task planning"),
    (Run.Status, "waiting queued running parked completed error stopped"),
    (RunEvent.Type, "message tool_use tool_result thinking status input"),
]
MAKE = {
    "agents": make.agent,
    "tasks": make.task,
    "projects": make.project,
    "documents": make.document,
    "deliverables": make.document,
}
# The values of an object that was created with its required fields only.
DEFAULTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "agents": (
        {"name": "Ada", "role": "Writer"},
        {
            "description": "",
            "backend": "claude_agent_sdk",  # "backend default claude_agent_sdk"
            "backend_options": {},
            "status": "idle",
            "level": "specialist",
            "current_task_id": None,
            "running_count": 0,
            "specialties": [],
            "last_heartbeat": None,
            "metadata": {},
        },
    ),
    "tasks": (
        {"title": "Write"},
        {
            "description": "",
            "status": "inbox",  # "else inbox"
            "priority": "medium",
            "assignee_ids": [],
            "parent_task_id": None,
            "blocked_by": [],
            "blocks": [],
            "tags": [],
            "due_date": None,
            "started_at": None,
            "completed_at": None,
            "metadata": {},
            "project_id": None,
            "task_type": "agent",
            "estimated_minutes": None,
            "active_run_id": None,
            "last_run": None,
        },
    ),
    "documents": (
        {"title": "Notes"},
        {
            "content": "",
            "task_id": None,
            "project_id": None,
            "run_id": None,
            "tags": [],
            "version": 1,
            "metadata": {},
        },
    ),
    "projects": (
        {"title": "Book"},
        {
            "description": "",
            "status": "draft",
            "planner_agent_id": None,
            "team_agent_ids": [],
            "task_ids": [],
            "prd_document_id": None,
            "creator_id": "human",  # "`human` unless an agent's id is given"
            "tags": [],
            "started_at": None,
            "completed_at": None,
            "metadata": {},
            "file_count": 0,
        },
    ),
}


def envelope(path):
    return path.removesuffix("s")


# ---------------------------------------------------------------- Objects
@pytest.mark.parametrize(("choices", "values"), READ)
def test_each_enumeration_is_that_of_the_contract(choices, values):
    assert set(choices.values) == set(values.split())


def test_notifications_have_the_types_of_the_feed_and_five_more():
    types = {value for value, _ in Notification._meta.get_field("type").choices}
    assert types == {*ACTIVITIES.split(), "run_completed", "run_failed", "review_needed", "human_task", "question"}


@pytest.mark.parametrize(("path", "field"), WRITTEN)
def test_each_value_of_an_enumeration_can_be_written_read_and_filtered_by(api, path, field):
    one = f"{path}/{MAKE[path]().pk}"
    for value in WRITTEN[path, field].split():
        assert api.patch(one, {field: value}).json()[envelope(path)][field] == value
        assert api.get(one).json()[envelope(path)][field] == value
        if field != "level":
            assert api.get(path, **{field: value}).json()["count"] == 1


@pytest.mark.parametrize("path", DEFAULTS)
def test_an_object_of_which_little_was_told_has_its_defaults(api, path):
    given, expected = DEFAULTS[path]
    made = api.made(path, **given)
    assert {name: made[name] for name in expected} == expected


# The contract: "The default backend is an operator's setting."
def test_the_default_backend_is_a_setting(api, settings):
    settings.DEFAULT_BACKEND = "demo"
    assert api.made("agents", name="Ada", role="Writer")["backend"] == "demo"


# The contract: "`name` 1..50 (need not be unique …), `role` 1..100", "`title` 1..200"
@pytest.mark.parametrize(
    ("path", "field", "most"),
    [("agents", "name", 50), ("agents", "role", 100), *((path, "title", 200) for path in list(MAKE)[1:])],
)
def test_names_and_titles_have_from_one_to_so_many_characters(api, path, field, most):
    given = {"name": "n", "role": "r"} if path == "agents" else {}
    for text in ("x", "ü" * most, "\U0001f600" * most):
        for _ in range(2):
            assert api.made(path, **{**given, field: text})[field] == text
    for text in ("", "x" * (most + 1)):
        assert_names(api.post(path, {**given, field: text}), field)


# The contract: "PATCH takes every field of POST": of agents and tasks.
@pytest.mark.parametrize("path", ["agents", "tasks"])
def test_a_change_takes_every_field_of_a_creation(path):
    assert BY_NAME[f"POST {path}"].fields <= BY_NAME[f"PATCH {path}/{{pk}}"].fields


# The contract: "creator_id: null, `human` or an agent's id"
@pytest.mark.parametrize(
    ("path", "field"), [("tasks", "creator_id"), ("projects", "creator_id"), ("documents", "author_id")]
)
def test_who_made_it_is_a_person_or_an_agent(api, path, field):
    agent = str(make.agent().pk)
    for who in ("human", agent):
        assert api.made(path, title="x", **{field: who})[field] == who
    if path == "tasks":
        assert api.made(path, title="x", creator_id=None)["creator_id"] is None


# The contract: "blocks is the inverse of blocked_by"
def test_blocks_is_the_inverse_of_blocked_by(api):
    first, second = make.task(), make.task()
    api.patch(f"tasks/{second.pk}", {"blocked_by": [str(first.pk)]})
    assert api.get(f"tasks/{first.pk}").json()["task"]["blocks"] == [str(second.pk)]
    api.patch(f"tasks/{second.pk}", {"blocked_by": []})
    assert api.get(f"tasks/{first.pk}").json()["task"]["blocks"] == []


# The contract: "from_agent_id is an agent's id or `human` (…also when it is left out); author names the person."
def test_a_message_has_the_fields_of_the_contract(api):
    path = f"tasks/{make.task().pk}/messages"
    sent = [api.made(path, content="Hi"), api.made(path, content="Hi", from_agent_id="human")]
    for message in sent:
        assert message.keys() == set(MESSAGE.split())
        assert (message["from_agent_id"], message["author"]) == ("human", api.user.username)
    agent = str(make.agent().pk)
    spoken = api.made(path, content="Hi", from_agent_id=agent)
    assert (spoken["from_agent_id"], spoken["author"]) == (agent, None)


# ---------------------------------------------------------------- Running a task
# The contract: "Checked in this order: 404, 400, running, blocked, 429": of any two, the first is reported.
HOLDS = {
    "unknown agent": (404, "Agent not found"),
    "of a person": (400, "Agents do not run tasks of type human."),
    "running": (409, "Task is already running"),
    "blocked": (409, "Task is blocked by unfinished tasks"),
    "full": (429, "Maximum concurrent tasks (1) reached"),
}


@pytest.mark.parametrize(("one", "other"), [pair for pair in every(HOLDS, HOLDS) if pair[0] != pair[1]])
def test_of_two_reasons_the_first_is_told(api, one, other):
    holds = {one, other}
    task, agent = make.task(), make.agent()
    make.limit(1)
    if "running" in holds:
        make.run(task, agent)
    elif "full" in holds:
        make.run()
    if "blocked" in holds:
        task.blocked_by.add(make.task())
    if "of a person" in holds:
        Task.objects.filter(pk=task.pk).update(task_type="human")
    key = NOBODY if "unknown agent" in holds else str(agent.pk)

    answer = api.post(f"tasks/{task.pk}/run", {"agent_id": key})
    first = next(reason for reason in HOLDS if reason in holds)
    assert (answer.status_code, answer.json()["detail"]) == HOLDS[first]
    assert Run.objects.count() == bool(holds & {"running", "full"})


# The contract: "A done, skipped or blocked task may be run again."
@pytest.mark.parametrize("status", TASK_STATUSES.split())
def test_a_task_of_any_status_may_be_run(api, status):
    task = make.task()
    api.patch(f"tasks/{task.pk}", {"status": status})
    answer = api.post(f"tasks/{task.pk}/run", {"agent_id": str(make.agent().pk)})
    assert (answer.status_code, answer.json()["status"]) == (200, "started")
    assert api.get(f"tasks/{task.pk}").json()["task"]["status"] == "in_progress"


# The contract: "waiting (no slot yet) queued (holds a slot, not started) running"
def test_the_capacity_tells_runs_by_what_they_wait_for(api):
    make.limit(2)
    claim(make.run().pk, worker="w")
    make.run()
    make.run(when_full="queue")
    capacity = {"limit": 2, "running": 1, "queued": 1, "waiting": 1, "available": 0}
    assert api.get("capacity").json() == capacity
    for status in ("running", "queued", "waiting"):
        assert api.get("runs", status=status).json()["count"] == 1


# The contract: "stopped while waiting: as before"; "a waiting or queued run is stopped at once"
@pytest.mark.parametrize("by", ["tasks", "runs"])
def test_a_run_that_waits_is_stopped_at_once_and_its_task_stays_as_it_was(api, by):
    make.limit(1)
    make.run()
    run = make.run(when_full="queue")
    path = f"tasks/{run.task_id}/stop" if by == "tasks" else f"runs/{run.pk}/stop"
    assert api.post(path).json()["status"] == "stopped"
    read = api.get(f"runs/{run.pk}").json()["run"]
    assert (read["status"], bool(read["finished_at"]), read["started_at"]) == ("stopped", True, None)
    assert api.get(f"tasks/{run.task_id}").json()["task"]["status"] == "inbox"


# ---------------------------------------------------------------- The other endpoints
# The contract: "While a run is active the task's status cannot be set by hand, nor the task … deleted: 409."
@pytest.mark.parametrize("when_full", ["reject", "queue"])
def test_under_an_active_run_no_status_is_set_in_any_way(api, when_full):
    if when_full == "queue":
        make.limit(1)
        make.run()
    run = make.run(make.task(project=make.project(status="executing")), when_full=when_full)
    task = f"tasks/{run.task_id}"
    before = api.get(task).json()
    for answer in (
        api.patch(task, {"status": "done"}),
        api.post(f"{task}/status", {"status": "review"}),
        api.delete(task),
        api.delete(f"agents/{run.agent_id}"),
        api.delete(f"projects/{run.project_id}"),
    ):
        assert (answer.status_code, answer.json().keys()) == (409, {"detail"})
    assert api.get(task).json() == before


# The contract: "`assign` (adds)"; "there [PATCH] `assignee_ids` replaces"; "keeps its order"
def test_assign_adds_and_a_change_replaces(api):
    one, two, three = (str(make.agent().pk) for _ in range(3))
    task = api.made("tasks", title="x", assignee_ids=[two])
    assert api.made(f"tasks/{task['id']}/assign", agent_ids=[one])["assignee_ids"] == [two, one]
    changed = api.patch(f"tasks/{task['id']}", {"assignee_ids": [three, two]}).json()["task"]
    assert changed["assignee_ids"] == [three, two]
    assert api.patch(f"tasks/{task['id']}", {"assignee_ids": []}).json()["task"]["assignee_ids"] == []


# The contract: "POST projects/{id}/approve · pause · resume (plain changes of status …)", in the envelope
@pytest.mark.parametrize(
    ("action", "status"), [("approve", "approved"), ("pause", "paused"), ("resume", "executing")]
)
def test_a_plain_action_answers_the_project(api, action, status):
    project = make.project()
    answer = api.post(f"projects/{project.pk}/{action}").json()
    assert answer.keys() == {"project"}
    assert answer["project"]["status"] == status


# ---------------------------------------------------------------- Agent backends
# The contract: "One whose package, program or key is missing can be created"; "PocketPaw's names … are accepted"
@pytest.mark.parametrize("name", BACKENDS.split())
def test_an_agent_of_each_backend_can_be_created_and_changed_to(api, name):
    assert api.made("agents", name="n", role="r", backend=name)["backend"] == name
    changed = api.patch(f"agents/{make.agent().pk}", {"backend": name, "backend_options": {}})
    assert changed.json()["agent"]["backend"] == name
    assert name in {backend["name"] for backend in api.get("backends").json()["backends"]}


# The contract: "chunks ≤ 100,000, chunk_bytes 8..65,536, delay_seconds 0..60"; "unknown keys refused"
def test_the_options_of_demo_have_their_bounds(api):
    for options in (
        {"chunks": 200, "chunk_bytes": 50, "delay_seconds": 0.05, "fail_after": None},
        {"chunks": 100_000, "chunk_bytes": 65_536, "delay_seconds": 60, "fail_after": 100_000},
        {"chunks": 1, "chunk_bytes": 8, "delay_seconds": 0, "fail_after": 0},
    ):
        made = api.made("agents", name="n", role="r", backend="demo", backend_options=options)
        assert made["backend_options"] == options
    for wrong in (
        {"chunks": 100_001},
        {"chunk_bytes": 7},
        {"chunk_bytes": 65_537},
        {"delay_seconds": 60.1},
        {"a": 1},
    ):
        body = {"name": "n", "role": "r", "backend": "demo", "backend_options": wrong}
        assert_names(api.post("agents", body), "backend_options")
