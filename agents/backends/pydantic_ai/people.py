"""What a model can do with people: ask them, have its tool calls approved, and get their messages while it works.

Imports pydantic-ai: import this only after the model has been opened.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_ai import BinaryContent, RunContext
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.tools import ToolDefinition

from agents import folders
from agents.backends.approvals import decide
from agents.backends.base import Dialogue, Option, PersonMessage, Question, ToolRequest

ASK_HUMAN = "ask_human"  # the tool, and the option that switches it off
QUESTION_CHARS = 10_000
LABEL_CHARS = 200
MOST_OPTIONS = 20
MOST_IMAGES = 5  # in one message
IMAGE_BYTES = 5_000_000
IMAGE_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}


def key_of(messages: list[ModelMessage], call_id: str, asked: str) -> str:
    """Return the key of a question: the same when the call is made again after a pause, and for no other call.

    A server may use a call's id again and again, so the time of its response is part of the key.
    """
    response = next((message for message in reversed(messages) if isinstance(message, ModelResponse)), None)
    time = response.timestamp.isoformat() if response else ""
    return hashlib.sha256(f"{time} {call_id} {asked}".encode(errors="replace")).hexdigest()[:40]


def asking_tool(dialogue: Dialogue) -> Any:
    """Return the tool with which a model asks people."""

    async def ask_human(ctx: RunContext[None], question: str, options: list[str] | None = None) -> str:
        """Ask the people you work for, and wait for the answer.

        Ask only what you can neither find out nor decide yourself: the answer may take hours. With `options`,
        short answers to choose from, they answer with one click.
        """
        text = question.strip()[:QUESTION_CHARS]
        if not text:
            return "The question is empty"
        offered = [label.strip()[:LABEL_CHARS] for label in options or [] if label.strip()][:MOST_OPTIONS]
        shown = [Option(str(number), label) for number, label in enumerate(offered, start=1)]
        key = key_of(ctx.messages, ctx.tool_call_id or "", text)
        reply = await dialogue.ask(Question(text, shown, key=key))
        return reply.text or reply.reason or "They gave no answer"

    return ask_human


class ToolGate(AbstractCapability[None]):
    """Asks people before a tool is used, where the agent's policy wants that."""

    def __init__(
        self, dialogue: Dialogue, policy: Mapping[str, Any], results: Mapping[str, str], workdir: Path
    ) -> None:
        self.dialogue, self.policy, self.workdir = dialogue, policy, workdir
        self.earlier_results = dict(results)  # of the calls that the conversation continues with
        self.refused: set[str] = set()  # calls that were not made

    async def wrap_tool_execute(
        self,
        ctx: RunContext[None],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,
        args: dict[str, Any],
        handler: Any,
    ) -> Any:
        """Make the call if it may be made, and return its result, or why it was not made."""
        if call.tool_call_id in self.earlier_results:
            return self.earlier_results[call.tool_call_id]
        if call.tool_name == ASK_HUMAN or not (reason := await self._refusal(ctx, call)):
            return await handler(args)
        self.refused.add(call.tool_call_id)
        return reason

    async def _refusal(self, ctx: RunContext[None], call: ToolCallPart) -> str:
        """Return why the call may not be made, for the model; empty if it may."""
        given = call.args_as_dict()
        verdict = decide(self.policy, call.tool_name, given, workdir=self.workdir) if self.policy else ""
        if verdict == "deny":
            return "Not done: the agent's approval policy does not allow it"
        if verdict != "ask":
            return ""
        key = key_of(ctx.messages, call.tool_call_id, f"{call.tool_name} {call.args_as_json_str()}")
        request = ToolRequest(call.tool_name, given)
        reply = await self.dialogue.ask(Question(f"May I use the tool {call.tool_name}?", tool=request, key=key))
        if reply.is_allowed:
            return ""
        return f"Not done: a person denied it{f'. {reply.reason}' if reply.reason else ''}"


class Mailbox:
    """Takes messages from people, and gives them to the model with its next request."""

    def __init__(self, dialogue: Dialogue, workdir: Path, *, takes_images: bool) -> None:
        self.dialogue, self.workdir, self.takes_images = dialogue, workdir, takes_images
        self.waiting: list[list[Any]] = []  # content that the model has not got yet
        self._run: RunContext[None] | None = None

    async def listen(self) -> None:
        """Take messages until cancelled."""
        while True:
            message = await self.dialogue.next_message()
            self.waiting.append(
                await asyncio.to_thread(content_of, message, self.workdir, images=self.takes_images)
            )
            self.hand_over()

    def hand_over(self, ctx: RunContext[None] | None = None) -> None:
        """Give what is waiting to the model's run, of which `ctx` is a context; keep it if the run has ended."""
        self._run = ctx or self._run
        while self._run is not None and self.waiting:
            try:
                self._run.enqueue(*self.waiting[0])
            except UserError:  # the run has ended: the next one gets it
                self._run = None
                return
            del self.waiting[0]

    def take(self) -> list[Any]:
        """Return everything that is waiting, as the prompt of a new run."""
        self._run = None
        waiting, self.waiting = self.waiting, []
        return [item for content in waiting for item in content]


def content_of(message: PersonMessage, workdir: Path, *, images: bool) -> list[Any]:
    """Return a message as the model gets it: its text with the paths of its files, and images if it takes any."""
    names = [_relative(path, workdir) for path in message.files]
    text = f"{message.sender or 'A person'} wrote:\n\n{message.text}"
    if names:
        text += "\n\nFiles: " + ", ".join(names)
    found = [_image(workdir, name) for name in names if images and Path(name).suffix.lower() in IMAGE_TYPES]
    return [text, *[image for image in found if image is not None][:MOST_IMAGES]]


def _relative(path: Path, workdir: Path) -> str:
    return str(path.relative_to(workdir)) if path.is_relative_to(workdir) else str(path)


def _image(workdir: Path, name: str) -> BinaryContent | None:
    """Return an image in the working folder; None if it is not there, outside, or too large."""
    root = folders.root_of(workdir)
    try:
        with open(folders.open_inside(root, folders.resolve_inside(root, name)), "rb") as file:  # noqa: PTH123
            data = file.read(IMAGE_BYTES + 1)
    except (OSError, folders.OutsideFolder):
        return None
    return (
        BinaryContent(data, media_type=IMAGE_TYPES[Path(name).suffix.lower()])
        if 0 < len(data) <= IMAGE_BYTES
        else None
    )
