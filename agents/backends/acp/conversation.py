"""One conversation with an agent of the Agent Client Protocol, as a process of ours.

Only this module and `client` import the library, so they are imported only where they are used. Its connection
gets a transport of ours, and the program runs and ends like any other agent's (agents/backends/processes.py).
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acp import PROTOCOL_VERSION, schema
from acp.connection import Connection
from acp.exceptions import RequestError

from agents.backends.acp import images
from agents.backends.acp.client import Client, Items, words_of
from agents.backends.acp.failures import failure_of, is_login_missing
from agents.backends.acp.files import Files
from agents.backends.acp.permissions import Permissions
from agents.backends.acp.transport import ProgramTransport
from agents.backends.acp.updates import UpdateReader, is_model
from agents.backends.base import (
    AgentOverLimit,
    Answer,
    BackendError,
    BackendEvent,
    BackendItem,
    Dialogue,
    EventType,
    NobodyThere,
    Session,
)
from agents.backends.processes import LaunchSpec, Program, run_program
from agents.backends.programs.allowed import Definition
from agents.backends.programs.failures import with_reason
from agents.backends.programs.formats import READERS
from agents.backends.programs.formats.reader import listed, part, text_of
from agents.redaction import shown_error

BEGIN_SECONDS = 120.0  # for all that comes before the prompt
CANCEL_SECONDS = 0.3  # for the agent to end its request to the model when the run is stopped
LEAVE_SECONDS = 1.0  # how long the agent may take to exit after its input was closed
# Gemini repeats a loaded conversation only after it has answered that it is loaded.
QUIET_SECONDS, REPEAT_SECONDS = 0.5, 10.0
SESSION_CHARS = 200
_NAMED = 20  # models in an error message


@dataclass(frozen=True, slots=True)
class Task:
    """What an agent is asked."""

    definition: Definition
    prompt: str
    workdir: Path
    permissions: Permissions
    environment: Mapping[str, str]
    account: str = ""  # whose quota it uses
    model: str = ""  # to be set in the session
    earlier_session: str = ""
    earlier_state: Any = None
    continuation: str = ""  # instead of the prompt, if the earlier session continues
    files: Sequence[Path] = ()
    dialogue: Dialogue = field(default_factory=NobodyThere)
    mcp_servers: Sequence[Mapping[str, Any]] = ()


async def conversation(spec: LaunchSpec, task: Task) -> AsyncGenerator[BackendItem, None]:
    """Yield what the agent does with the prompt; when the stream ends, it and all its children have ended."""
    async with run_program(spec, task.definition.limits) as program:
        talk = _Talk(program, task)
        try:
            async for item in talk.items():
                yield item
        finally:
            await talk.end()


class _Talk:
    """The requests that we make of one agent, one after the other."""

    def __init__(self, program: Program, task: Task) -> None:
        mode = task.definition.acp
        assert mode is not None, "checked before the start"
        self._program, self._task, self._mode = program, task, mode
        self._items = Items()
        self._reader = UpdateReader(default_provider=mode.provider)
        files = Files(task.workdir) if mode.reads_files_here else None
        self._client = Client(
            self._items, self._reader, task.permissions, files, dialogue=task.dialogue, excused=program.excused
        )
        self._can_see = False
        self._is_continued = False
        self._errors = READERS[task.definition.format]() if task.definition.format in READERS else None
        self._transport = ProgramTransport(
            program,
            notice=self._items.notice,
            read_error=self._read_error,
            is_behind=self._items.is_full,
        )
        self._connection = Connection(self._client.handle, self._transport)
        self._talking = asyncio.create_task(self._talk())
        self._talking.add_done_callback(lambda _: self._items.wake())

    async def items(self) -> AsyncGenerator[BackendItem, None]:
        """Yield all items in their order. Raises BackendError."""
        while not self._talking.done() and self._items.failure is None:
            while (item := self._items.take()) is not None:
                self._transport.made_room()
                yield item
            await self._items.wait()
        while (item := self._items.take()) is not None:
            yield item
        if self._items.failure is not None:
            raise self._items.failure
        try:
            self._talking.result()
        except RequestError as error:
            raise self._failure(error) from None
        except ConnectionError:
            raise self._early_end() from None
        yield Answer((self._reader.answer or "").strip())

    async def end(self) -> None:
        """Cancel the prompt and give the agent a moment to exit. The code that started it ends it in any case."""
        self._client.leave()
        if not self._talking.done():
            if self._client.is_prompting:
                with suppress(ConnectionError, TimeoutError):
                    async with asyncio.timeout(CANCEL_SECONDS):
                        await self._connection.send_notification(
                            "session/cancel", {"sessionId": self._client.session}
                        )
                        await asyncio.wait({self._talking})
            self._talking.cancel()
        elif not self._talking.cancelled() and self._talking.exception() is None:
            await self._program.send_line(b"")
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._transport.has_ended.wait()
        await self._connection.close()
        await self._transport.aclose()
        await asyncio.wait({self._talking})

    # ---------------------------------------------------------------- the requests
    async def _talk(self) -> None:
        try:
            async with asyncio.timeout(BEGIN_SECONDS):
                await self._begin()
        except TimeoutError:
            raise AgentOverLimit(
                f"`{self._name}` did not begin a session within {BEGIN_SECONDS:g} seconds. "
                "Does it speak the Agent Client Protocol?",
                "silence",
            ) from None
        self._client.is_prompting = True
        seen = images.seen_in(self._task.earlier_state) if self._is_continued else []
        pictures = await self._pictures(seen)
        self._items.add([Session(self._client.session, images.state([*seen, *(one.name for one in pictures)]))])
        text = (self._is_continued and self._task.continuation) or self._task.prompt
        await self._turn([{"type": "text", "text": _plain(text)}, *(one.block for one in pictures)])
        while remarks := self._client.remarks:
            self._client.remarks = []
            self._reader.begin_turn()
            await self._turn([{"type": "text", "text": "\n".join(remarks)}])
        self._client.is_prompting = False

    async def _turn(self, prompt: list[dict[str, Any]]) -> None:
        answer = await self._request("session/prompt", {"sessionId": self._client.session, "prompt": prompt})
        self._items.add(self._reader.read_result(answer))
        self._check_end(text_of(answer.get("stopReason")))

    async def _pictures(self, seen: Sequence[str]) -> list[images.Picture]:
        """Return the pictures that people attached, if the agent takes pictures and has not seen them yet."""
        if not (self._can_see and self._task.files):
            return []
        found, notices = await asyncio.to_thread(images.read, self._task.files, self._task.workdir, seen)
        for notice in notices:
            self._say(notice)
        return found

    async def _begin(self) -> None:
        """Agree on the protocol, and begin or continue a session."""
        request = schema.InitializeRequest(
            protocol_version=PROTOCOL_VERSION,
            client_capabilities=self._client.capabilities,
            client_info=schema.Implementation(name="mission-control", title="Mission Control", version="1"),
        )
        agent = await self._request(
            "initialize", request.model_dump(mode="json", by_alias=True, exclude_none=True)
        )
        if (version := agent.get("protocolVersion")) != PROTOCOL_VERSION:
            raise BackendError(
                shown_error(
                    f"`{self._name}` speaks version {str(version)[:20]} of the Agent Client Protocol; "
                    f"only version {PROTOCOL_VERSION} is supported"
                )
            )
        self._can_see = part(agent, "agentCapabilities", "promptCapabilities").get("image") is True
        try:
            session = await self._session(agent)
        except RequestError as error:
            if not is_login_missing(error.code, words_of(error)) or not await self._logs_in(agent):
                raise
            session = await self._session(agent)
        self._items.add(self._reader.read_settings(session))
        await self._set_model(session)

    async def _session(self, agent: Mapping[str, Any]) -> Mapping[str, Any]:
        """Continue the earlier session where the agent can; else begin a new one."""
        place = {"cwd": str(self._task.workdir.absolute()), "mcpServers": list(self._task.mcp_servers)}
        if earlier := self._task.earlier_session:
            can = part(agent, "agentCapabilities")
            way = (
                "resume"  # without repeating the conversation
                if isinstance(part(can, "sessionCapabilities").get("resume"), Mapping)
                else "load"
                if can.get("loadSession") is True
                else ""
            )
            if way:
                self._client.session = earlier
                try:
                    session = await self._request(f"session/{way}", {"sessionId": earlier, **place})
                    if way == "load":
                        await self._repeated()
                    self._is_continued = True
                    return session
                except RequestError as error:
                    if is_login_missing(error.code, words_of(error)):
                        raise
                    self._client.session = ""
            why = "no longer exists" if way else "cannot be continued by this agent"
            self._say(f"The earlier conversation {why}; starting a new one")
        session = await self._request("session/new", place)
        name = session.get("sessionId")
        if not isinstance(name, str) or not 0 < len(name) <= SESSION_CHARS:
            raise BackendError(f"`{self._name}` sent an invalid answer to `session/new`")
        self._client.session = name
        return session

    async def _repeated(self) -> None:
        """Wait until the agent has repeated the earlier conversation; only its silence shows that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(REPEAT_SECONDS):
                seen = -1
                while seen != self._client.earlier_updates:
                    seen = self._client.earlier_updates
                    await asyncio.sleep(QUIET_SECONDS)

    async def _logs_in(self, agent: Mapping[str, Any]) -> bool:
        """Log in by a method that needs no person; return whether there is one."""
        for method in listed(agent.get("authMethods")):
            if self._is_silent(method):
                await self._request("authenticate", {"methodId": text_of(method.get("id"))})
                return True
        return False

    def _is_silent(self, method: Mapping[str, Any]) -> bool:
        """Return whether a login needs only variables, and the agent has them."""
        name, environment = text_of(method.get("id")), self._task.environment
        if method.get("type") == "env_var":
            needed = [text_of(one.get("name")) for one in listed(method.get("vars")) if not one.get("optional")]
            return bool(needed) and all(environment.get(variable, "").strip() for variable in needed)
        return any(
            name == known and environment.get(variable, "").strip() for known, variable in self._mode.logins
        )

    async def _set_model(self, session: Mapping[str, Any]) -> None:
        """Set the model, in whichever of the two ways the agent offers it."""
        model, key = self._task.model, {"sessionId": self._client.session}
        if not model:
            return
        choice = next(filter(is_model, listed(session.get("configOptions"))), None)
        if choice is not None:
            offered = [text_of(one.get("value")) for one in _flat(choice.get("options"))]
            method = "session/set_config_option"
            params = {**key, "configId": text_of(choice.get("id")), "value": model}
        else:
            models = listed(part(session, "models").get("availableModels"))
            offered = [text_of(one.get("modelId")) for one in models]
            method, params = "session/set_model", {**key, "modelId": model}
        if model not in offered:
            known = f"; it offers {', '.join(offered[:_NAMED])}" if offered else ""
            raise BackendError(shown_error(f"`{self._name}` does not offer the model `{model}`{known}"))
        await self._request(method, params)
        self._reader.model = model

    async def _request(self, method: str, params: dict[str, Any]) -> Mapping[str, Any]:
        return part({"answer": await self._connection.send_request(method, params)}, "answer")

    # ---------------------------------------------------------------- notices and errors
    @property
    def _name(self) -> str:
        return self._task.definition.name

    def _say(self, text: str) -> None:
        self._items.add([BackendEvent(EventType.STATUS, text)])

    def _read_error(self, line: str) -> None:
        if self._errors is not None:
            self._items.add(self._errors.read_error(line))

    def _check_end(self, reason: str) -> None:
        match reason:
            case "end_turn":
                return
            case "max_tokens":
                self._say("The answer was cut off: the model reached its limit of tokens")
            case "max_turn_requests":
                raise BackendError(f"`{self._name}` reached its limit of requests to the model")
            case "refusal":
                raise BackendError(f"`{self._name}` refused to continue")
            case "cancelled":
                raise BackendError(f"`{self._name}` cancelled its work without being asked to")
            case _:
                raise BackendError(f"`{self._name}` sent an invalid answer to `session/prompt`")

    def _failure(self, error: RequestError) -> BackendError:
        definition = self._task.definition
        return failure_of(
            definition, error.code, words_of(error), self._program.last_words(), account=self._task.account
        )

    def _early_end(self) -> BackendError:
        if limit := self._transport.limit:
            return AgentOverLimit(f"`{self._name}` {limit}, and was stopped", limit.limit)
        state = self._program.exit_status
        how = f" with exit status {state}" if state else ""
        return BackendError(
            with_reason(f"`{self._name}` ended{how} before it answered", self._program.last_words())
        )


def _flat(options: Any) -> list[Mapping[str, Any]]:
    """Return the options of a list, which may be in groups."""
    return [
        one for entry in listed(options) for one in ([entry] if "value" in entry else listed(entry.get("options")))
    ]


def _plain(prompt: str) -> str:
    """Return the prompt such that its first word is not taken for a command of the agent."""
    return f"The task:\n\n{prompt}" if prompt.lstrip().startswith(("/", "$")) else prompt
