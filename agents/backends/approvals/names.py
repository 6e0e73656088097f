"""Names of tools in approval rules, and patterns with `*`."""

import re
from collections.abc import Mapping
from functools import lru_cache

MCP = "mcp__"
_SHELL = ("bash", "execute", "shell", "run_command")
_EDITING = ("edit", "write", "multiedit", "notebookedit", "delete", "move", "write_file", "edit_file")
_READING = ("read", "grep", "glob", "ls", "search", "read_file", "list_files", "search_files")
_FETCHING = ("webfetch", "fetch", "web_fetch")
# The name in a rule → the tools that it is about; any other name is about the tool with that name only.
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "bash": _SHELL,
    "edit": _EDITING,
    "write": ("write", "write_file"),
    "read": _READING,
    "webfetch": _FETCHING,
    "agent": ("agent", "task"),
    "task": ("agent", "task"),
}
_LOSING = ("delete", "move")  # `Edit` in a deny rule is about them too, in an allow rule it is not
NAMED = {"agent": "subagent_type", "task": "subagent_type", "skill": "skill"}


def lower(name: str) -> str:
    """Return a tool's name in lower case."""
    return name.lower() if name.isascii() else name  # some other letters become ASCII in lower case


def kind_of(name: str) -> str:
    """Return what a tool's calls are about; empty if that is not known."""
    name = lower(name)
    for kind, names in (("shell", _SHELL), ("file", (*_EDITING, *_READING)), ("fetch", _FETCHING)):
        if name in names:
            return kind
    return "named" if name in NAMED else ""


def is_named(rule: str, tool: str, *, is_allowing: bool) -> bool:
    """Return whether a rule's name is about a tool.

    `*` is allowed in names of deny and ask rules, and in allow rules for the tools of one MCP server.
    """
    rule, tool = lower(rule), lower(tool)
    if rule == tool or (tool in FAMILIES.get(rule, ()) and not (is_allowing and tool in _LOSING)):
        return True
    if rule.startswith(MCP) and "*" not in rule and "__" not in rule[len(MCP) :]:
        return tool.startswith(f"{rule}__")
    is_of_server = re.match(r"mcp__[^*]+?__", rule) is not None
    return "*" in rule and (not is_allowing or is_of_server) and fits(rule, tool)


# ---------------------------------------------------------------- patterns with `*`
@lru_cache(maxsize=2_000)
def parts_of(pattern: str) -> tuple[str, ...]:
    r"""Return the texts between the `*` of a pattern, in which `\*` and `\\` are `*` and `\`."""
    parts = [""]
    for sign in re.findall(r"\\[*\\]|.", pattern, re.DOTALL):
        if sign == "*":
            parts.append("")
        else:
            parts[-1] += sign[-1]
    return tuple(parts)


def fits(pattern: str, text: str) -> bool:
    """Return whether a whole text fits a pattern, in which `*` is any text; in linear time."""
    first, *rest = parts_of(pattern)
    if not rest:
        return text == first
    *middle, last = rest
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for one in middle:
        found = text.find(one, at, end)
        if found == -1:
            return False
        at = found + len(one)
    return True


def fits_command(pattern: str, command: str) -> bool:
    """Return whether a command fits; ` *` and `:*` at the end also fit the command without more words."""
    if pattern.endswith(":*"):
        pattern = f"{pattern[:-2]} *"
    if pattern.endswith(" *"):
        return fits(pattern[:-2].rstrip(), command) or fits(pattern, command)
    return fits(pattern, command)
