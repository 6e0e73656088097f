"""The output of OpenCode."""

from collections.abc import Iterator, Mapping
from typing import Any

from agents.backends.base import Usage
from agents.backends.programs.formats.reader import (
    Item,
    Line,
    OutputReader,
    money,
    part,
    text_of,
    tool_result,
    tool_use,
    total,
)
from agents.prices import price_of


class OpenCodeReader(OutputReader):
    """`opencode run --format json`: a tool's call and its result are one line; usage is reported per step.

    Only the end of a step marks the end of the output; any step may be the last one, whatever its reason.
    """

    marks_its_end = True

    def __init__(self, model: str | None = None) -> None:
        super().__init__(model)
        self._read = self._written = self._from_cache = self._to_cache = 0
        self._cost = 0.0

    def read(self, line: Line) -> Iterator[Item]:
        yield from self.begins(line.get("sessionID"))
        content = part(line, "part")
        match line.get("type"):
            case "step_start":
                self.has_ended = False
                yield self._usage()
            case "text":
                yield from self.whole(content.get("text"))
            case "reasoning":
                yield from self.thought(f"{text_of(content.get('text'))}\n")
            case "tool_use":
                state = part(content, "state")
                yield tool_use(content.get("tool"), content.get("callID"), state.get("input"))
                self.answer = None  # if the call is refused, OpenCode ends here without an answer
                output = text_of(state.get("output")) or text_of(state.get("error"))
                yield tool_result(content.get("callID"), output, is_refused=_is_refused(state))
            case "step_finish":
                self.has_ended = True
                yield self._step(content)
            case "error":
                error = part(line, "error")
                self.fail(error.get("data"), error, error.get("name"), line.get("message"))

    def _step(self, content: Mapping[str, Any]) -> Usage:
        counts = part(content, "tokens")
        from_cache, to_cache = (total(part(counts, "cache"), way) or 0 for way in ("read", "write"))
        self._read += (total(counts, "input") or 0) + from_cache + to_cache
        self._from_cache += from_cache
        self._to_cache += to_cache
        self._written += total(counts, "output", "reasoning") or 0
        self._cost += money(content.get("cost")) or 0.0
        return self._usage()

    def _usage(self) -> Usage:
        return Usage(self.model, self._read or None, self._written or None, self._cost or self._price())

    def _price(self) -> float | None:
        """Return the price if OpenCode reports none; its models are named `provider/model`."""
        provider, _, model = (self.model or "").partition("/")
        return price_of(
            model,
            provider=provider,
            read=self._read,
            written=self._written,
            from_cache=self._from_cache,
            to_cache=self._to_cache,
        )


def _is_refused(state: Mapping[str, Any]) -> bool:
    """Return whether the call was not allowed; OpenCode marks it only by these words."""
    output = text_of(state.get("error")).lower()
    return state.get("status") == "error" and any(
        word in output for word in ("rejected permission", "prevents you")
    )
