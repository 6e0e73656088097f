"""The operator's settings for MCP servers: programs that agents may start, variables for headers, and hosts."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from environs import ValidationError

NAME = re.compile(r"[A-Za-z0-9_.-]{1,50}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:=.*)?\Z", re.DOTALL)
_PAIR = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,99})@([A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?)\Z")
_PATH = re.compile(r"/|~/|\$[A-Za-z_][A-Za-z0-9_]*(?:/|\Z)")
# They give access to the server itself, or would change the agent's program, which passes them on.
_NOT_FOR_SERVERS = re.compile(r"MISSION_CONTROL_|(?:SECRET_KEY|DATABASE_URL|REDIS_URL|PATH|HOME|USER|LOGNAME)\Z")
# A name, of a variable or header, whose value is more likely secret than not.
SECRET_NAME = re.compile(r"auth|cookie|key|token|secret|password|credential|session", re.IGNORECASE)
_KEYS = ("argv", "env", "readable", "writable")


@dataclass(frozen=True, slots=True)
class McpCommand:
    """A program that is an MCP server on standard input and output. Only the operator defines it."""

    argv: tuple[str, ...]
    env: tuple[str, ...] = ()  # variables that are passed on, and NAME=value for those that are set
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, given: Any) -> "McpCommand":
        """Parse a list of words, or an object with `argv`. Raises ValueError with a message about the error."""
        if not NAME.match(name):
            raise ValueError(f"`{name[:50]}` is not a valid name: at most 50 letters, digits, `_`, `.` and `-`")
        fields = given if isinstance(given, Mapping) else {"argv": given}
        if unknown := sorted(set(fields) - set(_KEYS)):
            raise ValueError(f"`{name}` has `{unknown[0]}`; there are: {', '.join(_KEYS)}")
        made = cls(**{key: _words(name, key, fields[key]) for key in _KEYS if key in fields or key == "argv"})
        made._check(name)
        return made

    def _check(self, name: str) -> None:
        if not self.argv:
            raise ValueError(f"`{name}` needs `argv`, a list of words")
        for entry in self.env:
            if not _VARIABLE.match(entry) or _NOT_FOR_SERVERS.match(entry.partition("=")[0]):
                raise ValueError(f"`{name}`: `{entry.partition('=')[0][:50]}` is not a variable for a server")
        for path in (*self.readable, *self.writable):
            if not _PATH.match(path):
                raise ValueError(f"`{name}`: `{path[:50]}` must start with / or ~/, or be a $VARIABLE")


def _words(name: str, key: str, value: Any) -> tuple[str, ...]:
    is_list = isinstance(value, list | tuple)
    if not is_list or not all(isinstance(word, str) and word and "\0" not in word for word in value):
        raise ValueError(f"`{name}`: `{key}` must be a list of strings")
    return tuple(value)


def mcp_commands(text: str, **_: Any) -> dict[str, McpCommand]:
    """Parse MISSION_CONTROL_MCP_COMMANDS: a JSON object, name → words or definition. Raises ValidationError."""
    try:
        given = json.loads(text.strip() or "{}")
        if not isinstance(given, dict):
            raise ValueError("It must be a JSON object")  # noqa: TRY004 - a setting's value, no caller's fault
        return {name: McpCommand.of(name, one) for name, one in given.items()}
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"{error}.") from None


def secrets_of(commands: Mapping[str, McpCommand], variables: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the values that servers get from the operator and that may be secret."""
    for name, _ in variables:
        yield os.environ.get(name, "").strip()
    for command in commands.values():
        for entry in command.env:
            name, is_set, value = entry.partition("=")
            if SECRET_NAME.search(name):
                yield value if is_set else os.environ.get(name, "")


def mcp_variables(text: str, **_: Any) -> frozenset[tuple[str, str]]:
    """Parse MISSION_CONTROL_MCP_VARIABLES: NAME@host, separated by commas. Raises ValidationError.

    Each variable is bound to a host, or someone who may edit agents could send it to any server.
    """
    found = set()
    for entry in filter(None, (one.strip() for one in text.split(","))):
        match = _PAIR.match(entry)
        if match is None:
            raise ValidationError(f"`{entry[:80]}` is not of the form NAME@host.")
        if _NOT_FOR_SERVERS.match(match[1]):
            raise ValidationError(f"{match[1]} may not be sent to any server.")
        found.add((match[1], match[2].lower()))
    return frozenset(found)
