"""Whether an agent may use a tool for which it asks: by the kind of the tool, and by the files that it names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents import folders
from agents.backends.acp.updates import KINDS, ToolCall
from agents.backends.programs.formats.reader import listed, text_of

ALLOW, REJECT = "allow", "reject"
# As Claude's `acceptEdits`: work on the files of the folder is allowed, anything else is not.
DEFAULT = dict.fromkeys(("read", "edit", "delete", "move", "search", "think"), ALLOW)
# Without a sandbox these reach beyond the working folder.
REACHING = ("execute", "switch_mode", "other")
PERMISSIONS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {kind: {"type": "string", "enum": [ALLOW, REJECT]} for kind in KINDS},
    "description": "what it may do when it asks, by kind of tool; default: only work on files",
}


@dataclass(frozen=True, slots=True)
class Permissions:
    """What an agent may do. `root` is its folder; None in a sandbox, where it sees no other files to change."""

    chosen: Mapping[str, str]
    root: Path | None = None

    def allows(self, kind: str) -> bool:
        return {**DEFAULT, **self.chosen}.get(kind if kind in KINDS else "other", REJECT) == ALLOW

    def refusal(self, call: ToolCall) -> str:
        """Return why a call is refused; empty if it is allowed."""
        if not self.allows(call.kind):
            kind = call.kind if call.kind in KINDS else "other"
            return f"Not allowed: this agent may not use tools of the kind `{kind}`"
        if self.root is not None and not all(self._is_inside(path) for path in call.paths):
            return "Not allowed: the path leads out of the working folder"
        return ""

    def _is_inside(self, path: str) -> bool:
        assert self.root is not None, "checked before"
        try:
            folders.resolve_inside(self.root, path)
        except folders.OutsideFolder:
            return False
        return True


def chosen_option(options: Any, *, is_allowed: bool) -> str | None:
    """Return the id of the agent's option for a decision, for this once if there is such an option; else None."""
    kinds: Sequence[str] = ("allow_once", "allow_always") if is_allowed else ("reject_once", "reject_always")
    found = {text_of(one.get("kind")): text_of(one.get("optionId")) for one in reversed(listed(options))}
    return next((found[kind] for kind in kinds if found.get(kind)), None)
