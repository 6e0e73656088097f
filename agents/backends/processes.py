"""An agent's program as a process: started apart, read no faster than it is listened to, ended as a whole.

What starts, watches and ends it is a small process of its own (keeper.py), because only that survives a
worker that is killed.
"""

import asyncio
import inspect
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from agents.backends import keeper
from agents.isolation import PYTHON, SYSTEM_PATH

KEEPERS_ENVIRONMENT = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8"}  # nothing of ours
READ_BYTES = 65_536
LINE_BYTES = 8_000_000  # a longer line is left out: one that never ends would fill the memory
STDERR_BYTES = 8_192  # of the end, for the error
LAST_LINES = 3
GRACE_SECONDS = 1.0  # from TERM to KILL: a stop has two seconds, the look for it included
END_SECONDS = 1.9  # for the keeper to be done; then it is killed, and the program with it


class LimitReached(Exception):
    """The program took longer, was silent for longer, or said more than it may. The message is for people."""

    def __init__(self, message: str, limit: Literal["time", "silence", "output"]) -> None:
        super().__init__(message)
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run of a program may take."""

    seconds: float = 4 * 3600.0
    idle_seconds: float = 900.0
    output_bytes: int = 100_000_000
    linger_seconds: float = 10.0  # between the end of its output and its own


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

    def line(self) -> bytes:
        order = {
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
    ) -> None:
        self.limits = limits
        self.exit_status: int | None = None
        self._process, self._stdout = process, stdout
        self._loop = asyncio.get_running_loop()
        self._started = self._heard = self._loop.time()
        self._said_bytes = 0
        self._stderr = b""
        self._gone = asyncio.create_task(process.wait())
        self._drain = asyncio.create_task(self._drain_stderr(stderr))

    async def output(self) -> AsyncGenerator[bytes, None]:
        """Yield its output as it comes, and return when it has ended. Raises LimitReached."""
        while piece := await self._next():
            self._said_bytes += len(piece)
            if self._said_bytes > self.limits.output_bytes:
                raise LimitReached(f"wrote more than the limit of {self.limits.output_bytes:,} bytes", "output")
            yield piece
        try:
            async with asyncio.timeout_at(min(self._loop.time() + self.limits.linger_seconds, self._deadline)):
                self.exit_status = await asyncio.shield(self._gone)
        except TimeoutError:
            raise LimitReached("closed its output but did not end", "time") from None
        await asyncio.wait({self._drain}, timeout=GRACE_SECONDS)

    @property
    def _deadline(self) -> float:
        return self._started + self.limits.seconds

    async def _next(self) -> bytes:
        """Wait for a piece of output. Only the wait is silence, not the time that the piece is dealt with."""
        self._heard = self._loop.time()
        waiting = asyncio.ensure_future(self._stdout.read(READ_BYTES))
        try:
            while not (waiting.done() or self._gone.done()):
                until = min(self._heard + self.limits.idle_seconds, self._deadline)
                if until <= self._loop.time():
                    raise self._limit()
                await asyncio.wait(
                    {waiting, self._gone},
                    timeout=until - self._loop.time(),
                    return_when=asyncio.FIRST_COMPLETED,
                )
            await asyncio.wait({waiting}, timeout=GRACE_SECONDS)  # for what it left in the pipe
            return waiting.result() if waiting.done() else b""
        finally:
            waiting.cancel()

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
        """Return the last lines that it wrote to standard error, in one; empty when it wrote none."""
        lines = [line for line in self._stderr.decode(errors="replace").splitlines() if line.strip()]
        return " / ".join(lines[-LAST_LINES:])

    async def _drain_stderr(self, stderr: asyncio.StreamReader) -> None:
        while piece := await stderr.read(READ_BYTES):
            self._stderr = (self._stderr + piece)[-STDERR_BYTES:]
            self._heard = self._loop.time()

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


async def lines_of(output: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, int]]:
    """Yield each line, without the blanks around it, and its size in bytes; empty when that is over LINE_BYTES."""
    begun: list[bytes] = []
    size = 0
    async for piece in output:
        *ended, rest = piece.split(b"\n")
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
        program = Program(process, limits, stdout=stdout, stderr=stderr)
        try:
            its_stdout.close()
            its_stderr.close()
            assert process.stdin is not None, "it was asked for"
            with suppress(ConnectionError):  # its last words say why it has gone
                process.stdin.write(order.line() + order.prompt)
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
