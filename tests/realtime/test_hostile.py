"""Input that once closed a socket, or was answered with something that no browser can read."""

import json
import os
import shutil
import threading

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings

from mission_control.queries.project_files import browse
from pocketpaw_site.asgi import application
from tests import make
from tests.realtime.test_consumers import leave, socket

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token() -> str:
    return make.token(expiry=None)


@pytest.mark.parametrize("query", ["?token=%00", "?token=ab%00cd", "?token=%C3%A9"])
async def test_a_token_that_no_database_takes_is_a_wrong_token(query, db):
    client = WebsocketCommunicator(application, f"/ws/mission-control{query}")
    assert (await client.connect(timeout=60))[0]
    assert await client.receive_output(timeout=60) == {"type": "websocket.close", "code": 4401}
    await client.disconnect()


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ('{"action": "browse", "context": NaN}', "error"),
        ('{"action": "browse", "context": 1e999}', "files"),
        ('{"action": "browse", "context": ' + "[" * 900 + "]" * 900 + "}", "files"),
    ],
)
async def test_what_is_answered_is_json_for_any_browser_whatever_was_sent(token, sent, answer):
    client = socket("/ws", token)
    assert (await client.connect(timeout=60))[0]
    await client.receive_from(timeout=60)
    await client.send_to(text_data=sent)
    answered = await client.receive_from(timeout=60)
    await leave(client)

    assert json.loads(answered, parse_constant=pytest.fail)["type"] == answer


def test_a_folder_is_listed_while_an_agent_makes_and_removes_files_in_it():
    folder = settings.PROJECTS_DIR / "busy"
    folder.mkdir(parents=True, exist_ok=True)
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            for number in range(20):
                (folder / str(number)).touch()
            for number in range(20):
                os.unlink(folder / str(number))

    agent = threading.Thread(target=work)
    agent.start()
    try:
        for _ in range(500):
            assert browse("busy")["path"] == "busy"
    finally:
        done.set()
        agent.join()


@pytest.fixture
def folder():
    """Return a project's folder with a file, a folder, and links that lead outside and in a circle."""
    folder = settings.PROJECTS_DIR / "browsed"
    (folder / "notes").mkdir(parents=True, exist_ok=True)
    (folder / "big.txt").write_bytes(b"x" * 3_000)
    (folder / "small.txt").write_bytes(b"x")
    (folder / "out").symlink_to("/etc")
    (folder / "round").symlink_to("round")
    yield folder
    shutil.rmtree(folder)


async def test_a_folder_is_listed_as_pocketpaws_page_expects_it(token, folder):
    client = socket("/ws", token)
    assert (await client.connect(timeout=60))[0]
    await client.receive_from(timeout=60)
    await client.send_to(text_data=json.dumps({"action": "browse", "path": str(folder), "context": "sidebar"}))
    answered = json.loads(await client.receive_from(timeout=60))
    await leave(client)

    links = [{"name": name, "isDir": False, "size": "0 B"} for name in ("out", "round")]
    assert answered == {
        "type": "files",
        "path": "browsed",
        "context": "sidebar",
        "files": [
            {"name": "notes", "isDir": True, "size": ""},
            {"name": "big.txt", "isDir": False, "size": "2.9 KB"},
            links[0],
            links[1],
            {"name": "small.txt", "isDir": False, "size": "1 B"},
        ],
    }


@pytest.mark.parametrize("path", ["", "~", "/", "browsed/..", "~/browsed/../"])
def test_the_folder_of_all_projects_is_listed_under_each_of_its_names(folder, path):
    listed = browse(path)
    assert listed["path"] == "~"
    assert {"name": "browsed", "isDir": True, "size": ""} in listed["files"]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/etc", "Access denied: path outside the project folders"),
        ("..", "Access denied: path outside the project folders"),
        ("browsed/out", "Access denied: path outside the project folders"),
        ("a\x00b", "Access denied: path outside the project folders"),
        ("browsed/missing", "Path does not exist"),
        ("browsed/big.txt", "Not a directory"),
        ("browsed/big.txt/more", "Not a directory"),
    ],
)
def test_what_cannot_be_listed_says_why(folder, path, error):
    assert browse(path) == {"path": path, "files": [], "error": error}


async def test_folders_are_listed_only_for_those_who_may_see_projects(folder):
    may_not = await sync_to_async(make.user)(may=["mission_control.view_run"])
    client = socket("/ws", await sync_to_async(make.token)(may_not))
    assert (await client.connect(timeout=60))[0]
    await client.receive_from(timeout=60)
    await client.send_to(text_data=json.dumps({"action": "browse", "path": "browsed", "context": "sidebar"}))
    answered = json.loads(await client.receive_from(timeout=60))
    assert (answered["files"], answered["context"]) == ([], "sidebar")
    assert "Can view project" in answered["error"]
    await leave(client)


def test_a_link_that_takes_the_place_of_a_folder_lists_nothing_outside(tmp_path, folder):
    (tmp_path / "secret").touch()
    place, done = folder / "flickering", threading.Event()
    (folder / "real").mkdir()
    (folder / "real" / "own").touch()
    link = folder / "link"
    link.symlink_to(tmp_path)

    def flicker() -> None:  # with two renames each, as an agent would
        while not done.is_set():
            for taken in (folder / "real", link):
                os.rename(taken, place)
                os.rename(place, taken)

    agent = threading.Thread(target=flicker)
    agent.start()
    try:
        found = {each["name"] for _ in range(1_000) for each in browse("browsed/flickering")["files"]}
    finally:
        done.set()
        agent.join()
    assert found <= {"own"}
