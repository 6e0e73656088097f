"""Language models of any provider, through pydantic-ai: one prompt, one streamed answer.

Which key goes where is decided here. Options come from whoever may edit an agent, keys from the operator: a key
is sent to its provider, or to the address that the operator has named in the environment, and nowhere else.
"""

import asyncio
import importlib.util
import json
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from agents.backends.base import Backend, BackendError, BackendEvent, EventType, Usage
from agents.redaction import redact, shown_error

if TYPE_CHECKING:
    from httpx2 import AsyncClient
    from pydantic_ai.models import Model
    from pydantic_ai.usage import RunUsage

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10
READ_SECONDS = 600  # the longest silence: a local model may first have to load and to read a long prompt
OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "no-key"  # servers that need none still expect the header
WORDS_OF_PROVIDER_CHARS = 100


class Provider(NamedTuple):
    title: str
    variables: tuple[str, ...]  # any one of them must be set
    extra: str  # of pydantic-ai-slim


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
# With an address, these say no more than that it speaks OpenAI's language. Others may begin a model's name.
_SPEAKS_OPENAI = ("openai:", "openai-chat:", "ollama:")
# All that a server without the operator's trust gets to see of a request's headers.
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


class PydanticAI(Backend):
    name = "pydantic_ai"
    display_name = "Pydantic AI"
    capabilities = ("streaming", "thinking", "usage")
    options_schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "model": {
                "type": "string",
                "minLength": 1,
                "maxLength": 200,
                "description": "provider:model, or with base_url the name by which that server knows the model",
            },
            "base_url": {
                "type": "string",
                "maxLength": 500,
                "pattern": r"^https?://[^\s@?#\\]+$(?!\n)",
                "description": "the http or https address of an OpenAI-compatible server, without a login",
            },
            "temperature": {"type": "number", "minimum": 0, "maximum": 2},
            "max_tokens": {"type": "integer", "minimum": 1, "maximum": 10_000_000},
        },
    }

    @classmethod
    def missing(cls) -> str | None:
        if importlib.util.find_spec("pydantic_ai") is None:
            return "Install it with: pip install 'pydantic-ai-slim[openai,anthropic]'"
        return None

    async def stream(
        self, prompt: str, options: Mapping[str, Any], workdir: Path
    ) -> AsyncGenerator[BackendEvent | Usage, None]:
        """Yield text and thoughts as they arrive, then the usage. Raises BackendError, and never tries again."""
        if reason := self.missing():
            raise BackendError(reason)
        endpoint = Endpoint.of(options)
        os.environ.setdefault("PYDANTIC_AI_NO_BANNER", "1")  # it would print one among our log lines
        try:
            async with endpoint.model() as model, aclosing(_answer(model, prompt, options)) as answer:
                async for item in answer:
                    yield item
        except BackendError:
            raise
        except Exception as error:  # noqa: BLE001 - each provider's SDK has errors of its own
            explanation = _explain(error, endpoint)
            logger.info("the model failed: %s", redact(f"{type(error).__name__}: {error}")[:2000])
            raise BackendError(explanation) from None


class Endpoint(NamedTuple):
    """Where a request goes, and with whose key."""

    title: str
    model_name: str
    provider: str = ""
    base_url: str = ""  # empty: wherever the provider is
    api_key: str = ""
    trusted: bool = True  # the operator's own, which may see the operator's headers

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Endpoint":
        """Decide from options and environment. Raises BackendError that says what to set."""
        model_name, base_url = options.get("model", ""), options.get("base_url", "")
        if not model_name:
            raise BackendError("Set the option `model`, for example `openai:gpt-5.2`")
        own_url = os.environ.get("OPENAI_BASE_URL", "").strip()
        if base_url:
            name = _without_prefix(model_name)
            if _normalised(base_url) == _normalised(own_url or OPENAI_URL):
                return cls._own_server(name, own_url or OPENAI_URL)
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
        """Open the model; its HTTP client is closed on the way out, with whatever it still has under way.

        The SDKs are imported in a thread: it is seconds of work that must not hold up the loop.
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

        http_client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            event_hooks={"request": [] if self.trusted else [_keep_plain_headers]},
        )
        client = AsyncOpenAI(base_url=self.base_url, api_key=self.api_key, http_client=http_client, max_retries=0)
        # A server that just closes the connection looks like one that is done, but for the reason it gives.
        profile = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)
        provider = OpenAICompatibleProvider("openai-compatible", openai_client=client, profile=profile)
        return http_client, OpenAIChatModel(self.model_name, provider=provider)


async def _keep_plain_headers(request: Any) -> None:
    """Drop what the SDK adds from its own environment variables: organisation, project, headers of one's own."""
    for header in list(request.headers):
        if header.lower() not in _PLAIN_HEADERS:
            del request.headers[header]
    request.headers["authorization"] = f"Bearer {NO_KEY}"


def _require(provider: Provider) -> None:
    if not any(os.environ.get(variable, "").strip() for variable in provider.variables):
        raise BackendError(f"{provider.title} needs {' or '.join(provider.variables)} in the environment")


def _without_prefix(model_name: str) -> str:
    for prefix in _SPEAKS_OPENAI:
        if model_name.startswith(prefix) and model_name != prefix:
            return model_name.removeprefix(prefix)
    return model_name


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0][:100]


def _normalised(url: str) -> tuple[str, str, int | None, str]:
    """Return the address in a form that compares. One that cannot be read equals nothing of the operator's."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme.lower())
    except ValueError:
        return ("", url, None, "")
    return (parts.scheme.lower(), (parts.hostname or "").lower(), port, parts.path.rstrip("/"))


# ---------------------------------------------------------------- one request and its answer
async def _answer(
    model: "Model", prompt: str, options: Mapping[str, Any]
) -> AsyncGenerator[BackendEvent | Usage, None]:
    from pydantic_ai import Agent, AgentRunResultEvent
    from pydantic_ai.exceptions import UserError
    from pydantic_ai.settings import ModelSettings

    settings = ModelSettings(timeout=READ_SECONDS, max_retries=0)
    if "temperature" in options:
        settings["temperature"] = options["temperature"]
    if "max_tokens" in options:
        settings["max_tokens"] = options["max_tokens"]
    agent = Agent(model, retries=0, model_settings=settings)
    async with agent.run_stream_events(prompt, infer_name=False) as events:
        try:
            async for event in events:
                if isinstance(event, AgentRunResultEvent):
                    result = event.result
                else:
                    for item in _translated(event):
                        yield item
        except Exception:
            with suppress(UserError):  # the run had not begun
                yield _usage(events.usage, model.model_name)  # what was used up to the failure is billed too
            raise
    yield _usage(result.usage, result.response.model_name or model.model_name)
    if notice := _shortfall(result.response.finish_reason):
        yield notice


def _usage(used: "RunUsage", model_name: str) -> Usage:
    known = bool(used.input_tokens or used.output_tokens)
    return Usage(
        model=model_name,
        input_tokens=used.input_tokens if known else None,
        output_tokens=used.output_tokens if known else None,
        cost_usd=float(used.cost) if known and used.cost is not None else None,
    )


def _shortfall(finish_reason: str | None) -> BackendEvent | None:
    """Say that an answer is not whole. Raises BackendError when the model itself gave up."""
    match finish_reason:
        case "length":
            return BackendEvent(EventType.STATUS, "The answer was cut off: it reached the limit of tokens")
        case "content_filter":
            return BackendEvent(EventType.STATUS, "The answer was cut off by the provider's content filter")
        case "error":
            raise BackendError("The model gave up before its answer was complete")
    return None


def _translated(event: Any) -> Iterator[BackendEvent]:
    from pydantic_ai.messages import (
        FunctionToolCallEvent,
        FunctionToolResultEvent,
        PartDeltaEvent,
        PartStartEvent,
        TextPart,
        TextPartDelta,
        ThinkingPart,
        ThinkingPartDelta,
    )

    match event:
        case PartStartEvent(part=TextPart(content=text)) | PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
            kind = EventType.MESSAGE
        case (
            PartStartEvent(part=ThinkingPart(content=text))
            | PartDeltaEvent(delta=ThinkingPartDelta(content_delta=text))
        ):
            kind = EventType.THINKING
        case FunctionToolCallEvent(part=part):
            yield BackendEvent(
                EventType.TOOL_USE, part.tool_name, {"id": part.tool_call_id, "input": _input(part.args)}
            )
            return
        case FunctionToolResultEvent(part=part):
            yield BackendEvent(EventType.TOOL_RESULT, part.model_response_str(), {"id": part.tool_call_id})
            return
        case _:
            return
    if text:
        yield BackendEvent(kind, text)


def _input(args: Any) -> Any:
    if not isinstance(args, str):
        return args
    try:
        return json.loads(args)
    except ValueError:
        return args  # as the model wrote it


# ---------------------------------------------------------------- failures, in words for people
def _explain(error: Exception, endpoint: Endpoint) -> str:  # noqa: C901 - a table: a case for each failure
    from pydantic_ai import exceptions as failure

    who, model = endpoint.title, endpoint.model_name
    status = getattr(error, "status_code", None)
    code = f" (HTTP {status})" if status else ""
    match error:
        case failure.ModelAuthenticationError():
            return f"{who} refused the key{code}. {_key_advice(endpoint)}"
        case failure.ModelNotFoundError():
            return f"{who} does not know the model {model}{code}{_said(error)}"
        case failure.ModelContextWindowExceededError():
            return f"The prompt is longer than {model} can read{code}{_said(error)}"
        case failure.ModelQuotaExceededError():
            return f"The account at {_inline(who)} has no quota left{code}{_said(error)}"
        case failure.ModelRateLimitError():
            wait = f"; try again in {error.retry_after:.0f} s" if error.retry_after else "; try again later"
            return f"{who} limits the number of requests{code}{wait}"
        case failure.ModelUnavailableError() | failure.ModelServerError():
            return f"{who} failed{code}; try again later{_said(error)}"
        case failure.ModelTimeoutError():
            return f"{who} did not answer in time"
        case failure.ModelConnectionError(phase="connect" | "pool"):
            return f"{who} cannot be reached. Is it running, and is the address right?"
        case failure.ModelConnectionError():
            return f"The connection to {_inline(who)} broke off before the answer was complete"
        case failure.ModelAPIError(message=message) if "finish_reason" in message:
            return f"The answer of {_inline(who)} broke off before it was complete"
        case failure.ModelAPIError() if status:
            return f"{who} refused the request{code}{_said(error)}"
        case failure.ModelAPIError():
            return f"{who} sent an answer that cannot be understood{_said(error)}"
        case failure.ContentFilterError():
            return f"{who} held the answer back: its content filter was triggered"
        case failure.OutputTokenLimitExceeded():
            return "The limit of tokens was reached before the model had said anything; raise `max_tokens`"
        case failure.UnexpectedModelBehavior():
            return f"{who} sent no answer that can be used"
    return f"{who} could not be asked: {shown_error(f'{type(error).__name__}: {error}')}"


def _inline(title: str) -> str:
    return title.replace("The server", "the server", 1)


def _said(error: Any) -> str:
    """Return the provider's own words, where it sent any: short, and without secrets and paths."""
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        body = inner.get("message") if isinstance(inner, dict) else inner
    if not isinstance(body, str) or not body.strip():
        return ""
    words = shown_error(body)
    return f": {words[:WORDS_OF_PROVIDER_CHARS]}{'…' if len(words) > WORDS_OF_PROVIDER_CHARS else ''}"


def _key_advice(endpoint: Endpoint) -> str:
    if endpoint.provider:
        return f"Check {' or '.join(PROVIDERS[endpoint.provider].variables)} in the environment"
    if endpoint.trusted:
        return "Check OPENAI_API_KEY in the environment"
    return "Keys are only sent to the address in OPENAI_BASE_URL: set it, and OPENAI_API_KEY, in the environment"
