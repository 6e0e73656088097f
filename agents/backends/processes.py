"""Run an agent's program as an isolated process: read its output with backpressure, and end all its processes.

A small process of its own (guardian.py) starts, watches and ends it, because that survives a killed worker.
"""

import asyncio
import inspect
import json
import os
import re
import signal
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agents.backends import guardian
from agents.backends.base import LimitName
from agents.backends.cgroups import Cgroup
from agents.isolation import PYTHON, SYSTEM_PATH

GUARDIAN_ENVIRONMENT = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8"}  # none of our variables
MB = 1_000_000
READ_BYTES = 65_536
LINE_BYTES = 8_000_000  # a longer line is left out: an endless one would fill the memory
STDERR_BYTES = 8_192  # kept of the end of standard error, for an error message
ERROR_LINES = 100  # unread lines of standard error that are kept
LAST_LINES = 8
# What programs always write to standard error, between the lines with the reason of a failure.
NOISE = re.compile(
    r"A backup file exists at|You can manually restore it by running|Claude configuration file not found"
    r"|Warning: (?:Basic terminal|256-color)|Ripgrep is not available|\(Use `node --trace|\(node:\d+\) "
    r"|Package extraction took|WARNING: proceeding, even though we could not|Reading prompt from stdin"
)
GRACE_SECONDS = 1.0  # from TERM to KILL: a stop may take two seconds, including the time to notice it
END_SECONDS = 1.9  # after this the guardian is killed, and the program with it


class ProcessLimitReached(Exception):
    """The program exceeded a limit. The message is for users."""

    def __init__(self, message: str, limit: LimitName) -> None:
        super().__init__(message)
        self.limit = limit


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """The limits of one run of a program."""

    seconds: float = 4 * 3600.0
    idle_seconds: float = 900.0
    output_bytes: int = 100_000_000
    linger_seconds: float = 10.0  # between the end of its output and its exit
    processes: int = 500  # at once
    file_mb: int = 10_000  # the size of one file
    free_mb: int = 200  # to be left free on the disk of its folder
    tmp_mb: int = 1_000  # the size of each in-memory folder of the sandbox


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """How to start a program. `command_prefix` precedes the guardian's command line, to run as another user."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    workdir: Path
    prompt: bytes
    prompt_file: Path | None = None  # the prompt is written there instead of to standard input
    command_prefix: Sequence[str] = ()
    spare_wrapper: bool = False  # the first process is a wrapper: if it ended, the program would get KILL
    is_dialogue: bool = False  # its input continues after the prompt: see `Program.send_line`

    def line(self, limits: ProcessLimits) -> bytes:
        spec = {
            "max_processes": int(limits.processes),
            "max_file_bytes": int(limits.file_mb * MB),
            "min_free_bytes": int(limits.free_mb * MB),
            "argv": list(self.argv),
            "env": dict(self.environment),
            "cwd": str(self.workdir),
            "prompt_bytes": len(self.prompt),
            "prompt_file": str(self.prompt_file) if self.prompt_file else None,
            "grace_seconds": GRACE_SECONDS,
            "spare_wrapper": self.spare_wrapper,
            "is_dialogue": self.is_dialogue,
        }
        return json.dumps(spec).encode() + b"\n"


class Program:
    """A running program. `exit_status` is set as in a shell once its output has been read to the end."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        limits: ProcessLimits,
        *,
        stdout: asyncio.StreamReader,
        stderr: asyncio.StreamReader,
        cgroup: Cgroup | None = None,
    ) -> None:
        self.limits = limits
        self._cgroup = cgroup
        self.exit_status: int | None = None
        self._process, self._stdout = process, stdout
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._silent_seconds = 0.0  # spent waiting for it since its last progress
        self._waiting_since = self._started
        self._excuses = 0  # how many people it waits for now
        self._excused_since = self._started
        self._excused_seconds = 0.0  # in which it waited for people
        self._output_bytes = 0
        self._stderr = b""
        self._error_line = b""  # the incomplete one
        self._error_lines: deque[str] = deque(maxlen=ERROR_LINES)
        self._error_came = asyncio.Event()
        self._exited = asyncio.create_task(process.wait())
        self._drain = asyncio.create_task(self._drain_stderr(stderr))

    async def output(self) -> AsyncGenerator[bytes, None]:
        """Yield its output as it arrives, and return when it has ended. Raises ProcessLimitReached.

        An empty piece means that it wrote to standard error instead: see `error_lines`. The reader calls
        `note_progress` if the output shows more than waiting, which restarts the limit of silence.
        """
        while (piece := await self._next()) is not None:
            self._output_bytes += len(piece)
            if self._output_bytes > self.limits.output_bytes:
                raise ProcessLimitReached(
                    f"wrote more than the limit of {self.limits.output_bytes:,} bytes", "output"
                )
            yield piece
        try:
            async with asyncio.timeout_at(min(self._loop.time() + self.limits.linger_seconds, self._deadline)):
                code = await asyncio.shield(self._exited)
                self.exit_status = code if code >= 0 else 128 - code
        except TimeoutError:
            raise ProcessLimitReached("closed its output but did not end", "time") from None
        await asyncio.wait({self._drain}, timeout=GRACE_SECONDS)
        if self.exit_status == guardian.LIMIT_STATUS:
            self._raise_guardians_limit()

    def _raise_guardians_limit(self) -> None:
        """Raise ProcessLimitReached if the guardian names a limit; any other text is the program's own."""
        match self.last_words().rpartition(guardian.LIMIT_MARK)[2]:
            case "processes":
                raise ProcessLimitReached(
                    f"had more than the limit of {self.limits.processes:,} processes at once", "processes"
                )
            case "disk":
                raise ProcessLimitReached(
                    f"ran while less than {self.limits.free_mb:,} MB of the disk were free", "disk"
                )

    @property
    def _deadline(self) -> float:
        waits = self._loop.time() - self._excused_since if self._excuses else 0.0
        return self._started + self.limits.seconds + self._excused_seconds + waits

    async def _next(self) -> bytes | None:
        """Wait for a piece of output; None at its end. Only the wait counts as silence, not its processing."""
        self._waiting_since = self._loop.time()
        waiting = asyncio.ensure_future(self._stdout.read(READ_BYTES))
        error = asyncio.ensure_future(self._error_came.wait())
        try:
            while not (waiting.done() or self._exited.done() or error.done()):
                silence = self._waiting_since + self.limits.idle_seconds - self._silent_seconds
                if self._excuses:
                    silence = self._loop.time() + self.limits.idle_seconds
                until = min(silence, self._deadline)
                if until <= self._loop.time():
                    raise self._limit()
                await asyncio.wait(
                    {waiting, self._exited, error},
                    timeout=until - self._loop.time(),
                    return_when=asyncio.FIRST_COMPLETED,
                )
            if error.done() and not (waiting.done() or self._exited.done()):
                self._error_came.clear()
                return b""
            await asyncio.wait({waiting}, timeout=GRACE_SECONDS)  # for output left in the pipe
            return (waiting.result() if waiting.done() else b"") or None
        finally:
            self._silent_seconds += self._loop.time() - self._waiting_since
            waiting.cancel()
            error.cancel()

    @contextmanager
    def excused(self) -> Iterator[None]:
        """Count neither its silence nor its time while it waits for a person's answer."""
        if not self._excuses:
            self._excused_since = self._loop.time()
        self._excuses += 1
        try:
            yield
        finally:
            self._excuses -= 1
            if not self._excuses:
                now = self._loop.time()
                self._excused_seconds += now - self._excused_since
                self._silent_seconds, self._waiting_since = 0.0, now

    def note_progress(self) -> None:
        """Restart the count of its silence."""
        self._silent_seconds = 0.0

    def error_lines(self) -> list[str]:
        """Return the last lines that it wrote to standard error since the previous call, without noise."""
        lines = [line for line in self._error_lines if line and not NOISE.match(line)]
        self._error_lines.clear()
        return lines

    def _limit(self) -> ProcessLimitReached:
        if self._loop.time() >= self._deadline:
            return ProcessLimitReached(f"ran longer than the limit of {self.limits.seconds:g} seconds", "time")
        return ProcessLimitReached(f"was silent for the limit of {self.limits.idle_seconds:g} seconds", "silence")

    async def send_line(self, line: bytes) -> None:
        """Send another line in a dialogue, without the line end; an empty line ends the input."""
        assert self._process.stdin is not None, "it was asked for"
        with suppress(ConnectionError):  # `last_words` has the reason of its end
            self._process.stdin.write(line + b"\n")
            await self._process.stdin.drain()

    def last_words(self) -> str:
        """Return the last lines of standard error, joined, without noise."""
        lines = [line.strip() for line in self._stderr.decode(errors="replace").splitlines()]
        return " / ".join([line for line in lines if line and not NOISE.match(line)][-LAST_LINES:])

    async def _drain_stderr(self, stderr: asyncio.StreamReader) -> None:
        while piece := await stderr.read(READ_BYTES):
            self._stderr = (self._stderr + piece)[-STDERR_BYTES:]
            *lines, self._error_line = (self._error_line + piece)[-STDERR_BYTES:].split(b"\n")
            self._error_lines.extend(line.decode(errors="replace").strip() for line in lines)
            self._error_came.set()

    async def end(self) -> None:
        """End the program with all its descendants, and wait until none is left."""
        assert self._process.stdin is not None, "it was asked for"
        self._process.stdin.close()  # tells the guardian to end it
        try:
            async with asyncio.timeout(END_SECONDS):
                await asyncio.shield(self._exited)
        except TimeoutError:
            # Sudo runs as root; then the guardian ends on its own.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._exited
        finally:
            self._drain.cancel()
            if self._cgroup is not None:
                await self._cgroup.end()


async def split_lines(output: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, int]]:
    """Yield each line, stripped, and its size in bytes; the line is empty if it is larger than LINE_BYTES.

    An empty piece yields an empty line at once, so that the reader does not wait for the next complete line.
    """
    begun: list[bytes] = []
    size = 0
    async for piece in output:
        *ended, rest = piece.split(b"\n")
        if not piece:
            yield b"", 0
        for line in ended:
            size += len(line)
            yield b"".join([*begun, line]).strip() if size <= LINE_BYTES else b"", size
            begun, size = [], 0
        size += len(rest)
        begun = [*begun, rest] if size <= LINE_BYTES else []
    yield b"".join(begun).strip(), size


@asynccontextmanager
async def run_program(spec: LaunchSpec, limits: ProcessLimits) -> AsyncIterator[Program]:
    """Start the program; at the end of the context it has ended with all its descendants."""
    argv = [sys.executable, "-I", "-S", guardian.__file__]
    if spec.command_prefix:  # another user may have no access to our files and interpreter
        argv = [*spec.command_prefix, PYTHON, "-I", "-S", "-c", inspect.getsource(guardian)]
    async with _pipe() as (stdout, its_stdout), _pipe() as (stderr, its_stderr):
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=its_stdout,
            stderr=its_stderr,
            cwd="/",
            env=GUARDIAN_ENVIRONMENT,
            start_new_session=True,
        )
        cgroup = Cgroup.around(process.pid)  # before it gets the launch spec, and so before it has children
        program = Program(process, limits, stdout=stdout, stderr=stderr, cgroup=cgroup)
        try:
            its_stdout.close()
            its_stderr.close()
            assert process.stdin is not None, "it was asked for"
            with suppress(ConnectionError):  # `last_words` has the reason of its end
                process.stdin.write(spec.line(limits) + spec.prompt)
                await process.stdin.drain()
            yield program
        finally:
            await _end_uninterrupted(program)


@asynccontextmanager
async def _pipe() -> AsyncIterator[tuple[asyncio.StreamReader, BinaryIO]]:
    """Open a pipe, and close it at the end even if another process still has its other side open.

    With its own pipes asyncio would wait until every process had closed them.
    """
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as ours, open(writing, "wb", buffering=0) as theirs:  # noqa: ASYNC230, PTH123
        reader = asyncio.StreamReader(limit=READ_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, ours)
        try:
            yield reader, theirs
        finally:
            transport.close()


async def _end_uninterrupted(program: Program) -> None:
    """End the program completely; raise a cancellation that arrives during this only at the end."""
    ending = asyncio.ensure_future(program.end())
    cancelled: asyncio.CancelledError | None = None
    while not ending.done():
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError as cancellation:
            cancelled = cancellation
    ending.result()
    if cancelled is not None:
        raise cancelled
