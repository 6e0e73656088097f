"""What the steps of a script do to the working folder: write and delete files, run commands in the sandbox."""

import asyncio
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agents import folders, isolation
from agents.backends.base import AgentOverLimit, BackendError
from agents.backends.processes import ProcessLimitReached, ProcessLimits, run_program
from agents.backends.programs.allowed import Definition, allowed
from agents.backends.programs.launch import Prompt, isolation_method, launch_spec

RESULT_BYTES = 100_000  # shown of a command's output
LIMITS = ProcessLimits(seconds=600, idle_seconds=600, output_bytes=10_000_000, processes=200, file_mb=1_000)
# A command has no network, and a proxy's address may contain a password.
_NO_PROXIES = tuple(
    f"{name}=" for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
)
_DEFINITION = Definition(name="run", argv=("/bin/sh",), env=_NO_PROXIES, network=False, limits=LIMITS)


# ---------------------------------------------------------------- files
def write_file(workdir: Path, path: str, content: str) -> None:
    """Write a whole file below the working folder; create missing folders. Raises BackendError."""
    root = folders.root_of(workdir)
    with _refusals(path):
        _check_target(root, path, must_exist=False)
        folders.replace_file(root, root / path, content.encode(errors="replace"))


def delete_file(workdir: Path, path: str) -> None:
    """Delete a file below the working folder. Raises BackendError."""
    root = folders.root_of(workdir)
    with _refusals(path):
        _check_target(root, path, must_exist=True)
        folder = folders.open_inside(root, (root / path).parent)
        try:
            os.unlink(Path(path).name, dir_fd=folder)
        finally:
            os.close(folder)


@contextmanager
def _refusals(path: str) -> Iterator[None]:
    """Turn an error of the file system into one for users, without the folder's own path."""
    try:
        yield
    except OSError as error:
        raise BackendError(f"`{path}`: {error.strerror or type(error).__name__}") from None


def _check_target(root: Path, path: str, *, must_exist: bool) -> None:
    """Raise BackendError unless the path leads, without links, to a regular file or to nothing yet."""
    place = root
    for part in Path(path).parts:
        if part == ".." or Path(path).is_absolute():
            raise BackendError(f"`{path}` leads out of the working folder")
        place /= part
        try:
            mode = place.lstat().st_mode
        except FileNotFoundError:
            if must_exist:
                raise
            return
        if stat.S_ISLNK(mode):
            raise BackendError(f"`{path}` leads through a symbolic link, which is not followed")
        is_last = place == root / path
        if not (stat.S_ISREG(mode) if is_last else stat.S_ISDIR(mode)):
            raise BackendError(f"`{path}`: `{part}` is not a {'regular file' if is_last else 'folder'}")


# ---------------------------------------------------------------- commands
def sandbox_problem() -> str | None:
    """Return why no step may run a command here; None if it may."""
    try:
        how = isolation_method()
    except BackendError as error:
        return str(error)
    if how == "bubblewrap":
        return None
    why = isolation.bubblewrap_problem() or f"MISSION_CONTROL_AGENT_ISOLATION is {allowed().isolation}"
    return f"A script runs commands in the sandbox only, which needs bubblewrap: {why}"


async def run_command(words: Sequence[str], workdir: Path) -> str:
    """Run the command in the working folder, without a network, and return its output and its exit status.

    A program that does not exist is a result like any other. Raises BackendError, also at a limit.
    """
    if problem := sandbox_problem():
        raise BackendError(problem)
    argv = ["/bin/sh", "-c", 'exec "$@" 2>&1', "sh", *words]
    spec = await asyncio.to_thread(lambda: launch_spec(_DEFINITION, argv, workdir.absolute(), Prompt()))
    said, size = b"", 0
    async with run_program(spec, LIMITS) as program:
        try:
            async for piece in program.output():
                program.note_progress()
                size += len(piece)
                said += piece[: max(0, RESULT_BYTES - len(said))]
        except ProcessLimitReached as limit:
            raise AgentOverLimit(f"The command `{words[0][:100]}` {limit}, and was stopped", limit.limit) from None
    text = said.decode(errors="replace")
    if size > RESULT_BYTES:
        text += f"\n… cut off after {RESULT_BYTES:,} bytes"
    return f"{text}\n[exit status {program.exit_status}]" if program.exit_status else text
