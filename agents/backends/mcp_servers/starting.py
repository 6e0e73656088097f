"""Check before a run which of its agent's MCP servers start; the run goes on without those that do not."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.backends.base import BackendError, BackendEvent, EventType
from agents.backends.mcp_servers.client import Connection, ServerFailed, ServerTool, connected
from agents.backends.mcp_servers.definitions import McpServer, servers_of


@dataclass(frozen=True, slots=True)
class Checked:
    """What a server's start has shown: its tools, or the reason of its failure."""

    server: McpServer
    tools: Sequence[ServerTool] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """The servers that can be used, and notices about the others."""

    servers: list[McpServer] = field(default_factory=list)
    notices: list[BackendEvent] = field(default_factory=list)
    connections: dict[str, Connection] = field(default_factory=dict)


async def check_servers(options: Mapping[str, Any], workdir: Path) -> list[Checked]:
    """Start each server once, all at the same time, and end it again; return what that has shown."""
    return list(await asyncio.gather(*(_check(server, workdir) for server in servers_of(options))))


async def _check(server: McpServer, workdir: Path) -> Checked:
    try:
        async with connected(server, workdir) as connection:
            return Checked(server, connection.tools)
    except ServerFailed as failure:
        return Checked(server, failure=str(failure))


async def usable_servers(options: Mapping[str, Any], workdir: Path) -> Started:
    """Return the servers that start, for a program that starts them itself.

    Known programs do not say why a server failed, or not at all, so each is tried once before. Raises BackendError
    if a required one does not start.
    """
    started = Started()
    for one in await check_servers(options, workdir):
        if one.failure:
            started.notices.append(notice_of(one.server, one.failure))
        else:
            started.servers.append(one.server)
    return started


async def connect_servers(options: Mapping[str, Any], workdir: Path, stack: AsyncExitStack) -> Started:
    """Connect to the servers, all at once; `stack` disconnects. Raises BackendError as `usable_servers` does."""

    async def connect(server: McpServer) -> Connection | ServerFailed:
        try:
            return await stack.enter_async_context(connected(server, workdir))
        except ServerFailed as failure:
            return failure

    started, servers = Started(), servers_of(options)
    for server, result in zip(servers, await asyncio.gather(*map(connect, servers)), strict=True):
        if isinstance(result, ServerFailed):
            started.notices.append(notice_of(server, str(result)))
        else:
            started.servers.append(server)
            started.connections[server.name] = result
    return started


def notice_of(server: McpServer, reason: str) -> BackendEvent:
    """Return the notice about a server that did not start. Raises BackendError if the agent requires it."""
    if server.is_required:
        raise BackendError(f"The MCP server `{server.name}`, which the agent requires, did not start: {reason}")
    return BackendEvent(
        EventType.STATUS, f"The MCP server `{server.name}` did not start, the agent works without it: {reason}"
    )
