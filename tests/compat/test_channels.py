"""The interfaces of channels, daphne and autobahn that `compat/channels.py` uses still exist."""

import inspect

from autobahn.exception import Disconnected
from channels.consumer import AsyncConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

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
