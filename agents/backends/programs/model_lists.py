"""Ask a program for the names of the models that it can use."""

import asyncio
from functools import partial

from agents.backends.base import BackendError, Source
from agents.backends.processes import ProcessLimits
from agents.backends.programs.allowed import ANY_MODEL, MODEL, Definition
from agents.backends.programs.ask import ask
from agents.backends.programs.places import find_program
from agents.backends.programs.presets import PRESETS
from agents.redaction import redact_secrets

# The arguments with which a preset's program lists its models, one a line.
ARGUMENTS = {"opencode": ("models",)}
LIMITS = ProcessLimits(
    seconds=20, idle_seconds=20, output_bytes=256_000, linger_seconds=1, processes=64, file_mb=50, free_mb=1
)
MODELS = 1_000


def of_program(definition: Definition) -> Source | None:
    """Return the source of the program's models; None if it cannot list them or an agent may not choose one."""
    name = definition.name
    is_presets_program = name in ARGUMENTS and definition.argv[:1] == PRESETS[name].argv[:1]
    if not is_presets_program or ANY_MODEL not in definition.models:
        return None
    return Source("model", f"program-{name}", PRESETS[name].title, partial(_models, definition))


def _models(definition: Definition) -> list[str]:
    program, title = find_program(definition.argv[0]), PRESETS[definition.name].title
    if program is None:
        raise BackendError(f"{title} is not installed")
    status, text = asyncio.run(ask(definition, [program, *ARGUMENTS[definition.name]], LIMITS))
    names = [line.strip() for line in text.splitlines() if MODEL.match(line.strip())]
    if status != 0 or not names:
        raise BackendError(f"{title} did not list its models")
    return [name for name in dict.fromkeys(names) if redact_secrets(name) == name][:MODELS]
