"""The interfaces of daphne and Twisted that `pocketpaw_site/web_server.py` overrides or calls still exist."""

import inspect

from autobahn.websocket.protocol import PreparedMessage
from daphne import server
from daphne.cli import CommandLineInterface
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.web.http import HTTPChannel, Request

from tests.compat.expect import changed, expect_attributes, expect_parameters

SEAM = "pocketpaw_site/web_server.py"


def test_a_server_of_daphne_makes_the_factory_that_ours_replaces():
    assert server.HTTPFactory is not None
    assert "HTTPFactory(" in inspect.getsource(server.Server.run), changed(
        "daphne", SEAM, "a server does not make `server.HTTPFactory`"
    )
    expect_parameters("daphne", HTTPFactory.buildProtocol, ["self", "addr"], SEAM)


def test_daphnes_request_is_twisteds_and_takes_what_ours_passes_on():
    assert issubclass(WebRequest, Request), changed("daphne", SEAM, "WebRequest is no Request of Twisted")
    parameters = inspect.signature(Request.__init__).parameters
    assert "parsePOSTFormSubmission" in parameters, changed("twisted", SEAM, f"Request takes {list(parameters)}")


def test_twisteds_request_has_the_methods_that_ours_overrides():
    expect_parameters("twisted", Request.gotLength, ["self", "length"], SEAM)
    expect_parameters("twisted", Request.handleContentChunk, ["self", "data"], SEAM)
    expect_parameters("twisted", Request.requestReceived, ["self", "command", "path", "version"], SEAM)
    expect_parameters("twisted", Request.connectionLost, ["self", "reason"], SEAM)


def test_twisteds_channel_has_the_methods_that_ours_overrides():
    expect_parameters("twisted", HTTPChannel.dataReceived, ["self", "data"], SEAM)
    expect_parameters("twisted", HTTPChannel.lineReceived, ["self", "line"], SEAM)
    expect_parameters("twisted", HTTPChannel.lineLengthExceeded, ["self", "line"], SEAM)
    expect_parameters("twisted", HTTPChannel.headerReceived, ["self", "line"], SEAM)
    expect_parameters("twisted", HTTPChannel.allHeadersReceived, ["self"], SEAM)
    expect_parameters("twisted", HTTPChannel.rawDataReceived, ["self", "data"], SEAM)
    expect_parameters("twisted", HTTPChannel.allContentReceived, ["self"], SEAM)
    expect_parameters("twisted", HTTPChannel._respondToBadRequestAndDisconnect, ["self"], SEAM)
    expect_parameters("twisted", HTTPChannel.connectionLost, ["self", "reason"], SEAM)


def test_twisteds_channel_counts_what_ours_limits():
    channel = HTTPChannel()
    counted = ["totalHeadersSize", "maxHeaders", "_receivedHeaderSize", "_receivedHeaderCount"]
    expect_attributes("twisted", channel, [*counted, "line_mode", "length", "requests", "callLater"], SEAM)
    assert "self._networkProducer" in inspect.getsource(HTTPChannel), changed(
        "twisted", SEAM, "the channel has no `_networkProducer`"
    )


def test_daphnes_command_line_has_the_options_that_are_passed():
    options = CommandLineInterface().parser.format_help()
    passed = ["--fd", "--verbosity", "--ping-interval", "--ping-timeout", "--websocket_connect_timeout"]
    assert [option for option in [*passed, "--proxy-headers"] if option not in options] == [], changed(
        "daphne", SEAM, "options are others"
    )


def test_daphne_makes_the_factory_of_sockets_that_ours_replaces_and_sends_as_ours_does():
    assert "WebSocketFactory(" in inspect.getsource(server.Server.run), changed(
        "daphne", SEAM, "a server does not make `server.WebSocketFactory`"
    )
    assert WebSocketFactory.protocol is WebSocketProtocol
    expect_parameters("daphne", WebSocketProtocol.serverSend, ["self", "content", "binary"], SEAM)
    assert "self.serverSend(" in inspect.getsource(WebSocketProtocol.handle_reply)


def test_autobahn_writes_a_prepared_message_by_the_method_that_ours_overrides():
    expect_parameters("autobahn", WebSocketProtocol.sendData, ["self", "data", "sync", "chopsize"], SEAM)
    assert "self.sendData(" in inspect.getsource(WebSocketProtocol.sendPreparedMessage)
    assert "self.send_queue" in inspect.getsource(WebSocketProtocol.sendData)
    prepared = PreparedMessage("é".encode(), isBinary=False, applyMask=False, doNotCompress=True)
    assert prepared.payloadHybi == b"\x81\x02" + "é".encode()
