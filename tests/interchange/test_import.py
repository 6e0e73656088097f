"""The import of PocketPaw's files: complete, repeatable, and with a line for each thing that is wrong."""

import io
import os
import uuid
from itertools import pairwise

import pytest
from django.core.management import CommandError, call_command

from agents.models import Agent
from mission_control.actions import tasks as verbs
from mission_control.interchange import source
from mission_control.models import (
    Activity,
    Deliverable,
    DeliverableVersion,
    Message,
    Notification,
    Project,
    Task,
)
from tests import make
from tests.api.answers import stored
from tests.api.conftest import Api
from tests.interchange.conftest import LATER, TIME, activity, agent, document, message, notification, project, task


def everything():
    return [*stored(), list(Message.objects.values()), list(Notification.objects.values())]


@pytest.fixture
def whole(folder):
    ada = agent(session_key="agent:jarvis:main", status="idle", level="lead", specialties=["writing"])
    book = project(status="approved", planner_agent_id=ada["id"], team_agent_ids=[ada["id"]], tags=["a"])
    first = task(title="First", project_id=book["id"], assignee_ids=[ada["id"]], status="done", completed_at=LATER)
    second = task(title="Second", project_id=book["id"], blocked_by=[first["id"]], parent_task_id=first["id"])
    prd = document(title="PRD", type="protocol", author_id=ada["id"], version=3)
    result = document(title="Result", type="deliverable", task_id=first["id"])
    book["prd_document_id"] = prd["id"]
    said = message(first, from_agent_id=ada["id"], mentions=["all"], attachment_ids=[result["id"]])
    line = activity(agent_id=ada["id"], task_id=first["id"], document_id=result["id"])
    told = notification(
        agent_id=ada["id"], source_message_id=said["id"], source_task_id=first["id"], delivered=True, read=True
    )
    files = {"agents": [ada], "projects": [book], "tasks": [second, first], "documents": [prd, result]}
    return folder.write(**files, messages=[said], activities=[line], notifications=[told])


def test_all_is_taken_with_its_ids_times_and_references(whole):
    taken = whole.take()
    assert (taken.status, taken.about("not imported")) == (0, [])
    assert len(taken.lines) == 7
    api = Api()
    for name, path in (
        ("agents", "agents"),
        ("tasks", "tasks"),
        ("projects", "projects"),
        ("documents", "documents"),
    ):
        for given in whole.read(name):
            [(_, shown)] = [pair for pair in api.get(f"{path}/{given['id']}").json().items() if "id" in pair[1]][
                :1
            ]
            for field, value in given.items():
                expected = value.replace("+00:00", "Z") if field.endswith("_at") else value
                assert shown[field] == expected, (name, field)
    [said] = api.get(f"tasks/{whole.read('tasks')[1]['id']}").json()["messages"]
    given = whole.read("messages")[0]
    assert {field: said[field] for field in ("id", "from_agent_id", "mentions", "attachment_ids")} == {
        field: given[field] for field in ("id", "from_agent_id", "mentions", "attachment_ids")
    }
    told = Notification.objects.get()
    assert (told.delivered, told.read, str(told.source_message_id)) == (True, True, given["id"])
    assert str(Activity.objects.get().uid) == whole.read("activities")[0]["id"]
    assert sorted(DeliverableVersion.objects.values_list("version", flat=True)) == [1, 3]


def test_a_second_time_nothing_is_doubled_or_changed(whole):
    whole.take()
    before = everything()
    again = whole.take()
    assert (again.status, everything()) == (0, before)
    assert again.about("tasks.json: 2 updated")


def test_what_was_changed_here_since_stays_and_what_is_newer_there_is_taken(whole):
    whole.take()
    first, second = (Task.objects.get(title=title) for title in ("First", "Second"))
    verbs.change(first, title="Changed here")
    objects = whole.read("tasks")
    for given in objects:
        given.update(title="Changed there", updated_at="2026-03-01T00:00:00Z")
    [prd, result] = whole.read("documents")
    prd.update(content="Another", updated_at="2026-03-01T00:00:00Z")
    taken = whole.write(tasks=objects, documents=[prd, result]).take()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.title, second.title) == ("Changed here", "Changed there")
    assert list(second.blocked_by.all()) == [first]
    assert taken.about("tasks.json: 1 updated, 1 kept")
    changed = Deliverable.objects.get(pk=prd["id"])
    assert list(changed.versions.values_list("version", "content")) == [(3, "Text"), (4, "Another")]


@pytest.mark.parametrize(
    ("file", "field", "wrong"),
    [
        ("agents", "status", agent(status="asleep")),
        ("agents", "name", agent(name="x" * 51)),
        ("agents", "name", agent(name=None)),
        ("agents", "backend", agent(backend="nothing")),
        ("agents", "backend_options", agent(backend_options={"chunks": "many"})),
        ("projects", "status", project(status="lost")),
        ("tasks", "status", task(status="todo")),
        ("tasks", "priority", task(priority="asap")),
        ("tasks", "task_type", task(task_type="robot")),
        ("tasks", "title", task(title=" ")),
        ("tasks", "title", task(title="x" * 201)),
        ("tasks", "tags", task(tags=["x"] * 51)),
        ("tasks", "tags", task(tags="x")),
        ("tasks", "metadata", task(metadata=[])),
        ("tasks", "description", task(description="\x00")),
        ("tasks", "due_date", task(due_date="tomorrow")),
        ("tasks", "due_date", task(due_date=7)),
        ("tasks", "estimated_minutes", task(estimated_minutes="7")),
        ("tasks", "blocked_by", task(blocked_by=["x"])),
        ("tasks", "id", task(id="x")),
        ("tasks", "id", task(id=None)),
        ("tasks", "object", 7),
        ("tasks", "object", ["x"]),
        ("documents", "type", document(type="poem")),
        ("documents", "version", document(version=-1)),
        ("messages", "task_id", message(task())),
        ("activities", "type", activity(type="sneezed")),
        ("notifications", "type", notification(type="sneezed")),
        ("notifications", "agent_id", notification(agent_id=str(uuid.uuid4()))),
    ],
)
def test_what_is_wrong_is_a_line_that_names_it_and_the_rest_is_taken(folder, file, field, wrong):
    of = task()
    right = {
        "agents": agent(),
        "projects": project(),
        "tasks": task(),
        "documents": document(),
        "messages": message(of),
        "activities": activity(),
        "notifications": notification(),
    }[file]
    others = {} if file == "tasks" else {"tasks": [of]}
    taken = folder.write(**others, **{file: [wrong, right]}).take()
    key = wrong.get("id") if isinstance(wrong, dict) else None
    named = key if key and key != "x" else "without id"
    assert taken.status == 2
    [line] = taken.about("Not imported.")
    assert line.startswith(f"{file}.json [0] {named}: {field}: ")
    assert taken.about(f"{file}.json: 1 new, 1 not imported")


def test_an_object_with_two_faults_is_two_lines_and_one_object(folder):
    taken = folder.write(tasks=[task(status="x", priority="y")]).take()
    assert len(taken.about("Not imported.")) == 2
    assert taken.about("tasks.json: 1 not imported")


def test_of_two_with_one_id_the_first_is_taken(folder):
    first = task(title="First")
    taken = folder.write(tasks=[first, {**first, "title": "Second"}]).take()
    assert taken.about("[1]", "same id")
    assert Task.objects.get().title == "First"


def test_references_to_what_is_missing_are_left_out_and_said(folder):
    gone = str(uuid.uuid4())
    given = task(assignee_ids=[gone], project_id=gone, parent_task_id=gone, blocked_by=[gone], creator_id=gone)
    book = project(planner_agent_id=gone, team_agent_ids=[gone], prd_document_id=gone, creator_id="nobody")
    said = message(given, from_agent_id=gone, attachment_ids=[gone], author="nobody")
    folder.write(
        tasks=[given], projects=[book], messages=[said], documents=[document(task_id=gone, author_id=gone)]
    )
    taken = folder.write(
        activities=[activity(agent_id=gone, task_id=gone, document_id=gone)],
        notifications=[notification(source_message_id=gone, source_task_id=gone)],
    ).take()
    assert taken.status == 2
    fields = {line.split(": ")[1] for line in taken.about("Imported without it.")}
    assert fields == {
        *("assignee_ids", "project_id", "parent_task_id", "blocked_by", "creator_id", "planner_agent_id"),
        *(
            "team_agent_ids",
            "prd_document_id",
            "from_agent_id",
            "attachment_ids",
            "author",
            "task_id",
            "author_id",
        ),
        *("agent_id", "document_id", "source_message_id", "source_task_id"),
    }
    assert all("not imported" not in line for line in taken.lines)
    assert (Task.objects.count(), Project.objects.get().creator_id, Message.objects.count()) == (1, "human", 1)


def test_what_was_missing_the_first_time_is_there_the_second(folder):
    ada = agent()
    given = task(assignee_ids=[ada["id"]])
    assert folder.write(tasks=[given]).take().status == 2
    assert folder.write(agents=[ada]).take().status == 0
    assert [str(key) for key in Task.objects.get().assignee_ids] == [ada["id"]]


def test_tasks_that_wait_for_each_other_in_a_circle_lose_one_link_of_it(folder):
    tasks = [task(title=str(number)) for number in range(5)]
    for number, given in enumerate(tasks[:4]):
        given["blocked_by"] = [tasks[(number + 1) % 4]["id"], tasks[4]["id"]]
    tasks[4]["blocked_by"] = [tasks[4]["id"]]
    taken = folder.write(tasks=tasks).take()
    assert (taken.status, len(taken.about("blocked_by", "circular dependency"))) == (2, 2)
    assert Task.blocked_by.through.objects.count() == 3 + 4


def test_a_circle_by_way_of_tasks_that_are_here_is_seen(folder):
    here = make.task()
    given = task(blocked_by=[str(here.pk)])
    folder.write(tasks=[given]).take()
    verbs.change(here, blocked_by=[])
    other = make.task(blocked_by=[Task.objects.get(pk=given["id"])])
    given.update(blocked_by=[str(other.pk)], updated_at="2036-01-01T00:00:00Z")
    taken = folder.write(tasks=[given]).take()
    assert taken.about("circular dependency")
    assert list(other.blocked_by.values_list("pk", flat=True)) == [uuid.UUID(given["id"])]


def test_a_dependency_on_another_projects_task_is_left_out(folder):
    one, two = project(), project()
    blocker = task(project_id=one["id"])
    taken = folder.write(
        projects=[one, two], tasks=[blocker, task(project_id=two["id"], blocked_by=[blocker["id"]])]
    )
    assert taken.take().about("blocked_by", "another project")


def test_what_was_under_way_there_is_not_under_way_here_and_the_feed_says_why(folder):
    ada = agent(status="active")
    by_agent, by_nobody = task(status="in_progress", assignee_ids=[ada["id"]]), task(status="in_progress")
    by_people = task(status="in_progress", task_type="human")
    books = [project(status="executing"), project(status="planning")]
    folder.write(agents=[ada], tasks=[by_agent, by_nobody, by_people], projects=books)
    for _ in range(2):
        assert folder.take().status == 0
    statuses = [Task.objects.get(pk=given["id"]).status for given in (by_agent, by_nobody, by_people)]
    assert statuses == ["assigned", "blocked", "in_progress"]
    assert [Project.objects.get(pk=book["id"]).status for book in books] == ["paused", "failed"]
    assert Agent.objects.get().status == "idle"
    assert Activity.objects.filter(message__contains="was in progress where it was imported from").count() == 2


def test_a_task_that_runs_here_is_left_alone(folder):
    run = make.run()
    given = task(id=str(run.task_id), title="Other", updated_at="2036-01-01T00:00:00Z")
    taken = folder.write(tasks=[given]).take()
    assert taken.about("has an active run here")
    assert Task.objects.get().status == "in_progress"


def test_the_feed_keeps_its_order_behind_what_is_here(folder):
    make.task(title="Here")
    lines = [activity(message=str(day), created_at=f"2026-01-{10 + day}T00:00:00Z") for day in range(3)]
    folder.write(activities=[lines[1], lines[0], lines[2]]).take()
    folder.take()
    shown = list(Activity.objects.order_by("-number").values_list("message", flat=True))
    assert shown == ["Task created: Here", "2", "1", "0"]

    later = activity(message="Later", created_at="2036-01-01T00:00:00Z")
    folder.write(activities=[*lines, later]).take()
    assert Activity.objects.order_by("-number").first().message == "Later"


@pytest.mark.parametrize(
    ("text", "told", "taken"),
    [
        (b"", "does not hold a JSON array", 0),
        (b"{}", "does not hold a JSON array", 0),
        (b"null", "does not hold a JSON array", 0),
        (b"[", "Invalid JSON", 0),
        (b"[%s, {", "[1]: Invalid JSON, or the file is truncated", 1),
        (b"[%s", "[0]: Invalid JSON, or the file is truncated", 0),
        (b"[%s, {}}", "[1]: Invalid JSON from here on", 1),
        (b"[%s, [}", "[1]: Invalid JSON from here on", 1),
        (b"[%s] x", "Invalid JSON", 1),
        (b"[]", None, 0),
        (b" [ ] ", None, 0),
        (b"\xef\xbb\xbf [%s]", None, 1),
    ],
)
def test_of_a_broken_file_what_comes_before_is_taken(folder, text, told, taken):
    sound = f'{{"id": "{uuid.uuid4()}", "title": "Sound"}}'.encode()
    (folder.path / "tasks.json").write_bytes(text.replace(b"%s", sound))
    folder.write(agents=[agent()])
    result = folder.take()
    assert result.status == (2 if told else 0)
    assert len(result.about("tasks.json", told or "never")) == (1 if told else 0)
    assert (Task.objects.count(), Agent.objects.count()) == (taken, 1)


DEEP = 100_000


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b"NaN", "NaN is not a JSON number"),
        (
            b'{"id": "%ID", "title": "t", "metadata": {"a": -Infinity}}',
            "%ID: object: Invalid JSON: -Infinity",
        ),
        (b'{"id": "%ID", "title": "t", "metadata": {"a": 1e999}}', "%ID: object: Invalid JSON: a number"),
        (b'{"id": 1' + b"0" * 5_000 + b"}", "a number is too long"),
        (b"\xff", "not UTF-8"),
        (b'{"title": "\xff"}', "not UTF-8"),
        (b"", "a value is missing"),
        (b'{"title": }', "Invalid JSON"),
        (b'{"title" "x"}', "Invalid JSON"),
        (b"[" * DEEP + b"]" * DEEP, "more than 64 levels"),
        (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "more than 64 levels"),
        (b"[" + b"{}," * 200_001 + b"{}]", "more than 200,000 values"),
        (b'{"title": "%s"}' % (b"x" * (64 * 2**20)), "larger than 64 MB"),
    ],
    ids=range(13),
)
def test_a_bad_value_costs_its_own_object_and_is_named_by_its_position(folder, value, told):
    sound = [f'{{"id": "{uuid.uuid4()}", "title": "Sound, \\"[}}\\\\"}}'.encode() for _ in range(3)]
    key = str(uuid.uuid4())
    value, told = value.replace(b"%ID", key.encode()), told.replace("%ID", key)
    (folder.path / "tasks.json").write_bytes(b"[" + b",\n".join([sound[0], value, *sound[1:]]) + b"]")
    result = folder.take()
    assert (result.status, Task.objects.count()) == (2, 3)
    [line] = result.about("Not imported.")
    assert line.startswith("tasks.json [1]") and told in line


def test_an_object_is_read_wherever_the_pieces_that_are_read_of_a_file_end(folder, monkeypatch):
    tasks = [task(title='Quote " and \\ and [,]{}', metadata={"ü": ['\\"', {"a": "]"}]}) for _ in range(3)]
    for size in (1, 2, 3, 7):
        monkeypatch.setattr(source, "CHUNK_BYTES", size)
        assert list(source.items(folder.write(tasks=tasks).path / "tasks.json")) == tasks


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_only_a_regular_file_is_read(folder, kind):
    path = folder.path / "tasks.json"
    {"pipe": os.mkfifo, "folder": os.mkdir, "device": lambda path: path.symlink_to("/dev/zero")}[kind](path)
    folder.write(agents=[agent()])
    result = folder.take()
    assert (result.status, Agent.objects.count()) == (2, 1)
    assert result.about("tasks.json [0]: This is not a regular file.")


def test_what_is_stored_may_be_more_than_a_request_may_hold(folder):
    """Requests add assignees, the product adds to metadata, and a run's output is limited in characters."""
    agents = [agent(name=str(number)) for number in range(600)]
    given = task(assignee_ids=[one["id"] for one in agents], metadata={"a": "x" * 100_000})
    said = message(given, content="@x", mentions=["y" * 60] * 60)
    book = document(content="ü" * 4_000_000)
    result = folder.write(agents=agents, tasks=[given], messages=[said], documents=[book]).take()
    assert (result.status, result.about("aken")) == (0, [])
    assert len(Task.objects.get().assignee_ids) == 600


def test_times_without_a_zone_are_utc_and_missing_ones_are_now(folder):
    plain = task(created_at="2026-02-06T12:00:00", updated_at="2026-02-06T13:00:00")
    bare = {"id": str(uuid.uuid4()), "title": "Bare"}
    assert folder.write(tasks=[plain, bare]).take().status == 0
    assert Task.objects.get(pk=plain["id"]).created_at.isoformat() == "2026-02-06T12:00:00+00:00"
    assert Task.objects.get(pk=bare["id"]).created_at.isoformat() > TIME
    assert folder.take().about("tasks.json: 1 updated, 1 kept")


@pytest.mark.parametrize("path", ["missing", "empty", "file"])
def test_where_there_is_nothing_to_import_one_line_says_so(tmp_path, path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("[]")
    with pytest.raises(CommandError) as refused:
        call_command("import_pocketpaw", str(tmp_path / path), stdout=io.StringIO())
    assert refused.value.returncode == 1
    assert "\n" not in str(refused.value)


def test_more_objects_than_a_batch_are_taken(folder):
    tasks = [task(title=str(number)) for number in range(450)]
    for before, given in pairwise(tasks):
        given["blocked_by"] = [before["id"]]
    assert folder.write(tasks=list(reversed(tasks))).take().status == 0
    assert (Task.objects.count(), Task.blocked_by.through.objects.count()) == (450, 449)
