"""The messages of a task, their mentions, and the task's other actions."""

from typing import Any

import pytest
from django.db.models import Q

from mission_control.actions import comments
from mission_control.actions.comments import mentions_in
from mission_control.models import Activity, Message, Notification, Task
from mission_control.runs.lifecycle import claim, finish
from tests import make
from tests.api.answers import NOBODY, assert_names
from tests.api.conftest import Api

MESSAGE = {
    "id",
    "task_id",
    "from_agent_id",
    "author",
    "content",
    "attachment_ids",
    "mentions",
    "created_at",
    "metadata",
}


@pytest.fixture
def task() -> Task:
    return make.task(title="Write")


def told(**filters) -> set[str]:
    return {notification.agent.name for notification in Notification.objects.filter(type="mention", **filters)}


@pytest.mark.parametrize(
    ("content", "mentioned"),
    [
        ("Hello @Ada!", ["ada"]),
        ("@code-reviewer, @Bob-2 and @ada.", ["code-reviewer", "bob-2", "ada"]),
        ("@ada @ADA @Ada", ["ada"]),
        ("@all please", ["all"]),
        ("(@ada) *@bob* \n@zoë", ["ada", "bob", "zoë"]),
        ("cafe\u0301 @zoe\u0308", ["zoë"]),
        ("@ada- and @ada--x -@bob", ["ada", "ada--x"]),
        ("write to ada@example.org or a.b+c@example.org", []),
        ("https://example.org/@ada", []),
        ("@ @- @! nothing", []),
        ("", []),
    ],
)
def test_mentions_are_the_names_behind_an_at_in_lower_case(content, mentioned):
    assert mentions_in(content) == mentioned


def test_a_message_of_a_person_is_stored_and_listed_oldest_first(api, task):
    first = api.made(f"tasks/{task.pk}/messages", content=" First\n")
    second = api.made(f"tasks/{task.pk}/messages", content="Second", from_agent_id="human")
    assert first.keys() == MESSAGE
    assert (first["from_agent_id"], first["author"], first["content"]) == ("human", api.user.username, " First\n")
    listed = api.get(f"tasks/{task.pk}/messages").json()
    assert listed == {"messages": [first, second], "count": 2, "next": None, "previous": None}
    assert api.get(f"tasks/{task.pk}").json()["messages"] == [first, second]
    line = Activity.objects.get(
        type="message_sent", message__startswith=api.user.username, task=task, metadata__message_id=first["id"]
    )
    assert line.message == f"{api.user.username} commented on “Write”"


def test_a_message_of_an_agent_is_the_agent_s(api, task):
    agent = make.agent(name="Ada")
    message = api.made(f"tasks/{task.pk}/messages", content="Done", from_agent_id=str(agent.pk))
    assert (message["from_agent_id"], message["author"]) == (str(agent.pk), None)
    assert Activity.objects.get(type="message_sent").agent == agent


def test_a_mention_reaches_every_agent_of_that_name_and_nobody_else(api, task):
    for name in ("Ada", "ada", "Bob", "Adam"):
        make.agent(name=name)
    api.made(f"tasks/{task.pk}/messages", content="@ADA, have a look; @nobody too")
    assert told() == {"Ada", "ada"}
    message = Message.objects.get()
    assert message.mentions == ["ada", "nobody"]
    for notification in Notification.objects.all():
        assert notification.content == f"{api.user.username} mentioned you in 'Write'"
        assert (notification.source_message, notification.source_task) == (message, task)
    assert Activity.objects.get(type="mention").message == f"{api.user.username} mentioned Ada, ada in “Write”"


@pytest.mark.parametrize(
    ("name", "mention"),
    [
        ("Ada Byron", "ada-byron"),
        ("code-reviewer", "code-reviewer"),
        ("Q.A. Bot", "q-a-bot"),
        ("Zoe\u0308", "zoë"),
    ],
)
def test_an_agent_is_mentioned_by_its_name_with_hyphens(task, name, mention):
    make.agent(name=name)
    make.agent(name="Other")
    comments.post(task, f"@{mention}?")
    assert told() == {name}


def test_all_is_everyone_but_the_sender(api, task):
    ada = make.agent(name="Ada")
    make.agent(name="Bob")
    make.agent(name="Eve")
    api.made(f"tasks/{task.pk}/messages", content="@all @Bob @ada", from_agent_id=str(ada.pk))
    assert told() == {"Bob", "Eve"}
    assert Notification.objects.filter(type="mention").count() == 2
    assert Activity.objects.get(type="mention").message == "Ada mentioned everyone in “Write”"


def test_whom_a_mention_does_not_reach_leaves_no_trace_but_the_name(api, task):
    ada = make.agent(name="Ada")
    api.made(f"tasks/{task.pk}/messages", content="I, @ada, ask @nobody", from_agent_id=str(ada.pk))
    assert not Notification.objects.exists()
    assert not Activity.objects.filter(type="mention").exists()
    assert Message.objects.get().mentions == ["ada", "nobody"]


def test_attachments_must_exist(api, task):
    document = make.document()
    path = f"tasks/{task.pk}/messages"
    message = api.made(path, content="See", attachment_ids=[str(document.pk)])
    assert message["attachment_ids"] == [str(document.pk)]
    assert_names(api.post(path, {"content": "See", "attachment_ids": [NOBODY]}), "attachment_ids")
    assert Message.objects.count() == 1


WRONG_CONTENTS: list[Any] = ["", " \n", None, 1, [], {}, "a\x00b", "x" * 50_001]
WRONG_SENDERS: list[Any] = ["", None, 1, [], "somebody", NOBODY, "a\x00b"]
WRONG_LISTS: list[Any] = ["x", None, 1, {}, ["x"], [1], [NOBODY], [NOBODY] * 501]
WRONG_STATUSES: list[Any] = ["", None, 1, [], "DONE", "running", "a\x00b"]
WRONG_IDS: list[Any] = ["", 1, [], "x", "human", NOBODY]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "content"),
        *(({"content": wrong}, "content") for wrong in WRONG_CONTENTS),
        *(({"content": "x", "from_agent_id": wrong}, "from_agent_id") for wrong in WRONG_SENDERS),
        *(({"content": "x", "attachment_ids": wrong}, "attachment_ids") for wrong in WRONG_LISTS),
    ],
)
def test_a_bad_message_is_refused_and_nothing_is_stored(api, task, body, field):
    before = Activity.objects.count()
    assert_names(api.post(f"tasks/{task.pk}/messages", body), field)
    assert (Message.objects.count(), Notification.objects.count(), Activity.objects.count()) == (0, 0, before)


# ---------------------------------------------------------------- assign, status, attachments
def test_assign_adds_behind_those_there_are(api):
    first, second, third = (make.agent() for _ in range(3))
    task = make.task(assignees=[second])
    assigned = api.made(f"tasks/{task.pk}/assign", agent_ids=[str(first.pk), str(second.pk), str(third.pk)])
    assert assigned["assignee_ids"] == [str(agent.pk) for agent in (second, first, third)]


def test_assign_moves_a_task_out_of_the_inbox_and_out_of_no_other_place(api):
    ids = [str(make.agent().pk)]
    assert api.made(f"tasks/{make.task().pk}/assign", agent_ids=ids)["status"] == "assigned"
    blocked = make.task()
    Task.objects.filter(pk=blocked.pk).update(status="blocked")
    assert api.made(f"tasks/{blocked.pk}/assign", agent_ids=ids)["status"] == "blocked"


def test_assign_of_nobody_new_changes_and_tells_nothing(api):
    agent = make.agent()
    task = make.task(assignees=[agent])
    before = (Activity.objects.count(), Notification.objects.count())
    for ids in ([], [str(agent.pk)]):
        assert api.made(f"tasks/{task.pk}/assign", agent_ids=ids)["assignee_ids"] == [str(agent.pk)]
    assert (Activity.objects.count(), Notification.objects.count()) == before


def test_status_is_set_by_hand_or_by_an_agent_who_is_noted(api, task):
    agent = make.agent()
    begun = api.made(f"tasks/{task.pk}/status", status="in_progress", agent_id=str(agent.pk))
    assert begun["status"] == "in_progress" and begun["started_at"]
    assert Activity.objects.filter(task=task).first().agent == agent
    done = api.made(f"tasks/{task.pk}/status", status="done", agent_id=None)
    assert done["completed_at"] and done["started_at"] == begun["started_at"]
    newest = Activity.objects.filter(task=task).first()
    assert (newest.type, newest.agent) == ("task_completed", None)


def test_status_is_not_set_under_an_active_run(api):
    run = make.run()
    answer = api.post(f"tasks/{run.task_id}/status", {"status": "done"})
    assert (answer.status_code, answer.json()) == (409, {"detail": "Task has an active run"})


def test_a_document_is_attached_to_the_task_and_its_project(api):
    project = make.project()
    task, document = make.task(project=project), make.document(task=make.task())
    attached = api.made(f"tasks/{task.pk}/attachments", document_id=str(document.pk))
    assert (attached["task_id"], attached["project_id"]) == (str(task.pk), str(project.pk))
    assert api.get(f"tasks/{task.pk}/documents").json()["documents"] == [attached]
    line = Activity.objects.filter(document=document).first()
    assert (line.type, line.task) == ("document_updated", task)

    before = Activity.objects.count()
    assert api.made(f"tasks/{task.pk}/attachments", document_id=str(document.pk)) == attached
    assert Activity.objects.count() == before


def test_a_document_of_another_project_is_not_attached(api):
    document = make.document(project=make.project())
    for task in (make.task(), make.task(project=make.project())):
        assert_names(api.post(f"tasks/{task.pk}/attachments", {"document_id": str(document.pk)}), "document_id")


def test_an_attached_result_of_another_task_is_not_written_over_by_a_run(api):
    first, second = make.run(), make.task()
    _complete(first)
    document = first.task.deliverables.get()
    api.made(f"tasks/{second.pk}/attachments", document_id=str(document.pk))
    _complete(make.run(second))
    document.refresh_from_db()
    assert (document.version, second.deliverables.count()) == (1, 2)


def _complete(run):
    assert finish(claim(run.pk, worker="test").pk, "completed", guard=Q())


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("assign", {}, "agent_ids"),
        *(("assign", {"agent_ids": wrong}, "agent_ids") for wrong in WRONG_LISTS),
        ("status", {}, "status"),
        *(("status", {"status": wrong}, "status") for wrong in WRONG_STATUSES),
        *(("status", {"status": "done", "agent_id": wrong}, "agent_id") for wrong in WRONG_IDS),
        ("attachments", {}, "document_id"),
        *(("attachments", {"document_id": wrong}, "document_id") for wrong in [*WRONG_IDS, None]),
    ],
)
def test_a_bad_action_on_a_task_is_refused_and_changes_nothing(api, task, action, body, field):
    before = Activity.objects.count()
    assert_names(api.post(f"tasks/{task.pk}/{action}", body), field)
    task.refresh_from_db()
    assert (task.status, Activity.objects.count()) == ("inbox", before)


ACTIONS = [
    ("mission_control.view_message", "GET", "messages", None),
    ("mission_control.add_message", "POST", "messages", {"content": "x"}),
    ("mission_control.change_task", "POST", "assign", {"agent_ids": []}),
    ("mission_control.change_task", "POST", "status", {"status": "done"}),
    ("mission_control.change_deliverable", "POST", "attachments", {}),
]


@pytest.mark.parametrize(("needed", "method", "action", "body"), ACTIONS)
@pytest.mark.parametrize("key", [NOBODY, "x", "1"])
def test_an_unknown_task_is_404(api, key, needed, method, action, body):
    answer = api.call(method, f"tasks/{key}/{action}", body)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Task not found"})


@pytest.mark.parametrize(("needed", "method", "action", "body"), ACTIONS)
def test_the_permission_decides_about_a_task_s_actions(task, needed, method, action, body):
    others = {permission for permission, *_ in ACTIONS} | {"mission_control.view_task", "mission_control.add_task"}
    path = f"tasks/{task.pk}/{action}"
    refused = Api(make.user(may=sorted(others - {needed}))).call(method, path, body)
    assert (refused.status_code, refused.json().keys()) == (403, {"detail"})
    assert Api(make.user(may=[needed])).call(method, path, body).status_code in (200, 400)
