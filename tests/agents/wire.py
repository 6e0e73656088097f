"""The wire itself: a server with scripted answers, and a proxy that notices when a connection closes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


@dataclass
class Server:
    """A server on a free port: the requests it received, and whether its client has disconnected."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    client_gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def headers(self) -> dict[str, str]:
        """Return the headers of the last request, with lower-case names."""
        lines = self.requests[-1].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(answer: Answer) -> AsyncIterator[Server]:
    """Answer each request with whatever `answer` writes, then close the connection."""
    server = Server()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.requests.append(await reader.readuntil(b"\r\n\r\n"))
        await answer(writer)
        writer.close()

    async with _listening(server, handle):
        yield server


@asynccontextmanager
async def tap(upstream_port: int) -> AsyncIterator[Server]:
    """Forward bytes to another server and back, and notice when the client closes the connection."""
    server = Server()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_upstream, to_upstream = await asyncio.open_connection("127.0.0.1", upstream_port)
        back = asyncio.create_task(_pass_on(from_upstream, writer))
        with suppress(ConnectionResetError):  # closed before it has read all that was sent to it
            while data := await reader.read(65536):
                server.requests.append(data)
                to_upstream.write(data)
        server.client_gone.set()
        back.cancel()
        to_upstream.close()
        writer.close()

    async with _listening(server, handle):
        yield server


@asynccontextmanager
async def _listening(server: Server, handle: Callable) -> AsyncIterator[None]:
    listener = await asyncio.start_server(handle, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        listener.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def chunk(text: str = "", *, finish: str | None = None) -> bytes:
    """Return one piece of a streamed chat completion."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    body = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def saying(*pieces: bytes) -> Answer:
    """Return an answer of these pieces, each sent before the next is written."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)

    return answer
