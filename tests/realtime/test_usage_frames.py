"""Live usage: what an agent has used so far reaches sockets and the API while its run goes on."""

import asyncio
import json
import threading

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models import Q

from mission_control.models import AccessToken, Run
from mission_control.realtime.relay import Relay
from mission_control.runs.admission import admit
from mission_control.runs.execution import execute
from mission_control.runs.lifecycle import request_stop
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = [
    {"usage": {"input_tokens": 10, "output_tokens": 20, "cost_usd": 0.5}},
    {"sleep": 3600},
]
USAGE = {"model": None, "input_tokens": 10, "output_tokens": 20, "cost_usd": 0.5}


@pytest.fixture
def token() -> str:
    user = get_user_model().objects.create_superuser("admin", password="x")
    return AccessToken.objects.create(user=user, expiry=None)[1]


@pytest.fixture
def run() -> Run:
    return admit(make.task(), make.agent(backend="demo", backend_options={"script": SCRIPT}))


async def connected(path: str, token: str) -> WebsocketCommunicator:
    from pocketpaw_site.asgi import application

    client = WebsocketCommunicator(application, path, headers=[(b"authorization", f"Bearer {token}".encode())])
    assert (await client.connect(timeout=60))[0]
    assert json.loads(await client.receive_from(timeout=60))["type"] == "connection_info"
    return client


async def frames_until(client: WebsocketCommunicator, event: str) -> list[dict]:
    frames: list[dict] = []
    while not frames or frames[-1]["event_type"] != event:
        frames.append(json.loads(await client.receive_from(timeout=60)))
    return frames


async def test_usage_is_sent_and_stored_while_the_run_goes_on_but_not_to_pocketpaws_page(run, token):
    board, one, old = [
        await connected(path, token)
        for path in ("/ws/mission-control", f"/ws/mission-control/tasks/{run.task_id}", "/ws")
    ]
    worker = threading.Thread(target=execute, args=(run.pk,))
    worker.start()
    try:
        for client in (board, one):
            data = (await frames_until(client, "mc_run_usage"))[-1]["data"]
            assert data.pop("timestamp").endswith("Z")
            assert data == {"task_id": str(run.task_id), "run_id": str(run.pk), "usage": USAGE}
        seen = await sync_to_async(Run.objects.get)(pk=run.pk)
        assert (seen.status, seen.usage) == (Run.Status.RUNNING, USAGE)
    finally:
        await sync_to_async(request_stop)(Q(pk=run.pk), cause=Run.EndCause.STOPPED)
        await asyncio.to_thread(worker.join)
    assert not [f for f in await frames_until(old, "mc_task_completed") if f["event_type"] == "mc_run_usage"]
    for client in (board, one, old):
        await client.disconnect()
    await Relay.for_running_loop().read(connections.close_all)  # the connection of the relay's own thread
    assert (await sync_to_async(Run.objects.get)(pk=run.pk)).usage == USAGE
