"""Command-line agents: programs that the operator has allowed by name, with their output as events.

An agent chooses the program and, if the operator allows it, the model; nothing else of the command line comes from
the agent. The program gets the variables that its definition lists, and sees nothing of the server's where the
system supports isolation (agents/isolation.py).
"""

import asyncio
import codecs
import json
import os
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from agents import isolation
from agents.backends.base import (
    INSTRUCTIONS,
    PROJECT_INSTRUCTIONS_SCHEMA,
    AgentOverLimit,
    Answer,
    Backend,
    BackendError,
    BackendEvent,
    BackendItem,
    EventType,
    Setup,
)
from agents.backends.mcp_servers.definitions import MCP_SERVERS_SCHEMA, OPTION
from agents.backends.mcp_servers.forms import given_servers
from agents.backends.mcp_servers.starting import usable_servers
from agents.backends.processes import (
    LINE_BYTES,
    LaunchSpec,
    ProcessLimitReached,
    Program,
    run_program,
    split_lines,
)
from agents.backends.programs.allowed import ANY_MODEL, MODEL, PROMPT_FILE, Definition, allowed
from agents.backends.programs.failures import failure_text, not_logged_in
from agents.backends.programs.formats import ACP, READERS
from agents.backends.programs.formats.reader import Item, OutputReader
from agents.backends.programs.launch import (
    Prompt,
    check_network,
    conversation_folders,
    environment_of,
    isolation_method,
    launch_spec,
)
from agents.backends.programs.logins import account_of, missing_login
from agents.backends.programs.model_lists import of_program
from agents.backends.programs.places import find_program
from agents.backends.programs.presets import PRESETS
from agents.backends.programs.sessions import (
    NEW,
    STARTS_AGAIN,
    Conversation,
    ConversationGone,
    conversations,
    with_conversation,
)

NOTICE_CHARS = 500
_OWN_SANDBOX = re.compile(r"\b(?:workspace-write|read-only)\b|--full-auto\b")  # of Codex
_NO_SANDBOX = re.compile(r"\bdanger-full-access\b|--dangerously-bypass-approvals-and-sandbox\b|--yolo\b")

NAME_SCHEMA = {
    "type": "string",
    "pattern": r"^[A-Za-z0-9_.-]{1,50}$(?!\n)",
    "description": "the name of an allowed program, never a command line",
}
MODEL_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": 200,
    "description": "one of the models allowed for this command",
}


def options_of(**properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a backend's options, with those that all programs have."""
    properties |= {OPTION: MCP_SERVERS_SCHEMA, INSTRUCTIONS: PROJECT_INSTRUCTIONS_SCHEMA}
    return {"type": "object", "additionalProperties": False, "properties": properties}


class Command(Backend):
    name = "command"
    display_name = "Command-line agent"
    capabilities: ClassVar[tuple[str, ...]] = ("streaming", "tools", "thinking", "usage", "sessions", "mcp")
    options_schema = options_of(command=NAME_SCHEMA, model=MODEL_SCHEMA)
    program: ClassVar[str] = ""  # the fixed program of a subclass

    @classmethod
    def can_run(cls, definition: Definition) -> bool:
        """Return whether this backend understands the program."""
        return definition.format != ACP

    @classmethod
    def can_use_servers(cls, definition: Definition) -> bool:
        """Return whether the program can be given MCP servers."""
        return bool(definition.mcp)

    @classmethod
    def _names(cls) -> list[str]:
        """Return the names of the programs that an agent of this backend may choose."""
        if cls.program:
            return [cls.program]
        found = ((name, allowed().definition(name)) for name in allowed().commands)
        return [name for name, definition in found if definition is not None and cls.can_run(definition)]

    @classmethod
    def missing(cls) -> str | None:
        """Return what is missing; None if any of the allowed programs can run."""
        names = cls._names()
        if not names:
            presets = [name for name in PRESETS if cls.can_run(Definition.of(name, {}))]
            return f"Set MISSION_CONTROL_COMMANDS to what agents may run, such as {', '.join(presets)}"
        reasons = [cls.missing_for({"command": name}) for name in names]
        return None if None in reasons else "; ".join(filter(None, reasons))

    @classmethod
    def missing_for(cls, options: Mapping[str, Any]) -> str | None:
        """Return what is missing for an agent with these options; None if it can run."""
        try:
            definition = cls._definition(options)
            how = isolation.method(allowed().isolation)
            check_network(definition, how)
            _argv(definition, options, how)
        except (BackendError, isolation.IsolationError) as error:
            return str(error)
        if definition.login is None:
            return None
        return missing_login(definition.login, environment_of(definition), how)

    @classmethod
    def setup(cls, options: Mapping[str, Any]) -> Setup:
        """Describe the set-up: the choices are the allowed programs, and the models of the chosen one."""
        names = cls._names()
        chosen = cls.program or options.get("command", "")
        found = [allowed().definition(name) for name in ([chosen] if chosen else names)]
        models = dict.fromkeys(model for one in found if one is not None for model in one.models)
        models.pop(ANY_MODEL, None)
        programs = {} if cls.program else {"command": names}
        sources = [source for one in found if chosen and one is not None and (source := of_program(one))]
        return Setup(cls.missing_for(options), {**programs, "model": list(models)}, sources)

    @classmethod
    def wrong_choice(cls, options: Mapping[str, Any]) -> tuple[str, str] | None:
        """Return the option whose program or model the operator has not allowed, with a message; else None.

        If this machine allows no program at all, another machine may: then the error comes when a run starts.
        """
        name = cls.program or options.get("command", "")
        definition = allowed().definition(name)
        if definition is None:
            why = f"Unknown program `{name}`. Allowed: {', '.join(cls._names())}"
            return ("command", why) if options.get("command") and allowed().commands else None
        if not cls.can_run(definition):
            return "command", cls._misfit(name)
        try:
            if model := options.get("model"):
                check_model(definition, model)
        except BackendError as error:
            return "model", str(error)
        if options.get(OPTION) and not cls.can_use_servers(definition):
            return OPTION, f"`{name}` cannot use MCP servers: leave `{OPTION}` out"
        return None

    @classmethod
    def reads_itself(cls, options: Mapping[str, Any]) -> frozenset[str]:
        definition = allowed().definition(cls.program or options.get("command", ""))
        return frozenset(definition.reads if definition else ())

    @classmethod
    def account(cls, options: Mapping[str, Any]) -> str:
        """Return whose quota the program uses. Raises BackendError."""
        definition = cls._definition(options)
        return account_of(definition, environment_of(definition), options.get("model", ""))

    @classmethod
    def _definition(cls, options: Mapping[str, Any]) -> Definition:
        name = cls.program or options.get("command", "")
        if not name:
            raise BackendError("Set the option `command` to the name of an allowed program")
        definition = allowed().definition(name)
        if definition is None:
            raise BackendError(f"Add `{name}` to MISSION_CONTROL_COMMANDS to enable it")
        if not cls.can_run(definition):
            raise BackendError(cls._misfit(name))
        return definition

    @classmethod
    def _misfit(cls, name: str) -> str:
        return f"`{name}` speaks the Agent Client Protocol only: use the backend `acp`"

    async def stream(
        self, prompt: str, options: Mapping[str, Any], workdir: Path
    ) -> AsyncGenerator[BackendItem, None]:
        """Yield the program's output. When the stream ends, the program and all its children have ended."""
        definition = self._definition(options)
        if options.get(OPTION) and not self.can_use_servers(definition):
            raise BackendError(f"`{definition.name}` cannot use MCP servers: leave `{OPTION}` out")
        started = await usable_servers(options, workdir)
        for notice in started.notices:
            yield notice
        with given_servers(definition, started.servers) as (definition, more_words):
            for conversation in conversations(definition.sessions, self.earlier_session):
                call = _Call(definition, options, workdir, conversation, more_words)
                text = self.continuation or prompt if conversation.is_continued else prompt
                try:
                    async with aclosing(_run(call, text)) as items:
                        async for item in items:
                            yield item
                except ConversationGone:
                    yield BackendEvent(EventType.STATUS, STARTS_AGAIN)
                else:
                    return


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of a program."""

    definition: Definition
    options: Mapping[str, Any]
    workdir: Path
    conversation: Conversation
    more_words: Sequence[str]  # of the command line


async def _run(call: _Call, prompt: str) -> AsyncGenerator[BackendItem, None]:
    """Run the program once, and yield its output. Raises ConversationGone, BackendError."""
    definition, conversation = call.definition, call.conversation
    spec = await asyncio.to_thread(_launch_spec, call, prompt)
    reader_class = READERS.get(definition.format)
    reader = reader_class(_model(definition, call.options)) if reader_class else None
    if reader is not None and conversation.is_continued:
        folders = await asyncio.to_thread(conversation_folders, definition, call.workdir)
        await asyncio.to_thread(reader.continues, conversation.id, folders)
    async with run_program(spec, definition.limits) as program:
        try:
            async with aclosing(_items(program, reader)) as items:
                if reader is not None and conversation.id and not conversation.is_continued:
                    for session in reader.begins(conversation.id):
                        yield session
                async for item in items:
                    yield item
        except ProcessLimitReached as limit:
            raise AgentOverLimit(f"`{definition.name}` {limit}, and was stopped", limit.limit) from None
    if conversation.is_continued and _is_gone(definition, program, reader):
        raise ConversationGone
    account = account_of(definition, spec.environment, call.options.get("model", ""))
    _check_end(definition, program, reader, account)
    if reader is not None:
        yield Answer((reader.answer or "").strip())


class CodexCLI(Command):
    name = "codex_cli"
    display_name = "Codex CLI"
    options_schema = options_of(model=MODEL_SCHEMA)
    program = "codex"


class OpenCode(Command):
    name = "opencode"
    display_name = "OpenCode"
    options_schema = options_of(model=MODEL_SCHEMA)
    program = "opencode"


class Copilot(Command):
    name = "copilot_sdk"
    display_name = "GitHub Copilot CLI"
    options_schema = options_of(model=MODEL_SCHEMA)
    program = "copilot"


# ---------------------------------------------------------------- the command line
def _launch_spec(call: _Call, prompt: str) -> LaunchSpec:
    """Return the launch spec: command line, isolation and mounts. Raises BackendError."""
    definition, workdir = call.definition, call.workdir.absolute()
    argv = [*_argv(definition, call.options, isolation_method(), call.conversation), *call.more_words]
    if not call.options.get(INSTRUCTIONS, True):
        argv += definition.silent_words
        definition = replace(definition, env=(*definition.env, *definition.silent_env))
    prompt_file = None
    if definition.prompt == "file":
        prompt_file = workdir / f".prompt-{secrets.token_hex(8)}.md"
        argv = [word.replace(PROMPT_FILE, str(prompt_file)) for word in argv]
    given = Prompt(prompt.encode(errors="replace"), prompt_file)
    return launch_spec(definition, argv, workdir, given, has_conversation=True)


def _argv(
    definition: Definition, options: Mapping[str, Any], how: str, conversation: Conversation = NEW
) -> list[str]:
    """Return the command line with the program's full path. Raises BackendError with advice."""
    words = definition.argv_sandboxed if definition.argv_sandboxed and how == "bubblewrap" else definition.argv
    program = find_program(words[0])
    if program is None:
        advice = f"Install it with: {definition.install}" if definition.install else "Install it"
        raise BackendError(f"`{definition.name}` is not in the PATH of the worker. {advice}")
    _check_own_sandbox(definition, words, how)
    argv = [program, *with_conversation(words, definition.sessions, conversation)[1:]]
    if model := options.get("model"):
        check_model(definition, model)
        argv += [definition.model_option, model]
    return argv


def check_model(definition: Definition, model: str) -> None:
    """Raise BackendError for a model that the operator has not allowed."""
    if not definition.models:
        raise BackendError(
            f"Agents of `{definition.name}` cannot choose a model: leave `model` out, "
            "or list models in MISSION_CONTROL_COMMANDS"
        )
    if ANY_MODEL in definition.models:
        if not MODEL.match(model):
            raise BackendError("This is not a model's name")
        return
    if model not in definition.models:
        choice = ", ".join(definition.models)
        raise BackendError(f"Agents of `{definition.name}` can choose these models only: {choice}")


def _check_own_sandbox(definition: Definition, words: Sequence[str], how: str) -> None:
    """Raise BackendError for a command line with which Codex would silently run nothing.

    `codex exec` creates its own sandbox unless an option says otherwise.
    """
    if definition.format != "codex" or how != "bubblewrap" or os.getuid() != 0:
        return
    text = " ".join(words)
    is_codex = Path(words[0]).name == "codex"
    if _OWN_SANDBOX.search(text) or (is_codex and not _NO_SANDBOX.search(text)):
        raise BackendError(
            f"`{definition.name}`: Codex' own sandbox does not start within bubblewrap when the server runs "
            "as root; leave `argv` out, or let it say `--sandbox danger-full-access`"
        )


def _model(definition: Definition, options: Mapping[str, Any]) -> str | None:
    """Return the model in the program's command line; None if the program chooses it."""
    option, words = definition.model_option, definition.argv
    fixed = [word.removeprefix(f"{option}=") for word in words if option and word.startswith(f"{option}=")]
    fixed += [value for name, value in pairwise(words) if option and name == option]
    return options.get("model") or next(iter(fixed), None)


# ---------------------------------------------------------------- the output
async def _items(program: Program, reader: OutputReader | None) -> AsyncGenerator[Item, None]:
    async with aclosing(program.output()) as output:
        items = _text(program, output) if reader is None else _lines(program, output, reader)
        async for item in items:
            yield item


async def _text(program: Program, output: AsyncIterator[bytes]) -> AsyncIterator[BackendEvent]:
    """Yield plain text as it arrives; invalid UTF-8 is replaced."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    async for piece in output:
        program.note_progress()
        if text := decoder.decode(piece):
            yield BackendEvent(EventType.MESSAGE, text)
    if text := decoder.decode(b"", final=True):
        yield BackendEvent(EventType.MESSAGE, text)


async def _lines(program: Program, output: AsyncIterator[bytes], reader: OutputReader) -> AsyncIterator[Item]:
    """Yield the events of the lines of standard output and standard error.

    Standard error does not count as progress: known programs write to it while they wait for the network.
    """
    async for line, size in split_lines(output):
        for error in program.error_lines():
            for notice in reader.read_error(error):
                yield notice
        if reader.is_hopeless:
            return
        if not line and size <= LINE_BYTES:
            continue
        value = _object(line)
        if value is None or reader.is_progress(value):
            program.note_progress()
        for item in _notice(line, size) if value is None else reader.read(value):
            yield item
        if reader.is_hopeless:
            return


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _notice(line: bytes, size: int) -> Iterator[BackendEvent]:
    """Yield a line that is not a JSON object, such as a banner or a warning, as a notice."""
    if size > LINE_BYTES:
        yield BackendEvent(EventType.STATUS, f"A line of {size:,} bytes was left out")
    else:
        yield BackendEvent(EventType.STATUS, line.decode(errors="replace")[:NOTICE_CHARS])


def _is_gone(definition: Definition, program: Program, reader: OutputReader | None) -> bool:
    """Return whether it failed because the conversation that it should continue no longer exists."""
    failure = reader.failure if reader is not None else ""
    has_answered = reader is not None and bool(reader.answer)
    if definition.sessions is None or has_answered or not (program.exit_status or failure):
        return False
    return definition.sessions.is_gone(f"{program.last_words()} {failure}")


def _check_end(definition: Definition, program: Program, reader: OutputReader | None, account: str) -> None:
    """Raise BackendError if the program failed, by its output, its exit status, or a missing last line."""
    name, text = definition.name, program.last_words()
    failure = reader.failure if reader is not None else ""
    if not (program.exit_status or failure or (reader and reader.marks_its_end and not reader.has_ended)):
        return
    if advice := not_logged_in(name, definition.login, f"{text} {failure}"):
        raise BackendError(advice)
    error = failure_text(name, program.exit_status, failure, text)
    quota = reader.quota_error(error, failure or text, account=account) if reader is not None else None
    raise quota or BackendError(error)
