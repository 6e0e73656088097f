"""The output of Gemini CLI."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from agents.backends.base import Usage
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

REFUSALS = {"policy_violation", "tool_not_registered", "permission_denied"}
_API_ERROR = re.compile(r"\[API Error: (\{.*\})\]", re.DOTALL)
_RETRY = re.compile(r"Attempt (\d+) failed(?: with status (\w+))?")


class GeminiReader(OutputReader):
    """`gemini --output-format stream-json`."""

    marks_its_end = True

    def __init__(self, model: str | None = None) -> None:
        super().__init__(model)
        self._reason = ""  # the last error, which the result does not repeat
        self._used_a_tool = False  # since its last text: the next text is a new message, which no line announces

    def read(self, line: Line) -> Iterator[Item]:
        match line.get("type"):
            case "init":
                self.model = text_of(line.get("model")) or self.model
                yield from self.begins(line.get("session_id"))
                yield Usage(self.model)
            case "message" if line.get("role") == "assistant":
                continues = line.get("delta") and not self._used_a_tool
                self._used_a_tool = False
                if not continues:
                    yield from self.begin()
                yield from self.piece(line.get("content"))
            case "tool_use":
                self._used_a_tool = True
                yield tool_use(line.get("tool_name"), line.get("tool_id"), line.get("parameters"))
            case "tool_result":
                output = text_of(line.get("output")) or text_of(line.get("error")) or text_of(line.get("status"))
                yield tool_result(line.get("tool_id"), output, is_refused=_is_refused(line))
            case "error":
                self._reason = text_of(line.get("message")) or self._reason
                yield from status(line.get("message"))
            case "result":
                self.has_ended = True
                yield self._usage(part(line, "stats"))
                if line.get("status") == "error":
                    self.fail(_plain(part(line, "error").get("message")), line.get("error"), self._reason)

    def read_error(self, line: str) -> Iterator[Item]:
        """Yield a notice for each retry, which only standard error reports."""
        if retry := _RETRY.match(line):
            why = f" (HTTP {retry[2]})" if (retry[2] or "").isdecimal() else ""
            yield from status(f"The request to the model failed{why} and is retried, after attempt {retry[1]}")

    def _usage(self, stats: Mapping[str, Any]) -> Usage:
        """Return the usage of all its models; a small one chooses the model."""
        models = part(stats, "models") or {self.model or "": stats}
        self.model = _main_of(models) or self.model  # `auto` if Gemini chooses the model itself
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


def _plain(message: Any) -> str:
    """Return the message of an error in the provider's JSON; empty if it is in another form."""
    if not (found := _API_ERROR.match(text_of(message))):
        return ""
    try:
        error = part(json.loads(found[1]), "error")
    except (ValueError, RecursionError):
        return ""
    return f"HTTP {error.get('code')}: {text_of(error)}" if text_of(error) else ""


def _main_of(models: Mapping[str, Any]) -> str | None:
    """Return the model that did most of the work."""
    return max(models, key=lambda name: total(part(models[name]), "total_tokens") or 0, default=None)


def _is_refused(line: Line) -> bool:
    """Return whether a tool was refused: by a policy, or because this mode does not have it."""
    kind = text_of(part(line, "error").get("type"))
    return line.get("status") == "error" and kind in REFUSALS


def _written_by_gemini(counts: Mapping[str, Any]) -> int | None:
    """Return the number of output tokens with thoughts, which Gemini counts only in the total."""
    everything, read = total(counts, "total_tokens"), total(counts, "input_tokens")
    written = total(counts, "output_tokens")
    if everything is None or read is None or written is None:
        return written
    return max(written, everything - read)
