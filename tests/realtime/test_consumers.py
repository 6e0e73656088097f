"""The sockets on the real ASGI application, while messages of the channel layer are lost on purpose."""

import asyncio
import json
import threading

import pytest
from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from channels.testing import WebsocketCommunicator
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connections

from agents.models import Agent
from mission_control.models import AccessToken, Task
from mission_control.realtime import relay
from mission_control.realtime.relay import Relay
from mission_control.runs.admission import admit
from mission_control.runs.execution import execute

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token() -> str:
    user = get_user_model().objects.create_superuser("admin", password="x")
    return AccessToken.objects.create(user=user, expiry=None)[1]


@pytest.fixture
def run():
    options = {"chunks": 400, "chunk_bytes": 50, "delay_seconds": 0.002}
    agent = Agent.objects.create(name="Demo", role="Rehearser", backend="demo", backend_options=options)
    return admit(Task.objects.create(title="Task"), agent)


def socket(path: str, token: str) -> WebsocketCommunicator:
    from pocketpaw_site.asgi import application

    return WebsocketCommunicator(application, path, headers=[(b"authorization", f"Bearer {token}".encode())])


async def numbers_until_the_end(client: WebsocketCommunicator, run) -> list[int]:
    found = []
    while True:
        frame = json.loads(await client.receive_from(timeout=60))
        data = frame.get("data", {})
        if data.get("run_id") == str(run.pk):
            found.append(data["seq"])
            if frame["event_type"] == "mc_task_completed":
                return found


async def leave(client: WebsocketCommunicator) -> None:
    await client.disconnect()
    await Relay.for_running_loop().read(connections.close_all)  # the connection of the relay's own thread


@pytest.mark.parametrize("path", ["/ws/mission-control", "/ws/mission-control/runs/{run}?after=0"])
@pytest.mark.parametrize("lost", [0.5, 1.0])
async def test_what_the_channel_layer_loses_is_made_good_from_the_database(run, token, path, lost, monkeypatch):
    """All messages of runs are lost, except the positions that the relay announces regularly."""
    monkeypatch.setattr(relay, "SAFETY_POLL_SECONDS", 0.3)
    layer = channel_layers["process"]
    deliver, count = layer.group_send, 0

    async def forgetful(group, message):
        nonlocal count
        count += 1
        if message["type"] == "run.frames" and count % 10 < lost * 10:
            return
        await deliver(group, message)

    monkeypatch.setattr(layer, "group_send", forgetful)
    client = socket(path.format(run=run.pk), token)
    assert (await client.connect(timeout=60))[0]
    assert json.loads(await client.receive_from(timeout=60))["type"] == "connection_info"
    worker = threading.Thread(target=execute, args=(run.pk,))
    worker.start()
    found = await numbers_until_the_end(client, run)
    await asyncio.to_thread(worker.join)
    await leave(client)

    first = 1 if "after" in path else 2  # the board connected after the first event was sent
    assert found == list(range(first, found[-1] + 1))
    await sync_to_async(run.refresh_from_db)()
    assert found[-1] == run.last_seq


async def test_a_user_who_may_not_see_runs_is_told_so(run):
    user = await sync_to_async(get_user_model().objects.create_user)("guest", password="x")
    _, token = await sync_to_async(AccessToken.objects.create)(user=user, expiry=None)
    client = socket("/ws/mission-control", token)
    await client.connect(timeout=60)
    assert await client.receive_output(timeout=60) == {"type": "websocket.close", "code": 4403}

    permission = await sync_to_async(Permission.objects.get)(codename="view_run")
    await sync_to_async(user.user_permissions.add)(permission)
    client = socket("/ws/mission-control", token)
    await client.connect(timeout=60)
    assert json.loads(await client.receive_from(timeout=60))["type"] == "connection_info"
    await leave(client)


@pytest.mark.parametrize("after", ["1_0", "%D9%A3", "%201", "-1", "1.0", "x", "9999999999"])
async def test_an_after_that_is_no_plain_number_is_refused_and_the_socket_goes_on(run, token, after):
    client = socket(f"/ws/mission-control/runs/{run.pk}?after={after}", token)
    assert (await client.connect(timeout=60))[0]
    assert json.loads(await client.receive_from(timeout=60))["type"] == "connection_info"
    refusal = json.loads(await client.receive_from(timeout=60))
    assert refusal["type"] == "error"
    assert refusal["message"] == refusal["content"] == "after must be a number from 0"
    await leave(client)
