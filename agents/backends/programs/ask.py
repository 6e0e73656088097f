"""Start an allowed program to ask it something, such as its version or its models."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory

from agents.backends.base import BackendError
from agents.backends.processes import ProcessLimitReached, ProcessLimits, run_program
from agents.backends.programs.allowed import Definition
from agents.backends.programs.launch import Prompt, launch_spec


async def ask(definition: Definition, argv: Sequence[str], limits: ProcessLimits) -> tuple[int | None, str]:
    """Run the program with these words; return its exit status, and the beginning of its output.

    The status is None if it could not be started or was ended at a limit.
    """
    with TemporaryDirectory(prefix="mission-control-scan-", ignore_cleanup_errors=True) as folder:
        said = b""
        try:
            spec = await asyncio.to_thread(launch_spec, definition, argv, Path(folder), Prompt())
            async with run_program(spec, limits) as program, aclosing(program.output()) as output:
                async for piece in output:
                    said += piece
        except (BackendError, ProcessLimitReached, OSError):
            return None, ""
        return program.exit_status, said.decode(errors="replace")
