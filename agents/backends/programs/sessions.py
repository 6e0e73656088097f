"""How programs continue an earlier conversation, and where they keep their conversations."""

import hashlib
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# An id comes from a program's output, so it is not trusted: it must not be an option, a path or a pattern.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\Z")
_SESSION = "{session}"


STARTS_AGAIN = "The earlier conversation no longer exists; starting a new one"


class ConversationGone(Exception):
    """The earlier conversation no longer exists. No output was yielded yet."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """How a program continues a conversation. `{session}` in `resume` and `start` is replaced by its id.

    `resume` is appended to the command line, in place of its last word if that is `replaces`. `start` is appended
    to start a conversation whose id we choose; it is empty for a program that reports the id at the start.
    `folders` are those in which the program keeps its conversations. `gone` matches its error for a conversation
    that no longer exists. `variables` are set in the sandbox.
    """

    resume: tuple[str, ...]
    folders: tuple[str, ...]
    gone: str
    start: tuple[str, ...] = ()
    replaces: str = ""
    variables: tuple[str, ...] = ()

    def fits(self, argv: Sequence[str]) -> bool:
        """Return whether conversations can be continued with this command line."""
        return not self.replaces or argv[-1:] == (self.replaces,)

    def is_gone(self, words: str) -> bool:
        """Return whether these words of a program that failed say that the conversation no longer exists."""
        return re.search(self.gone, words, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True)
class Conversation:
    """The conversation of one call: a new one, or the continued one if `is_continued`.

    The `id` of a new one is empty if the program chooses it.
    """

    id: str = ""
    is_continued: bool = False


NEW = Conversation()


def conversations(sessions: Sessions | None, earlier: str) -> Iterator[Conversation]:
    """Yield the conversation to try first, and a new one in case the earlier one no longer exists."""
    if sessions is not None and _ID.match(earlier):
        yield Conversation(earlier, is_continued=True)
    yield Conversation(str(uuid.uuid4()) if sessions is not None and sessions.start else "")


def with_conversation(argv: Sequence[str], sessions: Sessions | None, conversation: Conversation) -> list[str]:
    """Return the command line for this conversation."""
    if sessions is None or not conversation.id:
        return list(argv)
    more = sessions.resume if conversation.is_continued else sessions.start
    is_replaced = conversation.is_continued and sessions.replaces
    kept = argv[:-1] if is_replaced else argv
    return [*kept, *(word.replace(_SESSION, conversation.id) for word in more)]


def kept_folder(root: Path, name: str, workdir: Path) -> Path:
    """Return the folder that keeps a program's conversations in a working folder, in place of its own folder.

    So a sandboxed program sees neither the user's conversations nor those of other projects.
    """
    digest = hashlib.sha256(str(workdir).encode(errors="replace")).hexdigest()[:16]
    return root / digest / name


CLAUDES_SESSIONS = Sessions(
    resume=("--resume={session}", "--fork-session"),  # a failed run does not change the earlier conversation
    folders=("~/.claude/projects", "$CLAUDE_CONFIG_DIR/projects"),
    gone="No conversation found",
)
CODEXS_SESSIONS = Sessions(
    resume=("resume", "{session}", "-"),
    replaces="-",
    folders=("~/.codex/sessions", "$CODEX_HOME/sessions"),
    gone="no rollout found|thread/resume failed",
)
GEMINIS_SESSIONS = Sessions(
    resume=("--resume={session}",),
    folders=("~/.gemini/tmp",),
    gone="Error resuming session|Invalid session identifier",
)
OPENCODES_SESSIONS = Sessions(
    resume=("--session={session}",),
    # Its own database is next to its login, so in the sandbox it uses another one.
    folders=("~/.local/share/opencode/kept",),
    variables=("OPENCODE_DB=kept/opencode.db",),
    gone="Session not found",
)
# Its output has the id only at the end, which a stopped run does not reach.
COPILOTS_SESSIONS = Sessions(
    start=("--session-id={session}",),
    resume=("--resume={session}",),
    folders=("~/.copilot/session-state", "$COPILOT_HOME/session-state"),
    gone="No session, task, or name matched",
)
QWENS_SESSIONS = Sessions(
    resume=("--resume={session}", "--fork-session"),
    folders=("~/.qwen/projects", "$QWEN_HOME/projects"),
    gone="No saved session found",
)
