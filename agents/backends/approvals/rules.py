"""One approval rule: a tool's name, or a name with what the call must be about, such as `Bash(git log *)`.

The names and forms are those of Claude Code's permission rules. A name covers all tools that do the same: so
`Edit(src/**)` is also about `Write`, the kind `edit` of the Agent Client Protocol, and our `write_file`.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agents.backends.approvals import paths
from agents.backends.approvals.commands import possible_commands, read_command, without_harmless_wrapper
from agents.backends.approvals.names import NAMED, fits, fits_command, is_named, kind_of, lower, parts_of

MOST_CHARS = 500  # of a rule that people write
OWN_CHARS = 2_000  # of a rule that we make for one call
_COMMANDS = ("command", "cmd", "script")
_PATHS = (
    *("path", "file_path", "notebook_path", "filename", "file", "abs_path", "absolute_path", "dir_path"),
    *("paths", "file_paths", "source", "destination", "old_path", "new_path", "from", "to"),
)
_SHELLS = ("sh", "bash", "dash", "zsh")
_URL = re.compile(r"https?:[^\s\"'<>]{1,2000}", re.IGNORECASE)
_PLAIN_URL = re.compile(
    r"https?://([A-Za-z0-9.-]{1,253})(?::[0-9]{1,5})?(?:[/?#][^\s\\\x00-\x1f]*)?\Z", re.IGNORECASE
)
_NAME = re.compile(r"[^\s()\x00-\x1f\x7f][^()\x00-\x1f\x7f]{0,199}\Z")
# Programs whose first word says what they do; and those of which two words say it.
_WITH_VERB = {
    "git",
    "npm",
    "pnpm",
    "yarn",
    "cargo",
    "go",
    "pip",
    "uv",
    "docker",
    "kubectl",
    "make",
    "gh",
    "apt-get",
}
_RUNNING = {("npm", "run"), ("pnpm", "run"), ("yarn", "run"), ("docker", "compose"), ("uv", "pip")}
_RUNS_ANYTHING = {"exec", "run", "x", "dlx", "config", "submodule", "bisect", "filter-branch", "rebase"}
_VERB = re.compile(r"[a-z][a-z0-9]*(?:[-:][a-z0-9]+)*\Z")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that was read. `about` is the part in brackets, None without brackets."""

    name: str
    about: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call: whatever the agent says of it, of any type."""

    name: str
    input: Mapping[str, Any]
    workdir: Path | None = None


@lru_cache(maxsize=2_000)
def read_rule(text: str) -> Rule | None:
    """Return the rule that a text is; None if it is none."""
    name, bracket, rest = text.partition("(")
    name = name.strip()
    if not _NAME.match(name) or (bracket and not (rest.endswith(")") and rest[:-1].strip())):
        return None
    return Rule(name, rest[:-1].strip() if bracket else None)


def wrong_rule(text: str) -> str:
    """Return why a text is no rule, or one that could never apply; empty if it is a rule."""
    rule = read_rule(text)
    if rule is None or any(ord(sign) < 32 for sign in text):
        return "is not a rule: write a tool's name, or a name with what it is about, such as Bash(git log *)"
    if rule.about is None:
        return ""
    kind = kind_of(rule.name)
    if not kind:
        return (
            "can never apply: only commands, files, web pages, agents and skills have a part in brackets, "
            "such as Bash(…), Read(…), Edit(…), WebFetch(domain:…), Agent(…) and Skill(…)"
        )
    if kind == "fetch" and not re.fullmatch(r"domain:(?:\*\.)?[A-Za-z0-9.-]+|\*", rule.about):
        return "is not a rule for web pages: write WebFetch(domain:example.org)"
    if kind == "shell" and rule.about in (":*", "*:*"):
        return "names no command: write Bash for all commands, or Bash(git log *)"
    return ""


def wrong_allow_rule(text: str) -> str:
    """Return why an allow rule could never apply; empty if it can."""
    name = (read_rule(text) or Rule("")).name
    if "*" in name and not re.match(r"mcp__[^*]+?__", lower(name)):
        return (
            "can never apply: in allow rules `*` is only for the tools of one MCP server, such as mcp__server__*"
        )
    return ""


def touches(rule: Rule, call: Call) -> bool:
    """Return whether a call may be about what the rule names: how deny and ask rules are read."""
    if not is_named(rule.name, call.name, is_allowing=False):
        return False
    kind = kind_of(call.name)
    return rule.about is None or bool(kind and _TOUCHES[kind](rule, call))


def covers(rule: Rule, call: Call) -> bool:
    """Return whether the rule surely covers all of a call: how allow rules are read."""
    return covering([rule], call) is not None


def covering(rules: list[Rule], call: Call) -> list[Rule] | None:
    """Return the rules that together cover all of a call; None if they do not."""
    named = [rule for rule in rules if is_named(rule.name, call.name, is_allowing=True)]
    for rule in named:
        if rule.about is None or (kind_of(call.name) == "shell" and rule.about == "*"):
            return [rule]
    if not named or not (kind := kind_of(call.name)):
        return None
    return _COVERING[kind](named, call)


def unreadable(rule: Rule, call: Call) -> bool:
    """Return whether it cannot be said if a call is about what the rule names, as its command is too long."""
    if (
        rule.about is None
        or kind_of(call.name) != "shell"
        or not is_named(rule.name, call.name, is_allowing=False)
    ):
        return False
    return any(not possible_commands(command)[1] for command in _all_commands(call))


def rule_for(call: Call) -> str:
    """Return the narrowest sensible rule for calls like this one; empty if there is none."""
    if not _NAME.match(call.name) or "*" in call.name:
        return ""
    about = _RULES_FOR[kind](call) if (kind := kind_of(call.name)) else ""
    if about is None:
        return ""
    text = f"{call.name}({about})" if about else call.name
    return text if len(text) <= OWN_CHARS and covers_text(text, call) else ""


def covers_text(text: str, call: Call) -> bool:
    """Return whether a text is a rule that surely covers all of a call."""
    rule = read_rule(text)
    return rule is not None and covers(rule, call)


# ---------------------------------------------------------------- commands
def _all_commands(call: Call) -> list[str]:
    """Return all texts of a call that may be its command, its title among them."""
    found = [_command_text(call.input.get(key)) for key in (*_COMMANDS, "title")]
    return [text for text in found if text]


def _command_text(value: Any) -> str:
    """Return a command that is a text, or a list of words, as some agents send it."""
    if isinstance(value, str):
        return value
    if not (isinstance(value, list) and value and all(isinstance(word, str) for word in value)):
        return ""
    if len(value) == 3 and value[0].rpartition("/")[2] in _SHELLS and value[1] in ("-c", "-lc"):
        return str(value[2])
    return shlex.join(value)


def _only_command(call: Call) -> str:
    """Return the command of a call; empty if it has none, or several."""
    given = [text for key in _COMMANDS if key in call.input for text in [_command_text(call.input[key])]]
    return given[0] if len(given) == 1 else ""


def _touches_command(rule: Rule, call: Call) -> bool:
    about = rule.about or ""
    texts = (text for command in _all_commands(call) for text in possible_commands(command)[0])
    return any(fits_command(about, text) for text in texts)


def _covering_command(rules: list[Rule], call: Call) -> list[Rule] | None:
    command = _only_command(call)
    if not command:
        return None
    for rule in rules:  # a rule with exactly this line
        if len(parts_of(rule.about or "")) == 1 and fits(rule.about or "", command.strip(" \t\n")):
            return [rule]
    reading = read_command(command)
    if not reading.is_certain:
        return None
    used = []
    for piece in reading.pieces:
        spellings = dict.fromkeys((piece, without_harmless_wrapper(piece)))
        fitting = (one for one in rules if any(fits_command(one.about or "", each) for each in spellings))
        found = next(fitting, None)
        if found is None:
            return None
        used.append(found)
    return list(dict.fromkeys(used))


def _rule_for_command(call: Call) -> str | None:
    command = _only_command(call).strip(" \t\n")
    if not command or "\0" in command:
        return None
    exact = command.replace("\\", "\\\\").replace("*", "\\*")
    reading = read_command(command)
    words = command.split(" ")
    if not reading.is_certain or len(reading.pieces) != 1 or words[0] not in _WITH_VERB or len(words) < 2:
        return exact
    length = 3 if tuple(words[:2]) in _RUNNING else 2
    verbs = words[1:length]
    if len(verbs) < length - 1 or not all(map(_VERB.match, verbs)):
        return exact
    if tuple(words[:2]) not in _RUNNING and verbs[0] in _RUNS_ANYTHING:
        return exact
    return " ".join([*words[:length], "*"])


# ---------------------------------------------------------------- files
def _paths(call: Call) -> list[Any]:
    """Return what a call gives as paths, of any type."""
    found: list[Any] = []
    for key in _PATHS:
        value = call.input.get(key)
        found += value if isinstance(value, list) else [] if value is None else [value]
    return found[:1_000]


def _touches_file(rule: Rule, call: Call) -> bool:
    texts = [path for path in _paths(call) if isinstance(path, str)]
    return any(paths.touches(rule.about or "", path, call.workdir) for path in texts)


def _covering_files(rules: list[Rule], call: Call) -> list[Rule] | None:
    given = _paths(call)
    used = []
    for path in given:
        rule = next(
            (one for one in rules if isinstance(path, str) and paths.covers(one.about or "", path, call.workdir)),
            None,
        )
        if rule is None:
            return None
        used.append(rule)
    return list(dict.fromkeys(used)) or None


def _rule_for_file(call: Call) -> str | None:
    given = _paths(call)
    if len(given) != 1 or not isinstance(given[0], str) or not given[0].isprintable():
        return None
    path = paths.escape(given[0])
    if path.startswith("/"):
        return f"/{path}"
    return path if path.startswith(("~/", "./")) else f"./{path}"


# ---------------------------------------------------------------- web pages, agents, skills
def _fits_host(about: str, host: str) -> bool:
    wanted, host = about.removeprefix("domain:").lower(), host.lower().rstrip(".")
    if about == "*":
        return True
    return host.endswith(wanted[1:]) if wanted.startswith("*.") else host == wanted.rstrip(".")


def _touches_url(rule: Rule, call: Call) -> bool:
    texts = [text for text in call.input.values() if isinstance(text, str)]
    hosts = [host for text in texts for url in _URL.findall(text[:20_000])[:50] for host in _hosts(url)]
    return any(_fits_host(rule.about or "", host) for host in hosts)


def _hosts(url: str) -> Iterator[str]:
    """Yield the host of an address as programs may read it: they differ in what a backslash means."""
    for text in (url, url.replace("\\", "/")):
        try:
            yield urlsplit(text).hostname or ""
        except ValueError:
            continue


def _plain_host(call: Call) -> str:
    url = call.input.get("url")
    match = _PLAIN_URL.match(url) if isinstance(url, str) and len(url) <= paths.MOST_CHARS else None
    return match[1].lower() if match else ""


def _covering_url(rules: list[Rule], call: Call) -> list[Rule] | None:
    host = _plain_host(call)
    found = [rule for rule in rules if host and _fits_host(rule.about or "", host)]
    return found[:1] or None


def _rule_for_url(call: Call) -> str | None:
    host = _plain_host(call)
    return f"domain:{host}" if host else None


def _named_value(call: Call) -> str:
    value = call.input.get(NAMED[lower(call.name)])
    return value if isinstance(value, str) else ""


def _touches_named(rule: Rule, call: Call) -> bool:
    return fits(rule.about or "", _named_value(call))


def _covering_named(rules: list[Rule], call: Call) -> list[Rule] | None:
    found = [rule for rule in rules if _named_value(call) and fits(rule.about or "", _named_value(call))]
    return found[:1] or None


def _rule_for_named(call: Call) -> str | None:
    value = _named_value(call)
    return value.replace("\\", "\\\\").replace("*", "\\*") if value.isprintable() and value else None


_TOUCHES: Mapping[str, Callable[[Rule, Call], bool]] = {
    "shell": _touches_command,
    "file": _touches_file,
    "fetch": _touches_url,
    "named": _touches_named,
}
_COVERING: Mapping[str, Callable[[list[Rule], Call], list[Rule] | None]] = {
    "shell": _covering_command,
    "file": _covering_files,
    "fetch": _covering_url,
    "named": _covering_named,
}
_RULES_FOR: Mapping[str, Callable[[Call], str | None]] = {
    "shell": _rule_for_command,
    "file": _rule_for_file,
    "fetch": _rule_for_url,
    "named": _rule_for_named,
}
