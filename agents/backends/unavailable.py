"""Backends whose names are known, so that agents can be made for them, and that cannot run yet."""

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from agents.backends.base import Backend, BackendError, BackendEvent, Usage

_MODEL = {"type": "string", "minLength": 1, "maxLength": 200, "description": "The model's name."}
_TEMPERATURE = {"type": "number", "minimum": 0, "maximum": 2}
_AT_LEAST_ONE = {"type": "integer", "minimum": 1, "maximum": 10_000_000}


def _schema(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


class _NotYet(Backend):
    options_schema = _schema(model=_MODEL)

    @classmethod
    def missing(cls) -> str:
        return f"{cls.display_name} is not available in this version yet; use `demo` or `pydantic_ai`"

    async def stream(
        self, prompt: str, options: Mapping[str, Any], workdir: Path
    ) -> AsyncGenerator[BackendEvent | Usage, None]:
        raise BackendError(self.missing())
        yield  # makes this an async generator, as the protocol asks


class ClaudeAgentSDK(_NotYet):
    name = "claude_agent_sdk"
    display_name = "Claude Agent SDK"
    options_schema = _schema(model=_MODEL, max_turns=_AT_LEAST_ONE)


class OpenAIAgents(_NotYet):
    name = "openai_agents"
    display_name = "OpenAI Agents"
    options_schema = _schema(model=_MODEL, temperature=_TEMPERATURE, max_tokens=_AT_LEAST_ONE)


class GoogleADK(_NotYet):
    name = "google_adk"
    display_name = "Google ADK"
    options_schema = _schema(model=_MODEL, temperature=_TEMPERATURE, max_tokens=_AT_LEAST_ONE)
