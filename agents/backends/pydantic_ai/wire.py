"""Protect us from a model server whose address comes from an agent's options.

Its answer is limited in size, must be uncompressed, and is checked for what the SDK overlooks: an error in place
of the answer, and an incomplete answer. Addresses that only a cloud's machines should reach are refused.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from httpx2 import AsyncByteStream

from agents.backends.addresses import addresses_of, is_forbidden

if TYPE_CHECKING:
    from httpx2 import Request, Response

EVENT_BYTES = 4_000_000  # of one event of a stream: a piece of text, or a whole call of a tool
ANSWER_BYTES = 512_000_000  # of a stream: a piece of four characters takes some 300 bytes
BODY_BYTES = 1_000_000  # of an answer that is not a stream

_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"|^data:\s*\[DONE\]', re.MULTILINE)
_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_CARRIED_BYTES = 64  # of a piece, to find matches that span two pieces


class WireError(Exception):
    """An error of a server or its answer. The message continues a sentence that starts with the server's name."""


class AnswerBrokenOff(WireError):
    """The answer ended before it was complete."""


class ServerError(WireError):
    """The server sent an error with a success status; the message is the server's, possibly empty."""


async def refuse_forbidden(request: "Request") -> None:
    """Raise WireError for an address that reveals a machine's credentials: link-local, cloud metadata.

    A name is resolved here and again by the connection; `guard` checks the address of the connection.
    """
    if any(map(is_forbidden, await addresses_of(request.url.host))):
        raise WireError("is at an address that is not allowed (link-local)")


async def guard(response: "Response") -> None:
    """Set limits on the answer before any of it is read. Raises WireError."""
    check_head(response)
    assert isinstance(response.stream, AsyncByteStream)
    is_framed = "content-length" in response.headers or "transfer-encoding" in response.headers
    response.stream = GuardedStream(response.stream, is_success=response.status_code == 200, is_framed=is_framed)


def check_head(response: "Response") -> None:
    """Raise WireError for an answer from an address that is not allowed, and for one that is compressed."""
    peer = response.extensions.get("network_stream")
    address = peer.get_extra_info("server_addr") if peer else None
    if address and is_forbidden(str(address[0])):
        raise WireError("is at an address that is not allowed (link-local)")
    if response.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise WireError("sent a compressed answer, which was not asked for")


class GuardedStream(AsyncByteStream):
    """The bytes of an answer, within the limits. Raises WireError."""

    def __init__(self, stream: AsyncByteStream, *, is_success: bool, is_framed: bool) -> None:
        self._stream = stream
        self._is_success = is_success
        self._is_framed = is_framed  # then HTTP itself detects a broken connection
        self._total = self._event = 0
        self._carried = b""
        self._is_finished = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        is_begun = False
        async for piece in self._stream:
            if not is_begun and self._is_success and (begin := piece.lstrip()[:1]):
                is_begun = True
                if begin in b"{[<":
                    raise ServerError(words_of(await self._whole(piece)))
            self._count(piece)
            yield piece
        if self._is_success and is_begun and not (self._is_finished or self._is_framed):
            raise AnswerBrokenOff("broke off before it was complete")

    async def _whole(self, begin: bytes) -> bytes:
        """Return the body of an answer that is not a stream, up to the limit."""
        parts, size = [begin], len(begin)
        async for piece in self._stream:
            parts.append(piece)
            size += len(piece)
            if size > BODY_BYTES:
                break
        return b"".join(parts)[:BODY_BYTES]

    def _count(self, piece: bytes) -> None:
        """Count a piece. Raises WireError beyond a limit."""
        self._total += len(piece)
        if self._total > (ANSWER_BYTES if self._is_success else BODY_BYTES):
            raise WireError("sent an answer that is too long to be read")
        text = self._carried + piece
        ends = [match.end() for match in _BLANK_LINE.finditer(text)]
        self._event = len(text) - ends[-1] if ends else self._event + len(piece)
        if self._event > EVENT_BYTES:
            raise WireError("sent a line that is too long to be read")
        self._is_finished = self._is_finished or _FINISHED.search(text) is not None
        self._carried = text[-_CARRIED_BYTES:]

    async def aclose(self) -> None:
        await self._stream.aclose()


def words_of(body: Any) -> str:
    """Return the message field of a JSON error; empty for anything else.

    Any other answer of a server, for example a web page, is not a message for a client and is not shown.
    """
    if isinstance(body, bytes | str):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return ""
    if isinstance(body, list) and body:  # Google's
        body = body[0]
    if not isinstance(body, dict):
        return ""
    inner = body.get("error", body)
    if isinstance(inner, dict):
        inner = inner.get("message") or inner.get("detail")
    return inner if isinstance(inner, str) else ""
