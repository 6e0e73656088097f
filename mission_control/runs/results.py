"""What a completed run leaves: its answer, and why a person should look at it before the task counts as done."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.backends.base import BackendEvent, EventType

NAMED_TOOLS = 5
TOOL_CHARS = 40


@dataclass(frozen=True, slots=True)
class Result:
    """How an agent ended that did not fail: its final answer, None where unknown, and the tools refused to it."""

    answer: str | None = None
    refused: Sequence[str] = ()

    def text(self, output: str) -> str:
        """Return what is handed in: the answer, or all that was said where no answer is known."""
        return self.answer if self.answer and self.answer.strip() else output

    def concern(self, output: str) -> str:
        """Return why a person should look at it before the task counts as done; empty where nobody need."""
        doubts = []
        if not self.text(output).strip():
            doubts.append("said nothing")
        elif self.answer is not None and not self.answer.strip():
            doubts.append("ended without a final answer")
        if self.refused:
            doubts.append(f"was not allowed to use {_named(self.refused)}")
        return f"The agent {' and '.join(doubts)}" if doubts else ""


@dataclass
class ToolUses:
    """Which tools an agent was not allowed to use and got nowhere with until its end."""

    _names: dict[str, str] = field(default_factory=dict)  # by the id of a use, until its result is there
    _refused: dict[str, None] = field(default_factory=dict)

    def hear(self, event: BackendEvent) -> None:
        """Note a use, or its result. A tool that later works is forgiven: the agent found another way."""
        key = str(event.metadata.get("id", ""))
        if event.type == EventType.TOOL_USE:
            self._names[key] = event.content
        elif event.type == EventType.TOOL_RESULT:
            name = self._names.pop(key, "") or "a tool"
            if event.metadata.get("refused") is True:
                self._refused[name] = None
            else:
                self._refused.pop(name, None)

    @property
    def refused(self) -> list[str]:
        """The names of the refused tools, in the order of their refusals."""
        return list(self._refused)


def _named(tools: Sequence[str]) -> str:
    names = ", ".join(" ".join(name.split())[:TOOL_CHARS] for name in tools[:NAMED_TOOLS])
    more = len(tools) - NAMED_TOOLS
    return f"{names} and {more} more" if more > 0 else names
