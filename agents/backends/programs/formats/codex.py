"""The output of Codex CLI."""

from collections.abc import Iterator, Mapping
from typing import Any

from agents.backends.base import BackendEvent, Usage
from agents.backends.programs.formats.reader import (
    Item,
    Line,
    OutputReader,
    part,
    status,
    text_of,
    tool_result,
    tool_use,
    total,
)
from agents.prices import price_of


class CodexReader(OutputReader):
    """`codex exec --json`: whole items, no pieces."""

    marks_its_end = True

    _TOOLS = ("command_execution", "mcp_tool_call", "web_search", "file_change", "collab_tool_call")

    def __init__(self, model: str | None = None) -> None:
        super().__init__(model)
        self._begun: set[str] = set()
        self._notice = ""  # the last notice, which Codex repeats while it waits for the network

    def read(self, line: Line) -> Iterator[Item]:
        item = part(line, "item")
        match line.get("type"):
            case "thread.started":
                yield Usage(self.model)
            case "item.started" if item.get("type") in self._TOOLS:
                yield self._use(item)
            case "item.completed":
                yield from self._item(item)
            case "turn.completed":
                self.has_ended = True
                yield self._usage(part(line, "usage"))
            case "turn.failed":
                self.has_ended = True
                self.fail(line.get("error"))
            # Also for a connection that is retried: only a failed turn, or the exit status, is the end.
            case "error":
                yield from self._note(line.get("message"))

    def is_progress(self, line: Line) -> bool:
        """Return False for errors: Codex retries a connection, without a network for ever."""
        return line.get("type") != "error" and part(line, "item").get("type") != "error"

    def _note(self, message: Any) -> Iterator[BackendEvent]:
        if text_of(message) != self._notice:
            self._notice = text_of(message)
            yield from status(message)

    def _usage(self, counts: Mapping[str, Any]) -> Usage:
        read, written = total(counts, "input_tokens"), total(counts, "output_tokens")
        cost = price_of(
            self.model,
            provider="openai",
            read=read,
            written=written,
            from_cache=total(counts, "cached_input_tokens"),
            to_cache=total(counts, "cache_write_input_tokens"),
        )
        return Usage(self.model, read, written, cost)

    def _item(self, item: Mapping[str, Any]) -> Iterator[Item]:
        match item.get("type"):
            case "agent_message" | "plan":
                yield from self.whole(item.get("text"))
            case "reasoning":
                yield from self.thought(f"{text_of(item.get('text'))}\n")
            case "error":
                yield from self._note(item.get("message"))
            case kind if kind in self._TOOLS:
                if text_of(item.get("id")) not in self._begun:
                    yield self._use(item)
                yield tool_result(item.get("id"), self._outcome(item), is_refused=_is_refused(item))

    def _use(self, item: Mapping[str, Any]) -> BackendEvent:
        self._begun.add(text_of(item.get("id")))
        name = {
            "command_execution": "shell",
            "mcp_tool_call": f"{text_of(item.get('server'))}.{text_of(item.get('tool'))}",
            "collab_tool_call": item.get("tool"),
        }.get(text_of(item.get("type")), item.get("type"))
        shown = ("command", "arguments", "query", "changes", "prompt")
        return tool_use(name, item.get("id"), {key: item[key] for key in shown if item.get(key) is not None})

    def _outcome(self, item: Mapping[str, Any]) -> str:
        output = (
            text_of(item.get("aggregated_output")) or text_of(item.get("result")) or text_of(item.get("error"))
        )
        if isinstance(code := item.get("exit_code"), int) and code != 0:
            output = f"{output}\nexit code {code}".lstrip()
        return output or text_of(item.get("status"))


def _is_refused(item: Mapping[str, Any]) -> bool:
    """Return whether a command did not run: it was declined, or Codex's own sandbox could not start."""
    output = text_of(item.get("aggregated_output"))
    return item.get("status") == "declined" or (item.get("status") == "failed" and output.startswith("bwrap: "))
