"""The messages between us and an agent of the Agent Client Protocol: one JSON object on each line.

The library's connection trusts the other side: it reads as fast as it can, and a message of an unexpected form
would end its loop. So only well-formed messages reach it, no faster than their output is consumed.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from agents.backends.processes import LINE_BYTES, ProcessLimitReached, Program, split_lines

Message = dict[str, Any]
MOST_WAITING = 200  # items that were not consumed yet, and requests of the agent that were not answered yet
NOTICE_CHARS = 500
_INTERNAL_ERROR = -32603


class ProgramTransport:
    """A transport of the library's `Connection`, to a program that we start and end ourselves.

    `notice` is called with a text about a line that is no message, `read_error` with a line of standard error.
    `is_behind` says whether the consumer has too many items waiting. `limit` is the limit of the program at which
    its output ended.
    """

    def __init__(
        self,
        program: Program,
        *,
        notice: Callable[[str], None],
        read_error: Callable[[str], None],
        is_behind: Callable[[], bool],
    ) -> None:
        self._program = program
        self._notice, self._read_error, self._is_behind = notice, read_error, is_behind
        self._output = program.output()
        self._lines: AsyncIterator[tuple[bytes, int]] = split_lines(self._output)
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._unanswered = 0
        self.limit: ProcessLimitReached | None = None
        self.has_ended = asyncio.Event()

    async def send(self, message: Message) -> None:
        """Send a message. A program that has ended is no error here: its output ends too."""
        if "method" not in message:
            self._unanswered -= 1
        await self._program.send_line(json.dumps(message, separators=(",", ":"), default=str).encode())
        self.made_room()

    async def receive(self) -> Message | None:
        """Return the next message; None at the end of the output."""
        try:
            while True:
                await self._wait_for_room()
                line, size = await anext(self._lines)
                for error in self._program.error_lines():
                    self._read_error(error)
                if message := self._message(line, size):
                    self._program.note_progress()
                    self._unanswered += "method" in message and "id" in message
                    return message
        except StopAsyncIteration:
            pass
        except ProcessLimitReached as limit:
            self.limit = limit
        self.has_ended.set()
        return None

    async def close(self) -> None:
        """Do nothing: the code that started the program ends it."""

    async def aclose(self) -> None:
        """Release the program's output, when nothing is being received any more."""
        for generator in (self._lines, self._output):
            if isinstance(generator, AsyncGenerator):
                await generator.aclose()

    def made_room(self) -> None:
        """Go on reading if there is room: called after an item was consumed."""
        if not self._is_full:
            self._has_room.set()

    @property
    def _is_full(self) -> bool:
        return self._is_behind() or self._unanswered >= MOST_WAITING

    async def _wait_for_room(self) -> None:
        await asyncio.sleep(0)  # lets the handlers of earlier messages run, even if a piece has many lines
        while self._is_full:
            self._has_room.clear()
            await self._has_room.wait()

    def _message(self, line: bytes, size: int) -> Message | None:
        """Return the line's message; None, with a notice, if it is not a valid one."""
        if size > LINE_BYTES:
            self._notice(f"A message of {size:,} bytes was left out")
        elif line:
            value = None
            with suppress(ValueError, RecursionError):
                value = json.loads(line)
            if message := valid_message(value):
                return message
            self._notice(line.decode(errors="replace")[:NOTICE_CHARS])
        return None


def valid_message(value: Any) -> Message | None:
    """Return a request, notification or answer of JSON-RPC without unexpected types; None for anything else."""
    if not isinstance(value, dict):
        return None
    key, method = value.get("id"), value.get("method")
    if type(key) not in (int, str, type(None)) or type(method) not in (str, type(None)):
        return None
    if method is not None:
        return value
    if type(key) is not int or not ("result" in value or "error" in value):
        return None
    if value.get("error") is None:
        return {"id": key, "result": value.get("result")}
    return {"id": key, "error": _valid_error(value["error"])}


def _valid_error(error: Any) -> Message:
    given = error if isinstance(error, dict) else {}
    code, text = given.get("code"), given.get("message")
    return {
        "code": code if type(code) is int else _INTERNAL_ERROR,
        "message": text if isinstance(text, str) else "no reason given",
        "data": given.get("data"),
    }
