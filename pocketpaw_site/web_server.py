"""Limits for what daphne and Twisted do with a request before the application is called, and cheaper WebSockets.

Twisted reads a whole request, and daphne calls the application only then. So the resources that an unauthenticated
client can use before (processor time, memory, disk, connections) are limited here. This is the only module that
uses private interfaces of daphne, autobahn and Twisted; tests/compat/test_daphne_and_twisted.py names what an
upgrade changes.
"""

import ctypes
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterable
from contextvars import copy_context
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from autobahn.websocket.protocol import PreparedMessage
from daphne import server as daphne_server
from daphne.cli import CommandLineInterface
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from django.conf import settings
from twisted.internet.interfaces import IDelayedCall
from twisted.web.http import HTTPChannel

from mission_control.compat.django_asgi import stored_body
from mission_control.health import disk
from mission_control.text import SharedText
from pocketpaw_site.http import DISK_IS_FULL, body_limit, too_large

# A WebSocket is pinged after PING_SECONDS of silence, and closed without an answer within PONG_SECONDS: daphne has
# no back-pressure, and messages for a client that does not read would fill the memory.
PING_SECONDS, PONG_SECONDS = 15, 15
CONNECT_SECONDS = 20
MAX_FILES = 65_536
HEAD_BYTES = 16_384  # of the address and all headers together
HEAD_SECONDS = 20.0  # from the first byte of a request to the end of its headers
# After BODY_SECONDS a body must have arrived at this speed on average.
BODY_SECONDS, BODY_BYTES_PER_SECOND, BODY_CHECK_SECONDS = 30.0, 8_192, 10.0
BODY_IN_MEMORY_BYTES = 100_000  # a larger body is stored in a temporary file
ALL_BODIES_BYTES = 100 * 1024 * 1024  # of all unanswered requests together
ALL_UPLOADS_BYTES = 600 * 1024 * 1024  # of those that upload files, which are counted separately
# How long and how much we read from a client that was refused while it sends, so that it can read the answer.
LINGER_SECONDS, LINGER_BYTES = 3.0, 32 * 1024 * 1024
RETRY_AFTER_SECONDS = 5
# Headers in which proxies describe a client. Daphne decodes them, and invalid bytes would cause a traceback.
FORWARDED = ("X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto")
_M_ARENA_MAX = -8  # malloc.h


def raise_file_limit() -> None:
    """Raise this process's limit of open files: each connection is one, and the usual limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def limit_daphne() -> None:
    """Make every daphne server that starts in this process use the classes below."""
    daphne_server.HTTPFactory = LimitedFactory
    daphne_server.WebSocketFactory = SharingFactory


def serve(listener: int) -> None:
    """Serve the application on a listening socket, given by its descriptor, until a stop signal."""
    _share_arenas()
    options = {
        "--fd": listener,
        "--verbosity": 0,
        "--ping-interval": PING_SECONDS,
        "--ping-timeout": PONG_SECONDS,
        "--websocket_connect_timeout": CONNECT_SECONDS,
    }
    words = [str(word) for option in options.items() for word in option]
    if settings.BEHIND_TLS:
        words.append("--proxy-headers")
    CommandLineInterface().run([*words, "pocketpaw_site.asgi:application"])


def _share_arenas() -> None:
    """Keep malloc from using a separate arena for each request's thread, whose memory it would never return."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, 2)


class Bodies:
    """Counts the bytes of request bodies that this process holds, up to a limit for all of them together."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.held_bytes = 0

    def reserve(self, number: int) -> bool:
        """Add `number` bytes; return False if that exceeds the limit."""
        if self.held_bytes + number > self.most_bytes:
            return False
        self.held_bytes += number
        return True

    def release(self, number: int) -> None:
        self.held_bytes -= number


ORDINARY, UPLOADS = Bodies(ALL_BODIES_BYTES), Bodies(ALL_UPLOADS_BYTES)


class LimitedRequest(WebRequest):
    """One request. Its body is not parsed here: Twisted would parse forms while all other requests wait."""

    body_bytes = 0
    bodies = ORDINARY

    def __init__(self, channel: "LimitedChannel", *arguments: Any) -> None:
        super().__init__(channel, *arguments, parsePOSTFormSubmission=False)

    def gotLength(self, _length: int | None) -> None:  # noqa: N802 - Twisted's name
        self.content = tempfile.SpooledTemporaryFile(max_size=BODY_IN_MEMORY_BYTES)  # noqa: SIM115 - Twisted closes it

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Store a piece of the body, or refuse the request."""
        if self.channel.is_refused:
            return
        if self.body_bytes + len(data) > self.channel.max_body_bytes:
            self.channel.refuse_large_body()
        elif not self.bodies.reserve(len(data)):
            self.channel.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "Too many large requests at once. Try again.")
        else:
            self.body_bytes += len(data)
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        try:
            self.content.write(data)
        except OSError as error:
            detail = DISK_IS_FULL if disk.is_disk_full(error) else "The request cannot be stored."
            self.channel.refuse(HTTPStatus.SERVICE_UNAVAILABLE, detail)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        if self.channel.is_refused:
            return
        self.requestHeaders.removeHeader("Daphne-Root-Path")  # a client must not choose the product's path
        for name in FORWARDED:
            if not all(value.isascii() for value in self.requestHeaders.getRawHeaders(name.encode(), [])):
                self.channel.refuse(HTTPStatus.BAD_REQUEST, f"The header {name} is not ASCII text")
                return
        if self.body_bytes > BODY_IN_MEMORY_BYTES:
            self._hand_over(command, path, version)
        else:
            super().requestReceived(command, path, version)
        # A WebSocket has taken over the connection, and this request gets no event at its end.
        if self.transport is None:
            self._release_body()

    def _hand_over(self, *line: bytes) -> None:
        """Let the application read a large body from its file: daphne would read all of it into memory first."""
        self.content.seek(0)
        body, self.content = self.content, tempfile.SpooledTemporaryFile()  # noqa: SIM115 - Twisted closes it
        context = copy_context()  # the task of this request inherits it
        context.run(stored_body.set, body)
        context.run(super().requestReceived, *line)

    def finish(self) -> None:
        super().finish()
        self._release_body()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        super().connectionLost(reason)
        self._release_body()

    def drop(self) -> None:
        """Discard the received part of the body of a refused request."""
        if self.content is not None:
            self.content.close()
        self._release_body()

    def _release_body(self) -> None:
        self.bodies.release(self.body_bytes)
        self.body_bytes = 0


class LimitedChannel(HTTPChannel):
    """One connection. A refused request is answered in the API's form of an error, and the connection closed."""

    max_body_bytes = settings.MAX_BODY_BYTES  # of the current request
    totalHeadersSize = HEAD_BYTES  # noqa: N815
    is_refused = False

    def __init__(self) -> None:
        super().__init__()
        self._deadline: IDelayedCall | None = None  # of the head, then of the body
        self._linger: IDelayedCall | None = None
        self._ignored_bytes = 0
        self._body_began_at = 0.0

    # ------------------------------------------------------------ the head
    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self.is_refused:
            self._ignore(data)
            return
        if self.line_mode and self._deadline is None:
            self._set_deadline(HEAD_SECONDS, self._refuse_late_head)
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        if self.is_refused:
            return
        if self._receivedHeaderSize + len(line) > self.totalHeadersSize:
            self.lineLengthExceeded(line)
        else:
            super().lineReceived(line)

    def lineLengthExceeded(self, _line: bytes) -> None:  # noqa: N802
        self.refuse(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"The address and the headers are larger than {self.totalHeadersSize} bytes together",
        )

    def headerReceived(self, line: bytes) -> bool:  # noqa: N802
        try:
            is_read: bool = super().headerReceived(line)
        except ValueError:  # a Content-Length with more digits than Python parses
            self._respondToBadRequestAndDisconnect()
            return False
        return is_read

    def allHeadersReceived(self) -> None:  # noqa: N802
        if self.is_refused:
            return
        self._set_deadline()
        self._choose_limit()
        if self.length is not None and self.length > self.max_body_bytes:
            self.refuse_large_body()
            return
        super().allHeadersReceived()
        if self.length != 0:
            self._body_began_at = time.monotonic()
            self._set_deadline(BODY_SECONDS, self._check_body)

    def _choose_limit(self) -> None:
        """Choose how large the body may be, and with which others it is counted."""
        request = self.requests[-1]
        headers = {
            name.lower(): values[-1] for name, values in request.requestHeaders.getAllRawHeaders() if values
        }
        path = unquote(self._path.partition(b"?")[0].decode("latin-1"))
        self.max_body_bytes = body_limit(path, headers)
        request.bodies = ORDINARY if self.max_body_bytes == settings.MAX_BODY_BYTES else UPLOADS

    def _refuse_late_head(self) -> None:
        self._deadline = None
        self.refuse(HTTPStatus.REQUEST_TIMEOUT, f"The headers did not come within {HEAD_SECONDS:.0f} seconds")

    # ------------------------------------------------------------ the body
    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802
        if not self.is_refused:
            super().rawDataReceived(data)

    def allContentReceived(self) -> None:  # noqa: N802
        self._set_deadline()
        if not self.is_refused:
            super().allContentReceived()

    def _check_body(self) -> None:
        """Refuse a body that arrives too slowly."""
        self._deadline = None
        owed_seconds = time.monotonic() - self._body_began_at - BODY_SECONDS
        if self.requests[-1].body_bytes < owed_seconds * BODY_BYTES_PER_SECOND:
            self.refuse(HTTPStatus.REQUEST_TIMEOUT, "The body comes too slowly")
        else:
            self._set_deadline(BODY_CHECK_SECONDS, self._check_body)

    # ------------------------------------------------------------ refusals
    def refuse_large_body(self) -> None:
        self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large(self.max_body_bytes))

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802
        """Answer a request that Twisted cannot parse."""
        if self._receivedHeaderCount > self.maxHeaders:
            self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"More than {self.maxHeaders} headers")
        else:
            self.refuse(HTTPStatus.BAD_REQUEST, "The request cannot be read")

    def refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer at once, and close the connection after the client has had time to read the answer."""
        if self.is_refused:
            return
        self.is_refused = True
        self._set_deadline()
        self.setTimeout(None)
        for request in self.requests:
            request.drop()
        self.transport.write(_answer(status, detail))
        self._networkProducer.unregisterProducer()
        self.transport.loseWriteConnection()
        self._linger = self.callLater(LINGER_SECONDS, self._stop_lingering)

    def _ignore(self, data: bytes) -> None:
        self._ignored_bytes += len(data)
        if self._ignored_bytes > LINGER_BYTES:
            self.transport.abortConnection()

    def _stop_lingering(self) -> None:
        self._linger = None
        self.transport.abortConnection()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        self._set_deadline()
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        super().connectionLost(reason)

    def _set_deadline(self, seconds: float = 0, action: Any = None) -> None:
        """Replace the deadline of the current part of the request; without `action` remove it."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if action is None else self.callLater(seconds, action)


class LimitedFactory(HTTPFactory):
    """Creates the channel of each connection."""

    protocol = LimitedChannel

    def buildProtocol(self, address: Any) -> LimitedChannel:  # noqa: N802
        channel: LimitedChannel = super().buildProtocol(address)
        channel.requestFactory = LimitedRequest
        return channel


class SharingProtocol(WebSocketProtocol):
    """One WebSocket. A text that many of them send is encoded and framed once."""

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:  # noqa: N802
        if not isinstance(content, SharedText) or self.state != self.STATE_OPEN:
            super().serverSend(content, binary)
            return
        if not hasattr(content, "prepared"):
            payload = content.encode()
            content.prepared = PreparedMessage(payload, isBinary=False, applyMask=False, doNotCompress=True)
        self.sendPreparedMessage(content.prepared)

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:  # noqa: N802
        """Write without autobahn's message to the debug log, whose arguments take longer than the write."""
        if sync or chopsize or self.send_queue:
            super().sendData(data, sync, chopsize)
        else:
            self.transport.write(data)


class SharingFactory(WebSocketFactory):
    """Creates the protocol of each WebSocket."""

    protocol = SharingProtocol


def _answer(status: HTTPStatus, detail: str) -> bytes:
    body = json.dumps({"detail": detail}).encode()
    lines: Iterable[str] = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        *([f"Retry-After: {RETRY_AFTER_SECONDS}"] if status == HTTPStatus.SERVICE_UNAVAILABLE else []),
        "",
        "",
    )
    return "\r\n".join(lines).encode() + body
