"""The output of Qwen Code, which has the form of Claude Code's."""

from collections.abc import Iterator, Mapping
from typing import Any

from agents.backends.base import Usage
from agents.backends.programs.formats.claude import ClaudeReader, claudes_refusals
from agents.backends.programs.formats.reader import Item, Line, part, text_of, total


class QwenReader(ClaudeReader):
    """`qwen --output-format stream-json`, with or without partial messages."""

    def _assistant(self, line: Line) -> Iterator[Item]:
        """Yield what a message adds to its pieces. Each of its parts comes as a message with an id of its own."""
        message = part(line, "message")
        is_main = line.get("parent_tool_use_id") is None
        name = self._message if is_main and self._message else message.get("id")
        yield from super()._assistant({**line, "message": {**message, "id": name, "usage": _counts(message)}})

    def _result(self, line: Line) -> Iterator[Item]:
        """Yield the usage of all requests, including those of which no message reports, such as for a title."""
        self.has_ended = True
        # In a continued conversation the total is that of the whole one: only the messages of this run are known.
        usage = {} if self._is_continued else part(line, "usage")
        so_far = self.counter.usage(self.model)
        read = max(total(usage, "input_tokens") or 0, so_far.input_tokens or 0)
        written = max(total(usage, "output_tokens") or 0, so_far.output_tokens or 0)
        yield Usage(self.model, read or None, written or None)
        yield from claudes_refusals(line.get("permission_denials"))
        if line.get("is_error") or line.get("subtype") != "success":
            self.fail(line.get("error"), line.get("result"), line.get("subtype"))
        self.answer = text_of(line.get("result"))


def _counts(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the usage of a message as Claude counts it: without the cached tokens in the input tokens."""
    counts = dict(part(message, "usage"))
    cached, read = total(counts, "cache_read_input_tokens"), total(counts, "input_tokens")
    if cached is not None and read is not None:
        counts["input_tokens"] = max(read - cached, 0)
    return counts
