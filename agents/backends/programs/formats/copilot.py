"""The output of GitHub Copilot CLI."""

from collections.abc import Iterator

from agents.backends.base import Usage
from agents.backends.programs.formats.reader import (
    Item,
    Line,
    OutputReader,
    part,
    text_of,
    tool_result,
    tool_use,
    total,
)


class CopilotReader(OutputReader):
    """`copilot --output-format json`, with or without `--stream on`."""

    marks_its_end = True

    def __init__(self, model: str | None = None) -> None:
        super().__init__(model)
        self._in_pieces: set[str] = set()
        self._read = self._written = self._written_in_messages = 0

    def read(self, line: Line) -> Iterator[Item]:  # noqa: C901 - a table: a case for each type of line
        data = part(line, "data")
        match line.get("type"):
            case "session.tools_updated" | "session.model_change":
                self.model = text_of(data.get("model")) or text_of(data.get("newModel")) or self.model
                yield self._usage()
            case "assistant.message_delta":
                key = text_of(data.get("messageId"))
                if key not in self._in_pieces:
                    yield from self.begin()
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
                output = text_of(data.get("result")) or text_of(data.get("error"))
                is_refused = text_of(part(data, "error").get("code")) in {"denied", "rejected"}
                yield tool_result(data.get("toolCallId"), output, is_refused=is_refused)
            case "session.error":
                self.fail(data.get("message"))
            case "result":
                yield from self.begins(line.get("sessionId"))
                self.has_ended = True
                if line.get("exitCode") == 0:
                    self.failure = ""  # earlier errors were recovered from
                elif not self.failure:
                    self.fail()

    def _usage(self) -> Usage:
        return Usage(self.model, self._read or None, self._written or self._written_in_messages or None)
