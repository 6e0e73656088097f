"""Silent streams: the run emits nothing, or the database is unavailable."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import cast

import pytest
from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.test import AsyncClient

from mission_control.api import stream
from mission_control.models import RunEvent
from mission_control.realtime import relay
from mission_control.realtime.relay import Relay
from tests import make
from tests.realtime.test_gone import rename

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_stream_of_a_silent_run_is_kept_alive_whatever_goes_by_inside(monkeypatch):
    """The relay announces the positions of runs every few seconds, which is more often than a comment is due."""
    monkeypatch.setattr(relay, "SAFETY_POLL_SECONDS", 0.05)
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.4)
    run = await sync_to_async(make.run)()

    async with asyncio.timeout(60), aclosing(stream._log(run, after=1)) as log:
        comments = 0
        async for lines in log:
            comments += lines == ": still here\n\n"
            if comments == 2:
                break
    assert comments == 2


@pytest.mark.embedded  # PostgreSQL does not report a missing table as an outage
async def test_a_stream_ends_when_the_database_goes_so_that_its_client_comes_again(caplog):
    """Daphne would leave a broken answer open, and its client waiting, forever."""
    run, token = await sync_to_async(make.run)(), await sync_to_async(make.token)()
    address = f"/api/mission-control/runs/{run.pk}/stream"
    answer = await AsyncClient().get(address, headers={"authorization": f"Bearer {token}"})
    await sync_to_async(rename)(RunEvent._meta.db_table, "away")
    try:
        stream = cast("StreamingHttpResponse", answer).streaming_content
        said = [lines async for lines in cast("AsyncIterator[bytes]", stream)]
    finally:
        await sync_to_async(rename)("away", RunEvent._meta.db_table)

    assert said == [b"retry: 1000\n\n"]
    assert "the database does not answer" in caplog.text
    assert Relay.for_running_loop().subscribers == 0
