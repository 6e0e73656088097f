"""The output of Codex CLI."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
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
from agents.folders import read_file
from agents.prices import price_of

LAST_LOGIN_ATTEMPT = 2
_REFUSED = re.compile(r"unexpected status 40[13]\b")
_RETRY = re.compile(r"\AReconnecting\.\.\. \d+/\d+ \((.*)\)\Z", re.DOTALL)
MOST_BYTES = 64_000_000  # of the file of a conversation


class CodexReader(OutputReader):
    """`codex exec --json`: whole items, no pieces."""

    marks_its_end = True

    _TOOLS = ("command_execution", "mcp_tool_call", "web_search", "file_change", "collab_tool_call")

    def __init__(self, model: str | None = None) -> None:
        super().__init__(model)
        self._begun: set[str] = set()
        self._earlier: Mapping[str, Any] | None = {}  # the tokens before this run; None if they are unknown
        self._refusals = 0
        self._notice = ""  # the last notice, which Codex repeats while it waits for the network

    def read(self, line: Line) -> Iterator[Item]:
        item = part(line, "item")
        match line.get("type"):
            case "thread.started":
                yield from self.begins(line.get("thread_id"))
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
                self._count_refusals(text_of(line.get("message")))

    def _count_refusals(self, message: str) -> None:
        """Give up soon for a refused key: a renewed login may help once, but no further retry can."""
        if not _REFUSED.search(message):
            return
        self._refusals += 1
        if self._refusals >= LAST_LOGIN_ATTEMPT:
            self.fail(_RETRY.sub(r"\1", message))
            self.is_hopeless = True

    def continues(self, session: str, folders: Sequence[Path]) -> None:
        """Find out what the earlier part of the conversation has used, which Codex reports again with this one."""
        self._earlier = _used_before(session, folders)

    def is_progress(self, line: Line) -> bool:
        """Return False for errors: Codex retries a connection, without a network for ever."""
        return line.get("type") != "error" and part(line, "item").get("type") != "error"

    def _note(self, message: Any) -> Iterator[BackendEvent]:
        if text_of(message) != self._notice:
            self._notice = text_of(message)
            yield from status(message)

    def _usage(self, counts: Mapping[str, Any]) -> Usage:
        if self._earlier is None:
            return Usage(self.model)
        counts = {name: max((total(counts, name) or 0) - (total(self._earlier, name) or 0), 0) for name in counts}
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


def _used_before(session: str, folders: Sequence[Path]) -> Mapping[str, Any] | None:
    """Return the last total in the file of a conversation; None if there is no such file or total.

    An agent can write this file. What it can falsify is only the usage of its own run.
    """
    with suppress(OSError, ValueError, RecursionError):
        for folder in folders:
            for path in folder.glob(f"*/*/*/rollout-*-{session}.jsonl"):
                return _last_total(path)
    return None


def _last_total(path: Path) -> Mapping[str, Any] | None:
    """Return the last total in the file; None if there is none, or if the file is too long."""
    content = read_file(path, MOST_BYTES)
    if len(content) == MOST_BYTES:
        return None
    totals = [line for line in content.splitlines() if b'"total_token_usage"' in line]
    for line in reversed(totals):
        if found := part(json.loads(line), "payload", "info", "total_token_usage"):
            return found
    return None


def _is_refused(item: Mapping[str, Any]) -> bool:
    """Return whether a command did not run: it was declined, or Codex's own sandbox could not start."""
    output = text_of(item.get("aggregated_output"))
    return item.get("status") == "declined" or (item.get("status") == "failed" and output.startswith("bwrap: "))
