"""What starting a defined program comes to: its variables, what it sees of the machine, how it runs apart."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents import isolation
from agents.backends.base import BackendError
from agents.backends.processes import MB, Order
from agents.backends.programs.allowed import Definition, allowed
from agents.backends.programs.places import home_of, places
from agents.backends.programs.presets import COMMON_ENV, COMMON_READABLE

# The kernel counts threads where it bounds processes; the exact number is for the keeper to see.
THREADS_PER_PROCESS = 10


def environment_of(definition: Definition) -> dict[str, str]:
    """Return the variables that the program gets; a later entry of the definition counts."""
    environment = {}
    for entry in (*COMMON_ENV, *definition.env):
        name, is_set, value = entry.partition("=")
        if is_set:
            environment[name] = value
        elif name in os.environ:
            environment[name] = os.environ[name]
    return environment


def how_apart() -> str:
    """Return how agents run apart, one of what `isolation.method` returns. Raises BackendError."""
    try:
        return isolation.method(allowed().isolation)
    except isolation.IsolationError as error:
        raise BackendError(f"Agents cannot be isolated here, as required: {error}") from None


def check_network(definition: Definition, how: str) -> None:
    """Raise BackendError where the program is to have no network and would have one."""
    if definition.network or how == "bubblewrap":
        return
    why = isolation.bubblewrap_problem() or f"MISSION_CONTROL_AGENT_ISOLATION is {allowed().isolation}"
    raise BackendError(f"`{definition.name}` is to have no network, which needs bubblewrap: {why}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the program is given to read: at once, in a file, or as lines that follow."""

    text: bytes = b""
    file: Path | None = None
    is_dialogue: bool = False


def order_of(definition: Definition, argv: Sequence[str], workdir: Path, prompt: Prompt) -> Order:
    """Put together what to start, how, and what it sees. Raises BackendError."""
    how, environment = how_apart(), environment_of(definition)
    if problem := isolation.folder_problem(how, workdir):
        raise BackendError(f"Agents cannot be isolated here, as required: {problem}")
    check_network(definition, how)
    sight = _sight(definition, argv[0], workdir, environment)
    start = isolation.apart(how, argv, sight, environment)
    return Order(
        argv=start.argv,
        environment={**environment, **start.environment},
        workdir=workdir,
        prompt=prompt.text,
        prompt_file=prompt.file,
        through=start.through,
        spares_first=start.wrapped,
        is_dialogue=prompt.is_dialogue,
    )


def _sight(definition: Definition, program: str, workdir: Path, environment: Mapping[str, str]) -> isolation.Sight:
    return isolation.Sight(
        workdir=workdir,
        scratch=[*places(environment, *definition.scratch)],
        readable=[
            *isolation.files_of(program, home=home_of(environment)),
            *places(environment, *COMMON_READABLE, *definition.readable),
        ],
        copied=[*places(environment, *definition.copied)],
        writable=[*places(environment, *definition.writable)],
        closed=allowed().closed,
        network=definition.network,
        scratch_bytes=int(definition.limits.tmp_mb * MB),
        threads=int(definition.limits.processes * THREADS_PER_PROCESS),
    )
