"""An agent's program as a process: started apart, read no faster than it is listened to, ended as a whole.

What starts, watches and ends it is a small process of its own (keeper.py), because only that survives a
worker that is killed.
"""

import asyncio
import inspect
import json
import os
import re
import signal
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agents.backends import keeper
from agents.backends.base import LimitName
from agents.backends.cgroups import Cgroup
from agents.isolation import PYTHON, SYSTEM_PATH

KEEPERS_ENVIRONMENT = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8"}  # nothing of ours
MB = 1_000_000
READ_BYTES = 65_536
LINE_BYTES = 8_000_000  # a longer line is left out: one that never ends would fill the memory
STDERR_BYTES = 8_192  # of the end, for the error
ERROR_LINES = 100  # that nobody has read yet
LAST_LINES = 8
# What programs write to standard error whatever happens; the reason of a failure stands between it.
NOISE = re.compile(
    r"A backup file exists at|You can manually restore it by running|Claude configuration file not found"
    r"|Warning: (?:Basic terminal|256-color)|Ripgrep is not available|\(Use `node --trace|\(node:\d+\) "
    r"|Package extraction took|WARNING: proceeding, even though we could not|Reading prompt from stdin"
)
GRACE_SECONDS = 1.0  # from TERM to KILL: a stop has two seconds, the look for it included
END_SECONDS = 1.9  # for the keeper to be done; then it is killed, and the program with it


class LimitReached(Exception):
    """The program took more of something than it may. The message is for people."""

    def __init__(self, message: str, limit: LimitName) -> None:
        super().__init__(message)
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run of a program may take."""

    seconds: float = 4 * 3600.0
    idle_seconds: float = 900.0
    output_bytes: int = 100_000_000
    linger_seconds: float = 10.0  # between the end of its output and its own
    processes: int = 500  # at once
    file_mb: int = 10_000  # of one file
    free_mb: int = 200  # that stay free on the disk of its folder
    tmp_mb: int = 1_000  # of each folder in the sandbox that lies in memory


@dataclass(frozen=True, slots=True)
class Order:
    """What to start. `through` stands before the keeper's own command line: what makes it another user's."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    workdir: Path
    prompt: bytes
    prompt_file: Path | None = None  # the prompt comes there instead of on standard input
    through: Sequence[str] = ()
    spares_first: bool = False  # the first process is a wrapper, whose end would be KILL for the program
    is_dialogue: bool = False  # its input goes on: see `Program.say`

    def line(self, limits: Limits) -> bytes:
        order = {
            "max_processes": int(limits.processes),
            "max_file_bytes": int(limits.file_mb * MB),
            "min_free_bytes": int(limits.free_mb * MB),
            "argv": list(self.argv),
            "env": dict(self.environment),
            "cwd": str(self.workdir),
            "prompt_bytes": len(self.prompt),
            "prompt_file": str(self.prompt_file) if self.prompt_file else None,
            "grace_seconds": GRACE_SECONDS,
            "spares_first": self.spares_first,
            "is_dialogue": self.is_dialogue,
        }
        return json.dumps(order).encode() + b"\n"


class Program:
    """A started program. `exit_status` is what a shell would say, once its output has been read to the end."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        limits: Limits,
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
        self._silent_seconds = 0.0  # that it was waited for since it last got on
        self._said_bytes = 0
        self._stderr = b""
        self._error_line = b""  # the begun one
        self._error_lines: deque[str] = deque(maxlen=ERROR_LINES)
        self._error_came = asyncio.Event()
        self._gone = asyncio.create_task(process.wait())
        self._drain = asyncio.create_task(self._drain_stderr(stderr))

    async def output(self) -> AsyncGenerator[bytes, None]:
        """Yield its output as it comes, and return when it has ended. Raises LimitReached.

        An empty piece says that it wrote an error instead: see `error_lines`. Whoever listens says by
        `note_progress` that what came was no mere sign of waiting; the limit of silence begins again then.
        """
        while (piece := await self._next()) is not None:
            self._said_bytes += len(piece)
            if self._said_bytes > self.limits.output_bytes:
                raise LimitReached(f"wrote more than the limit of {self.limits.output_bytes:,} bytes", "output")
            yield piece
        try:
            async with asyncio.timeout_at(min(self._loop.time() + self.limits.linger_seconds, self._deadline)):
                code = await asyncio.shield(self._gone)
                self.exit_status = code if code >= 0 else 128 - code
        except TimeoutError:
            raise LimitReached("closed its output but did not end", "time") from None
        await asyncio.wait({self._drain}, timeout=GRACE_SECONDS)
        if self.exit_status == keeper.LIMIT_STATUS:
            self._raise_keepers_limit()

    def _raise_keepers_limit(self) -> None:
        """Raise LimitReached for the limit that the keeper names; any other words are the program's own."""
        match self.last_words().rpartition(keeper.LIMIT_MARK)[2]:
            case "processes":
                raise LimitReached(
                    f"had more than the limit of {self.limits.processes:,} processes at once", "processes"
                )
            case "disk":
                raise LimitReached(f"ran while less than {self.limits.free_mb:,} MB of the disk were free", "disk")

    @property
    def _deadline(self) -> float:
        return self._started + self.limits.seconds

    async def _next(self) -> bytes | None:
        """Wait for a piece of output, None at its end. Only the wait is silence, not what is done with it."""
        began = self._loop.time()
        waiting = asyncio.ensure_future(self._stdout.read(READ_BYTES))
        error = asyncio.ensure_future(self._error_came.wait())
        try:
            while not (waiting.done() or self._gone.done() or error.done()):
                until = min(began + self.limits.idle_seconds - self._silent_seconds, self._deadline)
                if until <= self._loop.time():
                    raise self._limit()
                await asyncio.wait(
                    {waiting, self._gone, error},
                    timeout=until - self._loop.time(),
                    return_when=asyncio.FIRST_COMPLETED,
                )
            if error.done() and not (waiting.done() or self._gone.done()):
                self._error_came.clear()
                return b""
            await asyncio.wait({waiting}, timeout=GRACE_SECONDS)  # for what it left in the pipe
            return (waiting.result() if waiting.done() else b"") or None
        finally:
            self._silent_seconds += self._loop.time() - began
            waiting.cancel()
            error.cancel()

    def note_progress(self) -> None:
        """Begin to count its silence from now."""
        self._silent_seconds = 0.0

    def error_lines(self) -> list[str]:
        """Return the lines that it wrote to standard error since the last call, those of the last moments."""
        lines = [line for line in self._error_lines if line and not NOISE.match(line)]
        self._error_lines.clear()
        return lines

    def _limit(self) -> LimitReached:
        if self._loop.time() >= self._deadline:
            return LimitReached(f"ran longer than the limit of {self.limits.seconds:g} seconds", "time")
        return LimitReached(f"was silent for the limit of {self.limits.idle_seconds:g} seconds", "silence")

    async def say(self, line: bytes) -> None:
        """Give it another line in a dialogue, without the line's end; an empty one is the end of its input."""
        assert self._process.stdin is not None, "it was asked for"
        with suppress(ConnectionError):  # its last words say why it has gone
            self._process.stdin.write(line + b"\n")
            await self._process.stdin.drain()

    def last_words(self) -> str:
        """Return the last lines that it wrote to standard error, in one, without noise."""
        lines = [line.strip() for line in self._stderr.decode(errors="replace").splitlines()]
        return " / ".join([line for line in lines if line and not NOISE.match(line)][-LAST_LINES:])

    async def _drain_stderr(self, stderr: asyncio.StreamReader) -> None:
        while piece := await stderr.read(READ_BYTES):
            self._stderr = (self._stderr + piece)[-STDERR_BYTES:]
            *lines, self._error_line = (self._error_line + piece)[-STDERR_BYTES:].split(b"\n")
            self._error_lines.extend(line.decode(errors="replace").strip() for line in lines)
            self._error_came.set()

    async def end(self) -> None:
        """End it with all that came of it, and wait until nothing is left."""
        assert self._process.stdin is not None, "it was asked for"
        self._process.stdin.close()  # the order to end it
        try:
            async with asyncio.timeout(END_SECONDS):
                await asyncio.shield(self._gone)
        except TimeoutError:
            with suppress(ProcessLookupError, PermissionError):  # sudo is root's; the keeper ends by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._gone
        finally:
            self._drain.cancel()
            if self._cgroup is not None:
                await self._cgroup.end()


async def lines_of(output: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, int]]:
    """Yield each line, without the blanks around it, and its size in bytes; empty when that is over LINE_BYTES.

    An empty piece is an empty line of its own, so that nobody waits for the next whole one.
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
async def started(order: Order, limits: Limits) -> AsyncIterator[Program]:
    """Start the program; it has ended, with all that came of it, when the context is left."""
    argv = [sys.executable, "-I", "-S", keeper.__file__]
    if order.through:  # another user may not read our files, and need not have our interpreter
        argv = [*order.through, PYTHON, "-I", "-S", "-c", inspect.getsource(keeper)]
    async with _pipe() as (stdout, its_stdout), _pipe() as (stderr, its_stderr):
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=its_stdout,
            stderr=its_stderr,
            cwd="/",
            env=KEEPERS_ENVIRONMENT,
            start_new_session=True,
        )
        cgroup = Cgroup.around(process.pid)  # before it has the order, and so any child
        program = Program(process, limits, stdout=stdout, stderr=stderr, cgroup=cgroup)
        try:
            its_stdout.close()
            its_stderr.close()
            assert process.stdin is not None, "it was asked for"
            with suppress(ConnectionError):  # its last words say why it has gone
                process.stdin.write(order.line(limits) + order.prompt)
                await process.stdin.drain()
            yield program
        finally:
            await _to_the_end(program)


@asynccontextmanager
async def _pipe() -> AsyncIterator[tuple[asyncio.StreamReader, BinaryIO]]:
    """Open a pipe, and close it in the end whoever still holds its other side.

    With pipes of its own asyncio would wait for a process until everybody had closed them.
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


async def _to_the_end(program: Program) -> None:
    """End the program. A cancellation meanwhile breaks nothing off; it is passed on when the end has come."""
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
