"""Check from inside the sandbox which tools an agent finds there, in which version."""

import re
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from agents.backends.base import BackendError
from agents.backends.processes import ProcessLimitReached, ProcessLimits, run_program
from agents.backends.programs.allowed import Definition
from agents.backends.programs.launch import Prompt, environment_of, isolation_method, launch_spec
from agents.backends.programs.sandbox_files import SandboxFiles, sandbox_files

LIMITS = ProcessLimits(seconds=40, idle_seconds=40, output_bytes=64_000, processes=200, file_mb=10, free_mb=1)
TOOLS = (
    *("git", "python3", "pip", "uv", "node", "npm", "pnpm", "yarn", "bun", "deno", "cargo", "rustc", "go", "java"),
    *("mvn", "gradle", "ruby", "php", "gcc", "make"),
)
# Prints name, path and a line with the version of each tool that is found; asks all of them at the same time.
_SCRIPT = r"""
look() {
  path=$(command -v "$1") || return
  case $1 in go) words=version ;; *) words=--version ;; esac
  line=$(timeout 10 "$1" $words 2>&1 </dev/null | head -n 1 | cut -c 1-200)
  printf '%s\t%s\t%s\n' "$1" "$path" "$line"
}
for tool in "$@"; do look "$tool" & done
wait
"""
_VERSION = re.compile(r"\d+(?:\.\d+)+[-+.\w]{0,20}")
_LOOK = Definition(name="look", argv=("/bin/sh",), limits=LIMITS)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that agents find; the version is empty if it did not say one."""

    name: str
    path: str
    version: str


async def tools_inside() -> list[Tool]:
    """Start a program as agents' programs are started, and return the tools that it finds. Raises BackendError."""
    argv, said = ["/bin/sh", "-c", _SCRIPT, "sh", *TOOLS], b""
    with TemporaryDirectory(prefix="mission-control-look-", ignore_cleanup_errors=True) as folder:
        try:
            spec = launch_spec(_LOOK, argv, Path(folder), Prompt())
            async with run_program(spec, LIMITS) as program, aclosing(program.output()) as output:
                async for piece in output:
                    said += piece
        except (ProcessLimitReached, OSError) as error:
            raise BackendError(f"The check inside the sandbox failed: {error}") from None
        if program.exit_status:
            raise BackendError(f"The sandbox does not start: {program.last_words() or program.exit_status}")
    found = [_tool(line) for line in said.decode(errors="replace").splitlines() if line.count("\t") == 2]
    return sorted((tool for tool in found if tool.name in TOOLS), key=lambda tool: TOOLS.index(tool.name))


def files_inside() -> SandboxFiles:
    """Return what the sandbox shows besides the system, the project's folder and a program's own files."""
    if isolation_method() != "bubblewrap":
        return SandboxFiles()
    return sandbox_files(_LOOK, Path("/nonexistent"), environment_of(_LOOK))


def _tool(line: str) -> Tool:
    name, path, words = line.split("\t")
    found = _VERSION.search(words)
    return Tool(name, path, found[0] if found else "")
