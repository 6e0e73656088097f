"""What Claude is sent in one conversation: the prompt, then what people write, until nothing is left to do."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from agents.backends.base import PersonMessage
from agents.backends.claude.images import image_blocks
from agents.backends.claude.people import People
from agents.backends.programs.formats.reader import text_of

# How long the CLI may be silent after a result, while it works in the background, before its input ends.
BACKGROUND_SECONDS = 600.0


class Client(Protocol):
    """The part of the SDK's client that sends messages."""

    async def query(self, prompt: AsyncIterator[dict[str, Any]]) -> None: ...


class Turns:
    """Knows by the CLI's lines whether it has dealt with everything that it was sent.

    An older CLI reports neither its state nor the fate of a message; then its first result is the end.
    """

    def __init__(self) -> None:
        self._state = ""  # running, idle, requires_action; empty if the CLI does not report it
        self._reports_messages = False
        self._open: set[str] = set()  # ids of messages that it has not dealt with
        self._has_result = False

    def note(self, line: Mapping[str, Any]) -> None:
        """Read a line of the CLI."""
        match line.get("type"), line.get("subtype"):
            case "result", _:
                self._has_result = True
            case "system", "session_state_changed":
                self._state = text_of(line.get("state"))
            case "command_lifecycle", _:
                self._reports_messages = True
                if line.get("state") not in ("queued", "started"):
                    self._open.discard(text_of(line.get("command_uuid")))

    @property
    def has_result(self) -> bool:
        return self._has_result

    @property
    def are_over(self) -> bool:
        """Return whether it has answered everything, and nothing goes on in the background."""
        if self._state in ("", "idle"):
            return self._has_result and not (self._open and self._reports_messages)
        return False

    def message(self, text: str, images: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return a message for the CLI."""
        key = str(uuid.uuid4())
        self._open.add(key)
        content = [*images, {"type": "text", "text": text}] if images else text
        message = {"role": "user", "content": content}
        return {"type": "user", "uuid": key, "message": message, "parent_tool_use_id": None}


class Sender:
    """Sends messages to Claude. `workdir` is where their files are."""

    def __init__(self, client: Client, turns: Turns, workdir: Path) -> None:
        self._client, self.turns, self._workdir = client, turns, workdir

    async def send(self, text: str, files: Sequence[Path] = ()) -> None:
        images = await asyncio.to_thread(lambda: list(image_blocks(files, self._workdir))) if files else []
        message = self.turns.message(text, images)

        async def one() -> AsyncIterator[dict[str, Any]]:
            yield message

        await self._client.query(one())

    async def send_from(self, said: PersonMessage) -> None:
        await self.send("\n\n".join(_paragraphs(said)), said.files)


def _paragraphs(said: PersonMessage) -> Iterator[str]:
    yield f"{said.sender or 'A person'} wrote:"
    yield said.text
    names = [str(path) for path in said.files if path.name not in said.text]
    if names:
        yield f"Attached files: {', '.join(names)}"


async def exchange(
    received: AsyncIterator[Any], sender: Sender, people: People, *, end_input: Callable[[], Awaitable[None]]
) -> AsyncGenerator[Any, None]:
    """Yield what Claude sends, and pass on what people write, until it has nothing left to do.

    Then its input ends, and what people write later is not taken. Raises the dialogue's error if there was one.
    """
    arriving = asyncio.ensure_future(anext(received, None))
    writing: asyncio.Future[PersonMessage] | None = asyncio.ensure_future(people.dialogue.next_message())
    try:
        while True:
            waiting: list[asyncio.Future[Any]] = [arriving, people.failure, *([writing] if writing else [])]
            timeout = BACKGROUND_SECONDS if writing and sender.turns.has_result else None
            done, _ = await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if people.failure.done():
                people.failure.result()
            if writing and writing.done():
                writing = await _passed_on(writing, sender, people)
            if arriving.done():
                if (item := arriving.result()) is None:
                    return
                arriving = asyncio.ensure_future(anext(received, None))
                yield item
            if writing and (sender.turns.are_over or not done):
                writing.cancel()
                await asyncio.wait({writing})
                if writing.cancelled():
                    writing = None
                    await end_input()
                else:  # it was written at the last moment
                    writing = await _passed_on(writing, sender, people)
    finally:
        for task in (arriving, writing):
            if task is not None:
                task.cancel()
                with suppress(BaseException):
                    await task


async def _passed_on(
    written: "asyncio.Future[PersonMessage]", sender: Sender, people: People
) -> "asyncio.Future[PersonMessage]":
    """Send what a person wrote, and wait for the next message."""
    try:
        said = written.result()
    except Exception as error:
        people.fail(error)
        raise
    people.messages.append(said)
    await sender.send_from(said)
    return asyncio.ensure_future(people.dialogue.next_message())
