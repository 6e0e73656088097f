"""The backend `acp` with people: approvals by the policy, questions of the agent, pictures, continued sessions."""

import asyncio
import base64
import json
from contextlib import aclosing
from pathlib import Path

import pytest

from agents.backends import registry
from agents.backends.acp import ACP
from agents.backends.base import (
    BackendError,
    Dialogue,
    EventType,
    Option,
    Question,
    Reply,
    Session,
    ToolRequest,
)
from tests.agents.follow import Followed, follow
from tests.agents.test_acp import tools

COLORS = [{"const": "r", "title": "Red"}, {"const": "b", "title": "Blue"}]
PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


class People(Dialogue):
    """People that answer each question by a function."""

    def __init__(self, answer) -> None:
        self.asked: list[Question] = []
        self._answer = answer

    async def ask(self, question: Question) -> Reply:
        self.asked.append(question)
        return await self._answer(question)

    async def next_message(self):
        raise AssertionError("this backend has no steering")


def people(reply: Reply | Exception) -> People:
    async def answer(_) -> Reply:
        if isinstance(reply, Exception):
            raise reply
        return reply

    return People(answer)


async def heard(folder: Path, prompt: str, dialogue: Dialogue, *, earlier: str = "", **options) -> Followed:
    options = {"command": "actor", **options}
    registry.check_choices("acp", options)
    backend = ACP()
    backend.dialogue, backend.earlier_session = dialogue, earlier
    backend.continuation = options.pop("continuation", "")
    return await follow(backend, prompt, options, folder)


def use(*calls: dict) -> str:
    return f"use {json.dumps(list(calls))}"


def execute(command: str) -> dict:
    return {"kind": "execute", "title": command, "rawInput": {"command": command}}


# ---------------------------------------------------------------- approvals
async def test_a_person_approves_what_the_policy_asks_about_and_only_this_once(acp_agent, folder):
    acp_agent()
    dialogue = people(Reply(is_allowed=True))
    seen = await heard(folder, use(execute("git push")), dialogue, approval_policy={"ask": ["Bash"]})

    assert (seen.error, seen.answer, tools(seen)) == ("", "allow_once", [("execute", False)])
    assert dialogue.asked == [
        Question(
            "The agent wants to use execute: git push\n\nThe rule Bash asks for approval.",
            tool=ToolRequest("execute", {"title": "git push", "command": "git push"}),
        )
    ]


async def test_the_policy_allows_and_denies_without_asking_and_the_rest_follows_the_kinds(acp_agent, folder):
    acp_agent()
    dialogue = people(BackendError("asked"))
    calls = [execute("git log -3"), execute("rm x"), execute("git log; id"), {"kind": "read", "title": "a"}]
    policy = {"allow": ["Bash(git log *)"], "deny": ["Bash(rm *)"]}
    seen = await heard(folder, use(*calls), dialogue, approval_policy=policy)

    assert seen.text().split() == ["allow_once", "reject_once", "reject_once", "allow_once"]
    refusals = [event.content for event in seen.events if event.metadata.get("refused")]
    assert refusals == [
        "Not allowed: the rule `Bash(rm *)` denies it",
        "Not allowed: this agent may not use tools of the kind `execute`",
    ]


async def test_a_person_sees_what_would_be_changed_and_the_reason_of_a_denial_is_the_next_turn(acp_agent, folder):
    acp_agent()
    dialogue = people(Reply(reason="not today"))
    path = str(folder / "a.txt")
    call = {"kind": "edit", "title": "Edit a", "locations": [{"path": path}], "diff": [path, "new\n", "old\n"]}
    seen = await heard(folder, use(call), dialogue, approval_policy={"ask": ["Edit(a.txt)"]})

    assert dialogue.asked[0].tool.input["diff"].endswith("-old\n+new")
    assert "reject_once" in seen.text()
    assert seen.answer == "heard: person denied edit: Edit a, and said: not today"
    assert seen.text(EventType.TOOL_RESULT) == "A person denied it: not today"


async def test_without_people_what_needs_approval_is_denied(acp_agent, folder):
    acp_agent()
    seen = await follow(
        ACP(), use(execute("git push")), {"command": "actor", "approval_policy": {"ask": ["*"]}}, folder
    )

    assert tools(seen) == [("execute", True)]


async def test_files_that_an_agent_writes_through_us_follow_the_policy(acp_agent, folder):
    acp_agent()
    dialogue = people(Reply(is_allowed=True))
    policy = {"deny": ["Edit(*.lock)", "Read(.env)"], "ask": ["Edit(src/**)"]}
    (folder / ".env").write_text("secret")
    seen = await heard(
        folder, "files write:a.lock write:src/a write:src/a write:b read:.env", dialogue, approval_policy=policy
    )

    assert [line.partition(": ")[2] for line in seen.text().splitlines()] == [
        "-32602 Not allowed for this agent",
        "done",
        "done",
        "done",
        "-32602 Not allowed for this agent",
    ]
    assert [question.tool.name for question in dialogue.asked] == ["edit"]


async def test_no_rule_lets_an_agent_reach_beyond_its_folder_where_a_sandbox_is_wanted(
    acp_agent, folder, settings, monkeypatch
):
    acp_agent()
    settings.AGENT_ISOLATION = "auto"
    monkeypatch.setattr("agents.isolation.method", lambda _: "none")
    dialogue = people(Reply(is_allowed=True))
    policy = {"ask": ["*"], "allow": ["Bash"]}
    seen = await heard(
        folder, use(execute("id"), {"kind": "read", "title": "a"}), dialogue, approval_policy=policy
    )

    assert seen.text().split() == ["reject_once", "allow_once"]
    assert [question.tool.name for question in dialogue.asked] == ["read"]


async def test_a_run_that_is_parked_cancels_the_request_and_its_session_goes_on_later(acp_agent, folder):
    kept = acp_agent()
    asked, session = asyncio.Event(), ""

    async def wait(_) -> Reply:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError("it waits for ever")

    backend = ACP()
    backend.dialogue = People(wait)
    options = {"command": "actor", "approval_policy": {"ask": ["Bash"]}}

    async def read() -> None:
        nonlocal session
        async with aclosing(backend.stream(use(execute("git push")), options, folder)) as items:
            async for item in items:
                session = item.id if isinstance(item, Session) else session

    reading = asyncio.create_task(read())
    await asked.wait()
    reading.cancel()
    await asyncio.wait({reading})

    assert (reading.cancelled(), session, (kept / session).exists()) == (True, "session-1", True)
    later = ACP()
    later.earlier_session, later.dialogue = session, people(Reply(is_allowed=True))
    later.continuation = use(execute("git push"))
    seen = await follow(later, "the whole prompt", options, folder)
    assert (seen.error, seen.session, seen.answer) == ("", "session-1", "allow_once")


async def test_a_session_that_is_gone_gets_the_whole_prompt_instead_of_the_continuation(acp_agent, folder):
    acp_agent()
    backend = ACP()
    backend.earlier_session, backend.continuation = "gone", "fail -1 the continuation"
    seen = await follow(backend, "end end_turn", {"command": "actor"}, folder)

    assert (seen.session, seen.answer) == ("session-1", "so far")


async def test_a_dialogue_that_fails_ends_the_run_with_its_message(acp_agent, folder):
    acp_agent()
    dialogue = people(BackendError("Nobody answered"))
    seen = await heard(folder, use(execute("git push")), dialogue, approval_policy={"ask": ["Bash"]})

    assert seen.error == "Nobody answered"


# ---------------------------------------------------------------- questions
async def test_each_field_of_a_form_is_a_question(acp_agent, folder):
    acp_agent()

    async def answer(question: Question) -> Reply:
        if question.options:
            return Reply(question.options[1].label, question.options[1].id)
        return Reply("7" if "How many" in question.text else "a name")

    dialogue = People(answer)
    fields = {
        "color": {
            "type": "string",
            "title": "Color",
            "oneOf": [{"const": "r", "title": "Red"}, {"const": "b", "title": "Blue"}],
        },
        "sure": {"type": "boolean", "title": "Sure?", "default": True},
        "count": {"type": "integer", "title": "How many?", "default": 3},
        "name": {"type": "string", "title": "Name"},
    }
    seen = await heard(folder, f"form {json.dumps(fields)}", dialogue)

    assert json.loads(seen.answer) == {
        "action": "accept",
        "content": {"color": "b", "sure": False, "count": 7, "name": "a name"},
    }
    assert [(question.text, question.default) for question in dialogue.asked] == [
        ("About the plan\n\nColor", ""),
        ("About the plan\n\nSure?", "yes"),
        ("About the plan\n\nHow many?", "3"),
        ("About the plan\n\nName", ""),
    ]
    assert dialogue.asked[0].options == [Option("0", "Red"), Option("1", "Blue")]
    assert len({question.key for question in dialogue.asked}) == 4


async def test_an_answer_that_does_not_fit_the_form_is_declined(acp_agent, folder):
    acp_agent()
    seen = await heard(folder, 'form {"count": {"type": "integer"}}', people(Reply("many")))

    assert json.loads(seen.answer)["action"] == "decline"
    assert "The answer is not a number" in seen.text(EventType.STATUS)


# ---------------------------------------------------------------- pictures
@pytest.fixture
def pictures(folder):
    (folder / "a.png").write_bytes(PNG)
    (folder / "b.png").write_bytes(b"no picture")
    (folder / "c.pdf").write_bytes(b"%PDF-")
    (folder.parent / "secret.png").write_bytes(PNG)
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    return [folder / name for name in ("a.png", "b.png", "c.pdf", "link.png")]


async def test_pictures_of_the_task_come_with_the_prompt_where_the_agent_takes_them(acp_agent, folder, pictures):
    kept = acp_agent(env=["SIGHTED=1"])
    backend, states = ACP(), []
    backend.files = pictures
    async with aclosing(backend.stream("look", {"command": "actor"}, folder)) as items:
        found = [item async for item in items]
    states = [item.state for item in found if isinstance(item, Session)]
    text = "".join(getattr(item, "content", "") for item in found)

    assert f"image/png:{base64.b64encode(PNG).decode()}" in text
    assert "b.png was not sent with the prompt: it is not PNG" in text
    assert "link.png was not sent with the prompt: The path leads out" in text
    assert (states, kept.exists()) == ([{"pictures": ["a.png"]}], True)

    later = ACP()
    later.files, later.earlier_session, later.earlier_state = pictures[:1], "session-1", states[0]
    assert (await follow(later, "look", {"command": "actor"}, folder)).answer == ""


async def test_an_agent_that_takes_no_pictures_gets_none(acp_agent, folder, pictures):
    acp_agent()
    backend = ACP()
    backend.files = pictures
    assert (await follow(backend, "look", {"command": "actor"}, folder)).answer == ""
