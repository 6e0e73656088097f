"""Agents for tests that talk with people, with and without conversations that continue."""

import asyncio
from typing import Any, ClassVar

from agents.backends.base import Answer, Question, Session, ToolRequest
from tests.backends import Scripted, says

NAMES = {"talking": "tests.runs.talking.Talking", "forgetful": "tests.runs.talking.Forgetful"}


class Forgetful(Scripted):
    """Asks its `questions` all at once, then for its `approvals` one after another, and says what it got.

    It writes what it was called with to `calls`. It keeps no conversation.
    """

    name = "forgetful"
    capabilities: ClassVar[tuple[str, ...]] = ("questions", "approvals")
    calls: ClassVar[list[dict[str, Any]]] = []

    async def stream(self, prompt, options, workdir):
        call = {"prompt": prompt, "continuation": self.continuation, "session": self.earlier_session}
        self.calls.append(call | {"files": list(self.files)})
        if "sessions" in self.capabilities:
            yield Session("the conversation", {"calls": len(self.calls)})
        asked = [self.dialogue.ask(Question(text, key=text)) for text in options.get("questions", ())]
        replies = await asyncio.gather(*asked)
        if replies:
            yield says(f"Got {' and '.join(reply.text for reply in replies)}. ")
        for command in options.get("approvals", ()):
            tool = ToolRequest("Bash", {"command": command.replace("{long}", "x" * 300_000)})
            reply = await self.dialogue.ask(Question("May I?", tool=tool))
            yield says(f"{command}: {reply.is_allowed} {reply.reason}".strip() + ". ")
        yield says(f"Call {len(self.calls)}. ")
        if "answer" in options:
            yield Answer(options["answer"])


class Talking(Forgetful):
    """Like its base class, with a conversation that continues."""

    name = "talking"
    capabilities = ("questions", "approvals", "sessions")
