"""Connect to an MCP server: at an address, or a program that runs in the sandbox like any other agent's.

The official SDK speaks the protocol. This module gives it our transports: an HTTP client with limits on where it
connects, and a program whose processes end with the run (agents/backends/processes.py).
"""

import asyncio
import importlib
import json
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.backends.addresses import addresses_of, is_forbidden, is_inside
from agents.backends.base import BackendError
from agents.backends.mcp_servers.definitions import McpServer
from agents.backends.processes import (
    LINE_BYTES,
    LaunchSpec,
    ProcessLimitReached,
    Program,
    run_program,
    split_lines,
)
from agents.backends.programs.allowed import Definition
from agents.backends.programs.launch import Prompt, launch_spec
from agents.backends.programs.places import find_program
from agents.redaction import shown_error

if TYPE_CHECKING:
    from httpx2 import AsyncByteStream, AsyncClient, Request, Response
    from mcp import Client

START_SECONDS = 30.0  # a program may have to be downloaded first
CLOSE_SECONDS = 2.0  # to say goodbye to a server
CALL_SECONDS = 600.0
MAX_TOOLS = 200
RESULT_CHARS = 200_000
ANSWER_BYTES = LINE_BYTES  # of an answer at an address that is no stream of events, whose parts the SDK limits
LAST_LINES = 2  # of a program's standard error
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
_ERROR_NUMBER = re.compile(r"\A\[Errno -?\d+\] ")  # of the system, before its words


class ServerFailed(Exception):
    """A server did not start, or does not answer. The message is for users: redacted, and on one line."""


@dataclass(frozen=True, slots=True)
class ServerTool:
    """A tool of a server, as the server describes it."""

    name: str
    description: str
    schema: Mapping[str, Any]


class Connection:
    """An open connection to a server, and its tools."""

    def __init__(self, client: "Client", tools: list[ServerTool]) -> None:
        self._client = client
        self.tools = tools

    async def call(self, name: str, arguments: dict[str, Any]) -> str:
        """Call a tool and return its result as text. A failure is text too, for the model to react to."""
        try:
            result = await self._client.call_tool(name, arguments, read_timeout_seconds=CALL_SECONDS)
        except Exception as error:  # noqa: BLE001 - of the SDK, of HTTP, of the program
            return f"The tool failed: {shown_error(str(error) or type(error).__name__)}"
        text = "\n".join(_text_of(block) for block in result.content) or _structured(result.structured_content)
        text = f"The tool failed: {text}" if result.is_error else text
        return text if len(text) <= RESULT_CHARS else f"{text[:RESULT_CHARS]}\n… cut off"


@asynccontextmanager
async def connected(server: McpServer, workdir: Path) -> AsyncIterator[Connection]:
    """Start the server or connect to it, and read its tools; disconnect at the end. Raises ServerFailed.

    The connection is held by a task of its own: the SDK's task groups would wrap the caller's errors.
    """
    if problem := server.problem():
        raise ServerFailed(problem)
    # Takes a second, which must not block the event loop.
    await asyncio.to_thread(importlib.import_module, "mcp")
    ready: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
    is_over = asyncio.Event()
    reasons: list[str] = []
    holder = asyncio.create_task(_hold(server, workdir, ready, is_over, reasons))
    try:
        try:
            async with asyncio.timeout(START_SECONDS):
                connection = await ready
        except TimeoutError:
            raise ServerFailed(_reason(TimeoutError(), reasons)) from None
        yield connection
    finally:
        is_over.set()
        await _end(holder)


async def _hold(
    server: McpServer,
    workdir: Path,
    ready: "asyncio.Future[Connection]",
    is_over: asyncio.Event,
    reasons: list[str],
) -> None:
    """Connect, hand the connection or the failure to `ready`, and disconnect when it is over."""
    try:
        opening = _at_address(server, reasons) if server.url else _program_of(server, workdir, reasons)
        async with opening as client:
            connection = Connection(client, await _tools_of(client))
            if not ready.done():
                ready.set_result(connection)
            await is_over.wait()
    except Exception as error:  # noqa: BLE001 - of the SDK, of HTTP, of the program
        if not ready.done():
            ready.set_exception(ServerFailed(_reason(error, reasons)))


async def _end(holder: "asyncio.Task[None]") -> None:
    """Wait until the connection is closed and its program has ended; raise a cancellation only after that."""
    cancelled: asyncio.CancelledError | None = None
    patience: float | None = CLOSE_SECONDS
    while not holder.done():
        try:
            await asyncio.wait({holder}, timeout=patience)
        except asyncio.CancelledError as cancellation:
            cancelled = cancellation
        if not holder.done() and patience is not None:
            holder.cancel()
            patience = None
    if cancelled is not None:
        raise cancelled


async def _tools_of(client: "Client") -> list[ServerTool]:
    found: list[ServerTool] = []
    cursor = None
    while len(found) < MAX_TOOLS:
        page = await client.list_tools(cursor=cursor)
        found += [ServerTool(tool.name, tool.description or "", tool.input_schema) for tool in page.tools]
        cursor = page.next_cursor
        if not cursor:
            break
    return found[:MAX_TOOLS]


def _reason(error: BaseException, reasons: list[str]) -> str:
    """Return why a server failed: our own reason or the program's last words, otherwise the innermost error."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    own = [f"no answer within {START_SECONDS:g} seconds"] if isinstance(error, TimeoutError) else []
    if words := [*own, *dict.fromkeys(reasons)]:
        return shown_error(" / ".join(words))
    return shown_error(_ERROR_NUMBER.sub("", str(error)) or type(error).__name__)


def _text_of(block: Any) -> str:
    if block.type == "text":
        return str(block.text)
    if block.type == "resource" and (text := getattr(block.resource, "text", None)) is not None:
        return str(text)
    return f"[{block.type} of the tool, which cannot be shown as text]"


def _structured(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


# ---------------------------------------------------------------- a server at an address
@asynccontextmanager
async def _at_address(server: McpServer, reasons: list[str]) -> "AsyncIterator[Client]":
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async with (
        _http_client(server, reasons) as http_client,
        Client(streamable_http_client(server.url, http_client=http_client), cache=None) as client,
    ):
        yield client


def _http_client(server: McpServer, reasons: list[str]) -> "AsyncClient":
    """Return a client that connects only where the server may be; it follows no redirect to another host."""
    import httpx2

    guard = _Guard(server, reasons)
    return httpx2.AsyncClient(
        headers={**server.resolved_headers(), "accept-encoding": "identity"},
        timeout=httpx2.Timeout(CALL_SECONDS, connect=10),
        follow_redirects=False,
        event_hooks={"request": [guard.check_request], "response": [guard.check_response]},
    )


class _Guard:
    """Checks the addresses of a server, and remembers why a request failed: the SDK only says that it did."""

    def __init__(self, server: McpServer, reasons: list[str]) -> None:
        self._server = server
        self._reasons = reasons

    async def check_request(self, request: "Request") -> None:
        for address in await addresses_of(request.url.host):
            self._check(address)

    async def check_response(self, response: "Response") -> None:
        peer = response.extensions.get("network_stream")
        address = peer.get_extra_info("server_addr") if peer else None
        if address and not any(map(os.environ.get, _PROXIES)):
            self._check(str(address[0]))
        if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            response.stream = _limited(response.stream, self._fail)
        if response.request.method != "POST":
            return
        if response.status_code in {401, 403}:
            self._fail(f"it refused the login (HTTP {response.status_code})")
        if response.status_code >= 500:
            self._fail(f"it answered HTTP {response.status_code}")

    def _check(self, address: str) -> None:
        if is_forbidden(address):
            self._fail("its address is not allowed (link-local)")
        if is_inside(address) and not self._server.is_listed:
            self._fail("its address is inside the operator's network: list it in MISSION_CONTROL_MCP_HOSTS")

    def _fail(self, reason: str) -> None:
        self._reasons.append(reason)
        raise ServerFailed(reason)


def _limited(stream: Any, fail: Callable[[str], None]) -> "AsyncByteStream":
    """Return the stream, which fails beyond ANSWER_BYTES: an endless answer would fill the memory."""
    import httpx2

    class Limited(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for piece in stream:
                size += len(piece)
                if size > ANSWER_BYTES:
                    fail(f"its answer is larger than {ANSWER_BYTES:,} bytes")
                yield piece

        async def aclose(self) -> None:
            await stream.aclose()

    return Limited()


# ---------------------------------------------------------------- a server that is a program
@asynccontextmanager
async def _program_of(server: McpServer, workdir: Path, reasons: list[str]) -> "AsyncIterator[Client]":
    from mcp import Client

    definition = definition_of(server)
    spec = await asyncio.to_thread(_launch_spec, definition, workdir)
    async with run_program(spec, definition.limits) as program:
        try:
            async with Client(_over_pipes(program), cache=None) as client:
                yield client
        finally:
            if words := program.last_words():
                reasons.append(" / ".join(words.split(" / ")[-LAST_LINES:]))
            elif program.exit_status is not None:
                reasons.append(f"it ended with exit status {program.exit_status}")


def _launch_spec(definition: Definition, workdir: Path) -> LaunchSpec:
    return launch_spec(definition, definition.argv, workdir.absolute(), Prompt(is_dialogue=True))


def definition_of(server: McpServer) -> Definition:
    """Return the definition with which a server's program runs as a process of its own. Raises BackendError."""
    command = server.command
    assert command is not None, "checked before"
    program = find_program(command.argv[0])
    if program is None:
        raise BackendError(f"`{Path(command.argv[0]).name}` is not in the PATH of the worker")
    given = {"argv": [program, *command.argv[1:]], "readable": command.readable, "writable": command.writable}
    made = Definition.of("mcp", {**given, "limits": {"idle_seconds": 1e9}})
    return replace(made, env=tuple(f"{name}={value}" for name, value in server.command_environment().items()))


@asynccontextmanager
async def _over_pipes(program: Program) -> AsyncIterator[Any]:
    """Return the SDK's two streams over a program's standard input and output, one line of JSON a message."""
    import anyio
    import mcp_types
    from mcp.shared.message import SessionMessage

    to_us, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, from_us = anyio.create_memory_object_stream[SessionMessage](0)

    async def read() -> None:
        async with to_us:
            with suppress(ProcessLimitReached, anyio.BrokenResourceError, anyio.ClosedResourceError):
                async for line, size in split_lines(program.output()):
                    if not line.startswith(b"{") or size > LINE_BYTES:
                        continue  # a server's log, which belongs to standard error
                    program.note_progress()
                    try:
                        message = mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False)
                    except ValueError as error:
                        await to_us.send(error)
                    else:
                        await to_us.send(SessionMessage(message))

    async def write() -> None:
        async with from_us:
            async for one in from_us:
                await program.send_line(one.message.model_dump_json(by_alias=True, exclude_unset=True).encode())

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        group.start_soon(write)
        try:
            yield incoming, outgoing
        finally:
            incoming.close()
            outgoing.close()
            group.cancel_scope.cancel()
