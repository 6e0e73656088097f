"""Play a script: a list of steps that stand for what an agent would say and do."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from agents.backends import approvals
from agents.backends.base import (
    Answer,
    BackendError,
    BackendEvent,
    BackendItem,
    Dialogue,
    EventType,
    Option,
    Question,
    QuotaUsedUp,
    Reply,
    Session,
    ToolRequest,
    Usage,
)
from agents.backends.demo import actions
from agents.backends.demo.inbox import Inbox
from agents.backends.demo.steps import kind_of

# Before these steps the position is reported: they take time or end the run, so that a run may end at them.
_PAUSING = ("sleep", "run", "quota", "fail", "ask", "approve", "wait_for_message")
# At these the run may be parked. It continues with the same step, which then finds the answer.
_ASKING = ("ask", "approve")
MOST_BLANKS = 20  # filled in one text: a text full of them, with a long prompt, would fill the memory
_BLANKS = re.compile(r"\{(prompt|answer|message)\}")
_ID = re.compile(r"demo-(?P<digest>[0-9a-f]{12})-(?P<next>\d{1,4})(?P<parked>-parked)?\Z")

DECISIONS = ("allow", "allow_for_run", "deny")  # on a tool call

Script = Sequence[Mapping[str, Any]]


def missing_for(steps: Script) -> str | None:
    """Return why this machine cannot play the script; None if it can."""
    runs_commands = any(isinstance(step, Mapping) and "run" in step for step in steps)
    return actions.sandbox_problem() if runs_commands else None


def account_of(steps: Script) -> str:
    """Return the account whose quota a script uses up."""
    return f"demo:{digest_of(steps)}"


def digest_of(steps: Script) -> str:
    """Return a short text that differs between scripts."""
    return hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest()[:12]


def wrong_default(steps: Script) -> str:
    """Return which step has a default that nobody could choose; empty if none has."""
    for number, step in enumerate(steps, start=1):
        allowed = step.get("options") if "ask" in step else DECISIONS
        if "default" in step and allowed and step["default"] not in allowed:
            return f"Step {number}: `default` must be one of {', '.join(allowed)}"
    return ""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a script was played: the index of the next step. As text it is the id of the session."""

    digest: str
    next: int
    is_parked: bool = False  # the run waits, and goes on here even if later runs start again

    def __str__(self) -> str:
        return f"demo-{self.digest}-{self.next}{'-parked' if self.is_parked else ''}"

    @classmethod
    def parse(cls, session: str) -> Self | None:
        found = _ID.match(session)
        return cls(found["digest"], int(found["next"]), bool(found["parked"])) if found else None


async def play(
    steps: Script,
    prompt: str,
    workdir: Path,
    dialogue: Dialogue,
    policy: Any = None,
    *,
    earlier_session: str = "",
    earlier_state: Any = None,
    continuation: str = "",
) -> AsyncGenerator[BackendItem, None]:
    """Play the steps after those of the earlier session, which was sent the continuation.

    The approval policy decides on the steps `approve` that it names; people decide on the others. Raises
    BackendError.
    """
    if reason := missing_for(steps):
        raise BackendError(reason)
    start, notice = _start(steps, earlier_session)
    if notice:
        yield BackendEvent(EventType.STATUS, notice)
    async with Inbox(dialogue) as inbox:
        player = _Player(steps, prompt, workdir, start, dialogue, inbox)
        player.policy = policy
        if start:
            player.go_on(earlier_state)
        position = Position.parse(earlier_session)
        if start and continuation and not (position and position.is_parked):
            player.continue_with(continuation)
        async with aclosing(player.play()) as items:
            async for item in items:
                yield item


def _start(steps: Script, earlier_session: str) -> tuple[int, str]:
    """Return the index of the first step to play, and a notice for users."""
    position = Position.parse(earlier_session)
    if not earlier_session or ("from_start" in steps[0] and not (position and position.is_parked)):
        return 0, ""
    if position is None or position.digest != digest_of(steps):
        return 0, "The script has changed since it was last played: starting with its first step"
    if position.next >= len(steps):
        return position.next, (
            'All steps of the script have been played. To play it again, make {"from_start": true} its first step'
        )
    return position.next, ""


class _Player:
    """Plays a script once."""

    policy: Any = None  # which tool calls need no approval, or are denied

    def __init__(
        self, steps: Script, prompt: str, workdir: Path, start: int, dialogue: Dialogue, inbox: Inbox
    ) -> None:
        self._steps, self._start, self._workdir = steps, start, workdir
        self._dialogue, self._inbox = dialogue, inbox
        self._digest = digest_of(steps)
        self._prompt, self._last_answer = prompt, ""  # the last answer of a person
        self._number = start
        self._used = _usage_of(steps[:start])
        self._used_before = self._used
        self._last_texts: dict[EventType, str] = {}
        self._answer = ""
        self._is_answering = False

    def go_on(self, state: Any) -> None:
        """Take over what was said in the earlier part of the conversation."""
        if isinstance(state, Mapping):
            self._last_answer, self._inbox.last = str(state.get("answer", "")), str(state.get("message", ""))
        here, before = self._steps[self._start : self._start + 1], self._steps[: self._start]
        if any(kind_of(step) in _ASKING for step in here) and any("say" in step for step in before):
            self._last_texts[EventType.MESSAGE] = "."  # in the same run: what comes next is a paragraph of its own

    def continue_with(self, message: str) -> None:
        """Take the message of a person that continues the conversation in place of the prompt."""
        self._prompt = self._inbox.last = message

    async def play(self) -> AsyncGenerator[BackendItem, None]:
        for number in range(self._start, len(self._steps)):
            self._number, step = number, self._steps[number]
            kind = kind_of(step)
            if kind in _PAUSING:
                yield self._session_at(number, kind)
            if kind not in ("say", "sleep", "usage"):
                self._is_answering = False
            async with aclosing(getattr(self, f"_{kind}")(step)) as items:
                async for item in items:
                    yield item
            await asyncio.sleep(0)  # a stop must be able to interrupt
        yield self._session(len(self._steps))
        if self._answer.strip():
            yield Answer(self._answer.strip())

    def _session_at(self, number: int, kind: str) -> Session:
        if kind in _ASKING:
            return self._session(number, is_parked=True)
        return self._session(number + 1, is_parked=kind == "quota")

    def _session(self, next_step: int, *, is_parked: bool = False) -> Session:
        said = {"answer": self._last_answer, "message": self._inbox.last}
        return Session(str(Position(self._digest, next_step, is_parked)), said if any(said.values()) else None)

    # ------------------------------------------------------------ the kinds of steps
    async def _from_start(self, step: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
        return
        yield  # makes this a generator

    async def _say(self, step: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
        """Yield the text; each text is filled once, so that a prompt with `{answer}` stays as it is."""
        blanks = {"prompt": self._prompt, "answer": self._last_answer, "message": self._inbox.last}
        filled = _BLANKS.sub(lambda blank: blanks[blank[1]], step["say"], count=MOST_BLANKS)
        text = self._apart(EventType.MESSAGE, filled)
        self._answer = self._answer + text if self._is_answering else text
        self._is_answering = True
        yield BackendEvent(EventType.MESSAGE, text)

    async def _think(self, step: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
        yield BackendEvent(EventType.THINKING, self._apart(EventType.THINKING, step["think"]))

    async def _sleep(self, step: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
        await asyncio.sleep(step["sleep"])
        return
        yield

    async def _tool(self, step: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
        yield self._use(step["tool"], step.get("input", {}))
        yield self._result(step.get("result", ""))

    async def _write(self, step: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
        path, content = step["write"], step["content"]
        yield self._use("write", {"path": path})
        await asyncio.to_thread(actions.write_file, self._workdir, path, content)
        yield self._result(f"Written: {len(content.encode(errors='replace')):,} bytes")

    async def _delete(self, step: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
        yield self._use("delete", {"path": step["delete"]})
        await asyncio.to_thread(actions.delete_file, self._workdir, step["delete"])
        yield self._result("Deleted")

    async def _run(self, step: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
        yield self._use("run", {"command": step["run"]})
        yield self._result(await actions.run_command(step["run"], self._workdir))

    async def _ask(self, step: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
        options = [Option(label, label) for label in step.get("options", ())]
        reply = await self._dialogue.ask(self._question(step, step["ask"], options=options))
        self._last_answer = reply.text
        return
        yield

    async def _approve(self, step: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
        """Use the tool if a person allows it, and say so if not."""
        tool = ToolRequest(step["approve"], step.get("input", {}))
        match approvals.decide(self.policy, tool.name, tool.input, workdir=self._workdir):
            case "allow":
                reply = Reply(is_allowed=True)
            case "deny":
                reply = Reply(reason="the approval policy of this agent denies it")
            case _:
                question = self._question(step, f"May I use the tool {tool.name}?", tool=tool)
                reply = await self._dialogue.ask(question)
        if reply.is_allowed:
            yield self._use(tool.name, tool.input)
            yield self._result("Allowed")
            return
        why = f": {reply.reason}" if reply.reason else ""
        yield BackendEvent(EventType.MESSAGE, self._apart(EventType.MESSAGE, f"{tool.name} was denied{why}"))

    def _question(self, step: Mapping[str, Any], text: str, **more: Any) -> Question:
        return Question(
            text,
            default=step.get("default", ""),
            timeout_seconds=step.get("timeout_seconds"),
            key=f"{self._digest}-{self._number}",
            **more,
        )

    async def _wait_for_message(self, step: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
        seconds = step.get("timeout_seconds")
        if not await self._inbox.wait(seconds):
            yield BackendEvent(EventType.STATUS, f"Nobody wrote a message within {seconds:g} seconds")

    async def _usage(self, step: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
        """Yield the usage of this call: that of the whole script so far, without the part of earlier calls."""
        self._used = replace(self._used, **step["usage"])
        yield _difference(self._used, self._used_before)

    async def _quota(self, step: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
        """Fail as a provider does; only agents with the same script share this quota."""
        raise QuotaUsedUp(
            "The demo's quota is used up, as set by `quota`",
            account=account_of(self._steps),
            resets_at=datetime.now(UTC) + timedelta(seconds=step["quota"]),
        )
        yield

    async def _fail(self, step: Mapping[str, Any]) -> AsyncGenerator[BackendItem, None]:
        raise BackendError(step["fail"])
        yield

    # ------------------------------------------------------------ events
    def _apart(self, kind: EventType, text: str) -> str:
        """Return the text as a paragraph of its own, unless the one before it ends with a space or a line end."""
        before = self._last_texts.get(kind, "")
        self._last_texts[kind] = text or before
        return f"\n\n{text}" if text and before and not before[-1].isspace() else text

    def _use(self, name: str, given: Mapping[str, Any]) -> BackendEvent:
        return BackendEvent(EventType.TOOL_USE, name, {"id": self._tool_id, "input": dict(given)})

    def _result(self, text: str) -> BackendEvent:
        return BackendEvent(EventType.TOOL_RESULT, text, {"id": self._tool_id})

    @property
    def _tool_id(self) -> str:
        return f"step-{self._number + 1}"


def _usage_of(steps: Script) -> Usage:
    """Return the usage so far at the end of the steps."""
    used = Usage()
    for step in steps:
        used = replace(used, **step.get("usage", {}))
    return used


def _difference(used: Usage, before: Usage) -> Usage:
    """Return the usage without the earlier part. Unknown amounts stay unknown."""

    def rest(now: float | None, then: float | None) -> float | None:
        return None if now is None else max(0, now - (then or 0))

    def tokens(now: int | None, then: int | None) -> int | None:
        left = rest(now, then)
        return None if left is None else int(left)

    return Usage(
        input_tokens=tokens(used.input_tokens, before.input_tokens),
        output_tokens=tokens(used.output_tokens, before.output_tokens),
        cost_usd=rest(used.cost_usd, before.cost_usd),
    )
