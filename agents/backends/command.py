"""Command-line agents: a program that the operator has allowed by name, its output as events.

An agent says which, and where the operator lets it choose, which model; nothing else of the command line comes
from there. The program gets the variables that its definition lists, and where the system offers it, it sees
nothing of the server's (agents/isolation.py).
"""

import asyncio
import codecs
import json
import secrets
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from agents import isolation
from agents.backends.base import AgentOverLimit, Backend, BackendError, BackendEvent, EventType, Usage
from agents.backends.processes import LINE_BYTES, LimitReached, Order, Program, lines_of, started
from agents.backends.programs.allowed import PROMPT_FILE, Definition, allowed
from agents.backends.programs.formats import READERS, Reader
from agents.backends.programs.orders import Prompt, order_of
from agents.backends.programs.presets import PRESETS
from agents.redaction import shown_error

NOTICE_CHARS = 500

_NAME = {
    "type": "string",
    "pattern": r"^[A-Za-z0-9_.-]{1,50}$(?!\n)",
    "description": "a name that the operator has allowed, never a command line",
}
_MODEL = {
    "type": "string",
    "minLength": 1,
    "maxLength": 200,
    "description": "one of the models that the operator lets agents of this command choose",
}


def _schema(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


class Command(Backend):
    name = "command"
    display_name = "Command-line agent"
    capabilities = ("streaming", "tools", "thinking", "usage")
    options_schema = _schema(command=_NAME, model=_MODEL)
    program: ClassVar[str] = ""  # of the backends that are one program

    @classmethod
    def missing(cls) -> str | None:
        """Return None when any of the allowed programs could run."""
        names = [cls.program] if cls.program else list(allowed().commands)
        if not names:
            return f"Set MISSION_CONTROL_COMMANDS to what agents may run, such as {', '.join(PRESETS)}"
        reasons = [cls.missing_for({"command": name}) for name in names]
        return None if None in reasons else "; ".join(filter(None, reasons))

    @classmethod
    def missing_for(cls, options: Mapping[str, Any]) -> str | None:
        """Return what is missing for an agent with these options, None when it could run."""
        try:
            definition = cls._definition(options)
            _argv(definition, options)
            isolation.method(allowed().isolation)
        except (BackendError, isolation.IsolationError) as error:
            return str(error)
        return None

    @classmethod
    def _definition(cls, options: Mapping[str, Any]) -> Definition:
        name = cls.program or options.get("command", "")
        if not name:
            raise BackendError("Set the option `command` to the name of a program that the operator has allowed")
        definition = allowed().definition(name)
        if definition is None:
            raise BackendError(f"The operator has not allowed `{name}`: MISSION_CONTROL_COMMANDS has to name it")
        return definition

    async def stream(
        self, prompt: str, options: Mapping[str, Any], workdir: Path
    ) -> AsyncGenerator[BackendEvent | Usage, None]:
        """Yield what the program says. It has ended, with all its children, when the stream has."""
        definition = self._definition(options)
        order = await asyncio.to_thread(_order, definition, options, prompt, workdir)
        reader = READERS[definition.format](_model(definition, options)) if definition.format in READERS else None
        async with started(order, definition.limits) as program:
            try:
                async with aclosing(_heard(program, reader)) as heard:
                    async for item in heard:
                        yield item
            except LimitReached as limit:
                raise AgentOverLimit(f"`{definition.name}` {limit}, and was stopped", limit.limit) from None
        _check_end(definition, program, reader)


class CodexCLI(Command):
    name = "codex_cli"
    display_name = "Codex CLI"
    options_schema = _schema(model=_MODEL)
    program = "codex"


class OpenCode(Command):
    name = "opencode"
    display_name = "OpenCode"
    options_schema = _schema(model=_MODEL)
    program = "opencode"


class Copilot(Command):
    name = "copilot_sdk"
    display_name = "GitHub Copilot CLI"
    options_schema = _schema(model=_MODEL)
    program = "copilot"


# ---------------------------------------------------------------- what is started
def _order(definition: Definition, options: Mapping[str, Any], prompt: str, workdir: Path) -> Order:
    """Put together what to start, how, and what it sees. Raises BackendError."""
    workdir = workdir.absolute()
    argv = _argv(definition, options)
    prompt_file = None
    if definition.prompt == "file":
        prompt_file = workdir / f".prompt-{secrets.token_hex(8)}.md"
        argv = [word.replace(PROMPT_FILE, str(prompt_file)) for word in argv]
    return order_of(definition, argv, workdir, Prompt(prompt.encode(errors="replace"), prompt_file))


def _argv(definition: Definition, options: Mapping[str, Any]) -> list[str]:
    """Return the command line, the program by its path. Raises BackendError that says what to do."""
    program = shutil.which(definition.argv[0])
    if program is None:
        how = f"Install it with: {definition.install}" if definition.install else "Install it"
        raise BackendError(f"`{definition.name}` is not in the PATH of the worker. {how}")
    argv = [program, *definition.argv[1:]]
    if model := options.get("model"):
        if model not in definition.models:
            choice = ", ".join(definition.models) or "none"
            raise BackendError(f"The operator lets agents of `{definition.name}` choose no such model; {choice}")
        argv += [definition.model_option, model]
    return argv


def _model(definition: Definition, options: Mapping[str, Any]) -> str | None:
    """Return the model that the program is called with, None where that is left to the program."""
    option, words = definition.model_option, definition.argv
    fixed = [word.removeprefix(f"{option}=") for word in words if option and word.startswith(f"{option}=")]
    fixed += [value for name, value in pairwise(words) if option and name == option]
    return options.get("model") or next(iter(fixed), None)


# ---------------------------------------------------------------- what it says
async def _heard(program: Program, reader: Reader | None) -> AsyncGenerator[BackendEvent | Usage, None]:
    async with aclosing(program.output()) as output:
        items = _text(output) if reader is None else _lines(output, reader)
        async for item in items:
            yield item


async def _text(output: AsyncIterator[bytes]) -> AsyncIterator[BackendEvent]:
    """Yield plain text as it comes; what is no UTF-8 is replaced."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    async for piece in output:
        if text := decoder.decode(piece):
            yield BackendEvent(EventType.MESSAGE, text)
    if text := decoder.decode(b"", final=True):
        yield BackendEvent(EventType.MESSAGE, text)


async def _lines(output: AsyncIterator[bytes], reader: Reader) -> AsyncIterator[BackendEvent | Usage]:
    """Yield what the lines mean."""
    async for line, size in lines_of(output):
        for item in _meaning(line, size, reader):
            yield item


def _meaning(line: bytes, size: int, reader: Reader) -> Iterator[BackendEvent | Usage]:
    """Yield what one line means. What is no JSON object is a notice: a banner, a warning."""
    if size > LINE_BYTES:
        yield BackendEvent(EventType.STATUS, f"A line of {size:,} bytes was left out")
        return
    if not line:
        return
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        yield from reader.read(value)
    else:
        yield BackendEvent(EventType.STATUS, line.decode(errors="replace")[:NOTICE_CHARS])


def _check_end(definition: Definition, program: Program, reader: Reader | None) -> None:
    """Raise BackendError when the program says that it failed, in its output or by its exit status."""
    if reader is not None and reader.failure:
        raise BackendError(shown_error(f"`{definition.name}` failed: {reader.failure}"))
    if program.exit_status:
        words = f": {said}" if (said := program.last_words()) else ""
        raise BackendError(shown_error(f"`{definition.name}` ended with exit status {program.exit_status}{words}"))
