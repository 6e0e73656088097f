"""Sockets get each change of a task or project once, after the commit, whatever has made the change."""

import asyncio
import json
import threading
import uuid
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.db import connections, transaction
from django.db.models import Q
from django.test import Client

from mission_control.actions import project_execution, projects, tasks
from mission_control.actions.activity import note
from mission_control.models import Activity, Run, Task
from mission_control.runs.execution import execute
from mission_control.runs.lifecycle import claim, finish, stop
from tests import make
from tests.api.conftest import Api
from tests.realtime.test_consumers import leave

pytestmark = pytest.mark.django_db(transaction=True)

TASK, PROJECT = "mc_task_updated", "mc_project_updated"
Frames = list[tuple[str, Any]]


@asynccontextmanager
async def listening(path: str = "/ws/mission-control", *, token: str | None = None):
    """Yield a socket on the real application, after its greeting."""
    from pocketpaw_site.asgi import application

    token = token or await sync_to_async(make.token)()
    headers = [(b"authorization", f"Bearer {token}".encode())]
    client = WebsocketCommunicator(application, path, headers=headers)
    assert (await client.connect(timeout=60))[0]
    assert json.loads(await client.receive_from(timeout=60))["type"] == "connection_info"
    try:
        yield client
    finally:
        await leave(client)


async def told(client: WebsocketCommunicator, about: Task | None = None) -> Frames:
    """Return all frames of a socket for changes that were committed before this call.

    Uses two marks: when the second one arrives, the poll that found the first one, and all before it, is over.
    """
    found: Frames = []
    for _ in range(2):
        mark = await sync_to_async(note)(Activity.Type.AGENT_HEARTBEAT, f"mark {uuid.uuid4()}", task=about)
        while True:
            frame = json.loads(await client.receive_from(timeout=60))
            name, data = frame["event_type"], frame["data"]
            if name == "mc_activity_created" and data["activity"]["message"] == mark.message:
                break
            found.append((name, data))
    return found


def only(frames: Frames, name: str) -> list[dict[str, Any]]:
    return [data for event, data in frames if event == name]


async def after(
    change: Callable[[], Any], *, path: str = "/ws/mission-control", about: Task | None = None
) -> Frames:
    """Return the frames that a socket gets after a change."""
    async with listening(path) as client:
        await sync_to_async(change)()
        return await told(client, about)


# ---------------------------------------------------------------- content and recipients of the frames
@pytest.mark.parametrize(
    "path",
    ["/ws/mission-control", "/ws", "/ws/mission-control/tasks/{task}", "/ws/mission-control/projects/{project}"],
)
async def test_a_changed_task_is_told_once_as_the_api_shows_it(path):
    api = await sync_to_async(Api)(None)
    agent, project = await sync_to_async(make.agent)(), await sync_to_async(make.project)()
    task = await sync_to_async(make.task)(project=project)
    change = {"title": "Other", "assignee_ids": [str(agent.pk)], "metadata": {"a": ["ä"]}}
    frames = await after(
        lambda: api.patch(f"tasks/{task.pk}", change),
        path=path.format(task=task.pk, project=project.pk),
        about=task,
    )

    [data] = only(frames, TASK)
    shown = (await sync_to_async(api.get)(f"tasks/{task.pk}")).json()["task"]
    assert data == {"task": shown, "timestamp": shown["updated_at"]}
    assert shown["title"] == "Other"
    assert only(frames, PROJECT) == []


@pytest.mark.parametrize("path", ["/ws/mission-control", "/ws", "/ws/mission-control/projects/{project}"])
async def test_a_changed_project_is_told_once_as_the_api_shows_it(path):
    api = await sync_to_async(Api)(None)
    project = await sync_to_async(make.project)()
    task = await sync_to_async(make.task)(project=project)
    frames = await after(
        lambda: api.patch(f"projects/{project.pk}", {"title": "Other", "status": "approved"}),
        path=path.format(project=project.pk),
        about=task,
    )

    [data] = only(frames, PROJECT)
    shown = (await sync_to_async(api.get)(f"projects/{project.pk}")).json()["project"]
    assert data == {"project": shown, "timestamp": shown["updated_at"]}
    assert (shown["title"], shown["status"], shown["task_ids"]) == ("Other", "approved", [str(task.pk)])
    assert only(frames, TASK) == []


async def test_a_socket_of_one_task_or_project_is_told_of_no_other():
    project, task = await sync_to_async(make.project)(), await sync_to_async(make.task)()

    def change() -> None:
        make.task(project=make.project())
        projects.change(make.project(), title="Other")

    for path in (f"/ws/mission-control/tasks/{task.pk}", f"/ws/mission-control/projects/{project.pk}"):
        about = task if "tasks" in path else await sync_to_async(make.task)(project=project)
        frames = await after(change, path=path, about=about)
        assert only(frames, TASK) + only(frames, PROJECT) == []


# ---------------------------------------------------------------- every kind of change
async def test_each_step_of_a_run_is_told_with_the_tasks_status():
    agent = await sync_to_async(make.agent)(backend_options={"chunks": 2})
    project = await sync_to_async(make.project)(status="executing")
    task = await sync_to_async(make.task)(project=project)
    async with listening() as client:
        run = await sync_to_async(make.run)(task, agent)
        [begun] = only(await told(client), TASK)
        worker = threading.Thread(target=work, args=(run.pk,))
        worker.start()
        await asyncio.to_thread(worker.join)
        frames = await told(client)

    assert (begun["task"]["status"], begun["task"]["active_run_id"]) == ("in_progress", str(run.pk))
    [ended] = only(frames, TASK)
    assert (ended["task"]["status"], ended["task"]["active_run_id"]) == ("done", None)
    assert ended["task"]["last_run"]["status"] == "completed"
    [completed] = only(frames, PROJECT)
    assert completed["project"]["status"] == "completed"


def work(run: uuid.UUID) -> None:
    try:
        execute(run)
    finally:
        connections.close_all()


@pytest.mark.parametrize("how", ["stopped", "failed", "waited"])
async def test_a_run_that_ends_otherwise_is_told_too(how):
    task, agent = await sync_to_async(make.task)(), await sync_to_async(make.agent)()

    def begin() -> Run:
        make.limit(5 if how != "waited" else 1)
        if how == "waited":
            make.run()
        return make.run(task, agent, when_full="queue")

    def end() -> None:
        if how == "failed":
            claim(run.pk, worker="test")
            finish(run.pk, Run.Status.ERROR, guard=Q(), error="no key")
        else:
            stop(run)

    run = await sync_to_async(begin)()
    [data] = only(await after(end), TASK)
    assert data["task"]["status"] == ("inbox" if how == "waited" else "blocked")
    assert (data["task"]["active_run_id"], data["task"]["last_run"]["status"]) == (
        None,
        "error" if how == "failed" else "stopped",
    )


async def test_what_the_admin_changes_is_told():
    task, project = await sync_to_async(make.task)(), await sync_to_async(make.project)()

    def change() -> None:
        browser = Client()
        browser.force_login(make.user())
        for name, key in (("task", task.pk), ("project", project.pk)):
            path = f"/admin/mission_control/{name}/{key}/change/"
            form = browser.get(path).context["adminform"].form
            values = {field: form[field].value() for field in form.fields}
            given = {field: value for field, value in values.items() if value not in (None, [], {})}
            moments = {f"{field}_{part}": "" for field in form.fields for part in (0, 1)}
            body = {**moments, **given, "title": "By the admin", "tags": "[]", "metadata": "{}"}
            assert browser.post(path, body).status_code == 302

    frames = await after(change)
    assert [data["task"]["title"] for data in only(frames, TASK)] == ["By the admin"]
    assert [data["project"]["title"] for data in only(frames, PROJECT)] == ["By the admin"]


async def test_a_new_task_and_project_a_pause_and_a_skip_are_told():
    def change() -> Task:
        project = make.project(status="executing")
        task = make.task(project=project)
        project_execution.pause(project)
        return tasks.skip(task)

    frames = await after(change)
    last_task, last_project = only(frames, TASK)[-1], only(frames, PROJECT)[-1]
    assert (last_task["task"]["status"], last_project["project"]["status"]) == ("skipped", "paused")


async def test_what_is_rolled_back_is_not_told_and_what_commits_as_one_is_told_once():
    task = await sync_to_async(make.task)()

    def change() -> None:
        for is_kept in (False, True):
            with transaction.atomic():
                for title in ("one", "two"):
                    tasks.change(task, title=f"{title} {is_kept}")
                transaction.set_rollback(not is_kept)

    frames = await after(change)
    assert [data["task"]["title"] for data in only(frames, TASK)] == ["two True"]


async def test_the_same_state_is_not_told_again_and_a_message_or_document_is_no_change():
    task = await sync_to_async(make.task)()

    def change() -> None:
        tasks.change(task, title="Other")
        note(Activity.Type.MESSAGE_SENT, "Ada wrote", task=task)
        make.document(task=task)

    async with listening() as client:
        await sync_to_async(tasks.change)(task, title="Other")
        assert len(only(await told(client), TASK)) == 1
        await sync_to_async(change)()
        assert only(await told(client), TASK) == []
        await sync_to_async(note)(Activity.Type.TASK_UPDATED, "a look that came too early", task=task)
        assert only(await told(client), TASK) == []


async def test_of_a_deleted_task_or_project_only_the_activity_tells():
    task, project = await sync_to_async(make.task)(), await sync_to_async(make.project)()

    def change() -> None:
        tasks.delete(task)
        projects.delete(project)

    frames = await after(change)
    assert {name for name, _ in frames} == {"mc_activity_created"}
    assert [data["activity"]["message"] for _, data in frames] == [
        f"Task deleted: {task.title}",
        f"Project deleted: {project.title}",
    ]


async def test_who_may_not_see_tasks_projects_or_the_feed_is_not_told_of_them():
    def user(*more: str) -> str:
        return make.token(make.user(may=["mission_control.view_run", *more]))

    tokens = [await sync_to_async(user)(*more) for more in ([], ["mission_control.view_task"])]
    async with listening(token=tokens[0]) as none, listening(token=tokens[1]) as some, listening() as everything:
        await sync_to_async(make.task)()
        await sync_to_async(make.project)()
        await told(everything)
        await sync_to_async(make.run)()
        assert await names_before_a_run(none) == set()
        assert await names_before_a_run(some) == {TASK}


async def names_before_a_run(client: WebsocketCommunicator) -> set[str]:
    names: set[str] = set()
    while True:
        frame = json.loads(await client.receive_from(timeout=60))
        if frame["event_type"] == "mc_task_started":
            return names - {"mc_capacity"}  # of the run, if the poll found its slot first
        names.add(frame["event_type"])


# ---------------------------------------------------------------- every page that shows a change made elsewhere
@pytest.mark.parametrize("path", ["/ws/mission-control", "/ws/mission-control/tasks/{task}"])
@pytest.mark.parametrize("how", ["created", "changed", "freed", "deleted"])
async def test_who_holds_back_a_task_is_told_of_when_that_changes(path, how):
    blocker, waiting = await sync_to_async(make.task)(), await sync_to_async(make.task)()
    if how in ("freed", "deleted"):
        await sync_to_async(tasks.change)(waiting, blocked_by=[blocker])
    changes = {
        "created": lambda: make.task(blocked_by=[blocker]),
        "changed": lambda: tasks.change(waiting, blocked_by=[blocker]),
        "freed": lambda: tasks.change(waiting, blocked_by=[]),
        "deleted": lambda: tasks.delete(waiting),
    }
    frames = await after(changes[how], path=path.format(task=blocker.pk), about=blocker)

    [data] = [data for data in only(frames, TASK) if data["task"]["id"] == str(blocker.pk)]
    assert data["task"] == (await sync_to_async(shown)(f"tasks/{blocker.pk}"))["task"]
    assert len(data["task"]["blocks"]) == (1 if how in ("created", "changed") else 0)


async def test_who_stays_a_blocker_is_told_nothing_new():
    stays, goes, waiting = [await sync_to_async(make.task)() for _ in range(3)]
    await sync_to_async(tasks.change)(waiting, blocked_by=[stays, goes])
    frames = await after(lambda: tasks.change(waiting, blocked_by=[stays]))
    assert [data["task"]["id"] for data in only(frames, TASK)] == [str(waiting.pk), str(goes.pk)]


async def test_whom_a_deleted_task_held_back_and_its_parts_are_told_of():
    gone = await sync_to_async(make.task)()
    waiting = await sync_to_async(make.task)(blocked_by=[gone])
    part = await sync_to_async(make.task)(parent_task=gone)
    frames = {data["task"]["id"]: data["task"] for data in only(await after(lambda: tasks.delete(gone)), TASK)}
    assert frames.keys() == {str(waiting.pk), str(part.pk)}
    assert (frames[str(waiting.pk)]["blocked_by"], frames[str(part.pk)]["parent_task_id"]) == ([], None)


@pytest.mark.parametrize("path", ["/ws/mission-control", "/ws/mission-control/projects/{project}"])
async def test_a_project_is_told_again_with_each_task_that_comes_and_goes(path):
    def change() -> Task:
        return make.task(project=project)

    project = await sync_to_async(make.project)()
    about = await sync_to_async(make.task)(project=project)
    async with listening(path.format(project=project.pk)) as client:
        added = await sync_to_async(change)()
        frames = await told(client, about)
        assert [data["project"]["task_ids"] for data in only(frames, PROJECT)] == [[str(about.pk), str(added.pk)]]
        assert [data["task"]["id"] for data in only(frames, TASK)] == [str(added.pk)]
        await sync_to_async(tasks.delete)(added)
        frames = await told(client, about)
        assert [data["project"]["task_ids"] for data in only(frames, PROJECT)] == [[str(about.pk)]]


@pytest.mark.parametrize("side", ["left", "joined"])
async def test_a_task_that_moves_is_told_to_both_projects_with_what_is_left_of_them(side):
    left, joined = [await sync_to_async(make.project)() for _ in range(2)]
    task = await sync_to_async(make.task)(project=left)
    project = left if side == "left" else joined
    about = await sync_to_async(make.task)(project=project)
    path = f"/ws/mission-control/projects/{project.pk}"
    frames = await after(lambda: tasks.change(task, project=joined), path=path, about=about)

    assert [data["task"]["project_id"] for data in only(frames, TASK)] == [str(joined.pk)]
    [data] = only(frames, PROJECT)
    assert data["project"] == (await sync_to_async(shown)(f"projects/{project.pk}"))["project"]
    assert (str(task.pk) in data["project"]["task_ids"]) == (side == "joined")


async def test_a_line_that_names_nonsense_as_touched_stops_nobody():
    def change() -> None:
        for tasks_, projects_ in (("x", 1), ([None, "x", 1], {}), ([str(uuid.uuid4())], [[]])):
            note(Activity.Type.TASK_UPDATED, "From elsewhere", touched_tasks=tasks_, touched_projects=projects_)
        make.task(title="Seen")

    frames = await after(change)
    assert [data["task"]["title"] for data in only(frames, TASK)] == ["Seen"]


def shown(path: str) -> dict[str, Any]:
    return Api(None).get(path).json()


# ---------------------------------------------------------------- no frame is missed
@pytest.mark.server
async def test_a_change_whose_transaction_was_open_while_others_committed_is_told():
    """Its entry has the lower number, and is read last. On SQLite there is only one writer at a time."""
    slow, committed, free = await sync_to_async(make.task)(), threading.Event(), threading.Event()

    def change() -> None:
        try:
            with transaction.atomic():
                tasks.change(slow, title="Slow")
                committed.set()
                assert free.wait(30)
        finally:
            connections.close_all()

    async with listening() as client:
        thread = threading.Thread(target=change)
        thread.start()
        await asyncio.to_thread(committed.wait, 30)
        await sync_to_async(make.task)(title="Fast")
        assert [data["task"]["title"] for data in only(await told(client), TASK)] == ["Fast"]
        free.set()
        await asyncio.to_thread(thread.join)
        frames = await told(client)

    assert [data["task"]["title"] for data in only(frames, TASK)] == ["Slow"]
    assert [data["activity"]["message"] for data in only(frames, "mc_activity_created")] == ["Task updated: Slow"]


async def test_more_lines_than_one_look_takes_are_all_told(monkeypatch):
    monkeypatch.setattr("mission_control.realtime.relay.BATCH_SIZE", 3)

    def change() -> None:
        with transaction.atomic():
            for number in range(10):
                make.task(title=str(number))

    frames = await after(change)
    assert {data["task"]["title"] for data in only(frames, TASK)} == {str(number) for number in range(10)}
