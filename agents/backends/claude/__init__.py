"""Claude through Anthropic's agent SDK: an agent with tools of its own, in the project's folder.

Nothing of the operator's Claude configuration is used but the login: no hooks, no servers of tools, no settings of
the folder, which agents write in.
"""

import asyncio
import importlib
import importlib.util
import os
import re
import shutil
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.backends.base import Backend, BackendError, BackendEvent, BackendItem, EventType
from agents.backends.processes import Order
from agents.backends.programs.allowed import Definition, allowed
from agents.backends.programs.logins import missing_login
from agents.backends.programs.orders import Prompt, environment_of, how_apart, order_of
from agents.backends.programs.presets import CLAUDES_LOGIN

REQUIREMENTS = ".venv/bin/pip install -r requirements-claude.lock"
OWN_ENV = (
    *("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"),
    *("CLAUDE_CODE_ENTRYPOINT=sdk-py", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1"),
)
# What may be allowed though agents do not run apart: none of these reads, writes or runs anything on this machine.
HARMLESS_TOOLS = frozenset({"Task", "TodoWrite", "WebFetch", "WebSearch"})
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}\Z")
_TOOLS = {
    "type": "array",
    "maxItems": 50,
    "items": {
        "type": "string",
        "pattern": r"^[A-Za-z][A-Za-z0-9_-]{0,99}(\([^()\u0000-\u001f]{1,200}\))?$(?!\n)",
        "description": "a tool's name, or one with a rule, such as Bash(git log *)",
    },
}


class ClaudeAgentSDK(Backend):
    name = "claude_agent_sdk"
    display_name = "Claude Agent SDK"
    capabilities = ("streaming", "tools", "thinking", "usage", "sessions")
    options_schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "model": {
                "type": "string",
                "maxLength": 200,
                "pattern": r"^[A-Za-z0-9][^\s\u0000-\u001f]*$(?!\n)",
                "description": "model name or alias, such as sonnet; default: Claude's own default",
            },
            "max_turns": {"type": "integer", "minimum": 1, "maximum": 10_000},
            "permission_mode": {
                "type": "string",
                "enum": ["acceptEdits", "dontAsk", "plan", "bypassPermissions"],
                "description": "what it may do without approval; all else is denied, as no one can approve it",
            },
            "allowed_tools": {**_TOOLS, "description": "tools allowed without approval"},
            "disallowed_tools": {**_TOOLS, "description": "tools to disable"},
        },
    }

    @classmethod
    def missing(cls) -> str | None:
        try:
            _program()
            how = how_apart()
        except BackendError as error:
            return str(error)
        return missing_login(CLAUDES_LOGIN, environment_of(_definition()), how)

    @classmethod
    def missing_for(cls, options: Mapping[str, Any]) -> str | None:
        """Return what is missing for an agent with these options, None when it could run."""
        try:
            _check_reach(options, how_apart())
        except BackendError as error:
            return str(error)
        return cls.missing()

    async def stream(
        self, prompt: str, options: Mapping[str, Any], workdir: Path
    ) -> AsyncGenerator[BackendItem, None]:
        """Yield what Claude says and does, going on with the earlier session where there is one."""
        if reason := self.missing_for(options):
            raise BackendError(reason)
        sdk = await asyncio.to_thread(importlib.import_module, "agents.backends.claude.conversation")
        limits = _definition().limits
        for session in (self.earlier_session, "") if self.earlier_session else ("",):
            order = await asyncio.to_thread(_order, options, workdir, session)
            try:
                async with aclosing(sdk.conversation(order, limits, prompt, goes_on=session)) as items:
                    async for item in items:
                        yield item
            except sdk.SessionGone:
                yield BackendEvent(
                    EventType.STATUS, "The earlier conversation no longer exists; starting a new one"
                )
            else:
                return


def _definition() -> Definition:
    """Return what the program gets: as the preset says, and the operator's own definition of `claude`."""
    own = allowed().commands.get("claude", {})
    kept = {key: own[key] for key in ("readable", "writable", "limits") if key in own}
    return Definition.of("claude", {**kept, "env": [*OWN_ENV, *own.get("env", ())]})


def _program() -> str:
    """Return the path of the CLI, the SDK's own where it brings one. Raises BackendError."""
    found = importlib.util.find_spec("claude_agent_sdk")
    if found is None or found.origin is None:
        raise BackendError(f"Install it with: {REQUIREMENTS}")
    bundled = Path(found.origin).parent / "_bundled" / "claude"
    program = str(bundled) if os.access(bundled, os.X_OK) else shutil.which("claude")
    if program is None:
        raise BackendError("Install the Claude CLI with: npm install -g @anthropic-ai/claude-code")
    return program


def _configuration(environment: Mapping[str, str]) -> Path:
    """Return the folder in which the CLI keeps its login and its conversations."""
    home = Path(environment.get("HOME", "/nonexistent"))
    return Path(environment.get("CLAUDE_CONFIG_DIR") or home / ".claude")


def _conversations(configuration: Path, workdir: Path) -> Path:
    """Return the folder in which the CLI keeps the conversations of a working folder, and of no other."""
    return configuration / "projects" / re.sub(r"[^A-Za-z0-9]", "-", str(workdir))


def _order(options: Mapping[str, Any], workdir: Path, session: str) -> Order:
    """Put together what to start. Makes the folder of its conversations, else none would outlive its run."""
    definition, workdir = _definition(), workdir.absolute()
    conversations = _conversations(_configuration(environment_of(definition)), workdir)
    if not how_apart().startswith("user:"):
        with suppress(OSError):
            conversations.mkdir(mode=0o700, parents=True, exist_ok=True)
    definition = replace(definition, writable=(*definition.writable, str(conversations)))
    argv = [_program(), *_arguments(options, session)]
    return order_of(definition, argv, workdir, Prompt(is_dialogue=True))


def _arguments(options: Mapping[str, Any], session: str) -> Iterator[str]:
    """Yield the command line. Values stand with their options, so that none is taken for another option."""
    yield from (
        "--output-format=stream-json",
        "--input-format=stream-json",
        "--verbose",
        "--include-partial-messages",
    )
    yield from ("--setting-sources=", "--strict-mcp-config")
    yield f"--permission-mode={options.get('permission_mode', 'acceptEdits')}"
    if model := options.get("model"):
        yield f"--model={model}"
    if turns := options.get("max_turns"):
        yield f"--max-turns={turns}"
    if tools := options.get("allowed_tools"):
        yield f"--allowedTools={','.join(tools)}"
    if tools := options.get("disallowed_tools"):
        yield f"--disallowedTools={','.join(tools)}"
    if _SESSION.match(session):
        yield from (f"--resume={session}", "--fork-session")  # a run that fails leaves the earlier one as it was


def _check_reach(options: Mapping[str, Any], how: str) -> None:
    """Refuse what reaches beyond the folder where agents ought to run apart and cannot. Raises BackendError."""
    if how != "none" or allowed().isolation == "none":
        return
    if reach := next(_reaching(options.get("permission_mode", ""), options.get("allowed_tools", ())), None):
        raise BackendError(
            f"With `{reach}` it reaches beyond its folder, and agents do not run apart here: "
            "install bubblewrap, or set MISSION_CONTROL_AGENT_ISOLATION=none if it may"
        )


def _reaching(permission_mode: str, tools: Sequence[str]) -> Iterator[str]:
    if permission_mode == "bypassPermissions":
        yield permission_mode
    yield from (tool for tool in tools if tool.partition("(")[0] not in HARMLESS_TOOLS)
