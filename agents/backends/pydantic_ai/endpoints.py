"""Decide to which address a request is sent, and with which key.

Options come from users who may edit agents, keys from the operator: a key is only sent to its provider, or to the
address that the operator has set in the environment.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from agents.backends.base import BackendError
from agents.backends.programs.allowed import allowed
from agents.backends.quota import account_of_key

if TYPE_CHECKING:
    from httpx2 import AsyncClient
    from pydantic_ai.models import Model

CONNECT_SECONDS = 10
READ_SECONDS = 600  # the longest silence: a local model may have to load first and to read a long prompt
OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "no-key"  # servers without keys still expect the header


class Provider(NamedTuple):
    title: str
    variables: tuple[str, ...]  # any one of them must be set
    extra: str  # the extra of the package pydantic-ai-slim


PROVIDERS = {
    "openai": Provider("OpenAI", ("OPENAI_API_KEY",), "openai"),
    "openai-chat": Provider("OpenAI", ("OPENAI_API_KEY",), "openai"),
    "openai-responses": Provider("OpenAI", ("OPENAI_API_KEY",), "openai"),
    "anthropic": Provider("Anthropic", ("ANTHROPIC_API_KEY",), "anthropic"),
    "google": Provider("Google", ("GOOGLE_API_KEY", "GEMINI_API_KEY"), "google"),
    "mistral": Provider("Mistral", ("MISTRAL_API_KEY",), "mistral"),
    "groq": Provider("Groq", ("GROQ_API_KEY",), "groq"),
    "ollama": Provider("Ollama", ("OLLAMA_BASE_URL",), "openai"),
    "openrouter": Provider("OpenRouter", ("OPENROUTER_API_KEY",), "openai"),
    "deepseek": Provider("DeepSeek", ("DEEPSEEK_API_KEY",), "openai"),
    "together": Provider("Together", ("TOGETHER_API_KEY",), "openai"),
    "fireworks": Provider("Fireworks", ("FIREWORKS_API_KEY",), "openai"),
    "cerebras": Provider("Cerebras", ("CEREBRAS_API_KEY",), "openai"),
    "cohere": Provider("Cohere", ("CO_API_KEY",), "cohere"),
}
# Models to choose from, the suggested one first. Any other name that a provider knows can be typed.
SUGGESTED_MODELS = {
    "anthropic": ("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5"),
    "openai": ("gpt-6.1-terra", "gpt-6.1-sol", "gpt-6-luna"),
    "google": ("gemini-3.8-flash", "gemini-3.1-pro-preview", "gemini-3.5-flash-lite"),
    "mistral": ("mistral-large-latest", "mistral-medium-latest", "codestral-latest"),
    "groq": ("openai/gpt-oss-120b", "openai/gpt-oss-20b", "qwen/qwen3.8-27b"),
    "openrouter": ("openrouter/auto",),
    "deepseek": ("deepseek-flash", "deepseek-v4-pro"),
    "cerebras": ("gpt-oss-120b", "qwen-3.8-27b"),
}
# With `base_url` these prefixes only mean "OpenAI-compatible". Other prefixes may be part of a model's name.
_SPEAKS_OPENAI = ("openai:", "openai-chat:", "ollama:")
# The only request headers that an untrusted server receives.
_PLAIN_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    }
)


class Endpoint(NamedTuple):
    """The address and the key of a request."""

    title: str
    model_name: str
    provider: str = ""
    base_url: str = ""  # empty: the provider's own address
    api_key: str = ""
    trusted: bool = True  # set by the operator, and so may receive the operator's headers

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Endpoint":
        """Return the endpoint for options and environment. Raises BackendError with advice."""
        model_name, base_url = options.get("model", ""), options.get("base_url", "")
        if not model_name:
            raise BackendError("Set the option `model`, for example `openai:gpt-5.2`")
        own_url = os.environ.get("OPENAI_BASE_URL", "").strip()
        if base_url:
            name = _without_prefix(model_name)
            if _normalised(base_url) == _normalised(own_url or OPENAI_URL):
                return cls._own_server(name, own_url or OPENAI_URL)
            _require_listed(base_url)
            return cls(f"The server at {_host(base_url)}", name, "", base_url, NO_KEY, trusted=False)
        provider, _, name = model_name.partition(":")
        if not name or provider not in PROVIDERS:
            raise BackendError(
                "`model` must be `provider:model`, with a provider such as openai, anthropic, google, mistral; "
                "or set `base_url` to an OpenAI-compatible server"
            )
        if own_url and provider in {"openai", "openai-chat"}:
            return cls._own_server(name, own_url)
        return cls._of_provider(provider, name)

    @property
    def account(self) -> str:
        """Return the account whose quota the requests use: the provider with the end of its key, or the server."""
        if not self.provider and _normalised(self.base_url) != _normalised(OPENAI_URL):
            return _host(self.base_url).lower()
        provider = (self.provider or "openai").partition("-")[0]
        key = os.environ.get(key_variable(self.provider), "") if self.provider else self.api_key
        return account_of_key(provider, key.strip())

    @classmethod
    def _own_server(cls, model_name: str, base_url: str) -> "Endpoint":
        key = os.environ.get("OPENAI_API_KEY", "").strip()
        if _normalised(base_url) != _normalised(OPENAI_URL):
            return cls("The server at OPENAI_BASE_URL", model_name, "", base_url, key or NO_KEY)
        _require(PROVIDERS["openai"])
        return cls("OpenAI", model_name, "", base_url, key)

    @classmethod
    def _of_provider(cls, name: str, model_name: str) -> "Endpoint":
        _require(PROVIDERS[name])
        return cls(PROVIDERS[name].title, model_name, name)

    @asynccontextmanager
    async def model(self) -> AsyncIterator["Model"]:
        """Open the model; close its HTTP client, with any open request, at the end.

        The SDKs are imported in a thread, because that takes seconds and must not block the event loop.
        """
        if self.base_url:
            http_client, model = await asyncio.to_thread(self._openai_compatible)
            async with http_client:
                yield model
        else:
            async with await asyncio.to_thread(self._inferred) as model:
                yield model

    def _inferred(self) -> "Model":
        from pydantic_ai.models import infer_model

        try:
            if self.provider == "mistral" and (address := os.environ.get("MISTRAL_BASE_URL", "").strip()):
                return _mistral_at(address, self.model_name)
            return infer_model(f"{self.provider}:{self.model_name}")
        except ImportError:
            extra = PROVIDERS[self.provider].extra
            raise BackendError(f"{self.title} needs a package: pip install 'pydantic-ai-slim[{extra}]'") from None

    def _openai_compatible(self) -> tuple["AsyncClient", "Model"]:
        import httpx2
        from openai import AsyncOpenAI
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.profiles.openai import OpenAIModelProfile
        from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

        from agents.backends.pydantic_ai import wire

        http_client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            headers={"accept-encoding": "identity"},  # a compressed answer may be a thousand times as long
            event_hooks={
                "request": [] if self.trusted else [_keep_plain_headers, wire.refuse_forbidden],
                "response": [wire.guard],
            },
        )
        client = AsyncOpenAI(base_url=self.base_url, api_key=self.api_key, http_client=http_client, max_retries=0)
        # `wire` checks whether an answer is complete: some servers give no finish reason.
        profile = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=False)
        provider = OpenAICompatibleProvider("openai-compatible", openai_client=client, profile=profile)
        return http_client, OpenAIChatModel(self.model_name, provider=provider)


def _mistral_at(base_url: str, model_name: str) -> "Model":
    """Return a model at the operator's MISTRAL_BASE_URL, a variable that Mistral's SDK does not read."""
    from pydantic_ai.models.mistral import MistralModel
    from pydantic_ai.providers.mistral import MistralProvider

    return MistralModel(model_name, provider=MistralProvider(base_url=base_url))


async def _keep_plain_headers(request: Any) -> None:
    """Remove headers that the SDK adds from environment variables: organisation, project, custom headers."""
    for header in list(request.headers):
        if header.lower() not in _PLAIN_HEADERS:
            del request.headers[header]
    request.headers["authorization"] = f"Bearer {NO_KEY}"


def key_variable(provider: str) -> str:
    """Return the variable that has the provider's key; empty if none is set."""
    names = PROVIDERS[provider].variables
    return next((name for name in names if os.environ.get(name, "").strip()), "")


def suggested_models() -> list[str]:
    """Return `provider:model` for the suggested models of each provider whose key is set."""
    with_key = [name for name in SUGGESTED_MODELS if key_variable(name)]
    return [f"{name}:{model}" for name in with_key for model in SUGGESTED_MODELS[name]]


def any_key() -> bool:
    """Return whether the environment has a key or an address of any provider."""
    names = {"OPENAI_BASE_URL", *(name for provider in PROVIDERS.values() for name in provider.variables)}
    return any(os.environ.get(name, "").strip() for name in names)


def _require(provider: Provider) -> None:
    if not any(os.environ.get(variable, "").strip() for variable in provider.variables):
        raise BackendError(f"{provider.title} needs {' or '.join(provider.variables)} in the environment")


def _require_listed(base_url: str) -> None:
    """Raise BackendError for a server that is not in the operator's list, if there is a list."""
    listed = allowed().model_servers
    _, host, port, _ = _normalised(base_url)
    if listed and not {host, f"{host}:{port}"} & listed:
        raise BackendError(
            f"The operator allows no model server at {_host(base_url)} (MISSION_CONTROL_MODEL_SERVERS)"
        )


def _without_prefix(model_name: str) -> str:
    for prefix in _SPEAKS_OPENAI:
        if model_name.startswith(prefix) and model_name != prefix:
            return model_name.removeprefix(prefix)
    return model_name


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0][:100]


def _normalised(url: str) -> tuple[str, str, int | None, str]:
    """Return the address in a comparable form. An invalid address never equals one of the operator's."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme.lower())
    except ValueError:
        return ("", url, None, "")
    return (parts.scheme.lower(), (parts.hostname or "").lower(), port, parts.path.rstrip("/"))
