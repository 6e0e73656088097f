"""Prepare the start of a defined program: its variables, its isolation and its mounts."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from agents import isolation
from agents.backends.base import BackendError
from agents.backends.processes import MB, LaunchSpec
from agents.backends.programs.allowed import Definition, allowed
from agents.backends.programs.places import home_of, places
from agents.backends.programs.presets import COMMON_ENV
from agents.backends.programs.sandbox_files import SandboxFiles, sandbox_files
from agents.backends.programs.sessions import Sessions, kept_folder

# The kernel's limit of processes counts threads; the guardian checks the exact number of processes.
THREADS_PER_PROCESS = 10


def environment_of(definition: Definition) -> dict[str, str]:
    """Return the program's variables; a later entry of the definition overrides an earlier one."""
    environment = {}
    for entry in (*COMMON_ENV, *definition.env):
        name, is_set, value = entry.partition("=")
        if is_set:
            environment[name] = value
        elif name in os.environ:
            environment[name] = os.environ[name]
    return environment


def isolation_method() -> str:
    """Return how agents are isolated, as `isolation.method` does. Raises BackendError."""
    try:
        return isolation.method(allowed().isolation)
    except isolation.IsolationError as error:
        raise BackendError(f"Agents cannot be isolated here, as required: {error}") from None


def check_network(definition: Definition, how: str) -> None:
    """Raise BackendError if the program must not have a network but would have one."""
    if definition.network or how == "bubblewrap":
        return
    why = isolation.bubblewrap_problem() or f"MISSION_CONTROL_AGENT_ISOLATION is {allowed().isolation}"
    raise BackendError(f"`{definition.name}` is to have no network, which needs bubblewrap: {why}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """The program's prompt: on standard input, in a file, or as later lines of a dialogue."""

    text: bytes = b""
    file: Path | None = None
    is_dialogue: bool = False


def launch_spec(
    definition: Definition, argv: Sequence[str], workdir: Path, prompt: Prompt, *, has_conversation: bool = False
) -> LaunchSpec:
    """Return the launch spec: command line, environment, isolation and mounts. Raises BackendError.

    With `has_conversation` the program finds the conversations that it has had in this folder.
    """
    how, environment = isolation_method(), environment_of(definition)
    kept: list[tuple[Path, Path]] = []
    if has_conversation and how == "bubblewrap" and definition.sessions:
        kept = _kept_folders(definition, definition.sessions, workdir, environment)
        environment |= dict(_pair(word) for word in definition.sessions.variables if kept)
    if problem := isolation.folder_problem(how, workdir):
        raise BackendError(f"Agents cannot be isolated here, as required: {problem}")
    check_network(definition, how)
    added = sandbox_files(definition, workdir, environment) if how == "bubblewrap" else SandboxFiles()
    environment |= added.variables
    mounts = replace(_mounts_of(definition, argv[0], workdir, environment, added), kept=kept)
    start = isolation.sandbox(how, argv, mounts, environment)
    return LaunchSpec(
        argv=start.argv,
        environment={**environment, **start.environment},
        workdir=workdir,
        prompt=prompt.text,
        prompt_file=prompt.file,
        command_prefix=start.command_prefix,
        spare_wrapper=start.is_wrapped,
        is_dialogue=prompt.is_dialogue,
    )


def conversation_folders(definition: Definition, workdir: Path) -> list[Path]:
    """Return the folders of this machine in which the program's conversations of this working folder are."""
    if definition.sessions is None:
        return []
    environment = environment_of(definition)
    if isolation_method() == "bubblewrap":
        kept = _kept_folders(definition, definition.sessions, workdir.absolute(), environment)
        return [folder for folder, _ in kept]
    return list(places(environment, *definition.sessions.folders))


def _kept_folders(
    definition: Definition, sessions: Sessions, workdir: Path, environment: Mapping[str, str]
) -> list[tuple[Path, Path]]:
    """Return the folder that keeps the conversations, with each path at which the program may look for it.

    Creates the folder. Where that is impossible, the program runs all the same and forgets its conversations.
    """
    if (root := allowed().conversations) is None:
        return []
    folder = kept_folder(root, definition.name, workdir)
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [(folder, place) for place in places(environment, *sessions.folders)]


def _pair(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value


def _mounts_of(
    definition: Definition, program: str, workdir: Path, environment: Mapping[str, str], added: SandboxFiles
) -> isolation.Mounts:
    return isolation.Mounts(
        workdir=workdir,
        scratch=[*places(environment, *definition.scratch)],
        readable=[
            *isolation.files_of(program, home=home_of(environment)),
            *places(environment, *definition.readable),
            *([skills] if (skills := allowed().skills) else []),
            *added.readable,
        ],
        copied=[*places(environment, *definition.copied)],
        writable=[*places(environment, *definition.writable), *added.writable],
        closed=[*allowed().closed, *added.closed],
        network=definition.network,
        scratch_bytes=int(definition.limits.tmp_mb * MB),
        threads=int(definition.limits.processes * THREADS_PER_PROCESS),
    )
