"""Find the known command-line agents in PATH, with their version and whether they are logged in.

A program is started only if no file shows its version or its login. It is started as for a run: in the sandbox,
with the variables of its definition, and with a guardian, which ends it and all its processes after a few seconds.
"""

import asyncio
from collections.abc import Iterator, Sequence

from agents.backends.base import BackendError
from agents.backends.claude.installation import cli_path
from agents.backends.processes import ProcessLimits
from agents.backends.programs.allowed import ANY_MODEL, Definition, allowed
from agents.backends.programs.ask import ask
from agents.backends.programs.formats import ACP
from agents.backends.programs.launch import environment_of, isolation_method
from agents.backends.programs.logins import has_login, missing_login
from agents.backends.programs.places import find_program
from agents.backends.programs.presets import PRESETS
from agents.backends.programs.versions import version_in, version_in_files
from agents.discovery.findings import Finding, Kind, State

LIMITS = ProcessLimits(
    seconds=3, idle_seconds=3, output_bytes=64_000, linger_seconds=1, processes=64, file_mb=10, free_mb=1
)
# The backends that run one program only, and so need no option that names it.
OWN_BACKENDS = {"codex": "codex_cli", "opencode": "opencode", "copilot": "copilot_sdk"}


async def find_programs() -> list[Finding]:
    """Return the programs that were found, in the order of the presets; those of the operator's own come last."""
    found = [(definition, path) for definition in _candidates() if (path := find_program(definition.argv[0]))]
    return list(await asyncio.gather(*(_finding(definition, path) for definition, path in found)))


def _candidates() -> Iterator[Definition]:
    """Yield the definitions of the presets, as the operator has changed them, and of other allowed programs."""
    commands = allowed().commands
    for name in [*PRESETS, *(name for name in commands if name not in PRESETS)]:
        yield Definition.of(name, commands.get(name, {}))


async def _finding(definition: Definition, path: str) -> Finding:
    name = definition.name
    is_known = name in PRESETS and definition.argv[0] == PRESETS[name].argv[0]
    version = await _version(definition, path) if is_known else ""
    state = await _login(definition, path) if is_known else State.UNKNOWN
    details = {State.READY: "logged in", State.NOT_LOGGED_IN: "not logged in"}
    backend = "acp" if definition.format == ACP else _backend_for(name) if is_known else "command"
    return Finding(
        key=f"program-{name}",
        kind=Kind.PROGRAM,
        title=PRESETS[name].title if is_known else name,
        state=state,
        detail=details.get(state, ""),
        advice=definition.login.advice if definition.login and state == State.NOT_LOGGED_IN else "",
        version=version,
        name=name,
        models=tuple(model for model in definition.models if model != ANY_MODEL),
        backend=backend,
        options={"command": name} if backend in ("command", "acp") else {},
    )


def _backend_for(name: str) -> str:
    """Return the backend that runs the program best."""
    if name == "claude":
        try:
            return "claude_agent_sdk" if cli_path() else "command"
        except BackendError:  # the SDK is not installed, or the program is too old for it
            return "command"
    return OWN_BACKENDS.get(name, "command")


# ---------------------------------------------------------------- version
async def _version(definition: Definition, path: str) -> str:
    return await asyncio.to_thread(version_in_files, path) or await _told_version(definition, path)


async def _told_version(definition: Definition, path: str) -> str:
    status, said = await _ask(definition, [path, "--version"])
    return version_in(said) if status == 0 else ""


# ---------------------------------------------------------------- login
async def _login(definition: Definition, path: str) -> State:
    """Return READY for evidence of a login, NOT_LOGGED_IN without any, UNKNOWN where there can be none."""
    login, environment = definition.login, environment_of(definition)
    if login is None:
        return State.UNKNOWN
    if await asyncio.to_thread(has_login, login, environment):
        return State.READY
    if login.status:
        status, _ = await _ask(definition, [path, *login.status])
        if status is not None:
            return State.NOT_LOGGED_IN if status else State.READY
    is_decided = await asyncio.to_thread(missing_login, login, environment, await asyncio.to_thread(_isolation))
    return State.NOT_LOGGED_IN if is_decided else State.UNKNOWN


def _isolation() -> str:
    try:
        return isolation_method()
    except BackendError:
        return "none"


async def _ask(definition: Definition, argv: Sequence[str]) -> tuple[int | None, str]:
    return await ask(definition, argv, LIMITS)
