"""Find model servers that answer at the usual ports of this machine, with the names of their models.

Whatever answers there is not trusted: it has two seconds, and what it sends is read up to a limit, without
redirects, decompression, proxies or any key.
"""

import asyncio
import json
import re
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.discovery.findings import Finding, Kind, State
from agents.redaction import redact_secrets
from agents.rules import is_blank, is_storable

if TYPE_CHECKING:
    from httpx2 import AsyncClient

SECONDS = 2.0
ANSWER_BYTES = 1_000_000
MODELS = 100
ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9][A-Za-z0-9.-]{0,252}):(?P<port>[0-9]{1,5})\Z")
TITLES = {11434: "Ollama", 1234: "LM Studio", 8000: "vLLM", 8080: "llama.cpp"}
# What a server calls itself in the list of its models (`owned_by`).
_OWNERS = {"library": "Ollama", "organization_owner": "LM Studio", "vllm": "vLLM", "llamacpp": "llama.cpp"}
_NO_CHAT = re.compile(r"embed|rerank|whisper|bge-|minilm", re.IGNORECASE)
_MODEL = re.compile(r"[^\s\x00-\x1f\x7f-\x9f]{1,200}\Z")


class Answer(NamedTuple):
    """What a model server has answered."""

    title: str
    models: tuple[str, ...]


async def find_servers(addresses: Iterable[str]) -> list[Finding]:
    """Return the servers that answer at these addresses (host:port), in their order."""
    addresses = list(addresses)
    if not addresses:
        return []
    httpx2 = await asyncio.to_thread(import_module, "httpx2")  # it takes a while
    limits = httpx2.Timeout(SECONDS)
    async with httpx2.AsyncClient(timeout=limits, follow_redirects=False, trust_env=False) as client:
        found = await asyncio.gather(*(_finding(client, address) for address in addresses))
    return [one for one in found if one is not None]


async def _finding(client: "AsyncClient", address: str) -> Finding | None:
    answer = await _models_at(client, address)
    if answer is None:
        return None
    number, chat = len(answer.models), [name for name in answer.models if not _NO_CHAT.search(name)]
    base_url = f"http://{address}/v1"
    suggested = (chat or answer.models or ("",))[0]
    return Finding(
        key=f"server-{address.replace(':', '-')}",
        kind=Kind.SERVER,
        title=answer.title,
        state=State.READY if number else State.EMPTY,
        detail=f"{number} model{'' if number == 1 else 's'}",
        advice="" if number else _advice(answer.title),
        models=answer.models,
        backend="pydantic_ai",
        options={"model": suggested, "base_url": base_url} if suggested else {"base_url": base_url},
    )


def _advice(title: str) -> str:
    return "Load a model, for example: `ollama pull llama3.2`" if title == "Ollama" else "Load a model there"


async def _models_at(client: "AsyncClient", address: str) -> Answer | None:
    """Return the title and models of the server at the address; None if none answers as a model server does."""
    try:
        async with asyncio.timeout(SECONDS):
            value = json.loads(await _read(client, f"http://{address}/v1/models"))
    except Exception:  # noqa: BLE001 - whatever answers there may fail in any way
        return None
    listed = value.get("data") if isinstance(value, dict) else None
    if listed is None and isinstance(value, dict) and value.get("object") == "list":
        listed = []  # Ollama without any model
    if not isinstance(listed, list) or not isinstance(value, dict):
        return None
    entries = [entry for entry in listed[: MODELS * 10] if isinstance(entry, dict)]
    if listed and not entries:
        return None
    names = dict.fromkeys(name for entry in entries if (name := _name_of(entry)))
    return Answer(_title(address, entries), tuple(names)[:MODELS])


async def _read(client: "AsyncClient", url: str) -> bytes:
    """Return the body of a successful answer. Raises ValueError for any other, and for one that is too long."""
    body = b""
    async with client.stream("GET", url, headers={"accept-encoding": "identity"}) as response:
        if response.status_code != 200:
            raise ValueError("not a successful answer")
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > ANSWER_BYTES:
                raise ValueError("too long")
    return body


def _name_of(entry: dict[str, Any]) -> str:
    name = entry.get("id")
    if not isinstance(name, str) or not _MODEL.match(name) or is_blank(name) or not is_storable(name):
        return ""
    return name if redact_secrets(name) == name else ""


def _title(address: str, entries: list[dict[str, Any]]) -> str:
    owner = next((entry.get("owned_by") for entry in entries), None)
    own = _OWNERS.get(owner) if isinstance(owner, str) else None
    return own or TITLES.get(int(address.rpartition(":")[2]), "Model server")
