"""Our side of the protocol: what we answer to an agent's requests, and what we make of its notifications.

The agent's messages become items in `items`, which the conversation yields.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from acp import schema
from acp.exceptions import RequestError

from agents.backends.acp.files import FileMissing, FileRefused, Files
from agents.backends.acp.permissions import Permissions, chosen_option
from agents.backends.acp.updates import UpdateReader
from agents.backends.base import BackendEvent, BackendItem, EventType
from agents.backends.programs.formats.reader import part, text_of

MOST_ITEMS = 200  # that may wait; then no more is read from the agent
MOST_NOTICES = 100  # about lines that are no messages; a program that speaks another language has many


class Items:
    """Items from the agent that are not consumed yet. When there are too many, the transport stops reading."""

    def __init__(self) -> None:
        self._items: deque[BackendItem] = deque()
        self._changed = asyncio.Event()
        self._notices = 0

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


class Client:
    """Answers one agent in one session. `session` is its id, once the agent has said it."""

    def __init__(self, items: Items, reader: UpdateReader, permissions: Permissions, files: Files | None) -> None:
        self.session = ""
        self.is_prompting = False
        self.earlier_updates = 0  # that came before the prompt
        self._items, self._reader, self._permissions, self._files = items, reader, permissions, files
        self._requests: dict[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {
            "session/request_permission": self._request_permission
        }
        if files is not None:
            self._requests["fs/read_text_file"] = self._read_text_file
            if permissions.allows("edit"):
                self._requests["fs/write_text_file"] = self._write_text_file

    @property
    def capabilities(self) -> schema.ClientCapabilities:
        """Return what we do for the agent. It runs its commands itself, in its sandbox: no terminals of ours."""
        files = schema.FileSystemCapabilities(
            read_text_file="fs/read_text_file" in self._requests,
            write_text_file="fs/write_text_file" in self._requests,
        )
        return schema.ClientCapabilities(fs=files, terminal=False)

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

    async def _request_permission(self, params: dict[str, Any]) -> dict[str, Any]:
        """Decide at once. An approval that a person decides would be awaited here."""
        call = self._reader.tool(part(params, "toolCall"))
        refusal = self._permissions.refusal(call)
        self._items.add(self._reader.refuse(call, refusal) if refusal else self._reader.show(call))
        option = chosen_option(params.get("options"), is_allowed=not refusal)
        if option is None:
            return {"outcome": {"outcome": "cancelled"}}
        return {"outcome": {"outcome": "selected", "optionId": option}}

    async def _read_text_file(self, params: dict[str, Any]) -> schema.ReadTextFileResponse:
        request = schema.ReadTextFileRequest.model_validate(params)
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
