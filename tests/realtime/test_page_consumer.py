"""The WebSocket of our own pages: whether a page missed a change, the newest lines, the numbers of the top bar."""

import asyncio
import json
import threading
from collections import Counter
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from channels.testing import WebsocketCommunicator
from django.db import OperationalError

from mission_control.actions import notifications, tasks
from mission_control.models import Activity
from mission_control.queries.feed_position import WINDOW, feed_position, has_changed_since
from mission_control.realtime.line_relay import LINES, LineRelay
from mission_control.runs.execution import execute
from tests import make
from tests.realtime.test_consumers import leave

pytestmark = pytest.mark.django_db(transaction=True)

VIEW_RUN = "mission_control.view_run"


@asynccontextmanager
async def page(query: str = "", *, may: list[str] | None = None):
    """Yield a page's socket on the real application, and its greeting."""
    from pocketpaw_site.asgi import application

    token = await sync_to_async(lambda: make.token(make.user(may=may)))()
    headers = [(b"authorization", f"Bearer {token}".encode())]
    client = WebsocketCommunicator(application, f"/ws/pages?{query}", headers=headers)
    assert (await client.connect(timeout=60))[0]
    try:
        yield client, json.loads(await client.receive_from(timeout=60))
    finally:
        await leave(client)


async def next_data(client: WebsocketCommunicator, event: str) -> dict[str, Any]:
    """Return the data of the next frame of this kind."""
    while True:
        frame = json.loads(await client.receive_from(timeout=60))
        if frame["event_type"] == event:
            return frame["data"]


# ---------------------------------------------------------------- what a page missed
async def test_the_greeting_says_whether_anything_changed_since_the_page_was_rendered():
    task = await sync_to_async(make.task)()
    position = await sync_to_async(feed_position)()
    async with page(f"since={position}") as (_, greeting):
        assert greeting["type"] == "connection_info"
        assert greeting["missed"] is False
    await sync_to_async(tasks.change)(task, title="Changed before the socket was open")
    async with page(f"since={position}") as (_, greeting):
        assert greeting["missed"] is True


@pytest.mark.parametrize("position", ["", "x", "1", "1.2.3", "9" * 40 + ".1"])
def test_a_position_that_is_none_counts_as_changed(position):
    assert has_changed_since(position)


def test_an_activity_that_is_committed_after_a_later_one_counts_as_changed():
    for number in range(3):
        make.task(title=f"Task {number}")
    late = Activity.objects.order_by("number")[1]
    fields = {"type": late.type, "message": late.message, "created_at": late.created_at}
    number = late.number
    late.delete()
    position = feed_position()
    assert not has_changed_since(position)
    Activity.objects.create(number=number, **fields)
    assert has_changed_since(position)


def test_a_feed_that_is_longer_than_the_window_has_an_end_too():
    Activity.objects.bulk_create(Activity(type=Activity.Type.TASK_UPDATED, message="x") for _ in range(WINDOW + 5))
    position = feed_position()
    assert not has_changed_since(position)
    make.task()
    assert has_changed_since(position)


# ---------------------------------------------------------------- output
@pytest.mark.parametrize(("query", "expected"), [("output=lines", {"page_lines"}), ("", set())])
async def test_output_comes_as_the_newest_line_of_each_run_or_not_at_all(query, expected):
    agent = await sync_to_async(make.agent)(
        backend_options={"chunks": 60, "delay_seconds": 0.02, "chunk_bytes": 50}
    )
    run = await sync_to_async(lambda: make.run(by=agent))()
    async with page(query) as (client, _):
        worker = threading.Thread(target=execute, args=(run.pk,))
        worker.start()
        frames = [json.loads(await client.receive_from(timeout=60))]
        while frames[-1]["event_type"] != "mc_task_completed":
            frames.append(json.loads(await client.receive_from(timeout=60)))
        await asyncio.to_thread(worker.join)
    shown = [frame for frame in frames if frame["event_type"] in ("page_lines", "mc_task_output")]
    assert {frame["event_type"] for frame in shown} == expected
    for frame in shown:
        assert frame["data"]["lines"][str(run.pk)]
    assert len(shown) < 30  # fewer than the pieces of output, because lines are sent a few times a second


async def test_lines_that_could_not_be_read_are_sent_when_the_database_answers_again():
    async def refuse(*_):
        raise OperationalError

    async def answer(_call, _hook, runs):
        return dict.fromkeys(runs, "newest")

    layer, relay = channel_layers["process"], LineRelay(Counter([LINES]))
    channel = await layer.new_channel()
    await layer.group_add(LINES, channel)
    relay.add("some-run")
    with pytest.raises(OperationalError):
        await relay.send_next(refuse)
    await asyncio.wait_for(relay.send_next(answer), 60)
    await layer.group_discard(LINES, channel)
    frame = (await layer.receive(channel))["frame"]
    assert json.loads(frame.data)["lines"] == {"some-run": "newest"}


# ---------------------------------------------------------------- the top bar
async def test_the_numbers_of_the_top_bar_come_with_the_greeting_and_when_they_change():
    task = await sync_to_async(make.task)()
    async with page() as (client, _):
        assert (await next_data(client, "mc_capacity"))["limit"] == 5
        assert await next_data(client, "page_notifications") == {"count": 0}
        await sync_to_async(notifications.notify_review_needed)(task)
        await sync_to_async(tasks.change)(task, title="Wakes the relay")
        assert await next_data(client, "page_notifications") == {"count": 1}


async def test_the_number_of_notifications_is_only_for_those_who_may_see_them():
    async with page(may=[VIEW_RUN]) as (client, _):
        await next_data(client, "mc_capacity")
        assert await client.receive_nothing(timeout=0.2)
