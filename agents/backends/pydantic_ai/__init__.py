"""Language models of any provider, through pydantic-ai: one prompt, one streamed answer.

endpoints.py decides which key is sent where; tools.py gives a model access to the project's files.
"""

import importlib.util
import logging
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, ClassVar

from agents.backends.approvals import APPROVAL_POLICY_SCHEMA, POLICY
from agents.backends.base import (
    INSTRUCTIONS,
    PROJECT_INSTRUCTIONS_SCHEMA,
    Backend,
    BackendError,
    BackendItem,
    Setup,
)
from agents.backends.mcp_servers.definitions import MCP_SERVERS_SCHEMA
from agents.backends.pydantic_ai import model_lists
from agents.backends.pydantic_ai.endpoints import (
    PROVIDERS,
    SUGGESTED_MODELS,
    Endpoint,
    any_key,
    key_variable,
    suggested_models,
)
from agents.backends.pydantic_ai.tools import TOOLS_SCHEMA
from agents.redaction import redact

logger = logging.getLogger(__name__)


COMMON_OPTIONS = {
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "max_tokens": {"type": "integer", "minimum": 1, "maximum": 10_000_000},
    "tools": TOOLS_SCHEMA,
    "mcp_servers": MCP_SERVERS_SCHEMA,
    INSTRUCTIONS: PROJECT_INSTRUCTIONS_SCHEMA,
    "ask_human": {
        "type": "boolean",
        "default": True,
        "description": "whether the model has a tool with which it asks people and waits for their answer",
    },
    POLICY: APPROVAL_POLICY_SCHEMA,
}


class PydanticAI(Backend):
    name = "pydantic_ai"
    display_name = "Pydantic AI"
    capabilities = (
        *("streaming", "tools", "thinking", "usage", "mcp"),
        *("sessions", "questions", "approvals", "steering"),
    )
    options_schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "model": {
                "type": "string",
                "minLength": 1,
                "maxLength": 200,
                "description": "provider:model, or with base_url the model's name on that server",
            },
            "base_url": {
                "type": "string",
                "maxLength": 500,
                "pattern": r"^https?://[^\s\u0000@?#\\]+$(?!\n)",
                "description": "the http or https address of an OpenAI-compatible server, without a login",
            },
            **COMMON_OPTIONS,
        },
    }

    @classmethod
    def missing(cls) -> str | None:
        """Return what is missing for agents without their own `base_url`."""
        if not any_key():
            return cls._not_installed() or (
                "Set the key of a provider in the environment of the worker, such as OPENAI_API_KEY; "
                "an agent with a `base_url` of its own needs none"
            )
        return cls._not_installed()

    @classmethod
    def _not_installed(cls) -> str | None:
        if importlib.util.find_spec("pydantic_ai") is None:
            return "Install it with: pip install 'pydantic-ai-slim[openai,anthropic]'"
        return None

    @classmethod
    def missing_for(cls, options: Mapping[str, Any]) -> str | None:
        """Return what is missing for an agent with these options; None if its model can be called."""
        try:
            Endpoint.of(options)
        except BackendError as error:
            return str(error)
        return cls._not_installed()

    @classmethod
    def account(cls, options: Mapping[str, Any]) -> str:
        """Return the account of the key, or the server, to which requests are sent. Raises BackendError."""
        return Endpoint.of(cls.complete(options)).account

    @classmethod
    def complete(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the options with a model that names its provider."""
        return options

    @classmethod
    def setup(cls, options: Mapping[str, Any]) -> Setup:
        """Describe the set-up: models of the providers whose keys are set, or of the server at `base_url`."""
        base_url = options.get("base_url", "")
        if base_url:
            server = model_lists.of_server(base_url)
            return Setup(cls.missing_for(options), {}, [server] if server else [])
        return Setup(cls.missing_for(options), {"model": suggested_models()}, [*model_lists.of_providers()])

    async def stream(
        self, prompt: str, options: Mapping[str, Any], workdir: Path
    ) -> AsyncGenerator[BackendItem, None]:
        """Yield the output as it arrives, and usage and conversation with each step, then the answer.

        Raises BackendError; does not retry.
        """
        if reason := self._not_installed():
            raise BackendError(reason)
        endpoint = Endpoint.of(options)
        os.environ.setdefault("PYDANTIC_AI_NO_BANNER", "1")  # it would print a banner into our log
        try:
            async with endpoint.model() as model:
                # Imports pydantic-ai, which is loaded by now.
                from agents.backends.pydantic_ai.call import answer

                items = answer(self, model, f"{endpoint.title}: {endpoint.model_name}", prompt, options, workdir)
                async with aclosing(items):
                    async for item in items:
                        yield item
        except BackendError:
            raise
        except Exception as error:  # noqa: BLE001 - each provider's SDK has errors of its own
            # Imports the HTTP client, which is loaded by now.
            from agents.backends.pydantic_ai.failures import failure_of

            failure = failure_of(error, endpoint)
            logger.info("the model failed: %s", redact(f"{type(error).__name__}: {error}")[:2000])
            raise failure from None


class _OneProvider(PydanticAI):
    """The models of one provider, by the provider's own names."""

    provider: ClassVar[str]
    options_schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "model": {
                "type": "string",
                "minLength": 1,
                "maxLength": 200,
                "description": "the provider's name for the model",
            },
            **COMMON_OPTIONS,
        },
    }

    @classmethod
    def missing(cls) -> str | None:
        try:
            Endpoint.of({"model": f"{cls.provider}:any"})
        except BackendError as error:
            return str(error)
        return cls._not_installed()

    @classmethod
    def missing_for(cls, options: Mapping[str, Any]) -> str | None:
        if not options.get("model"):
            return (
                f"Set the option `model` to one of the names that {PROVIDERS[cls.provider].title} gives its models"
            )
        return cls.missing()

    @classmethod
    def setup(cls, options: Mapping[str, Any]) -> Setup:
        sources = [model_lists.of_provider(cls.provider)] if key_variable(cls.provider) else []
        return Setup(cls.missing_for(options), {"model": SUGGESTED_MODELS.get(cls.provider, ())}, sources)

    def stream(self, prompt: str, options: Mapping[str, Any], workdir: Path) -> AsyncGenerator[BackendItem, None]:
        """Yield the output of `pydantic_ai` for the provider's model."""
        return super().stream(prompt, self.complete(options), workdir)

    @classmethod
    def complete(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        name = options.get("model", "").removeprefix(f"{cls.provider}:")
        return {**options, "model": f"{cls.provider}:{name}" if name else ""}


class OpenAIAgents(_OneProvider):
    name = "openai_agents"
    display_name = "OpenAI Agents"
    provider = "openai"


class GoogleADK(_OneProvider):
    name = "google_adk"
    display_name = "Google ADK"
    provider = "google"
