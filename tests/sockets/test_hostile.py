"""Input that once closed a socket, or came back as what no browser can read."""

import json
import os
import threading

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings

from mission_control.files import browse
from pocketpaw_site.asgi import application
from tests import make
from tests.sockets.test_consumers import leave, socket

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token() -> str:
    return make.token(expiry=None)


@pytest.mark.parametrize("query", ["?token=%00", "?token=ab%00cd", "?token=%C3%A9"])
async def test_a_token_that_no_database_takes_is_a_wrong_token(query, db):
    client = WebsocketCommunicator(application, f"/ws/mission-control{query}")
    assert (await client.connect(timeout=10))[0]
    assert await client.receive_output(timeout=10) == {"type": "websocket.close", "code": 4401}
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
    assert (await client.connect(timeout=10))[0]
    await client.receive_from(timeout=10)
    await client.send_to(text_data=sent)
    answered = await client.receive_from(timeout=10)
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
