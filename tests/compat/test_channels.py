"""The interfaces of channels, daphne and autobahn that `compat/channels.py` uses still exist."""

import asyncio
import inspect

import pytest
from autobahn.exception import Disconnected
from channels.consumer import AsyncConsumer
from channels.exceptions import ChannelFull
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import InMemoryChannelLayer

from mission_control.compat.channels import ProcessLayer
from tests.compat.expect import changed, expect_parameters

SEAM = "compat/channels.py"


def test_a_consumer_has_the_methods_that_ours_overrides():
    expect_parameters("channels", AsyncConsumer.__call__, ["self", "scope", "receive", "send"], SEAM)
    expect_parameters("channels", AsyncConsumer.dispatch, ["self", "message"], SEAM)
    expect_parameters("channels", AsyncWebsocketConsumer.send, ["self", "text_data", "bytes_data", "close"], SEAM)


def test_a_consumer_hands_each_message_to_dispatch():
    source = inspect.getsource(AsyncConsumer.__call__)
    assert "self.dispatch" in source, changed("channels", SEAM, "`__call__` does not use `dispatch`")


def test_autobahn_has_the_error_of_a_client_that_is_gone():
    assert issubclass(Disconnected, Exception), changed("autobahn", SEAM, "`Disconnected` is no exception")


def test_the_in_memory_layer_has_the_methods_and_tables_that_ours_uses():
    expect_parameters("channels", InMemoryChannelLayer.send, ["self", "channel", "message"], SEAM)
    expect_parameters("channels", InMemoryChannelLayer.receive, ["self", "channel"], SEAM)
    expect_parameters("channels", InMemoryChannelLayer.group_send, ["self", "group", "message"], SEAM)
    layer = InMemoryChannelLayer()
    assert (layer.channels, layer.groups) == ({}, {}), changed("channels", SEAM, "the layer's tables are others")
    assert "self.groups[group][channel]" in inspect.getsource(InMemoryChannelLayer.group_add)


async def test_all_members_of_a_group_receive_the_same_message_while_other_tasks_go_on():
    layer = ProcessLayer(capacity=1)
    channels = [await layer.new_channel() for _ in range(30)]
    for channel in channels:
        await layer.group_add("all", channel)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running, message = asyncio.create_task(other()), {"type": "news"}
    await layer.group_send("all", message)
    running.cancel()
    assert turns >= 2
    await layer.group_send("all", {"type": "dropped, as all are full"})
    with pytest.raises(ChannelFull):
        await layer.send(channels[0], message)
    assert [await layer.receive(channel) is message for channel in channels] == [True] * 30
    assert layer.channels == {}
