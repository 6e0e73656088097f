"""An agent of the Agent Client Protocol, made with the library's agent side: it does what the prompt names.

It is started as a program, with the name of a folder in which it keeps what was said in its sessions.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import cast

from acp import (
    PROTOCOL_VERSION,
    Agent,
    run_agent,
    text_block,
    update_agent_message_text,
    update_agent_thought_text,
)
from acp.exceptions import RequestError
from acp.helpers import (
    plan_entry,
    start_edit_tool_call,
    start_tool_call,
    tool_content,
    tool_diff_content,
    update_plan,
    update_tool_call,
)
from acp.schema import (
    AgentCapabilities,
    AuthMethodAgent,
    CurrentModeUpdate,
    ElicitationFormSessionMode,
    ElicitationSchema,
    InitializeResponse,
    LoadSessionResponse,
    NewSessionResponse,
    PermissionOption,
    PromptCapabilities,
    PromptResponse,
    SessionConfigOptionSelect,
    SessionConfigSelectOption,
    ToolCallLocation,
    ToolCallStatus,
    ToolCallUpdate,
    Usage,
)

OPTIONS = [
    PermissionOption(option_id=kind, name=kind, kind=kind)
    for kind in ("allow_always", "allow_once", "reject_always", "reject_once")
]
MODEL = SessionConfigOptionSelect(
    id="model",
    name="Model",
    category="model",
    type="select",
    current_value="openai/gpt-4o",
    options=[SessionConfigSelectOption(value=name, name=name) for name in ("openai/gpt-4o", "openai/gpt-4o-mini")],
)


class Obedient:
    def __init__(self, kept: Path) -> None:
        self._kept = kept
        self._is_logged_in = "LOGIN" not in os.environ
        self._cancelled = asyncio.Event()
        self._model = "openai/gpt-4o"
        self._heard: dict = {}

    def on_connect(self, client) -> None:
        self._client = client

    async def initialize(self, protocol_version, client_capabilities=None, client_info=None, **_):
        self._heard["capabilities"] = client_capabilities.model_dump(exclude_none=True)
        return InitializeResponse(
            protocol_version=PROTOCOL_VERSION,
            agent_capabilities=AgentCapabilities(
                load_session="FORGETFUL" not in os.environ,
                prompt_capabilities=PromptCapabilities(image="SIGHTED" in os.environ),
            ),
            auth_methods=[AuthMethodAgent(id="browser", name="Browser"), AuthMethodAgent(id="key", name="Key")],
        )

    async def authenticate(self, method_id, **_):
        if method_id != "key":
            raise RequestError.internal_error({"details": "A browser was opened"})
        self._is_logged_in = True

    async def new_session(self, cwd, mcp_servers=None, **_):
        if not self._is_logged_in:
            raise RequestError.auth_required()
        self._cwd = Path(cwd)
        return NewSessionResponse(session_id="session-1", config_options=[MODEL])

    async def load_session(self, cwd, session_id, mcp_servers=None, **_):
        if not (self._kept / session_id).exists():
            raise RequestError.resource_not_found(session_id)
        self._cwd = Path(cwd)
        await self._say("what was said before", session_id)
        return LoadSessionResponse(config_options=[MODEL])

    async def set_config_option(self, config_id, session_id, value, **_):
        self._model = value

    async def cancel(self, session_id, **_):
        self._cancelled.set()

    async def prompt(self, session_id, prompt, **_):
        (self._kept / session_id).write_text("")
        self._session = session_id
        self._blocks = prompt
        name, _, argument = prompt[0].text.partition(" ")
        reason = await getattr(self, f"do_{name}")(argument)
        usage = Usage(total_tokens=3500, input_tokens=1000, output_tokens=2000, cached_read_tokens=500)
        return PromptResponse(stop_reason=reason or "end_turn", usage=usage)

    # ------------------------------------------------------------ what a prompt can name
    async def do_talk(self, _):
        await self._update(update_agent_thought_text("Hm."))
        await self._say("Let me see.")
        await self._update(CurrentModeUpdate(session_update="current_mode_update", current_mode_id="build"))
        entries = [plan_entry("look", status="completed"), plan_entry("tell", status="in_progress")]
        await self._update(update_plan(entries))
        await self._update(update_plan(entries))
        await self._update(start_tool_call("t1", "Reading", kind="read", raw_input={"path": "a"}))
        await self._update(update_tool_call("t1", status="completed", content=[tool_content(text_block("A"))]))
        diff = tool_diff_content("a", "new\n", "old\n")
        await self._update(start_edit_tool_call("t2", "Editing", "a", diff))
        await self._update(update_tool_call("t2", status="completed", content=[diff]))
        await self._say("The answer ")
        await self._say(f"of {self._model}.")

    async def do_capabilities(self, _):
        await self._say(json.dumps(self._heard["capabilities"]))

    async def do_ask(self, kinds):
        """Ask for permission for tools of these kinds, and say what was decided."""
        for number, (kind, _, path) in enumerate(word.partition("@") for word in kinds.split()):
            call = ToolCallUpdate(
                tool_call_id=f"t{number}",
                title=f"A {kind}",
                kind=kind,
                locations=[ToolCallLocation(path=path)] if path else None,
            )
            answer = await self._client.request_permission(
                session_id=self._session, tool_call=call, options=OPTIONS
            )
            decision = answer.outcome.option_id
            is_allowed = decision.startswith("allow")
            state: ToolCallStatus = "completed" if is_allowed else "failed"
            await self._update(update_tool_call(f"t{number}", status=state))
            if not os.environ.get("SILENT"):
                await self._say(f"{decision} ")

    async def do_use(self, calls):
        """Ask for permission for these calls, given as JSON, and say what was decided."""
        for number, call in enumerate(json.loads(calls)):
            diff = call.pop("diff", None)
            given = ToolCallUpdate(
                tool_call_id=f"t{number}", content=[tool_diff_content(*diff)] if diff else None, **call
            )
            answer = await self._client.request_permission(
                session_id=self._session, tool_call=given, options=OPTIONS
            )
            decision = getattr(answer.outcome, "option_id", "cancelled")
            state: ToolCallStatus = "completed" if decision.startswith("allow") else "failed"
            await self._update(update_tool_call(f"t{number}", status=state))
            await self._say(f"{decision} ")

    async def do_form(self, properties):
        """Ask people with a form of these fields, given as JSON, and say what they answered."""
        answer = await self._client.create_elicitation(
            message="About the plan",
            mode=ElicitationFormSessionMode(
                session_id=self._session,
                requested_schema=ElicitationSchema.model_validate({"properties": json.loads(properties)}),
            ),
        )
        await self._say(json.dumps(answer.model_dump(mode="json", exclude_none=True)))

    async def do_look(self, _):
        """Say which pictures came with the prompt."""
        await self._say(" ".join(f"{one.mime_type}:{one.data}" for one in self._blocks[1:]))

    async def do_A(self, remark):  # noqa: N802 - the first word of a remark
        await self._say(f"heard: {remark}")

    async def do_files(self, argument):
        """Read or write each file, and say what came of it."""
        for word in argument.split():
            way, _, path = word.partition(":")
            path = path if path.startswith("/") else str(self._cwd / path)
            try:
                if way == "write":
                    await self._client.write_text_file(session_id=self._session, path=path, content="by the agent")
                    await self._say(f"{way}: done\n")
                else:
                    first, most = (2, 1) if way == "second" else (None, None)
                    found = await self._client.read_text_file(
                        session_id=self._session, path=path, line=first, limit=most
                    )
                    await self._say(f"{way}: {found.content[:30]!r}\n")
            except RequestError as error:
                await self._say(f"{way}: {error.code} {(error.data or {}).get('details')}\n")

    async def do_terminal(self, _):
        try:
            await self._client.create_terminal(session_id=self._session, command="id")
        except RequestError as error:
            await self._say(str(error))

    async def do_wait(self, _):
        """Wait to be cancelled, and note that it was."""
        await self._say("waiting")
        await self._cancelled.wait()
        (self._kept / "cancelled").write_text("")
        return "cancelled"

    async def do_end(self, reason):
        await self._say("so far")
        return reason

    async def do_fail(self, argument):
        code, _, text = argument.partition(" ")
        raise RequestError(int(code), "It failed", {"details": text})

    async def _say(self, text, session=""):
        await self._update(update_agent_message_text(text), session)

    async def _update(self, update, session=""):
        await self._client.session_update(session_id=session or self._session, update=update)


if __name__ == "__main__":
    asyncio.run(run_agent(cast("Agent", Obedient(Path(sys.argv[1])))))
