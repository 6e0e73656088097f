"""Ask providers and servers for the names of their models.

A key is sent to its provider only, or to the address that the operator has set for that provider in the
environment. Redirects are not followed. Whatever answers has a few seconds, and its answer is read up to a limit.
"""

import asyncio
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.backends.base import BackendError, Source
from agents.backends.pydantic_ai.endpoints import NO_KEY, PROVIDERS, Endpoint, key_variable
from agents.redaction import redact_secrets

if TYPE_CHECKING:
    from httpx2 import AsyncClient

SECONDS = 10.0
ANSWER_BYTES = 4_000_000
MODELS = 1_000
NAME_CHARS = 200
_NO_CHAT = re.compile(
    r"embed|rerank|whisper|bge-|minilm|tts|dall-e|moderation|transcribe|imagen|-image|realtime|audio|sora|veo-|guard",
    re.IGNORECASE,
)
_NO_CHAT_TYPES = frozenset({"image", "embedding", "moderation", "rerank", "audio", "video", "transcribe"})


class ModelList(NamedTuple):
    """Where a provider lists its models; `variable` can set another address."""

    address: str
    path: str = "/models"
    variable: str = ""

    def url(self) -> str:
        return (os.environ.get(self.variable, "").strip() or self.address).rstrip("/") + self.path


LISTS = {
    "openai": ModelList("https://api.openai.com/v1", variable="OPENAI_BASE_URL"),
    "anthropic": ModelList("https://api.anthropic.com", "/v1/models?limit=1000", "ANTHROPIC_BASE_URL"),
    "google": ModelList(
        "https://generativelanguage.googleapis.com", "/v1beta/models?pageSize=1000", "GOOGLE_GEMINI_BASE_URL"
    ),
    "mistral": ModelList("https://api.mistral.ai", "/v1/models", "MISTRAL_BASE_URL"),
    "groq": ModelList("https://api.groq.com", "/openai/v1/models", "GROQ_BASE_URL"),
    "openrouter": ModelList("https://openrouter.ai/api/v1"),
    "deepseek": ModelList("https://api.deepseek.com"),
    "together": ModelList("https://api.together.xyz/v1"),
    "fireworks": ModelList("https://api.fireworks.ai/inference/v1"),
    "cerebras": ModelList("https://api.cerebras.ai/v1"),
    "cohere": ModelList("https://api.cohere.com", "/v1/models?endpoint=chat&page_size=1000", "CO_BASE_URL"),
    "ollama": ModelList("", variable="OLLAMA_BASE_URL"),
}


def of_providers() -> Iterator[Source]:
    """Yield a source for each provider whose key is set."""
    for name in LISTS:
        if key_variable(name):
            yield of_provider(name, prefix=f"{name}:")


def of_provider(name: str, *, prefix: str = "") -> Source:
    """Return the source of a provider's models, by the provider's own names."""
    return Source("model", f"models-{name}", PROVIDERS[name].title, partial(_provider_models, name), prefix)


def of_server(base_url: str) -> Source | None:
    """Return the source of the models at the address in an agent's options; None if agents may not use it."""
    try:
        endpoint = Endpoint.of({"model": "any", "base_url": base_url})
    except BackendError:
        return None
    digest = hashlib.sha256(base_url.encode()).hexdigest()[:32]
    look = partial(_server_models, endpoint)
    return Source("model", f"server-{digest}", endpoint.title, look, is_given=not endpoint.trusted)


def _provider_models(name: str) -> list[str]:
    variable = key_variable(name)
    if not variable:
        raise BackendError(f"{PROVIDERS[name].title} has no key any more")
    headers = _headers(name, os.environ[variable].strip())
    return _models(PROVIDERS[name].title, LISTS[name].url(), headers, is_trusted=True)


def _headers(name: str, key: str) -> dict[str, str]:
    if name == "anthropic":
        return {"x-api-key": key, "anthropic-version": "2023-06-01"}
    if name == "google":
        return {"x-goog-api-key": key}
    if name == "ollama":  # its variable has the address
        key = os.environ.get("OLLAMA_API_KEY", "").strip() or NO_KEY
    return {"authorization": f"Bearer {key}"}


def _server_models(endpoint: Endpoint) -> list[str]:
    headers = {"authorization": f"Bearer {endpoint.api_key}"}
    url = f"{endpoint.base_url.rstrip('/')}/models"
    return _models(endpoint.title, url, headers, is_trusted=endpoint.trusted)


def _models(title: str, url: str, headers: Mapping[str, str], *, is_trusted: bool) -> list[str]:
    """Return the names of the models at the address. Raises BackendError."""
    try:
        body = asyncio.run(_body(title, url, headers, is_trusted=is_trusted))
        return list(dict.fromkeys(_names(json.loads(body))))[:MODELS]
    except BackendError:
        raise
    except (ValueError, RecursionError, AttributeError, TypeError):
        raise BackendError(f"{title} sent a list of models that cannot be read") from None
    except Exception:  # noqa: BLE001 - whatever answers there may fail in any way
        raise BackendError(f"{title} could not be asked for its models: no answer") from None


async def _body(title: str, url: str, headers: Mapping[str, str], *, is_trusted: bool) -> bytes:
    import httpx2

    from agents.backends.pydantic_ai import wire

    hooks: dict[str, list[Any]] = {"request": [] if is_trusted else [wire.refuse_forbidden]}
    timeout = httpx2.Timeout(SECONDS)
    async with (
        asyncio.timeout(SECONDS),
        httpx2.AsyncClient(timeout=timeout, follow_redirects=False, event_hooks=hooks) as client,
    ):
        return await _read(client, title, url, {**headers, "accept-encoding": "identity"}, is_trusted=is_trusted)


async def _read(
    client: "AsyncClient", title: str, url: str, headers: Mapping[str, str], *, is_trusted: bool
) -> bytes:
    from agents.backends.pydantic_ai import wire

    body = b""
    async with client.stream("GET", url, headers=headers) as response:
        if not is_trusted:
            wire.check_head(response)
        if response.status_code in (401, 403):
            raise BackendError(f"{title} refused the key (HTTP {response.status_code})")
        if response.status_code != 200:
            raise BackendError(f"{title} did not list its models (HTTP {response.status_code})")
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > ANSWER_BYTES:
                raise BackendError(f"{title} sent a list of models that is too long")
    return body


def _names(answer: Any) -> Iterator[str]:
    """Yield the names of models that can write text. Raises ValueError, TypeError, AttributeError."""
    entries = answer if isinstance(answer, list) else answer.get("data", answer.get("models"))
    if entries is None and answer.get("object") == "list":
        return  # Ollama without any model
    for entry in iter(entries):
        name = entry.get("id") or entry.get("name") if isinstance(entry, dict) else None
        if isinstance(name, str) and _writes_text(entry, name := name.removeprefix("models/")) and _is_name(name):
            yield name


def _writes_text(entry: Mapping[str, Any], name: str) -> bool:
    """Return whether it is a language model, by what providers say in their lists, and by its name."""
    capabilities, methods = entry.get("capabilities"), entry.get("supportedGenerationMethods")
    if entry.get("type") in _NO_CHAT_TYPES or entry.get("supports_chat") is False:
        return False
    if isinstance(capabilities, dict) and capabilities.get("completion_chat") is False:
        return False
    if isinstance(methods, list) and "generateContent" not in methods:
        return False
    return not _NO_CHAT.search(name)


def _is_name(name: str) -> bool:
    is_text = 0 < len(name) <= NAME_CHARS and name.isprintable() and " " not in name
    return is_text and redact_secrets(name) == name
