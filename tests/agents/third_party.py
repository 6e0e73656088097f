"""A backend as a third party would write it."""

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from agents.backends.base import Backend, BackendEvent, EventType, Usage


class Echo(Backend):
    name = "echo"
    display_name = "Echo"
    capabilities = ("streaming",)
    options_schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["voice"],
        "properties": {
            "voice": {"enum": ["low", "high"]},
            "tags": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
        },
    }

    @classmethod
    def missing(cls) -> str | None:
        return None

    async def stream(
        self, prompt: str, options: Mapping[str, Any], workdir: Path
    ) -> AsyncGenerator[BackendEvent | Usage, None]:
        yield BackendEvent(EventType.MESSAGE, prompt)


class Forgetful(Echo):
    name = "forgetful"

    @classmethod
    def missing(cls) -> str | None:
        raise RuntimeError("could not read /srv/forgetful/licence.txt")
