"""Whether an agent may use a tool for which it asks: by its policy, the kind of tool, and the files it names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from agents import folders
from agents.backends.acp.updates import KINDS, ToolCall
from agents.backends.approvals import Verdict, verdict
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
class Decision:
    """What is decided for a call, and why, in words for people."""

    kind: Literal["allow", "ask", "deny"]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Permissions:
    """What an agent may do. `root` is its folder; None in a sandbox, where it sees no other files to change.

    `policy` decides first; what it does not name is decided by the kind of tool. `needs_sandbox`: a sandbox is
    wanted and there is none, so that no rule of the policy lets the agent reach beyond its folder.
    """

    chosen: Mapping[str, str]
    root: Path | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    workdir: Path | None = None
    needs_sandbox: bool = False

    def allows(self, kind: str) -> bool:
        return {**DEFAULT, **self.chosen}.get(kind if kind in KINDS else "other", REJECT) == ALLOW

    def may_allow(self, kind: str) -> bool:
        """Return whether any call of this kind could be allowed."""
        return self.allows(kind) or any(self.policy.get(name) for name in ("ask", "allow"))

    def by_policy(self, name: str, given: Mapping[str, Any]) -> Verdict:
        """Return what the policy says of a call."""
        return verdict(self.policy, name, given, workdir=self.workdir)

    def decide(self, call: ToolCall) -> Decision:
        """Return what is decided for a call: by the policy, else by its kind."""
        if self.root is not None and not all(self._is_inside(path) for path in call.paths):
            return Decision("deny", "Not allowed: the path leads out of the working folder")
        found = self.by_policy(call.name, call.full_input())
        rule = found.rules[0] if found.rules else ""
        if found.decision == "deny":
            return Decision("deny", f"Not allowed: the rule `{rule}` denies it")
        kind = call.kind if call.kind in KINDS else "other"
        if not found.decision:
            if self.allows(kind):
                return Decision("allow")
            return Decision("deny", f"Not allowed: this agent may not use tools of the kind `{kind}`")
        if self.needs_sandbox and kind in REACHING:
            return Decision("deny", "Not allowed: it reaches beyond the working folder, and there is no sandbox")
        return Decision(found.decision, f"The rule {rule} asks for approval" if found.decision == "ask" else "")

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
