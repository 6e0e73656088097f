"""A client that disconnects while frames are on their way to it; a connection while the database is away."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from autobahn.exception import Disconnected
from channels.testing import WebsocketCommunicator
from django.db import connection

from mission_control.models import AccessToken, Run
from mission_control.realtime.relay import Relay
from tests import make
from tests.realtime.test_consumers import leave
from tests.servers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_frame_for_a_client_that_has_just_gone_is_dropped_and_its_place_is_given_up():
    """Daphne raises an error for it, before the consumer learns of the disconnection."""
    from pocketpaw_site.asgi import application

    gone, refused = asyncio.Event(), []

    async def served(scope, receive, send):
        async def sent(message):
            if gone.is_set():
                refused.append(message)
                raise Disconnected("Attempt to send on a closed protocol")
            await send(message)

        await application(scope, receive, sent)

    token = await sync_to_async(make.token)()
    headers = [(b"authorization", f"Bearer {token}".encode())]
    client = WebsocketCommunicator(served, "/ws/mission-control", headers=headers)
    await client.connect(timeout=60)
    await client.receive_from(timeout=60)
    relay = Relay.for_running_loop()
    assert relay.subscribers == 1

    gone.set()
    await sync_to_async(make.task)()
    await asyncio.to_thread(wait_until, lambda: refused, what="a frame for the client")
    await leave(client)

    assert relay.subscribers == 0


async def test_messages_that_a_client_did_not_receive_are_dropped_when_it_leaves():
    relay = Relay.for_running_loop()
    channel = await relay.layer.new_channel()
    await relay.join(channel, ["board"])
    await relay.layer.group_send("board", {"type": "news"})
    assert channel in relay.layer.channels
    await relay.leave(channel, ["board"])
    await relay.layer.group_send("board", {"type": "news"})
    assert channel not in relay.layer.channels


@pytest.mark.embedded  # PostgreSQL does not report a missing table as an outage
@pytest.mark.parametrize("model", [AccessToken, Run], ids=["logged in", "subscribed"])
async def test_a_client_that_comes_while_the_database_is_away_is_told_to_try_again(model, caplog):
    from pocketpaw_site.asgi import application

    token = await sync_to_async(make.token)()
    headers = [(b"authorization", f"Bearer {token}".encode())]
    client = WebsocketCommunicator(application, "/ws/mission-control", headers=headers)
    table = model._meta.db_table
    await sync_to_async(rename)(table, "away")
    try:
        assert (await client.connect(timeout=60))[0]
        closed = await client.receive_output(timeout=60)
        await client.wait(timeout=60)
    finally:
        await sync_to_async(rename)("away", table)

    assert (closed["type"], closed["code"]) == ("websocket.close", 4503)
    assert caplog.text.count("the database does not answer") == 1 and "Traceback" not in caplog.text
    assert Relay.for_running_loop().subscribers == 0


def rename(table: str, other: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {other}")
