"""What the known command-line agents print, a JSON object a line, as events.

A reader gets each line's object and yields what it means; what it does not know it passes over, for each release
of these programs knows more. `failure` is what the program itself called its failure, if it did.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from agents.backends.base import BackendEvent, EventType, Usage
from agents.prices import price_of

Item = BackendEvent | Usage
Line = Mapping[str, Any]


class Reader:
    """What is common: fields that may be missing or of any type, and texts that are parts of their own.

    `model` is the one that it was called with, where that is known; what it says itself counts more.
    """

    def __init__(self, model: str | None = None) -> None:
        self.failure = ""
        self.model = model
        self._has_spoken = False

    def read(self, line: Line) -> Iterator[Item]:
        """Yield what the line says."""
        raise NotImplementedError

    def whole(self, content: Any) -> Iterator[BackendEvent]:
        """Yield a text that comes whole, as a paragraph of its own."""
        if text := text_of(content):
            yield BackendEvent(EventType.MESSAGE, f"\n\n{text}" if self._has_spoken else text)
            self._has_spoken = True

    def piece(self, content: Any) -> Iterator[BackendEvent]:
        """Yield a piece of a text that goes on."""
        if text := text_of(content):
            yield BackendEvent(EventType.MESSAGE, text)
            self._has_spoken = True

    def thought(self, content: Any) -> Iterator[BackendEvent]:
        if text := text_of(content):
            yield BackendEvent(EventType.THINKING, text)

    def fail(self, *reasons: Any) -> None:
        """Note the first reason that there is."""
        self.failure = next((text for reason in reasons if (text := text_of(reason))), "it did not say why")


def tool_use(name: Any, key: Any, given: Any) -> BackendEvent:
    """Return the event of a call, whatever types its parts have."""
    return BackendEvent(EventType.TOOL_USE, text_of(name) or "tool", {"id": text_of(key), "input": given})


def tool_result(key: Any, content: Any) -> BackendEvent:
    """Return the event of a call's result, as text."""
    return BackendEvent(EventType.TOOL_RESULT, text_of(content), {"id": text_of(key)})


def part(line: Any, *path: str) -> Mapping[str, Any]:
    """Return the object at the path, an empty one when there is none."""
    for key in path:
        line = line.get(key) if isinstance(line, Mapping) else None
    return line if isinstance(line, Mapping) else {}


def listed(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list, none when it is no list."""
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def text_of(content: Any) -> str:
    """Return the text of a string, of blocks with a `text`, or of an error with a `message`."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text for block in content if (text := text_of(block)))
    if isinstance(content, Mapping):
        return next((text for key in ("text", "content", "message") if (text := text_of(content.get(key)))), "")
    return ""


def total(counts: Mapping[str, Any], *names: str) -> int | None:
    """Return the sum of the counts that are there, None when none is."""
    found = [counts[name] for name in names if type(counts.get(name)) is int]
    return sum(found) if found else None


def money(value: Any) -> float | None:
    """Return a price. Nothing is what programs say too when they do not know it."""
    return float(value) if isinstance(value, int | float) and value > 0 else None


def claudes_cost(cost: Any, by_model: Any) -> float | None:
    """Return the cost that Claude Code tells, unless it says that of some model it does not know the price."""
    entries = by_model.values() if isinstance(by_model, Mapping) else ()
    return None if any(part(entry).get("costBasis") == "unknown" for entry in entries) else money(cost)


class Claude(Reader):
    """`claude -p --output-format stream-json --verbose`, with or without partial messages."""

    def __init__(self, model: str | None = None) -> None:
        super().__init__(model)
        self._message = ""  # the one that streams
        self._in_pieces: set[str] = set()  # the messages that came so

    def read(self, line: Line) -> Iterator[Item]:
        match line.get("type"):
            case "system" if line.get("subtype") == "init":
                self.model = text_of(line.get("model")) or self.model
            case "system" if line.get("subtype") == "api_retry":
                yield BackendEvent(EventType.STATUS, "The request to the model is tried again")
            case "stream_event" if line.get("parent_tool_use_id") is None:
                yield from self._piece(part(line, "event"))
            case "assistant":
                yield from self._assistant(line)
            case "user":
                for block in listed(part(line, "message").get("content")):
                    if block.get("type") == "tool_result":
                        yield tool_result(block.get("tool_use_id"), block.get("content"))
            case "result":
                yield self._usage(line)
                if line.get("is_error") or line.get("subtype") != "success":
                    self.fail(line.get("result"), line.get("errors"), line.get("subtype"))

    def _piece(self, event: Mapping[str, Any]) -> Iterator[Item]:
        if event.get("type") == "message_start":
            self._message = text_of(part(event, "message").get("id"))
        if event.get("type") == "content_block_start" and part(event, "content_block").get("type") == "text":
            yield from self.piece("\n\n" if self._has_spoken else "")
        if event.get("type") == "content_block_delta":
            self._in_pieces.add(self._message)
            delta = part(event, "delta")
            yield from self.piece(delta.get("text") if delta.get("type") == "text_delta" else None)
            yield from self.thought(delta.get("thinking"))

    def _assistant(self, line: Line) -> Iterator[Item]:
        """What came in pieces comes here once more; after a dropped connection a message comes here alone.

        What a sub-agent says is told by its tool's result.
        """
        message = part(line, "message")
        came = text_of(message.get("id")) in self._in_pieces
        silent = came or line.get("parent_tool_use_id") is not None
        for block in listed(message.get("content")):
            match block.get("type"):
                case "tool_use":
                    yield tool_use(block.get("name"), block.get("id"), block.get("input"))
                case "text" if not silent:
                    yield from self.whole(block.get("text"))
                case "thinking" if not silent:
                    yield from self.thought(block.get("thinking"))

    def _usage(self, line: Line) -> Usage:
        counts = part(line, "usage")
        read = total(counts, "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        cost = claudes_cost(line.get("total_cost_usd"), line.get("modelUsage"))
        return Usage(self.model, read, total(counts, "output_tokens"), cost)


class Codex(Reader):
    """`codex exec --json`: whole items, no pieces."""

    _TOOLS = ("command_execution", "mcp_tool_call", "web_search", "file_change", "collab_tool_call")

    def __init__(self, model: str | None = None) -> None:
        super().__init__(model)
        self._begun: set[str] = set()

    def read(self, line: Line) -> Iterator[Item]:
        item = part(line, "item")
        match line.get("type"):
            case "item.started" if item.get("type") in self._TOOLS:
                yield self._use(item)
            case "item.completed":
                yield from self._item(item)
            case "turn.completed":
                yield self._usage(part(line, "usage"))
            case "turn.failed":
                self.fail(line.get("error"))
            case "error":  # of a connection that is tried again too: only a failed turn, or the status, is the end
                yield BackendEvent(EventType.STATUS, text_of(line.get("message")))

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
                yield BackendEvent(EventType.STATUS, text_of(item.get("message")))
            case kind if kind in self._TOOLS:
                if text_of(item.get("id")) not in self._begun:
                    yield self._use(item)
                yield tool_result(item.get("id"), self._outcome(item))

    def _use(self, item: Mapping[str, Any]) -> BackendEvent:
        self._begun.add(text_of(item.get("id")))
        name = {
            "command_execution": "shell",
            "mcp_tool_call": f"{text_of(item.get('server'))}.{text_of(item.get('tool'))}",
            "collab_tool_call": item.get("tool"),
        }.get(text_of(item.get("type")), item.get("type"))
        told = ("command", "arguments", "query", "changes", "prompt")
        return tool_use(name, item.get("id"), {key: item[key] for key in told if item.get(key) is not None})

    def _outcome(self, item: Mapping[str, Any]) -> str:
        said = text_of(item.get("aggregated_output")) or text_of(item.get("result")) or text_of(item.get("error"))
        if isinstance(code := item.get("exit_code"), int) and code != 0:
            said = f"{said}\nexit code {code}".lstrip()
        return said or text_of(item.get("status"))


class Gemini(Reader):
    """`gemini --output-format stream-json`."""

    def __init__(self, model: str | None = None) -> None:
        super().__init__(model)
        self._used_a_tool = False  # since it last spoke: what it says next is another message, which nothing tells

    def read(self, line: Line) -> Iterator[Item]:
        match line.get("type"):
            case "init":
                self.model = text_of(line.get("model")) or self.model
            case "message" if line.get("role") == "assistant":
                goes_on = line.get("delta") and not self._used_a_tool
                self._used_a_tool = False
                yield from (self.piece if goes_on else self.whole)(line.get("content"))
            case "tool_use":
                self._used_a_tool = True
                yield tool_use(line.get("tool_name"), line.get("tool_id"), line.get("parameters"))
            case "tool_result":
                said = text_of(line.get("output")) or text_of(line.get("error")) or text_of(line.get("status"))
                yield tool_result(line.get("tool_id"), said)
            case "error":
                yield BackendEvent(EventType.STATUS, text_of(line.get("message")))
            case "result":
                yield self._usage(part(line, "stats"))
                if line.get("status") == "error":
                    self.fail(line.get("error"))

    def _usage(self, stats: Mapping[str, Any]) -> Usage:
        """Return what all its models took together; a small one chooses between them."""
        models = part(stats, "models") or {self.model or "": stats}
        costs = [
            price_of(
                name,
                provider="google",
                read=total(part(counts), "input_tokens"),
                written=_written_by_gemini(part(counts)),
                from_cache=total(part(counts), "cached"),
            )
            for name, counts in models.items()
        ]
        known = [cost for cost in costs if cost is not None]
        cost = sum(known) if len(known) == len(costs) else None
        return Usage(self.model, total(stats, "input_tokens"), _written_by_gemini(stats), cost)


def _written_by_gemini(counts: Mapping[str, Any]) -> int | None:
    """Return how many tokens were written, thoughts included: Gemini counts those in the total alone."""
    everything, read = total(counts, "total_tokens"), total(counts, "input_tokens")
    written = total(counts, "output_tokens")
    if everything is None or read is None or written is None:
        return written
    return max(written, everything - read)


class OpenCode(Reader):
    """`opencode run --format json`: a tool's call and its result are one line; usage is told step by step."""

    def __init__(self, model: str | None = None) -> None:
        super().__init__(model)
        self._read = self._written = self._from_cache = self._to_cache = 0
        self._cost = 0.0

    def read(self, line: Line) -> Iterator[Item]:
        told = part(line, "part")
        match line.get("type"):
            case "text":
                yield from self.whole(told.get("text"))
            case "reasoning":
                yield from self.thought(f"{text_of(told.get('text'))}\n")
            case "tool_use":
                state = part(told, "state")
                yield tool_use(told.get("tool"), told.get("callID"), state.get("input"))
                yield tool_result(told.get("callID"), text_of(state.get("output")) or text_of(state.get("error")))
            case "step_finish":
                yield self._step(told)
            case "error":
                error = part(line, "error")
                self.fail(error.get("data"), error, error.get("name"), line.get("message"))

    def _step(self, told: Mapping[str, Any]) -> Usage:
        counts = part(told, "tokens")
        from_cache, to_cache = (total(part(counts, "cache"), way) or 0 for way in ("read", "write"))
        self._read += (total(counts, "input") or 0) + from_cache + to_cache
        self._from_cache += from_cache
        self._to_cache += to_cache
        self._written += total(counts, "output", "reasoning") or 0
        self._cost += money(told.get("cost")) or 0.0
        return Usage(self.model, self._read or None, self._written or None, self._cost or self._price())

    def _price(self) -> float | None:
        """Return the price where OpenCode knows none: its models are named `provider/model`."""
        provider, _, model = (self.model or "").partition("/")
        return price_of(
            model,
            provider=provider,
            read=self._read,
            written=self._written,
            from_cache=self._from_cache,
            to_cache=self._to_cache,
        )


class Copilot(Reader):
    """`copilot --output-format json`, with or without `--stream on`."""

    def __init__(self, model: str | None = None) -> None:
        super().__init__(model)
        self._in_pieces: set[str] = set()
        self._read = self._written = self._written_in_messages = 0

    def read(self, line: Line) -> Iterator[Item]:  # noqa: C901 - a table: a case for each type of line
        data = part(line, "data")
        match line.get("type"):
            case "session.tools_updated" | "session.model_change":
                self.model = text_of(data.get("model")) or text_of(data.get("newModel")) or self.model
            case "assistant.message_delta":
                key = text_of(data.get("messageId"))
                if key not in self._in_pieces and self._has_spoken:
                    yield from self.piece("\n\n")
                self._in_pieces.add(key)
                yield from self.piece(data.get("deltaContent"))
            case "assistant.reasoning_delta":
                yield from self.thought(data.get("deltaContent"))
            case "assistant.message":
                if text_of(data.get("messageId")) not in self._in_pieces:
                    yield from self.whole(data.get("content"))
                self.model = text_of(data.get("model")) or self.model
                self._written_in_messages += total(data, "outputTokens") or 0
                yield self._usage()
            case "assistant.usage":
                self.model = text_of(data.get("model")) or self.model
                self._read += total(data, "inputTokens", "cacheReadTokens", "cacheWriteTokens") or 0
                self._written += total(data, "outputTokens") or 0
                yield self._usage()
            case "tool.execution_start":
                yield tool_use(data.get("toolName"), data.get("toolCallId"), data.get("arguments"))
            case "tool.execution_complete":
                yield tool_result(
                    data.get("toolCallId"), text_of(data.get("result")) or text_of(data.get("error"))
                )
            case "session.error":
                self.fail(data.get("message"))
            case "result" if line.get("exitCode") == 0:
                self.failure = ""  # what went wrong on the way was made good

    def _usage(self) -> Usage:
        return Usage(self.model, self._read or None, self._written or self._written_in_messages or None)


READERS: dict[str, type[Reader]] = {
    "claude": Claude,
    "codex": Codex,
    "gemini": Gemini,
    "opencode": OpenCode,
    "copilot": Copilot,
}
FORMATS = ("text", *READERS)
