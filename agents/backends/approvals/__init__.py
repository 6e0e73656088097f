"""Which tool calls of an agent need a person's approval: the agent's policy, lists of rules.

A deny rule comes before an ask rule, and that before an allow rule, whatever their order and how narrow they are.
What no rule names is left to the backend's own mode.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agents.backends.approvals import rules
from agents.backends.approvals.rules import Call, Rule, read_rule

POLICY = "approval_policy"  # the option of all backends with the capability `approvals`
LISTS = ("ask", "allow", "deny")
MOST_RULES = 100
Decision = Literal["allow", "ask", "deny", ""]

_RULES = {
    "type": "array",
    "maxItems": MOST_RULES,
    "items": {"type": "string", "minLength": 1, "maxLength": rules.MOST_CHARS},
}
APPROVAL_POLICY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "ask": {**_RULES, "description": "tool calls that a person must approve, such as Bash(git push *)"},
        "allow": {**_RULES, "description": "tool calls that need no approval, such as Bash(npm run test *)"},
        "deny": {**_RULES, "description": "tool calls that are refused, such as Read(.env)"},
    },
    "description": "which tool calls need a person's approval; deny comes before ask, and ask before allow",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy says of a call, and by which of its rules."""

    decision: Decision = ""
    rules: Sequence[str] = ()


def decide(policy: Any, tool_name: Any, input: Any, *, workdir: Path | None = None) -> Decision:
    """Return what the policy says of a tool call; empty if the backend's mode decides.

    With `workdir` paths in rules are relative to it. Without it an allow rule covers only relative paths below the
    working folder, and a deny rule any path that ends as it says.
    """
    return verdict(policy, tool_name, input, workdir=workdir).decision


def verdict(policy: Any, tool_name: Any, input: Any, *, workdir: Path | None = None) -> Verdict:
    """Return what the policy says of a tool call, with the rules that say it."""
    call = _call(tool_name, input, workdir.absolute() if workdir else None)
    listed = {name: _rules(policy, name) for name in LISTS}
    kinds: tuple[Literal["deny", "ask"], ...] = ("deny", "ask")
    for kind in kinds:
        found = next((text for text, rule in listed[kind].items() if rules.touches(rule, call)), None)
        if found is not None:
            return Verdict(kind, [found])
    doubtful = [text for kind in kinds for text, rule in listed[kind].items() if rules.unreadable(rule, call)]
    if doubtful:
        return Verdict("ask", doubtful[:1])
    used = rules.covering(list(listed["allow"].values()), call)
    if used is None:
        return Verdict()
    return Verdict("allow", [text for text, rule in listed["allow"].items() if rule in used])


def matches(rule: Any, tool_name: Any, input: Any, *, workdir: Path | None = None) -> bool:
    """Return whether a rule surely covers all of a tool call, as an allow rule must."""
    return isinstance(rule, str) and rules.covers_text(rule, _call(tool_name, input, workdir))


def rule_for(tool_name: Any, input: Any) -> str:
    """Return the narrowest sensible rule for calls like this one, such as `Bash(git push *)`.

    It is empty where there is none; then only this one call can be allowed.
    """
    return rules.rule_for(_call(tool_name, input, None))


def wrong_policy(options: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the name of a rule that is none, or could never apply, and why; None if all are right."""
    policy = options.get(POLICY)
    if not isinstance(policy, Mapping):
        return None
    for kind in LISTS:
        for place, text in enumerate(policy.get(kind, ())):
            if why := rules.wrong_rule(text):
                option = f"{POLICY}.{kind}.{place}"
                return option, f"The option `{option}` {why}"
            if kind == "allow" and (why := rules.wrong_allow_rule(text)):
                option = f"{POLICY}.{kind}.{place}"
                return option, f"The option `{option}` {why}"
    return None


def _call(tool_name: Any, given: Any, workdir: Path | None) -> Call:
    return Call(
        tool_name if isinstance(tool_name, str) else "",
        given if isinstance(given, Mapping) else {},
        workdir,
    )


def _rules(policy: Any, kind: str) -> dict[str, Rule]:
    given = policy.get(kind) if isinstance(policy, Mapping) else None
    texts = [text for text in given if isinstance(text, str)] if isinstance(given, list | tuple) else []
    return {text: rule for text in texts[:MOST_RULES] if (rule := read_rule(text)) is not None}
