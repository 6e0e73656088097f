"""The output of Claude Code, which the Claude Agent SDK passes on as well."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agents.backends.base import BackendEvent, EventType, QuotaUsedUp, Usage
from agents.backends.programs.formats.reader import (
    Item,
    Line,
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
from agents.backends.quota import used_up
from agents.prices import price_of

LOGIN_ADVICE = "Check ANTHROPIC_API_KEY in the environment of the worker, or log in there with `claude`"
MAX_DELAY_MS = 1e9
REFUSED_STATUSES = (401, 403)
# The first retry may use a renewed login; a second one cannot help with a wrong key.
LAST_LOGIN_ATTEMPT = 2
_DENIED = re.compile(
    r"requested permissions? to|[Pp]ermission to (?:use|read|edit|write)\b.* denied|requires? approval"
)


class ClaudeReader(OutputReader):
    """`claude -p --output-format stream-json --verbose`, with or without partial messages."""

    marks_its_end = True

    def __init__(self, model: str | None = None) -> None:
        super().__init__(model)
        self.counter = UsageCounter()
        self._message = ""  # the message that is being streamed
        self._in_pieces: set[str] = set()  # the messages that arrived in pieces
        self.quota = QuotaReport()
        self._is_continued = False

    def read(self, line: Line) -> Iterator[Item]:
        match line.get("type"):
            case "system" if line.get("subtype") == "init":
                self.model = text_of(line.get("model")) or self.model
                yield from self.begins(line.get("session_id"))
                yield self.counter.usage(self.model)
            case "system" if line.get("subtype") == "api_retry":
                yield from self.retry(line)
            case "rate_limit_event":
                yield from self.quota.read(part(line, "rate_limit_info"))
            case "stream_event":
                yield from self._streamed(line)
            case "assistant":
                yield from self._assistant(line)
            case "user":
                for block in listed(part(line, "message").get("content")):
                    if block.get("type") == "tool_result":
                        yield claudes_result(block.get("tool_use_id"), block.get("content"), block.get("is_error"))
            case "result":
                yield from self._result(line)

    def continues(self, session: str, folders: Sequence[Path]) -> None:
        self._is_continued = True

    def quota_error(self, message: str, words: str, *, account: str) -> QuotaUsedUp | None:
        return self.quota.error(message, words, account=account)

    def usage_of_this_run(self, of_main_thread: Any) -> Usage:
        """Return the usage of this run in a continued conversation: the totals by model are of the whole one."""
        counts = part({"usage": of_main_thread}, "usage")
        cost = price_of(
            self.model,
            provider="anthropic",
            read=read_tokens(counts),
            written=total(counts, "output_tokens"),
            from_cache=total(counts, "cache_read_input_tokens"),
            to_cache=total(counts, "cache_creation_input_tokens"),
        )
        reported = Usage(self.model, read_tokens(counts), total(counts, "output_tokens"), cost)
        # It covers the main thread only; the messages of sub-agents were counted as they arrived.
        counter = replace(self.counter.usage(self.model), cost_usd=self.counter.cost(self.model))
        return max(reported, counter, key=lambda usage: (usage.input_tokens or 0) + (usage.output_tokens or 0))

    def is_progress(self, line: Line) -> bool:
        return line.get("subtype") != "api_retry"

    def retry(self, line: Line) -> Iterator[BackendEvent]:
        """Yield a notice about a retry: reason, attempt and delay. Give up soon for a refused key."""
        status_code, attempt, max_attempts = line.get("error_status"), line.get("attempt"), line.get("max_retries")
        why = [f"HTTP {status_code}"] if type(status_code) is int else []
        why += [text] if (text := text_of(line.get("error"))) else []
        notice = f"The request to the model failed ({', '.join(why) or 'no reason given'}) and is retried"
        if type(attempt) is int and type(max_attempts) is int:
            notice += f", attempt {attempt} of {max_attempts}"
        delay = line.get("retry_delay_ms")
        if isinstance(delay, int | float) and 0 <= delay < MAX_DELAY_MS:
            notice += f", in {delay / 1000:.1f} s"
        if status_code in REFUSED_STATUSES and type(attempt) is int and attempt >= LAST_LOGIN_ATTEMPT:
            self.fail(f"Anthropic refused the key or login (HTTP {status_code}). {LOGIN_ADVICE}")
            self.is_hopeless = True
            return
        yield BackendEvent(EventType.STATUS, notice)

    def _streamed(self, line: Line) -> Iterator[Item]:
        """Yield a piece of the main thread.

        Only count those of sub-agents, whose text is in their tool's result.
        """
        event = part(line, "event")
        if line.get("parent_tool_use_id") is None:
            yield from self._piece(event)
        if self.counter.add_piece(event, of=text_of(line.get("parent_tool_use_id"))):
            yield self.counter.usage(self.model)

    def _piece(self, event: Mapping[str, Any]) -> Iterator[Item]:
        if event.get("type") == "message_start":
            self._message = text_of(part(event, "message").get("id"))
        if event.get("type") == "content_block_start" and part(event, "content_block").get("type") == "text":
            yield from self.begin()
        if event.get("type") == "content_block_delta":
            self._in_pieces.add(self._message)
            delta = part(event, "delta")
            yield from self.piece(delta.get("text") if delta.get("type") == "text_delta" else None)
            yield from self.thought(delta.get("thinking"))

    def _assistant(self, line: Line) -> Iterator[Item]:
        """Yield a whole message, without the text that arrived in pieces before.

        After a broken connection a message arrives only here.
        """
        message = part(line, "message")
        is_streamed = text_of(message.get("id")) in self._in_pieces
        silent = is_streamed or line.get("parent_tool_use_id") is not None
        for block in listed(message.get("content")):
            match block.get("type"):
                case "tool_use":
                    yield tool_use(block.get("name"), block.get("id"), block.get("input"))
                case "text" if not silent:
                    yield from self.whole(block.get("text"))
                case "thinking" if not silent:
                    yield from self.thought(block.get("thinking"))
        if self.counter.add_message(message):
            yield self.counter.usage(self.model)

    def _result(self, line: Line) -> Iterator[Item]:
        self.has_ended = True
        if self._is_continued:
            yield self.usage_of_this_run(line.get("usage"))
        else:
            so_far = self.counter.usage(self.model)
            yield claudes_total(line.get("modelUsage"), line.get("usage"), line.get("total_cost_usd"), so_far)
        yield from claudes_refusals(line.get("permission_denials"))
        if line.get("is_error") or line.get("subtype") != "success":
            self.fail(line.get("result"), line.get("errors"), line.get("subtype"))
        self.answer = text_of(line.get("result"))


_WINDOWS = {
    "five_hour": "5-hour limit",
    "seven_day": "weekly limit",
    "seven_day_opus": "weekly limit for Opus",
    "seven_day_sonnet": "weekly limit for Sonnet",
}


class QuotaReport:
    """What the CLI last reported about its account's quota.

    With a subscription it reports `rejected` before it fails, and the time of the reset. That time is exact; the
    one in the error's text is rounded.
    """

    def __init__(self) -> None:
        self.is_used_up = False
        self.resets_at: datetime | None = None

    def read(self, info: Mapping[str, Any]) -> Iterator[BackendEvent]:
        """Read a report; yield a notice if most of a limit is used. Credits may replace a used-up quota."""
        on_credits = info.get("overageStatus") in ("allowed", "allowed_warning")
        self.is_used_up = info.get("status") == "rejected" and not on_credits
        self.resets_at = _time_of(info.get("resetsAt"))
        if info.get("status") == "allowed_warning":
            window = _WINDOWS.get(text_of(info.get("rateLimitType")), "usage limit")
            used = info.get("utilization")
            share = f"{used:.0%}" if isinstance(used, int | float) and 0 <= used <= 1 else "most"
            when = f"; it resets at {self.resets_at:%Y-%m-%d %H:%M} UTC" if self.resets_at else ""
            yield BackendEvent(EventType.STATUS, f"Claude has used {share} of its {window}{when}")

    def error(self, message: str, words: str, *, account: str) -> QuotaUsedUp | None:
        """Return the error for a failure with these words; None if it is not because of the quota."""
        if self.is_used_up:
            return QuotaUsedUp(message, account=account, resets_at=self.resets_at)
        return used_up(message, words, account=account)


def _time_of(seconds: Any) -> datetime | None:
    """Return the time of so many seconds since 1970; None if it is not a number, or of no possible time."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


class UsageCounter:
    """The usage so far, counted message by message, because a stopped run is billed too."""

    def __init__(self) -> None:
        # Message id → tokens read, written, read from a cache, written to a cache.
        self._messages: dict[str, tuple[int, ...]] = {}
        self._models: dict[str, str] = {}
        self._open: dict[str, str] = {}  # thread → the message that is being streamed

    def add_piece(self, event: Mapping[str, Any], *, of: str) -> bool:
        """Count the usage in a piece of a message; return whether it had any new."""
        if event.get("type") == "message_start":
            self._open[of] = text_of(part(event, "message").get("id"))
            return self.add_message(part(event, "message"))
        if event.get("type") == "message_delta":
            return self.add_message({"id": self._open.get(of, ""), "usage": event.get("usage")})
        return False

    def add_message(self, message: Mapping[str, Any]) -> bool:
        """Count the usage in a message, which reports it several times with increasing numbers."""
        name, counts = text_of(message.get("id")), part(message, "usage")
        now = (
            read_tokens(counts) or 0,
            total(counts, "output_tokens") or 0,
            total(counts, "cache_read_input_tokens") or 0,
            total(counts, "cache_creation_input_tokens") or 0,
        )
        known = self._messages.get(name, (0, 0, 0, 0))
        self._messages[name] = tuple(map(max, now, known))
        if model := text_of(message.get("model")):
            self._models[name] = model
        return self._messages[name] != known

    def usage(self, model: str | None) -> Usage:
        """Return the sum, without the cost, which is reported only at the end."""
        read = sum(counts[0] for counts in self._messages.values())
        written = sum(counts[1] for counts in self._messages.values())
        return Usage(model, read or None, written or None)

    def cost(self, model: str | None) -> float | None:
        """Return the messages' cost by the price list, by default for `model`; None unless all are known."""
        costs = [
            price_of(
                self._models.get(name) or model,
                provider="anthropic",
                read=read,
                written=written,
                from_cache=from_cache,
                to_cache=to_cache,
            )
            for name, (read, written, from_cache, to_cache) in self._messages.items()
            if read or written
        ]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if known and len(known) == len(costs) else None


def read_tokens(counts: Any) -> int | None:
    """Return a request's input tokens, including those read from and written to a cache."""
    return total(counts, "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


def claudes_total(by_model: Any, of_main_thread: Any, cost: Any, so_far: Usage) -> Usage:
    """Return the billed usage of all models and sub-agents, most of which is missing in the field `usage`.

    After a dropped connection the CLI may report less than its messages did.
    """
    entries = [part(entry) for entry in by_model.values()] if isinstance(by_model, Mapping) else []
    names = ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
    read = [count for entry in entries if (count := total(entry, *names)) is not None]
    written = [count for entry in entries if (count := total(entry, "outputTokens")) is not None]
    main = part({"usage": of_main_thread}, "usage")
    return Usage(
        so_far.model,
        _highest(sum(read), read_tokens(main), so_far.input_tokens),
        _highest(sum(written), total(main, "output_tokens"), so_far.output_tokens),
        claudes_cost(cost, by_model),
    )


def _highest(*counts: int | None) -> int | None:
    """Return the highest count; None for 0, which the CLI also reports for an unknown count."""
    return max(count or 0 for count in counts) or None


def claudes_cost(cost: Any, by_model: Any) -> float | None:
    """Return the cost that Claude Code reports; None if it does not know the price of one of the models."""
    entries = by_model.values() if isinstance(by_model, Mapping) else ()
    return None if any(part(entry).get("costBasis") == "unknown" for entry in entries) else money(cost)


def claudes_result(key: Any, content: Any, is_error: Any) -> BackendEvent:
    """Return the event of a tool's result. A refusal is an error with certain words."""
    output = text_of(content)
    is_refused = bool(is_error) and not output.startswith("Exit code") and _DENIED.search(output) is not None
    return tool_result(key, content, is_refused=is_refused)


def claudes_refusals(denials: Any) -> Iterator[BackendEvent]:
    """Yield a notice for each tool that was refused, once."""
    names = dict.fromkeys(text_of(denied.get("tool_name")) for denied in listed(denials))
    for name in filter(None, names):
        yield from status(f"It was not allowed to use {name}")
