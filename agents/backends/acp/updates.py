"""Translate the updates of a session to events: text, thoughts, tools, plans, modes, usage.

Fields may be missing or of any type, and unknown ones are ignored, because each release of these agents adds some.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agents.backends.base import BackendEvent, EventType, Usage
from agents.backends.programs.formats.reader import (
    Item,
    OutputReader,
    listed,
    money,
    part,
    status,
    text_of,
    tool_result,
    tool_use,
    total,
)
from agents.prices import price_of

KINDS = ("read", "edit", "delete", "move", "search", "execute", "think", "fetch", "switch_mode", "other")
MOST_OPEN_TOOLS = 1_000  # calls without a result; of more, the oldest are forgotten
PLAN_ENTRIES = 100
DIFF_CHARS = 50_000  # finding the differences of longer texts takes too long
DIFF_LINES = 2_000
_MARKS = {"completed": "[x]", "in_progress": "[>]"}
_ENDED = ("completed", "failed")
_OUTPUTS = ("formatted_output", "aggregated_output", "output", "stdout", "error")


@dataclass
class ToolCall:
    """What is known of a call so far."""

    id: str
    kind: str = ""
    title: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    output: str = ""
    diff: str = ""  # what it would change, if the agent shows that
    is_shown: bool = False
    is_refused: bool = False

    @property
    def name(self) -> str:
        """Return the kind of tool, by which agents are also allowed to use it; its title if it is of no kind."""
        return self.kind if self.kind in KINDS and self.kind != "other" else self.title or "other"

    def learn(self, update: Mapping[str, Any]) -> None:
        """Add what an update says; what it leaves out stays."""
        self.kind = text_of(update.get("kind")) or self.kind
        self.title = text_of(update.get("title")) or self.title
        self.input = part(update, "rawInput") or self.input
        places = [*listed(update.get("locations")), *_diffs(update)]
        self.paths = (
            tuple(dict.fromkeys(path for one in places if (path := text_of(one.get("path"))))) or self.paths
        )
        self.output = _output(update) or self.output
        self.diff = "\n".join(_difference(one) for one in _diffs(update)) or self.diff

    def shown_input(self) -> dict[str, Any]:
        title = {"title": self.title} if self.title and self.title != self.name else {}
        paths = {"paths": list(self.paths)} if self.paths and not self.input else {}
        return {**title, **paths, **self.input}

    def full_input(self) -> dict[str, Any]:
        """Return its input with all its paths and what it would change: what people and rules decide by."""
        given = self.input.get("paths")
        others = [] if given is None else given if isinstance(given, list) else [given]
        paths = {"paths": [*self.paths, *others]} if self.paths or others else {}
        diff = {"diff": self.diff} if self.diff and "diff" not in self.input else {}
        return {**self.shown_input(), **paths, **diff}


class UpdateReader(OutputReader):
    """Reads the updates of one session. `default_provider` is whose model it is if its name does not say it."""

    def __init__(self, model: str | None = None, *, default_provider: str = "") -> None:
        super().__init__(model)
        self._provider = default_provider
        self._tools: dict[str, ToolCall] = {}
        self._message = ""  # the id of the current message, if the agent reports it
        self._is_in_message = False
        self._plan = ""
        self._mode = ""
        self._cost: float | None = None  # of the whole session
        self._earlier_cost = 0.0
        self._spent = Usage()  # in the turns before this one

    def read(self, line: Mapping[str, Any]) -> Iterator[Item]:
        """Yield the events of an update."""
        match line.get("sessionUpdate"):
            case "agent_message_chunk":
                yield from self._chunk(line)
            case "agent_thought_chunk":
                self._is_in_message = False
                yield from self.thought(_text(line.get("content")))
            case "tool_call" | "tool_call_update":
                yield from self._tool(line)
            case "plan":
                yield from self._planned(line)
            case "current_mode_update":
                yield from self._changed_mode(line)
            case "config_option_update":
                yield from self.read_settings(line)
            case "usage_update":
                yield from self._counted(line)

    def read_earlier(self, line: Mapping[str, Any]) -> None:
        """Read an update that was sent before the prompt: only its cost is of use, as it is not of this run."""
        if line.get("sessionUpdate") == "usage_update":
            self._earlier_cost = _dollars(line) or self._earlier_cost

    def begin_turn(self) -> None:
        """Begin a further turn: what is said in it is a text of its own."""
        self._is_in_message = False

    def read_settings(self, answer: Mapping[str, Any]) -> Iterator[Item]:
        """Yield the model that the session uses, if the agent says it."""
        chosen = [text_of(one.get("currentValue")) for one in listed(answer.get("configOptions")) if is_model(one)]
        if model := next(iter(chosen), "") or text_of(part(answer, "models").get("currentModelId")):
            self.model = model
            yield Usage(model)

    # ---------------------------------------------------------------- text
    def _chunk(self, line: Mapping[str, Any]) -> Iterator[Item]:
        text, message = _text(line.get("content")), text_of(line.get("messageId"))
        if not text:
            return
        if not self._is_in_message or message != self._message:
            yield from self.begin()
        self._is_in_message, self._message = True, message
        yield from self.piece(text)

    # ---------------------------------------------------------------- tools
    def tool(self, update: Mapping[str, Any]) -> ToolCall:
        """Return the call that an update is about, with what the update adds to it."""
        key = text_of(update.get("toolCallId"))
        call = self._tools.setdefault(key, ToolCall(key))
        call.learn(update)
        if len(self._tools) > MOST_OPEN_TOOLS:
            del self._tools[next(iter(self._tools))]
        return call

    def show(self, call: ToolCall) -> Iterator[Item]:
        """Yield the call, once."""
        if not call.is_shown:
            call.is_shown, self._is_in_message = True, False
            self.answer = None  # what it says next is the answer
            yield tool_use(call.name, call.id, call.shown_input())

    def refuse(self, call: ToolCall, why: str) -> Iterator[Item]:
        """Yield that a call was not allowed. A later update that says that it failed adds nothing."""
        yield from self.show(call)
        call.is_refused = True
        yield tool_result(call.id, why, is_refused=True)

    def _tool(self, update: Mapping[str, Any]) -> Iterator[Item]:
        call, state = self.tool(update), update.get("status")
        if state != "pending":  # until then its input may be incomplete
            yield from self.show(call)
        if state in _ENDED:
            self._tools.pop(call.id, None)
            if not call.is_refused:
                yield tool_result(call.id, call.output or str(state))

    # ---------------------------------------------------------------- plan, mode, usage
    def _planned(self, update: Mapping[str, Any]) -> Iterator[Item]:
        entries = [one for one in listed(update.get("entries"))[:PLAN_ENTRIES] if text_of(one.get("content"))]
        lines = [f"{_MARKS.get(str(one.get('status')), '[ ]')} {text_of(one['content'])}" for one in entries]
        plan = "\n".join(lines)
        if plan and plan != self._plan:
            self._plan = plan
            yield BackendEvent(EventType.STATUS, f"Plan:\n{plan}")

    def _changed_mode(self, update: Mapping[str, Any]) -> Iterator[Item]:
        mode = text_of(update.get("currentModeId"))
        if mode != self._mode:
            self._mode = mode
            yield from status(f"The agent changed its mode to {mode[:100]}")

    def _counted(self, update: Mapping[str, Any]) -> Iterator[Item]:
        cost = _dollars(update)
        if cost is not None:
            self._cost = max(cost - self._earlier_cost, 0.0)
            yield Usage(self.model, cost_usd=self._cost or None)

    def read_result(self, answer: Mapping[str, Any]) -> Iterator[Item]:
        """Yield the usage of all turns, with that in the answer to a prompt."""
        usage = self._usage_of(answer)
        if self._cost is None:
            self._spent += usage
        else:
            self._spent = replace(self._spent + replace(usage, cost_usd=None), cost_usd=usage.cost_usd)
        yield self._spent

    def _usage_of(self, answer: Mapping[str, Any]) -> Usage:
        """Return the usage of one turn: that of the protocol, or that of Gemini."""
        counts = part(answer, "usage")
        if counts:
            return self._usage(*_tokens(counts))
        quota = part(answer, "_meta", "quota")
        models = [text_of(one.get("model")) for one in listed(quota.get("model_usage"))]
        self.model = next(filter(None, models), self.model)
        counts = part(quota, "token_count")
        return self._usage(total(counts, "input_tokens") or None, total(counts, "output_tokens") or None)

    def _usage(
        self, read: int | None, written: int | None, from_cache: int | None = None, to_cache: int | None = None
    ) -> Usage:
        if self._cost is not None:
            return Usage(self.model, read, written, self._cost or None)
        provider, slash, model = (self.model or "").partition("/")
        cost = price_of(
            model if slash else self.model,
            provider=provider if slash else self._provider,
            read=read,
            written=written,
            from_cache=from_cache,
            to_cache=to_cache,
        )
        return Usage(self.model, read, written, cost)


def is_model(option: Mapping[str, Any]) -> bool:
    """Return whether an option of the session is the choice of the model."""
    return "model" in (option.get("category"), option.get("id")) and option.get("type") == "select"


def _tokens(counts: Mapping[str, Any]) -> tuple[int | None, int | None, int | None, int | None]:
    """Return the tokens read and written, and those from and to a cache; read includes both.

    Agents differ in whether their counts include caches and thoughts; the sum of all shows it.
    """
    from_cache, to_cache = total(counts, "cachedReadTokens"), total(counts, "cachedWriteTokens")
    read, written, thought = (total(counts, name) for name in ("inputTokens", "outputTokens", "thoughtTokens"))
    if read is None or written is None:
        return read, written, from_cache, to_cache
    rest = (total(counts, "totalTokens") or 0) - read - written
    cached = (from_cache or 0) + (to_cache or 0)
    if cached and rest >= cached:
        read, rest = read + cached, rest - cached
    if thought and rest >= thought:
        written += thought
    return read or None, written or None, from_cache, to_cache


def _dollars(update: Mapping[str, Any]) -> float | None:
    cost = part(update, "cost")
    return money(cost.get("amount")) if cost.get("currency") == "USD" else None


# ---------------------------------------------------------------- contents
def _text(block: Any) -> str:
    """Return the text of a block of content; what is not text is named."""
    content = part({"block": block}, "block")
    match content.get("type"):
        case "image" | "audio" as kind:
            return f"[{kind}]"
        case "resource_link":
            return f"[{text_of(content.get('name')) or text_of(content.get('uri'))}]"
        case "resource":
            return text_of(part(content, "resource").get("text"))
    return text_of(content.get("text"))


def _diffs(update: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in listed(update.get("content")) if one.get("type") == "diff"]


def _output(update: Mapping[str, Any]) -> str:
    """Return the output of a tool: its contents as text, else its raw output."""
    blocks = listed(update.get("content"))
    texts = [_difference(one) if one.get("type") == "diff" else _text(one.get("content")) for one in blocks]
    raw = update.get("rawOutput")
    return "\n".join(filter(None, texts)) or text_of(raw) or _raw(part({"raw": raw}, "raw"))


def _raw(output: Mapping[str, Any]) -> str:
    return next((text for key in _OUTPUTS if (text := text_of(output.get(key)))), "")


def _difference(block: Mapping[str, Any]) -> str:
    """Return what a change of a file changes, as a unified diff; of long texts only their size."""
    path, old, new = (text_of(block.get(key)) for key in ("path", "oldText", "newText"))
    before, after = old.splitlines(), new.splitlines()
    if len(old) + len(new) > DIFF_CHARS or len(before) + len(after) > DIFF_LINES:
        return f"{path}: {len(after):,} lines instead of {len(before):,}"
    return "\n".join(difflib.unified_diff(before, after, path, path, lineterm=""))
