"""What the known command-line agents print, a JSON object a line, as events: a reader for each format."""

from agents.backends.programs.formats.claude import Claude
from agents.backends.programs.formats.codex import Codex
from agents.backends.programs.formats.copilot import Copilot
from agents.backends.programs.formats.gemini import Gemini
from agents.backends.programs.formats.opencode import OpenCode
from agents.backends.programs.formats.reader import Reader

READERS: dict[str, type[Reader]] = {
    "claude": Claude,
    "codex": Codex,
    "gemini": Gemini,
    "opencode": OpenCode,
    "copilot": Copilot,
}
FORMATS = ("text", *READERS)
