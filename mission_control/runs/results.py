"""The result of a completed run: its answer, and why a person should review it before the task is done."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.backends.base import BackendEvent, EventType

NAMED_TOOLS = 5
TOOL_CHARS = 40


@dataclass(frozen=True, slots=True)
class Result:
    """How an agent ended without failure: its final answer, None if unknown, and the tools that it was denied."""

    answer: str | None = None
    refused: Sequence[str] = ()

    def text(self, output: str) -> str:
        """Return the deliverable's text: the answer, or the whole output if no answer is known."""
        return self.answer if self.answer and self.answer.strip() else output

    def review_reason(self, output: str) -> str:
        """Return why a person should review the result before the task is done; empty if no review is needed."""
        problems = []
        if not self.text(output).strip():
            problems.append("produced no output")
        elif self.answer is not None and not self.answer.strip():
            problems.append("ended without a final answer")
        if self.refused:
            problems.append(f"was not allowed to use {_named(self.refused)}")
        return f"The agent {' and '.join(problems)}" if problems else ""


@dataclass
class ToolUses:
    """The tools that an agent was denied and could not use later either."""

    _names: dict[str, str] = field(default_factory=dict)  # id of a use without a result yet → name of the tool
    _refused: dict[str, None] = field(default_factory=dict)

    def record(self, event: BackendEvent) -> None:
        """Record a use of a tool, or its result.

        A tool that works later is removed: the agent found another way.
        """
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
