"""Readers that translate the output of known command-line agents, one JSON object per line, to events."""

from agents.backends.programs.formats.claude import ClaudeReader
from agents.backends.programs.formats.codex import CodexReader
from agents.backends.programs.formats.copilot import CopilotReader
from agents.backends.programs.formats.gemini import GeminiReader
from agents.backends.programs.formats.opencode import OpenCodeReader
from agents.backends.programs.formats.qwen import QwenReader
from agents.backends.programs.formats.reader import OutputReader

READERS: dict[str, type[OutputReader]] = {
    "claude": ClaudeReader,
    "codex": CodexReader,
    "gemini": GeminiReader,
    "opencode": OpenCodeReader,
    "copilot": CopilotReader,
    "qwen": QwenReader,
}
ACP = "acp"  # not lines of output but a protocol: agents/backends/acp reads it
FORMATS = ("text", *READERS, ACP)
