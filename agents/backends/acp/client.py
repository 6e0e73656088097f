"""Our side of the protocol: what we answer to an agent's requests, and what we make of its notifications.

The agent's messages become items in `items`, which the conversation yields.
"""

import asyncio
import posixpath
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from acp import schema
from acp.exceptions import RequestError

from agents.backends.acp import forms
from agents.backends.acp.files import FileMissing, FileRefused, Files
from agents.backends.acp.permissions import Decision, Permissions, chosen_option
from agents.backends.acp.updates import ToolCall, UpdateReader
from agents.backends.base import (
    BackendEvent,
    BackendItem,
    Dialogue,
    EventType,
    Question,
    Reply,
    ToolRequest,
)
from agents.backends.programs.formats.reader import part, text_of

MOST_ITEMS = 200  # that may wait; then no more is read from the agent
MOST_QUESTIONS = 20  # that wait for people at once
TITLE_CHARS = 500
MOST_NOTICES = 100  # about lines that are no messages; a program that speaks another language has many


class Items:
    """Items from the agent that are not consumed yet. When there are too many, the transport stops reading."""

    def __init__(self) -> None:
        self._items: deque[BackendItem] = deque()
        self._changed = asyncio.Event()
        self._notices = 0
        self.failure: Exception | None = None  # at which the stream ends

    def add(self, items: Iterable[BackendItem]) -> None:
        self._items.extend(items)
        self._changed.set()

    def notice(self, text: str) -> None:
        self._notices += 1
        if self._notices <= MOST_NOTICES:
            self.add([BackendEvent(EventType.STATUS, text)])

    def is_full(self) -> bool:
        return len(self._items) >= MOST_ITEMS

    def take(self) -> BackendItem | None:
        return self._items.popleft() if self._items else None

    async def wait(self) -> None:
        """Wait until there are items, or `wake` was called."""
        await self._changed.wait()
        self._changed.clear()

    def wake(self) -> None:
        self._changed.set()

    def fail(self, error: Exception) -> None:
        self.failure = self.failure or error
        self.wake()


class Client:
    """Answers one agent in one session. `session` is its id, once the agent has said it.

    `excused` is entered while the agent waits for a person. `remarks` are what people said when they denied a
    call; the protocol's answer has no place for that.
    """

    def __init__(
        self,
        items: Items,
        reader: UpdateReader,
        permissions: Permissions,
        files: Files | None,
        *,
        dialogue: Dialogue,
        excused: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.session = ""
        self.remarks: list[str] = []
        self._dialogue, self._excused = dialogue, excused
        self._is_leaving = asyncio.Event()
        self._questions = 0
        self._approved: set[str] = set()  # files that the agent may write after a person has approved it
        self.is_prompting = False
        self.earlier_updates = 0  # that came before the prompt
        self._items, self._reader, self._permissions, self._files = items, reader, permissions, files
        self._requests: dict[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {
            "session/request_permission": self._request_permission,
            "elicitation/create": self._fill_form,
        }
        if files is not None:
            self._requests["fs/read_text_file"] = self._read_text_file
            if permissions.may_allow("edit"):
                self._requests["fs/write_text_file"] = self._write_text_file

    @property
    def capabilities(self) -> schema.ClientCapabilities:
        """Return what we do for the agent. It runs its commands itself, in its sandbox: no terminals of ours."""
        files = schema.FileSystemCapabilities(
            read_text_file="fs/read_text_file" in self._requests,
            write_text_file="fs/write_text_file" in self._requests,
        )
        asks = schema.ElicitationCapabilities(form=schema.ElicitationFormCapabilities())
        return schema.ClientCapabilities(fs=files, terminal=False, elicitation=asks)

    def leave(self) -> None:
        """Answer all open requests of the agent that wait for a person: they are cancelled."""
        self._is_leaving.set()

    async def handle(self, method: str, params: Any, is_notification: bool) -> Any:
        """Handle a request or notification, as the library's connection asks it."""
        given = params if isinstance(params, dict) else {}
        if is_notification:
            if method == "session/update" and self._is_ours(given):
                self._update(part(given, "update"))
            return None
        if method not in self._requests:
            raise RequestError.method_not_found(method)
        if not (self._is_ours(given) and self.is_prompting):
            raise RequestError.invalid_params({"details": "There is no such session, or no prompt in it"})
        return await self._requests[method](given)

    def _is_ours(self, params: Mapping[str, Any]) -> bool:
        return bool(self.session) and params.get("sessionId") == self.session

    def _update(self, update: Mapping[str, Any]) -> None:
        """Read an update. What comes before the prompt is the earlier conversation, which some agents repeat."""
        if self.is_prompting:
            self._items.add(self._reader.read(update))
        else:
            self.earlier_updates += 1
            self._reader.read_earlier(update)

    # ---------------------------------------------------------------- what people decide
    async def _request_permission(self, params: dict[str, Any]) -> dict[str, Any]:
        """Decide by the policy and the kinds of tools, or ask a person; always for this call only."""
        call = self._reader.tool(part(params, "toolCall"))
        decision = self._permissions.decide(call)
        if decision.kind == "ask":
            self._items.add(self._reader.show(call))
            asked = await self._approval(call, decision)
            if asked is None:
                return {"outcome": {"outcome": "cancelled"}}
            decision = asked
        is_allowed = decision.kind == "allow"
        self._items.add(self._reader.show(call) if is_allowed else self._reader.refuse(call, decision.why))
        option = chosen_option(params.get("options"), is_allowed=is_allowed)
        if option is None:
            return {"outcome": {"outcome": "cancelled"}}
        return {"outcome": {"outcome": "selected", "optionId": option}}

    async def _approval(self, call: ToolCall, decision: Decision) -> Decision | None:
        """Return what a person decides for a call; None if the conversation ends before that."""
        title = f": {call.title[:TITLE_CHARS]}" if call.title and call.title != call.name else ""
        text = f"The agent wants to use {call.name[:TITLE_CHARS]}{title}\n\n{decision.why}."
        reply = await self._ask(Question(text, tool=ToolRequest(call.name, call.full_input())))
        if reply is None:
            return None
        if reply.is_allowed:
            self._approved.update(posixpath.normpath(path) for path in call.paths)
            return Decision("allow")
        if reply.reason:
            self.remarks.append(f"A person denied {call.name[:TITLE_CHARS]}{title}, and said: {reply.reason}")
        return Decision("deny", f"A person denied it: {reply.reason}" if reply.reason else "A person denied it")

    async def _ask(self, question: Question) -> Reply | None:
        """Ask a person; None if the conversation ends before the answer. A failure ends the conversation."""
        if self._questions >= MOST_QUESTIONS:
            raise RequestError.invalid_params({"details": f"More than {MOST_QUESTIONS} questions at once"})
        self._questions += 1
        asking = asyncio.ensure_future(self._dialogue.ask(question))
        leaving = asyncio.ensure_future(self._is_leaving.wait())
        try:
            with self._excused():
                await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return asking.result() if asking.done() and not asking.cancelled() else None
        except Exception as error:  # noqa: BLE001 - whatever it is, the stream raises it
            self._items.fail(error)
            return None
        finally:
            self._questions -= 1
            asking.cancel()
            leaving.cancel()

    async def _fill_form(self, params: dict[str, Any]) -> dict[str, Any]:
        """Ask a person the questions of a form."""
        fields = forms.fields_of(params)
        if params.get("mode") != "form" or len(fields) > forms.MOST_FIELDS:
            raise RequestError.invalid_params({"details": f"Only forms of up to {forms.MOST_FIELDS} fields"})
        if not fields:
            reply = await self._ask(forms.confirmation(params))
            return {"action": "cancel" if reply is None else reply.choice or forms.DECLINE.id}
        content = {}
        for name, field in fields.items():
            reply = await self._ask(forms.question_of(params, name, field))
            if reply is None:
                return {"action": "cancel"}
            try:
                content[name] = forms.value_of(field, reply)
            except forms.Unfit as wanted:
                self._items.notice(f"The answer is not {wanted}, which the agent asked for")
                return {"action": "decline"}
        return {"action": "accept", "content": content}

    async def _check_file(self, kind: str, path: str, given: Mapping[str, Any]) -> None:
        """Refuse what the policy does not allow. Agents also read and write without asking for permission."""
        found = self._permissions.by_policy(kind, given)
        decision = found.decision or ("allow" if self._permissions.allows(kind) or kind == "read" else "deny")
        if decision == "ask" and posixpath.normpath(path) not in self._approved:
            call = ToolCall("", kind=kind, title=f"{kind} {path}", input=given, paths=(path,))
            why = f"The rule {found.rules[0]} asks for approval"
            asked = await self._approval(call, Decision("ask", why))
            decision = asked.kind if asked else "deny"
        if decision == "deny":
            raise RequestError.invalid_params({"details": "Not allowed for this agent"})

    # ---------------------------------------------------------------- files

    async def _read_text_file(self, params: dict[str, Any]) -> schema.ReadTextFileResponse:
        request = schema.ReadTextFileRequest.model_validate(params)
        await self._check_file("read", request.path, {"path": request.path})
        assert self._files is not None, "else the method is unknown"
        try:
            text = await asyncio.to_thread(self._files.read, request.path, request.line, request.limit)
        except FileMissing:
            raise RequestError.resource_not_found(request.path) from None
        except FileRefused as refused:
            raise RequestError.invalid_params({"details": str(refused)}) from None
        return schema.ReadTextFileResponse(content=text)

    async def _write_text_file(self, params: dict[str, Any]) -> dict[str, Any]:
        request = schema.WriteTextFileRequest.model_validate(params)
        await self._check_file("edit", request.path, {"path": request.path, "content": request.content})
        assert self._files is not None, "else the method is unknown"
        try:
            await asyncio.to_thread(self._files.write, request.path, request.content)
        except FileRefused as refused:
            raise RequestError.invalid_params({"details": str(refused)}) from None
        return {}


def words_of(error: RequestError) -> str:
    """Return the message of an agent's error with its details."""
    details = text_of(error.data) or text_of(part({"data": error.data}, "data").get("details"))
    return " ".join(dict.fromkeys(filter(None, [str(error), details])))
