"""What Claude asks of people: answers to its questions, and approval of its tool calls."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.backends import approvals
from agents.backends.base import Dialogue, Option, PersonMessage, Question, Reply, ToolRequest
from agents.backends.programs.formats.reader import listed, text_of

ASK_TOOL = "AskUserQuestion"
NO_PERMISSION = "This agent is not allowed to use {tool} like this, and nobody is asked. Continue without it."
BY_POLICY = "The approval policy of this agent denies this use of {tool}."


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call for which the CLI wants a decision. `agent` is the id of the sub-agent that makes it."""

    tool: str
    input: Mapping[str, Any]
    id: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a tool call: it runs with this input, or it is denied, and the model gets the reason."""

    input: Mapping[str, Any] | None = None
    reason: str = ""


class People:
    """The people of one run, for its whole conversation with Claude.

    `failure` is the error of the dialogue, if there was one: the run ends with it.
    """

    def __init__(self, dialogue: Dialogue, policy: Any, workdir: Path) -> None:
        self.dialogue = dialogue
        self.policy, self.workdir = policy, workdir
        self.denied: set[str] = set()  # ids of tool calls
        self.messages: list[PersonMessage] = []  # that Claude was sent
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sub_agents: dict[str, str] = {}  # id → kind

    def fail(self, error: Exception) -> None:
        if not self.failure.done():
            self.failure.set_exception(error)

    def note_sub_agent(self, key: str, kind: str) -> None:
        """Remember the kind of a sub-agent, which the later request for a decision does not name."""
        if key and kind:
            self._sub_agents[key] = kind

    def rule(self, call: Call) -> str:
        """Return what the policy says of a call: allow, ask, deny; empty if Claude's permission mode decides."""
        decision = (
            approvals.decide(self.policy, call.tool, call.input, workdir=self.workdir) if self.policy else ""
        )
        # A question always goes to people: there is no answer to it without them.
        return "" if call.tool == ASK_TOOL and decision in ("allow", "ask") else decision

    async def decide(self, call: Call) -> Decision:
        """Decide on a call that may not simply run: by the policy, or by asking people."""
        try:
            decision = await self._decision(call)
        except Exception as error:
            self.fail(error)
            raise
        if decision.input is None:
            self.denied.add(call.id)
        return decision

    async def _decision(self, call: Call) -> Decision:
        match self.rule(call):
            case "deny":
                return Decision(reason=BY_POLICY.format(tool=call.tool))
            case "allow":
                return Decision(call.input)
            case "ask":
                tool = ToolRequest(call.tool, call.input)
                reply = await self.dialogue.ask(Question(self._request(call), tool=tool))
                return Decision(call.input) if reply.is_allowed else Decision(reason=_denial(reply))
        if call.tool == ASK_TOOL:
            return Decision({**call.input, "answers": await self._answers(call.input)})
        return Decision(reason=NO_PERMISSION.format(tool=call.tool))

    def _request(self, call: Call) -> str:
        """Return the text of a request for approval: who wants to use which tool, and why."""
        who = "Claude"
        if call.agent:
            kind = self._sub_agents.get(call.agent, "")
            who = f"Claude's sub-agent `{kind}`" if kind else "A sub-agent of Claude"
        why = text_of(call.input.get("description"))
        return f"{who} wants to use {call.tool}" + (f": {why}" if why else "")

    async def _answers(self, given: Mapping[str, Any]) -> dict[str, str]:
        """Ask all questions of a call at once; return the answers by the texts of the questions, as the CLI does.

        Several answers to one question are joined by commas.
        """
        asked = {text: question for question in listed(given.get("questions")) if (text := _text(question))}
        replies = await asyncio.gather(*(self.dialogue.ask(_question(one)) for one in asked.values()))
        return {text: reply.text or reply.choice for text, reply in zip(asked, replies, strict=True)}


def _text(question: Mapping[str, Any]) -> str:
    return text_of(question.get("question"))


def _question(given: Mapping[str, Any]) -> Question:
    options = [option for option in listed(given.get("options")) if text_of(option.get("label"))]
    return Question(
        "\n\n".join(_paragraphs(given, options)),
        [Option(str(number), text_of(option.get("label"))) for number, option in enumerate(options, start=1)],
    )


def _paragraphs(given: Mapping[str, Any], options: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the question, what its options mean, and how several of them are chosen."""
    yield _text(given)
    lines = [f"- {option['label']}: {why}" for option in options if (why := text_of(option.get("description")))]
    if lines:
        yield "\n".join(lines)
    if given.get("multiSelect"):
        yield "To choose more than one, write them as text, separated by commas."


def _denial(reply: Reply) -> str:
    return f"A person denied this: {reply.reason}" if reply.reason else "A person denied this."
