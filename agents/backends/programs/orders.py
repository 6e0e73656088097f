"""What starting a defined program comes to: its variables, what it sees of the machine, how it runs apart."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents import isolation
from agents.backends.base import BackendError
from agents.backends.processes import Order
from agents.backends.programs.allowed import Definition, allowed
from agents.backends.programs.presets import COMMON_ENV, COMMON_READABLE


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
        raise BackendError(f"Agents are to run apart, and cannot: {error}") from None


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
        raise BackendError(f"Agents are to run apart, and cannot: {problem}")
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
    home = Path(environment.get("HOME", "/nonexistent"))

    def places(*paths: str) -> Iterator[Path]:
        for path in paths:
            named = environment.get(path[1:], "") if path.startswith("$") else path
            if named:
                yield home / named.removeprefix("~/") if named.startswith("~/") else Path(named)

    return isolation.Sight(
        workdir=workdir,
        readable=[
            *isolation.files_of(program, home=home),
            *places(*COMMON_READABLE, *definition.readable),
        ],
        writable=[*places(*definition.writable)],
        closed=allowed().closed,
    )
