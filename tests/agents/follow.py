"""Run a backend to its end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.backends.base import Answer, Backend, BackendError, BackendEvent, EventType, Session, Usage


@dataclass
class Followed:
    events: list[BackendEvent] = field(default_factory=list)
    usage: Usage | None = None
    session: str = ""
    answer: str | None = None
    error: str = ""
    failure: BackendError | None = None
    limit: str = ""

    def text(self, kind: EventType = EventType.MESSAGE) -> str:
        return "".join(event.content for event in self.events if event.type == kind)


async def follow(backend: Backend, prompt: str, options: Mapping[str, Any], workdir: Path = Path()) -> Followed:
    """Return all events of the backend, and the message of its BackendError. Other errors are raised."""
    seen = Followed()
    try:
        async for item in backend.stream(prompt, options, workdir):
            if isinstance(item, Usage):
                seen.usage = item
            elif isinstance(item, Session):
                seen.session = item.id
            elif isinstance(item, Answer):
                seen.answer = item.text
            else:
                seen.events.append(item)
    except BackendError as error:
        seen.error, seen.failure, seen.limit = str(error), error, error.limit
    return seen
