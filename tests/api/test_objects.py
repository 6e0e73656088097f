"""The fields of each object, and the answers to create, read, change and delete."""

import uuid
from typing import Any

import pytest

from agents.models import Agent
from mission_control.models import Activity, Deliverable, Project, Run, Task
from tests import make


def _names(text: str) -> set[str]:
    return set(text.split())


AGENT = _names(
    "id name role description session_key backend backend_options fallback_agent_id status level current_task_id"
    " running_count specialties last_heartbeat created_at updated_at metadata"
)
TASK = _names(
    "id title description status priority assignee_ids creator_id parent_task_id blocked_by blocks tags due_date"
    " started_at completed_at created_at updated_at metadata project_id task_type active_description"
    " estimated_minutes active_run_id last_run"
)
DOCUMENT = _names(
    "id title content type task_id project_id run_id author_id tags version created_at updated_at metadata"
)
PROJECT = _names(
    "id title description status planner_agent_id team_agent_ids task_ids prd_document_id creator_id tags"
    " started_at completed_at created_at updated_at metadata folder_path file_count"
)
RUN = _names(
    "id kind project_id task_id task_title agent_id agent_name status error attempt requested_by queued_at"
    " started_at finished_at duration_seconds last_seq usage document_id end_cause host parked_for resumes_at"
    " follow_up previous_run_id"
)

OBJECTS = [
    ("agents", "agent", {"name": "Ada", "role": "Writer", "backend": "demo"}, AGENT),
    ("tasks", "task", {"title": "Write"}, TASK),
    ("projects", "project", {"title": "Book"}, PROJECT),
    ("documents", "document", {"title": "Notes", "content": "a"}, DOCUMENT),
    ("deliverables", "deliverable", {"title": "Notes", "content": "a"}, DOCUMENT),
]


@pytest.mark.parametrize(("path", "envelope", "body", "fields"), OBJECTS)
def test_an_object_is_created_read_listed_changed_and_deleted(api, path, envelope, body, fields):
    made = api.made(path, **body)
    assert made.keys() == fields
    assert str(uuid.UUID(made["id"])) == made["id"]
    assert made["created_at"].endswith("Z")

    one = f"{path}/{made['id']}"
    read = api.get(one).json()
    assert read[envelope] == made
    assert api.get(path).json() == {path: [made], "count": 1, "next": None, "previous": None}
    name = "name" if path == "agents" else "title"
    assert api.patch(one, {name: "Other"}).json()[envelope][name] == "Other"

    noun = "Document" if envelope == "deliverable" else envelope.capitalize()
    assert api.delete(one).json() == {"success": True, "message": f"{noun} {made['id']} deleted"}
    gone = api.get(one)
    assert (gone.status_code, gone.json()) == (404, {"detail": f"{noun} not found"})


@pytest.mark.parametrize(("path", "envelope", "body", "fields"), OBJECTS)
def test_each_path_answers_the_same_with_a_trailing_slash(api, path, envelope, body, fields):
    made = api.made(f"{path}/", **body)
    assert api.get(f"{path}/{made['id']}/").json()[envelope] == made
    assert api.get(f"{path}/").json()["count"] == 1


def test_a_task_is_read_with_its_messages_and_a_project_with_its_tasks_and_progress(api):
    project = api.made("projects", title="Book")
    task = api.made("tasks", title="Write", project_id=project["id"])

    assert api.get(f"tasks/{task['id']}").json().keys() == {"task", "messages"}
    read = api.get(f"projects/{project['id']}").json()
    assert read["tasks"] == [task]
    assert read["project"]["task_ids"] == [task["id"]]
    assert read["progress"] == {
        "total": 1,
        "completed": 0,
        "skipped": 0,
        "in_progress": 0,
        "blocked": 0,
        "human_pending": 0,
        "percent": 0.0,
    }


def test_progress_counts_done_and_skipped_with_one_decimal(api):
    project = make.project()
    for status in ("done", "skipped", "blocked"):
        Task.objects.create(title=status, project=project, status=status)
    for task_type, status in (("human", "inbox"), ("human", "done"), ("agent", "in_progress"), ("agent", "inbox")):
        Task.objects.create(title="t", project=project, status=status, task_type=task_type)

    progress = api.get(f"projects/{project.pk}").json()["progress"]
    assert progress["total"] == 7
    assert (progress["completed"], progress["skipped"], progress["in_progress"]) == (2, 1, 1)
    assert (progress["blocked"], progress["human_pending"], progress["percent"]) == (1, 1, 42.9)


def test_a_task_keeps_all_that_it_was_created_with(api):
    first, second, project, parent = make.agent(name="A"), make.agent(name="B"), make.project(), make.task()
    blocker = make.task(project=project)
    given: dict[str, Any] = {
        "title": "Write",
        "description": " as it was \n",
        "priority": "urgent",
        "task_type": "human",
        "tags": ["a", "b"],
        "assignee_ids": [str(second.pk), str(first.pk), str(second.pk)],
        "creator_id": str(first.pk),
        "project_id": str(project.pk),
        "parent_task_id": str(parent.pk),
        "blocked_by": [str(blocker.pk)],
        "due_date": "2027-01-02T03:04:05Z",
        "estimated_minutes": 90,
        "metadata": {"a": [1, {"b": None}]},
    }
    task = api.made("tasks", **given, unknown="ignored", status="done")

    assert {name: task[name] for name in given} == {**given, "assignee_ids": given["assignee_ids"][:2]}
    assert task["status"] == "assigned"
    assert api.get(f"tasks/{blocker.pk}").json()["task"]["blocks"] == [task["id"]]


def test_a_task_without_assignees_is_inbox_and_an_assignment_moves_it_to_assigned(api):
    agent, other = make.agent(), make.agent()
    task = api.made("tasks", title="Write")
    assert task["status"] == "inbox"

    changed = api.patch(f"tasks/{task['id']}", {"assignee_ids": [str(agent.pk)]}).json()["task"]
    assert (changed["status"], changed["assignee_ids"]) == ("assigned", [str(agent.pk)])
    changed = api.patch(f"tasks/{task['id']}", {"assignee_ids": [str(other.pk), str(agent.pk)]}).json()["task"]
    assert changed["assignee_ids"] == [str(other.pk), str(agent.pk)]


def test_the_times_of_a_task_are_set_once(api):
    path = f"tasks/{make.task().pk}"
    first = api.patch(path, {"status": "in_progress"}).json()["task"]["started_at"]
    done = api.patch(path, {"status": "done"}).json()["task"]["completed_at"]
    api.patch(path, {"status": "in_progress"})
    again = api.patch(path, {"status": "done"}).json()["task"]
    assert first
    assert done
    assert (again["started_at"], again["completed_at"]) == (first, done)


def test_another_content_is_another_version_and_the_earlier_ones_stay_readable(api):
    document = api.made("documents", title="PRD", content="one")
    path, agent = f"documents/{document['id']}", make.agent()
    changed = api.patch(path, {"content": "two", "editor_id": str(agent.pk)}).json()["document"]
    assert (changed["version"], changed["content"]) == (2, "two")
    assert api.patch(path, {"content": "two", "title": "Same"}).json()["document"]["version"] == 2

    versions = api.get(f"{path}/versions").json()
    assert versions["count"] == 2
    assert [(v["version"], v["content"], v["editor_id"]) for v in versions["versions"]] == [
        (1, "one", None),
        (2, "two", str(agent.pk)),
    ]
    assert versions["versions"][0].keys() == {"version", "content", "editor_id", "created_at"}


def test_a_person_may_revise_what_a_run_handed_in(api):
    run = make.run()
    document = make.document(task=run.task, run=run)
    answer = api.patch(f"documents/{document.pk}", {"content": "better"})
    assert answer.json()["document"]["version"] == 2
    assert api.get(f"runs/{run.pk}").json()["run"]["document_id"] == str(document.pk)


def test_a_document_belongs_to_the_project_of_its_task(api):
    task = make.task(project=make.project())
    document = api.made("documents", title="Notes", task_id=str(task.pk))
    assert (document["project_id"], document["content"]) == (str(task.project_id), "")
    assert api.get(f"tasks/{task.pk}/documents").json()["documents"] == [document]


def test_a_project_takes_its_requirements_and_its_team(api):
    document, agent = make.document(), make.agent()
    project = api.made("projects", title="Book")
    assert (project["creator_id"], project["status"], project["file_count"]) == ("human", "draft", 0)

    given = {"prd_document_id": str(document.pk), "team_agent_ids": [str(agent.pk)], "status": "executing"}
    changed = api.patch(f"projects/{project['id']}", given).json()["project"]
    assert {name: changed[name] for name in given} == given
    assert changed["started_at"]
    assert (
        api.patch(f"projects/{project['id']}", {"prd_document_id": None}).json()["project"]["prd_document_id"]
        is None
    )


def test_the_files_of_a_project_are_counted(api):
    project = make.project()
    (project.folder / "sub").mkdir(parents=True)
    (project.folder / "a.txt").write_text("a")
    (project.folder / "sub" / "b.txt").write_text("b")
    read = api.get(f"projects/{project.pk}").json()["project"]
    assert (read["folder_path"], read["file_count"]) == (str(project.folder), 2)


def test_a_deleted_project_takes_its_tasks_and_documents_along(api):
    project = make.project()
    task = make.task(project=project)
    make.document(task=task)
    assert api.delete(f"projects/{project.pk}").status_code == 200
    assert not Project.objects.exists()
    assert not Task.objects.exists()
    assert not Deliverable.objects.exists()


def test_an_agent_reads_active_with_its_newest_task_while_it_has_a_run(api):
    agent, idle = make.agent(), make.agent(status="blocked")
    make.run(by=agent)
    newest = make.run(by=agent)

    read = api.get(f"agents/{agent.pk}").json()["agent"]
    assert (read["status"], read["running_count"], read["current_task_id"]) == ("active", 2, str(newest.task_id))
    assert [found["id"] for found in api.get("agents", status="active").json()["agents"]] == [str(agent.pk)]
    assert [found["id"] for found in api.get("agents", status="blocked").json()["agents"]] == [str(idle.pk)]
    assert api.get("agents", status="idle").json()["count"] == 0
    assert Agent.objects.get(pk=agent.pk).status == "idle"


def test_a_waiting_run_does_not_make_its_agent_active(api):
    make.limit(1)
    make.run()
    agent = make.agent()
    make.run(by=agent, when_full="queue")
    read = api.get(f"agents/{agent.pk}").json()["agent"]
    assert (read["status"], read["running_count"], read["current_task_id"]) == ("idle", 0, None)


def test_a_run_has_the_form_of_the_contract_and_lists_leave_the_long_texts_out(api):
    run = make.run(by=make.agent(name="Ada"))
    Run.objects.filter(pk=run.pk).update(prompt="do", requested_by=api.user, model="m")

    [listed] = api.get("runs").json()["runs"]
    whole = api.get(f"runs/{run.pk}").json()["run"]
    assert listed.keys() == RUN
    assert whole == {**listed, "prompt": "do", "output": ""}
    assert whole["usage"] == {"model": "m", "input_tokens": None, "output_tokens": None, "cost_usd": None}
    assert (whole["requested_by"], whole["error"], whole["agent_name"]) == (api.user.username, None, "Ada")
    assert api.get(f"tasks/{run.task_id}/runs").json()["runs"] == [listed]
    task = api.get(f"tasks/{run.task_id}").json()["task"]
    assert task["active_run_id"] == str(run.pk)
    assert task["last_run"] == {"id": str(run.pk), "status": "queued", "finished_at": None, "error": None}


def test_the_output_of_a_run_that_has_not_ended_is_what_was_said_so_far(api):
    from mission_control.runs.events import Draft, append
    from mission_control.runs.lifecycle import claim

    run = make.run()
    claimed = claim(run.pk, worker="w")
    drafts = [Draft("message", "Hel"), Draft("thinking", "hm"), Draft("message", "lo")]
    append(run.pk, claimed.claim_token, drafts, after=1)
    assert api.get(f"runs/{run.pk}").json()["run"]["output"] == "Hello"

    events = api.get(f"runs/{run.pk}/events", after=1, limit=2).json()
    assert [(event["seq"], event["content"]) for event in events["events"]] == [(2, "Hel"), (3, "hm")]
    assert (events["count"], events["last_seq"], events["status"]) == (3, 4, "running")
    assert events["events"][0].keys() == {"seq", "type", "content", "timestamp", "metadata"}


def test_every_change_leaves_an_activity(api):
    agent = make.agent()
    Activity.objects.all().delete()
    task = api.made("tasks", title="Write", assignee_ids=[str(agent.pk)])
    api.patch(f"tasks/{task['id']}", {"status": "done"})
    api.patch(f"tasks/{task['id']}", {"title": "Writing"})
    document = api.made("documents", title="Notes", content="a", task_id=task["id"])
    api.patch(f"documents/{document['id']}", {"content": "b"})
    api.patch(f"documents/{document['id']}", {"title": "c"})
    api.patch(f"agents/{agent.pk}", {"status": "offline"})

    noted = list(Activity.objects.order_by("number").values_list("type", "task_id", "document_id", "agent_id"))
    task_id, document_id = uuid.UUID(task["id"]), uuid.UUID(document["id"])
    assert noted == [
        ("task_created", task_id, None, None),
        ("task_assigned", task_id, None, agent.pk),
        ("task_completed", task_id, None, None),
        ("task_updated", task_id, None, None),
        ("document_created", task_id, document_id, None),
        ("document_updated", task_id, document_id, None),
        ("document_updated", task_id, document_id, None),
        ("agent_status_changed", None, None, agent.pk),
    ]


def test_a_change_that_changes_nothing_leaves_no_activity(api):
    task = make.task()
    before = api.get(f"tasks/{task.pk}").json()["task"]
    number = Activity.objects.count()
    assert api.patch(f"tasks/{task.pk}", {"title": task.title, "status": "inbox"}).json()["task"] == before
    assert Activity.objects.count() == number


def test_backends_and_capacity_are_told(api):
    backends = api.get("backends").json()
    assert backends["count"] == len(backends["backends"])
    assert {"name", "display_name", "available", "reason", "capabilities", "options_schema"} == backends[
        "backends"
    ][0].keys()
    make.run()
    expected = {"limit": 5, "running": 0, "queued": 1, "waiting": 0, "available": 4}
    assert api.get("capacity").json() == expected
