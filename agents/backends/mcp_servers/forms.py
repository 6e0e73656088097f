"""The MCP servers of an agent in the form that each known program reads: arguments, variables, its own settings.

No value of a header is in an argument or a file: the program gets it in a variable, to which its form refers. The
user's own files are not changed.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agents import isolation
from agents.backends.mcp_servers.definitions import McpServer
from agents.backends.programs.allowed import Definition, allowed
from agents.backends.programs.formats.reader import part
from agents.backends.programs.launch import environment_of, isolation_method
from agents.backends.programs.places import find_program, home_of
from agents.folders import read_file

_FILLED_BY_RUNS = {"tmp", "history"}
SETTINGS_BYTES = 5_000_000  # of the user's settings
_HOME = "{home}"  # stands for the path of the home folder in a variable


@dataclass(frozen=True, slots=True)
class Form:
    """What a program gets: arguments, variables, and settings in a home folder of its own.

    `folder` is where the program keeps its settings below its home folder; `settings` are merged into a copy of
    the user's settings.json there, and everything else is a link to the user's.
    """

    arguments: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Server:
    """A server as a form describes it: `headers` and `env` map a name to the variable that has its value."""

    name: str
    url: str
    headers: Mapping[str, str]
    argv: Sequence[str]
    env: Mapping[str, str]


@contextmanager
def given_servers(definition: Definition, servers: Sequence[McpServer]) -> Iterator[tuple[Definition, list[str]]]:
    """Return the program's definition and the arguments with which it starts these servers itself.

    A home folder that it gets exists until the end of the context.
    """
    if not servers:
        yield definition, []
        return
    described, values = _described(servers)
    form = FORMS[definition.mcp](described)
    home = Path(tempfile.mkdtemp(prefix="mission-control-home-"))
    try:
        if form.folder:
            _make_home(home, form, definition)
        variables = {name: one.replace(_HOME, str(home)) for name, one in form.variables.items()}
        made = _with_programs(definition, servers)
        yield (
            replace(
                made,
                env=(*_entries(values), *made.env, *_entries(variables)),
                writable=(*made.writable, *([str(home)] if form.folder else [])),
            ),
            list(form.arguments),
        )
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _entries(variables: Mapping[str, str]) -> Iterator[str]:
    return (f"{name}={value}" for name, value in variables.items())


def _make_home(home: Path, form: Form, definition: Definition) -> None:
    """Fill a home folder for one run: the user's files as links, and a copy of the settings with ours.

    Folders that the program fills during a run are its own, except those with its conversations.
    """
    environment, how = environment_of(definition), isolation_method()
    folder, theirs = home / form.folder, home_of(environment) / form.folder
    for name, place in form.variables.items():
        if moved := environment.get(name):
            theirs = Path(moved, form.folder) if place == _HOME else Path(moved)
    folder.mkdir()
    settings: Mapping[str, Any] = {}
    if how.startswith("user:"):
        home.chmod(0o755)  # of another user, whose home we do not know
    else:
        _link(folder, theirs, _conversation_names(definition, form, how), how)
        with suppress(OSError, ValueError, RecursionError):
            settings = part(json.loads(read_file(theirs / "settings.json", SETTINGS_BYTES)))
    merged = {name: {**part(settings, name), **ours} for name, ours in form.settings.items()}
    (folder / "settings.json").write_text(json.dumps({**settings, **merged}))


def _link(folder: Path, theirs: Path, conversations: Collection[str], how: str) -> None:
    with suppress(OSError):
        for name in conversations:
            if how != "bubblewrap":  # in the sandbox the folder is mounted there
                (theirs / name).mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(theirs / name)
        for entry in theirs.iterdir():
            if entry.name not in {"settings.json", *_FILLED_BY_RUNS, *conversations}:
                (folder / entry.name).symlink_to(entry)


def _conversation_names(definition: Definition, form: Form, how: str) -> set[str]:
    """Return the names of the folders with conversations, which later runs continue."""
    if definition.sessions is None or (how == "bubblewrap" and allowed().conversations is None):
        return set()
    start = f"~/{form.folder}/"
    found = [path for path in definition.sessions.folders if path.startswith(start)]
    return {path.removeprefix(start).partition("/")[0] for path in found}


def acp_servers(servers: Sequence[McpServer]) -> list[dict[str, Any]]:
    """Return the servers as the `mcpServers` of `session/new` in the Agent Client Protocol, with all values."""
    found: list[dict[str, Any]] = []
    for server in servers:
        if server.url:
            headers = [{"name": name, "value": value} for name, value in server.resolved_headers().items()]
            found.append({"type": "http", "name": server.name, "url": server.url, "headers": headers})
        else:
            command, *arguments = _argv(server)
            env = [{"name": name, "value": value} for name, value in server.command_environment().items()]
            found.append({"name": server.name, "command": command, "args": arguments, "env": env})
    return found


def with_mounts(definition: Definition, servers: Sequence[McpServer]) -> Definition:
    """Return the definition of a program that sees the files of the servers which it starts."""
    return _with_programs(definition, servers)


def _described(servers: Sequence[McpServer]) -> tuple[list[_Server], dict[str, str]]:
    """Return the servers as forms describe them, and the variables with all values."""
    described, values = [], dict[str, str]()
    for server in servers:
        headers = {}
        for name, value in server.resolved_headers().items():
            headers[name] = f"MCP_HEADER_{len(values)}"
            values[headers[name]] = value
        environment = server.command_environment()
        values |= environment
        argv = [] if server.url else _argv(server)
        described.append(_Server(server.name, server.url, headers, argv, {name: name for name in environment}))
    return described, values


def _argv(server: McpServer) -> list[str]:
    command = server.command
    assert command is not None, "it has been started before"
    return [find_program(command.argv[0]) or command.argv[0], *command.argv[1:]]


def _with_programs(definition: Definition, servers: Sequence[McpServer]) -> Definition:
    commands = [(server, server.command) for server in servers if not server.url]
    home = home_of(environment_of(definition))
    files = [str(file) for server, _ in commands for file in isolation.files_of(_argv(server)[0], home=home)]
    readable = [path for _, command in commands if command for path in command.readable]
    writable = [path for _, command in commands if command for path in command.writable]
    return replace(
        definition,
        readable=(*definition.readable, *files, *readable),
        writable=(*definition.writable, *writable),
    )


# ---------------------------------------------------------------- the forms
def _mapped(pairs: Mapping[str, str], form: str) -> dict[str, str]:
    """Return name → the program's reference to the variable."""
    return {name: form.replace("NAME", variable) for name, variable in pairs.items()}


def _claude(servers: Sequence[_Server]) -> Form:
    entries = {
        one.name: (
            {"type": "http", "url": one.url, "headers": _mapped(one.headers, "${NAME}")}
            if one.url
            else {"command": one.argv[0], "args": one.argv[1:], "env": _mapped(one.env, "${NAME}")}
        )
        for one in servers
    }
    allowed_tools = ",".join(f"mcp__{one.name}" for one in servers)
    config = json.dumps({"mcpServers": entries})
    return Form([f"--mcp-config={config}", f"--allowedTools={allowed_tools}"])


def _codex(servers: Sequence[_Server]) -> Form:
    """Return `-c` options; their values are TOML, and JSON's strings and lists are TOML's.

    Codex waits only for required servers before its first request, which would otherwise lack their tools.
    """
    words: list[str] = []
    for one in servers:
        if one.url:
            pairs = ", ".join(f"{json.dumps(name)} = {json.dumps(of)}" for name, of in one.headers.items())
            settings = {"url": json.dumps(one.url), **({"env_http_headers": f"{{{pairs}}}"} if pairs else {})}
        else:
            settings = {"command": json.dumps(one.argv[0]), "args": json.dumps(list(one.argv[1:]))}
            settings |= {"env_vars": json.dumps(list(one.env))} if one.env else {}
        settings |= {"default_tools_approval_mode": '"approve"', "required": "true"}
        for key, value in settings.items():
            words += ["-c", f"mcp_servers.{one.name}.{key}={value}"]
    return Form(words)


def _gemini(servers: Sequence[_Server]) -> Form:
    """Return settings of the user's: Gemini takes those of the system only from files that belong to root."""
    return Form((), {"GEMINI_CLI_HOME": _HOME}, ".gemini", {"mcpServers": _geminis_entries(servers)})


def _qwen(servers: Sequence[_Server]) -> Form:
    return Form((), {"QWEN_HOME": f"{_HOME}/.qwen"}, ".qwen", {"mcpServers": _geminis_entries(servers)})


def _geminis_entries(servers: Sequence[_Server]) -> dict[str, Any]:
    return {
        one.name: (
            {"httpUrl": one.url, "headers": _mapped(one.headers, "${NAME}"), "trust": True}
            if one.url
            else {
                "command": one.argv[0],
                "args": one.argv[1:],
                "env": _mapped(one.env, "${NAME}"),
                "trust": True,
            }
        )
        for one in servers
    }


def _opencode(servers: Sequence[_Server]) -> Form:
    entries: dict[str, Any] = {
        one.name: (
            {"type": "remote", "url": one.url, "headers": _mapped(one.headers, "{env:NAME}"), "enabled": True}
            if one.url
            else {
                "type": "local",
                "command": list(one.argv),
                "environment": _mapped(one.env, "{env:NAME}"),
                "enabled": True,
            }
        )
        for one in servers
    }
    return Form((), {"OPENCODE_CONFIG_CONTENT": json.dumps({"mcp": entries})})


def _copilot(servers: Sequence[_Server]) -> Form:
    entries = {
        one.name: (
            {"type": "http", "url": one.url, "headers": _mapped(one.headers, "${NAME}"), "tools": ["*"]}
            if one.url
            else {
                "type": "local",
                "command": one.argv[0],
                "args": one.argv[1:],
                "env": _mapped(one.env, "${NAME}"),
                "tools": ["*"],
            }
        )
        for one in servers
    }
    config = json.dumps({"mcpServers": entries})
    return Form([f"--additional-mcp-config={config}", *(f"--allow-tool={one.name}" for one in servers)])


FORMS: Mapping[str, Callable[[Sequence[_Server]], Form]] = {
    "claude": _claude,
    "codex": _codex,
    "gemini": _gemini,
    "qwen": _qwen,
    "opencode": _opencode,
    "copilot": _copilot,
}
