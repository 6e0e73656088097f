"""The option `mcp_servers` of an agent: its schema, its rules, and the servers that it names."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from agents.backends.addresses import is_forbidden, is_inside
from agents.backends.programs.allowed import allowed
from agents.backends.programs.mcp_settings import SECRET_NAME, McpCommand
from agents.redaction import redact_secrets

OPTION = "mcp_servers"
MAX_SERVERS = 20
_NAME = r"^[A-Za-z][A-Za-z0-9-]{0,29}$(?!\n)"

MCP_SERVERS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "maxProperties": MAX_SERVERS,
    "propertyNames": {
        "pattern": _NAME,
        "description": "an object whose keys are names: a letter, then at most 29 letters, digits and `-`",
    },
    "additionalProperties": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "url": {
                "type": "string",
                "maxLength": 500,
                # Programs replace `${NAME}`, `$NAME`, `{env:NAME}` and `{file:PATH}` by what they see.
                "pattern": r"^https?://[^\s\u0000@#\\${}]+$(?!\n)",
                "description": "the http or https address of the server, without a login, `$`, `{` and `}`",
            },
            "headers": {
                "type": "object",
                "maxProperties": 20,
                "propertyNames": {
                    "pattern": r"^[A-Za-z0-9-]{1,100}$(?!\n)",
                    "description": "an object whose keys are names of headers",
                },
                "additionalProperties": {
                    "type": "string",
                    "maxLength": 500,
                    "pattern": r"^[\x20-\x7e]*$(?!\n)",
                    "description": "one line of printable characters",
                },
            },
            "command": {
                "type": "string",
                "pattern": r"^[A-Za-z0-9_.-]{1,50}$(?!\n)",
                "description": "the name of an allowed program, never a command line",
            },
            "required": {"type": "boolean"},
        },
    },
    "description": (
        'tools for the agent: name → {"url": …, "headers": {"Authorization": "Bearer ${VARIABLE}"}} or '
        '{"command": "a name the operator allows"}; with "required": true a run fails if the server does not start'
    ),
}

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,99})\}|\benv:([A-Za-z_][A-Za-z0-9_]{0,99})")
_REPLACED = re.compile(r"[${}]")  # in what else a header contains, programs might replace it: see the schema
_SCHEME = re.compile(r"[A-Za-z]{0,20} ?\Z")  # such as `Bearer `
# They belong to the transport: a server that is named in options must not receive another request than ours.
_RESERVED_HEADERS = {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept"}


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server that an agent uses: at an address, or one of the operator's programs."""

    name: str
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # as written: `${NAME}` or `env:NAME` is a variable
    command_name: str = ""
    is_required: bool = False

    @property
    def command(self) -> McpCommand | None:
        return allowed().mcp_commands.get(self.command_name)

    @property
    def place(self) -> tuple[str, str]:
        """Return the host of its address, and the host with its port, in lower case."""
        parts = urlsplit(self.url)
        host = (parts.hostname or "").lower()
        return host, f"{host}:{parts.port or {'http': 80, 'https': 443}.get(parts.scheme, 0)}"

    @property
    def is_listed(self) -> bool:
        """Return whether the operator has listed its host, which may then be inside the operator's network."""
        return bool(set(self.place) & allowed().mcp_hosts)

    @property
    def variables(self) -> list[str]:
        """Return the variables whose values its headers contain."""
        found = [match for value in self.headers.values() for match in _REFERENCE.finditer(value)]
        return list(dict.fromkeys(match[1] or match[2] for match in found))

    def resolved_headers(self) -> dict[str, str]:
        """Return the headers with the values of their variables, which are removed from all output."""

        def value_of(match: re.Match[str]) -> str:
            return os.environ.get(match[1] or match[2], "").strip()

        return {name: _REFERENCE.sub(value_of, value) for name, value in self.headers.items()}

    def command_environment(self) -> dict[str, str]:
        """Return the variables of its program that the operator has set for it."""
        found = {}
        for entry in self.command.env if self.command else ():
            name, is_set, value = entry.partition("=")
            value = value if is_set else os.environ.get(name, "")
            if is_set or name in os.environ:
                found[name] = value
        return found

    def refusal(self) -> tuple[str, str] | None:
        """Return a key of its definition that is not allowed, and why; None if it is allowed."""
        return next(self._refusals(), None)

    def problem(self) -> str:
        """Return why it cannot be used on this machine; empty if it can be tried."""
        if refused := self.refusal():
            return refused[1]
        for name in self.variables:
            if not os.environ.get(name, "").strip():
                return f"Set {name} in the environment of the worker"
        return ""

    def _refusals(self) -> Iterator[tuple[str, str]]:
        if bool(self.url) == bool(self.command_name):
            yield "", "needs either a `url` or a `command`"
        elif self.command_name:
            if self.headers:
                yield "headers", "has `headers`, which only a server with a `url` can get"
            if self.command is None:
                known = ", ".join(allowed().mcp_commands) or "none"
                yield "command", f"is an unknown program: add it to MISSION_CONTROL_MCP_COMMANDS. Allowed: {known}"
        else:
            yield from self._refusals_of_address()
            yield from self._refusals_of_headers()

    def _refusals_of_address(self) -> Iterator[tuple[str, str]]:
        try:
            host, _ = self.place
        except ValueError:
            host = ""
        if not host:
            yield "url", "has a `url` that is not an address"
        elif redact_secrets(self.url) != self.url:
            yield "url", "has a `url` with a key, which belongs in a variable of the environment"
        elif _is_address(host, is_forbidden):
            yield "url", "is at an address that is not allowed (link-local)"
        elif not self.is_listed:
            if allowed().mcp_hosts:
                yield "url", "is at a host that the operator does not allow (MISSION_CONTROL_MCP_HOSTS)"
            elif self.url.lower().startswith("http:") or _is_local_name(host) or _is_address(host, is_inside):
                yield "url", "must have a public https address, or be listed in MISSION_CONTROL_MCP_HOSTS"

    def _refusals_of_headers(self) -> Iterator[tuple[str, str]]:
        given = {name for name, _ in allowed().mcp_variables}
        for name, value in self.headers.items():
            literal = _REFERENCE.sub("", value)
            if name.lower() in _RESERVED_HEADERS:
                yield f"headers.{name}", f"may not set the header {name}"
            if _REPLACED.search(literal):
                yield f"headers.{name}", f"header {name} may contain `$`, `{{` and `}}` only as ${{NAME}}"
            is_secret = SECRET_NAME.search(name) and not _SCHEME.match(literal)
            if is_secret or redact_secrets(literal) != literal:
                why = "must get its value from the environment, such as ${NAME}, and not contain a key itself"
                yield f"headers.{name}", f"header {name} {why}"
        for variable in self.variables:
            if not {(variable, place) for place in self.place} & allowed().mcp_variables:
                host, known = self.place[0], f"; allowed for other hosts: {variable}" if variable in given else ""
                yield (
                    "headers",
                    f"may not use {variable}: add {variable}@{host} to MISSION_CONTROL_MCP_VARIABLES{known}",
                )


def servers_of(options: Mapping[str, Any]) -> list[McpServer]:
    """Return the servers that the options name; the options have been checked against the schema."""
    return [
        McpServer(
            name,
            url=one.get("url", ""),
            headers=one.get("headers", {}),
            command_name=one.get("command", ""),
            is_required=one.get("required", False),
        )
        for name, one in (options.get(OPTION) or {}).items()
    ]


def wrong_server(options: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the part of the option that is not allowed here, and the reason; None if all of it is allowed."""
    for server in servers_of(options):
        if refused := server.refusal():
            key, why = refused
            option = ".".join(filter(None, [OPTION, server.name, key]))
            return option, f"The option `{option}`: the server {why}"
    return None


def _is_local_name(host: str) -> bool:
    return (
        host == "localhost" or host.endswith((".localhost", ".local", ".internal")) or "." not in host.strip(".")
    )


def _is_address(host: str, is_refused: Any) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return bool(is_refused(host))
