"""One scan of this machine."""

import asyncio
import logging
from collections.abc import Awaitable, Iterable

from agents.discovery.findings import Finding
from agents.discovery.keys import find_keys
from agents.discovery.model_servers import find_servers
from agents.discovery.programs import find_programs

MOST_SECONDS = 12.0  # of the whole scan; each program and server has less

logger = logging.getLogger(__name__)


def scan(addresses: Iterable[str]) -> list[Finding]:
    """Return what this machine offers. Takes up to a few seconds; not for a request. Raises nothing."""
    return asyncio.run(_scan(list(addresses)))


async def _scan(addresses: list[str]) -> list[Finding]:
    programs, servers = await asyncio.gather(_within(find_programs()), _within(find_servers(addresses)))
    return [*programs, *servers, *find_keys()]


async def _within(search: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        async with asyncio.timeout(MOST_SECONDS):
            return await search
    except Exception:
        logger.warning("the search for agents on this machine failed", exc_info=True)
        return []
