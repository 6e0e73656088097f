"""Agents of the Agent Client Protocol (https://agentclientprotocol.com): programs that the operator has allowed.

Unlike the backend `command`, which only reads what a program prints, both sides ask and answer: so an agent asks
before it uses a tool, and continues an earlier session.
"""

import asyncio
import importlib
import importlib.util
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents import folders
from agents.backends.acp.permissions import ALLOW, PERMISSIONS_SCHEMA, REACHING, Permissions
from agents.backends.approvals import POLICY
from agents.backends.base import INSTRUCTIONS, BackendError, BackendItem
from agents.backends.command import MODEL_SCHEMA, NAME_SCHEMA, Command, check_model, options_of
from agents.backends.mcp_servers.forms import acp_servers, with_mounts
from agents.backends.mcp_servers.starting import usable_servers
from agents.backends.processes import LaunchSpec
from agents.backends.programs.allowed import Definition, allowed
from agents.backends.programs.launch import Prompt, check_network, environment_of, isolation_method, launch_spec
from agents.backends.programs.logins import missing_login
from agents.backends.programs.places import find_program


class ACP(Command):
    name = "acp"
    display_name = "Agent Client Protocol"
    capabilities = ("streaming", "tools", "thinking", "usage", "sessions", "mcp", "questions", "approvals")
    options_schema = options_of(command=NAME_SCHEMA, model=MODEL_SCHEMA, permissions=PERMISSIONS_SCHEMA)

    @classmethod
    def can_run(cls, definition: Definition) -> bool:
        return definition.acp is not None

    @classmethod
    def can_use_servers(cls, definition: Definition) -> bool:
        """Return True: the protocol has servers that the program starts itself."""
        return True

    @classmethod
    def _misfit(cls, name: str) -> str:
        return (
            f"`{name}` is not known to speak the Agent Client Protocol. If it does, "
            'define it with `"format": "acp"` in MISSION_CONTROL_COMMANDS'
        )

    @classmethod
    def missing_for(cls, options: Mapping[str, Any]) -> str | None:
        """Return what is missing for an agent with these options; None if it can run."""
        try:
            definition = cls._definition(options)
            how = isolation_method()
            check_network(definition, how)
            _check_reach(options, how)
            _argv(definition, options)
        except BackendError as error:
            return str(error)
        if importlib.util.find_spec("acp") is None:
            return "Install it with: .venv/bin/pip install -r requirements.lock"
        if definition.login is None:
            return None
        return missing_login(definition.login, environment_of(definition), how)

    async def stream(
        self, prompt: str, options: Mapping[str, Any], workdir: Path
    ) -> AsyncGenerator[BackendItem, None]:
        """Yield what the agent does. When the stream ends, it and all its children have ended."""
        if reason := await asyncio.to_thread(self.missing_for, options):
            raise BackendError(reason)
        definition = self._definition(options)
        started = await usable_servers(options, workdir)
        for notice in started.notices:
            yield notice
        definition = with_mounts(definition, started.servers)
        sdk = await asyncio.to_thread(importlib.import_module, "agents.backends.acp.conversation")
        spec = await asyncio.to_thread(_launch_spec, definition, options, workdir)
        is_sandboxed = isolation_method() == "bubblewrap"
        task = sdk.Task(
            definition=definition,
            prompt=prompt,
            workdir=workdir,
            permissions=Permissions(
                options.get("permissions", {}),
                None if is_sandboxed else folders.root_of(workdir),
                options.get(POLICY, {}),
                workdir,
                needs_sandbox=not is_sandboxed and allowed().isolation != "none",
            ),
            environment=environment_of(definition),
            account=self.account(options),
            model="" if _has_model_option(definition) else options.get("model", ""),
            earlier_session=self.earlier_session,
            earlier_state=self.earlier_state,
            continuation=self.continuation,
            files=self.files,
            dialogue=self.dialogue,
            mcp_servers=acp_servers(started.servers),
        )
        async with aclosing(sdk.conversation(spec, task)) as items:
            async for item in items:
                yield item


def _launch_spec(definition: Definition, options: Mapping[str, Any], workdir: Path) -> LaunchSpec:
    argv = _argv(definition, options)
    if not options.get(INSTRUCTIONS, True):
        definition = replace(definition, env=(*definition.env, *definition.silent_env))
    return launch_spec(definition, argv, workdir.absolute(), Prompt(is_dialogue=True), has_conversation=True)


def _argv(definition: Definition, options: Mapping[str, Any]) -> list[str]:
    """Return the command line with the program's full path. Raises BackendError with advice."""
    mode = definition.acp
    assert mode is not None, "else there is no definition for this backend"
    program = find_program(mode.argv[0])
    if program is None:
        advice = f"Install it with: {definition.install}" if definition.install else "Install it"
        raise BackendError(f"`{definition.name}` is not in the PATH of the worker. {advice}")
    argv = [program, *mode.argv[1:]]
    if model := options.get("model"):
        check_model(definition, model)
        if _has_model_option(definition):
            argv += [mode.model_option, model]
    return argv


def _has_model_option(definition: Definition) -> bool:
    return definition.acp is not None and bool(definition.acp.model_option)


def _check_reach(options: Mapping[str, Any], how: str) -> None:
    """Raise BackendError for permissions beyond the folder if agents should be isolated but cannot be."""
    if how != "none" or allowed().isolation == "none":
        return
    permissions: Iterable[tuple[str, str]] = options.get("permissions", {}).items()
    if reach := next((kind for kind, what in permissions if what == ALLOW and kind in REACHING), None):
        raise BackendError(
            f"With `{reach}` allowed it reaches beyond its folder, and there is no sandbox here: "
            "install bubblewrap, or set MISSION_CONTROL_AGENT_ISOLATION=none if it may"
        )
