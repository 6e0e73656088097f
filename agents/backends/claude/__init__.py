"""Claude through Anthropic's agent SDK: an agent with its own tools, in the project's folder.

Of the operator's Claude configuration only the login is used: no hooks, no MCP servers but the agent's own, and no
settings of the folder, in which agents write.
"""

import asyncio
import importlib
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.backends import approvals
from agents.backends.base import (
    INSTRUCTIONS,
    PROJECT_INSTRUCTIONS_SCHEMA,
    Backend,
    BackendError,
    BackendEvent,
    BackendItem,
    EventType,
    Setup,
)
from agents.backends.claude.installation import cli_path
from agents.backends.claude.people import People
from agents.backends.mcp_servers.definitions import MCP_SERVERS_SCHEMA, McpServer
from agents.backends.mcp_servers.forms import given_servers
from agents.backends.mcp_servers.starting import usable_servers
from agents.backends.processes import LaunchSpec
from agents.backends.programs.allowed import Definition, allowed
from agents.backends.programs.launch import Prompt, environment_of, isolation_method, launch_spec
from agents.backends.programs.logins import claudes_account, missing_login
from agents.backends.programs.presets import CLAUDES_LOGIN, CLAUDES_MODELS

OWN_ENV = (
    *("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"),
    *("CLAUDE_CODE_ENTRYPOINT=sdk-py", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1"),
    "CLAUDE_CODE_SDK_READS_SESSION_STATE=1",  # it reports when it is idle
)
# Tools that may be allowed without isolation: none of them reads, writes or runs anything on this machine.
HARMLESS_TOOLS = frozenset({"Task", "TodoWrite", "WebFetch", "WebSearch"})
# Where somebody can be asked, the CLI offers these too; but its permission mode is the agent's option.
PLAN_TOOLS = ("EnterPlanMode", "ExitPlanMode")
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
    capabilities = (
        *("streaming", "tools", "thinking", "usage", "sessions", "mcp"),
        *("questions", "approvals", "steering"),
    )
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
                "description": "what it may do without approval; all else is denied, unless approval_policy asks",
            },
            "allowed_tools": {**_TOOLS, "description": "tools allowed without approval"},
            "disallowed_tools": {**_TOOLS, "description": "tools to disable"},
            "mcp_servers": MCP_SERVERS_SCHEMA,
            INSTRUCTIONS: PROJECT_INSTRUCTIONS_SCHEMA,
        },
    }

    @classmethod
    def missing(cls) -> str | None:
        try:
            cli_path()
            how = isolation_method()
        except BackendError as error:
            return str(error)
        return missing_login(CLAUDES_LOGIN, environment_of(_definition()), how)

    @classmethod
    def account(cls, options: Mapping[str, Any]) -> str:
        return claudes_account(environment_of(_definition()))

    @classmethod
    def missing_for(cls, options: Mapping[str, Any]) -> str | None:
        """Return what is missing for an agent with these options; None if it can run."""
        try:
            _check_reach(options, isolation_method())
        except BackendError as error:
            return str(error)
        return cls.missing()

    @classmethod
    def setup(cls, options: Mapping[str, Any]) -> Setup:
        """Describe the set-up: the choices are the names that always mean the newest models."""
        return Setup(cls.missing_for(options), {"model": CLAUDES_MODELS})

    async def stream(
        self, prompt: str, options: Mapping[str, Any], workdir: Path
    ) -> AsyncGenerator[BackendItem, None]:
        """Yield Claude's output; continue the earlier session if there is one."""
        if reason := self.missing_for(options):
            raise BackendError(reason)
        sdk = await asyncio.to_thread(importlib.import_module, "agents.backends.claude.conversation")
        started = await usable_servers(options, workdir)
        for notice in started.notices:
            yield notice
        limits = _definition().limits
        people = People(self.dialogue, options.get(approvals.POLICY), workdir)
        for session in (self.earlier_session, "") if self.earlier_session else ("",):
            text = self.continuation or prompt if session else prompt
            # A continuation names only the files that are new to the conversation.
            files = [path for path in self.files if text is prompt or path.name in text]
            opening = sdk.Opening(text, files, earlier_session=session)
            spec = await asyncio.to_thread(_launch_spec, options, workdir, session, started.servers)
            try:
                async with aclosing(sdk.conversation(spec, limits, opening, people)) as items:
                    async for item in items:
                        yield item
            except sdk.CannotContinue as why:
                yield BackendEvent(EventType.STATUS, f"The earlier conversation {why}; starting a new one")
            else:
                return


def _definition() -> Definition:
    """Return the program's definition: the preset, with parts of the operator's own definition of `claude`."""
    own = allowed().commands.get("claude", {})
    kept = {key: own[key] for key in ("readable", "writable", "limits") if key in own}
    return Definition.of("claude", {**kept, "env": [*OWN_ENV, *own.get("env", ())]})


def _configuration(environment: Mapping[str, str]) -> Path:
    """Return the folder in which the CLI stores its login and its conversations."""
    home = Path(environment.get("HOME", "/nonexistent"))
    return Path(environment.get("CLAUDE_CONFIG_DIR") or home / ".claude")


def _conversations(configuration: Path, workdir: Path) -> Path:
    """Return the folder in which the CLI stores the conversations of this working folder only."""
    return configuration / "projects" / re.sub(r"[^A-Za-z0-9]", "-", str(workdir))


def _launch_spec(
    options: Mapping[str, Any], workdir: Path, session: str, servers: Sequence[McpServer] = ()
) -> LaunchSpec:
    """Return the launch spec. Creates the folder of conversations, which would otherwise be lost with the run."""
    definition, workdir = _definition(), workdir.absolute()
    conversations = _conversations(_configuration(environment_of(definition)), workdir)
    if not isolation_method().startswith("user:"):
        with suppress(OSError):
            conversations.mkdir(mode=0o700, parents=True, exist_ok=True)
    definition = replace(definition, writable=(*definition.writable, str(conversations)))
    with given_servers(definition, servers) as (definition, words):  # Claude's form needs no file
        argv = [cli_path(), *_arguments(options, session), *words]
        return launch_spec(definition, argv, workdir, Prompt(is_dialogue=True))


def _arguments(options: Mapping[str, Any], session: str) -> Iterator[str]:
    """Yield the arguments. Values are joined to their options, so that none is mistaken for another option."""
    yield from (
        "--output-format=stream-json",
        "--input-format=stream-json",
        "--verbose",
        "--include-partial-messages",
    )
    yield from ("--setting-sources=", "--strict-mcp-config", "--permission-prompt-tool=stdio")
    yield f"--permission-mode={options.get('permission_mode', 'acceptEdits')}"
    if model := options.get("model"):
        yield f"--model={model}"
    if turns := options.get("max_turns"):
        yield f"--max-turns={turns}"
    if tools := options.get("allowed_tools"):
        yield f"--allowedTools={','.join(tools)}"
    yield f"--disallowedTools={','.join((*PLAN_TOOLS, *options.get('disallowed_tools', ())))}"
    if _SESSION.match(session):
        # A failed run does not change the earlier conversation.
        yield from (f"--resume={session}", "--fork-session")


def _check_reach(options: Mapping[str, Any], how: str) -> None:
    """Raise BackendError for options that reach beyond the folder if agents should be isolated but cannot be."""
    if how != "none" or allowed().isolation == "none":
        return
    tools = [*options.get("allowed_tools", ()), *options.get(approvals.POLICY, {}).get("allow", ())]
    if reach := next(_reaching(options.get("permission_mode", ""), tools), None):
        raise BackendError(
            f"With `{reach}` it reaches beyond its folder, and there is no sandbox here: "
            "install bubblewrap, or set MISSION_CONTROL_AGENT_ISOLATION=none if it may"
        )


def _reaching(permission_mode: str, tools: Sequence[str]) -> Iterator[str]:
    if permission_mode == "bypassPermissions":
        yield permission_mode
    yield from (tool for tool in tools if tool.partition("(")[0] not in HARMLESS_TOOLS)
