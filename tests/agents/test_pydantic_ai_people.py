"""Models ask people, have tool calls approved, get messages while they work, and continue conversations."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import BinaryContent
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from agents.backends import registry
from agents.backends.base import BackendEvent, Dialogue, EventType, PersonMessage, Question, Reply, Session
from agents.backends.pydantic_ai import PydanticAI
from agents.backends.pydantic_ai.history import LEFT_OUT, MOST_CHARS, dump, load
from tests.agents.follow import Followed, follow
from tests.agents.wire import STREAM_HEAD, chunk, raw_server

ADDRESSES = {
    "openai-chat": ("OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1"),
    "openai-responses": ("OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1"),
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", ""),
    "google": ("GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", ""),
}
SECRET = "sk-abcdefghijklmnopqrstuvwx"
ASK_BEFORE_WRITING = {"tools": ["write_file"], "approval_policy": {"ask": ["write_file"]}}


class People(Dialogue):
    """Answers every question with the same reply, or never. Messages come from a list, then no more."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.reply = reply
        self.asked: list[Question] = []
        self.has_asked = asyncio.Event()
        self.messages: asyncio.Queue[PersonMessage] = asyncio.Queue()

    async def ask(self, question: Question) -> Reply:
        self.asked.append(question)
        self.has_asked.set()
        if self.reply is None:
            await asyncio.Event().wait()
        assert self.reply is not None
        return self.reply

    async def next_message(self) -> PersonMessage:
        return await self.messages.get()

    def write(self, text: str, **more: Any) -> None:
        self.messages.put_nowait(PersonMessage("1", "Ada", text, **more))


@pytest.fixture(params=ADDRESSES)
def provider(request, aimock, monkeypatch) -> str:
    key, address, path = ADDRESSES[request.param]
    monkeypatch.setenv(key, "operators-own-key-0123456789")
    monkeypatch.setenv(address, f"http://127.0.0.1:{aimock.port}{path}")
    return request.param


def a_backend(people: Dialogue, session: Session | None = None, **more: Any) -> PydanticAI:
    backend = PydanticAI()
    backend.dialogue = people
    if session is not None:  # as the database stores it
        backend.earlier_session, backend.earlier_state = session.id, json.loads(json.dumps(session.state))
    for name, value in more.items():
        setattr(backend, name, value)
    return backend


async def collect(
    backend: PydanticAI, options: dict, workdir: Path, items: list[Any], until: EventType | None = None
) -> None:
    """Add the items to the list as they come; close the stream at the first event of the type `until`."""
    async with aclosing(backend.stream("Paint it.", options, workdir)) as stream:
        async for item in stream:
            items += [item]
            if until is not None and isinstance(item, BackendEvent) and item.type == until:
                return


@asynccontextmanager
async def unanswered(people: People, options: dict, workdir: Path) -> AsyncIterator[list[Any]]:
    """Call the model until it waits for a person; yield what it has sent. Then it is cancelled, as if parked."""
    items: list[Any] = []
    task = asyncio.create_task(collect(a_backend(people), options, workdir, items))
    asked = asyncio.create_task(people.has_asked.wait())
    await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
    assert people.has_asked.is_set(), task
    try:
        yield items
    finally:
        task.cancel()
        await asyncio.wait({task})


def last_session(items: list[Any]) -> Session:
    return [item for item in items if isinstance(item, Session)][-1]


def kinds(seen: Followed) -> list[str]:
    return [event.type for event in seen.events if event.type in {EventType.TOOL_USE, EventType.TOOL_RESULT}]


@asynccontextmanager
async def refusing_once(body: bytes) -> AsyncIterator[str]:
    """Refuse the first request with this body and status 400, and answer the second one."""
    refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    answers = [refusal % len(body) + body, STREAM_HEAD + chunk("Hi.") + chunk(finish="stop")]

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(answers.pop(0))
        await writer.drain()

    async with raw_server(answer) as server:
        yield server.base_url
    assert answers == []


# ---------------------------------------------------------------- questions
async def test_a_persons_answer_is_the_result_of_the_tool_call(provider, tmp_path):
    people = People(Reply(text="Blue", choice="2"))
    seen = await follow(a_backend(people), "Paint it.", {"model": f"{provider}:asks"}, tmp_path)
    assert (seen.error, seen.text()) == ("", "Painted.")
    assert (kinds(seen), seen.text(EventType.TOOL_RESULT)) == (["tool_use", "tool_result"], "Blue")
    [question] = people.asked
    assert (question.text, [(one.id, one.label) for one in question.options]) == (
        "Which?",
        [("1", "Red"), ("2", "Blue")],
    )


async def test_a_question_that_was_answered_later_continues_with_the_answer_as_its_result(provider, tmp_path):
    people, options = People(), {"model": f"{provider}:asks"}
    async with unanswered(people, options, tmp_path) as items:
        session = last_session(items)
    reply = Reply(text="Blue", choice="2")
    later = People(reply)
    backend = a_backend(
        later, session, replies={people.asked[0].key: reply}, continuation="You asked: Which? Blue"
    )
    seen = await follow(backend, "Paint it.", options, tmp_path)
    assert (seen.error, seen.text()) == ("", "Painted.")
    assert [question.key for question in later.asked] == [people.asked[0].key]
    assert (kinds(seen), seen.text(EventType.TOOL_RESULT)) == (
        ["tool_result"],
        "Blue",
    )  # the use is in the log already
    assert seen.session == session.id


async def test_the_answer_is_sent_as_a_result_and_not_as_a_message_but_other_messages_are(aimock, tmp_path):
    people, options = People(), {"model": "asks", "base_url": aimock.base_url}
    async with unanswered(people, options, tmp_path) as items:
        session = last_session(items)
    before, replies = len(aimock.requests_for("asks")), {people.asked[0].key: Reply(text="Blue")}
    said = {"continuation": "You asked: Which? Blue. Ada wrote: Hurry.", "messages": "Ada wrote: Hurry."}
    backend = a_backend(People(Reply(text="Blue")), session, replies=replies, **said)
    await collect(backend, options, tmp_path, [], until=EventType.TOOL_USE)
    sent = aimock.requests_for("asks")[before]["body"]["messages"]
    assert [(one["role"], one.get("content")) for one in sent if one["role"] != "assistant"] == [
        ("user", "Paint it."),
        ("tool", "Blue"),
        ("user", "Ada wrote: Hurry."),
    ]


async def test_a_tool_that_was_used_before_the_pause_is_not_used_again(aimock, tmp_path):
    options = {"model": "writes-and-asks", "base_url": aimock.base_url, "tools": ["write_file"]}
    people = People()
    async with unanswered(people, options, tmp_path) as items:
        while not last_session(items).state["results"]:
            await asyncio.sleep(0.01)
    (tmp_path / "note.txt").unlink()
    reply = Reply(text="Blue")
    backend = a_backend(People(reply), last_session(items), replies={people.asked[0].key: reply})
    seen = await follow(backend, "Paint it.", options, tmp_path)
    assert (seen.error, seen.text(), seen.text(EventType.TOOL_RESULT)) == ("", "Painted.", "Blue")
    assert not (tmp_path / "note.txt").exists()
    results = [
        one["content"]
        for one in aimock.requests_for("writes-and-asks")[-1]["body"]["messages"]
        if one["role"] == "tool"
    ]
    assert results == ["Written: 2 bytes", "Blue"]


async def test_a_follow_up_to_an_open_question_replaces_it(aimock, tmp_path):
    people, options = People(), {"model": "asks", "base_url": aimock.base_url}
    async with unanswered(people, options, tmp_path) as items:
        session = last_session(items)
    before, later = len(aimock.requests_for("asks")), People()
    backend = a_backend(later, session, continuation="Do not ask.")
    await collect(backend, options, tmp_path, [], until=EventType.TOOL_USE)  # this model asks again
    sent = aimock.requests_for("asks")[before]["body"]["messages"]
    assert [one["role"] for one in sent] == ["user", "assistant", "tool", "user"]
    assert sent[-1]["content"] == "Do not ask."


async def test_the_tool_is_not_offered_where_it_is_switched_off_or_nobody_is_there(aimock, tmp_path):
    options = {"model": "hello", "base_url": aimock.base_url}
    await follow(a_backend(People()), "Go.", {**options, "ask_human": False}, tmp_path)
    assert "tools" not in aimock.requests_for("hello")[-1]["body"]
    await follow(PydanticAI(), "Go.", options, tmp_path)
    assert "tools" not in aimock.requests_for("hello")[-1]["body"]
    await follow(a_backend(People()), "Go.", options, tmp_path)
    [tool] = aimock.requests_for("hello")[-1]["body"]["tools"]
    assert tool["function"]["name"] == "ask_human"


async def test_a_model_that_takes_no_tools_is_asked_again_without_them(tmp_path):
    body = b'{"error": {"message": "tiny does not support tools"}}'
    async with refusing_once(body) as base_url:
        seen = await follow(a_backend(People()), "Go.", {"model": "tiny", "base_url": base_url}, tmp_path)
    assert (seen.error, seen.text()) == ("", "Hi.")
    assert "takes no tools" in seen.text(EventType.STATUS)


# ---------------------------------------------------------------- approvals
async def test_a_tool_that_must_be_approved_is_used_only_if_a_person_allows_it(provider, tmp_path):
    options = {"model": f"{provider}:writes", **ASK_BEFORE_WRITING}
    people = People(Reply(is_allowed=False, reason="Not there."))
    seen = await follow(a_backend(people), "Go.", options, tmp_path)
    assert (seen.error, list(tmp_path.iterdir())) == ("", [])
    [result] = [event for event in seen.events if event.type == EventType.TOOL_RESULT]
    assert (result.content, result.metadata["refused"]) == ("Not done: a person denied it. Not there.", True)
    assert people.asked[0].tool is not None
    assert people.asked[0].tool.input == {"path": "a/note.txt", "content": "hi"}

    await follow(a_backend(People(Reply(is_allowed=True))), "Go.", options, tmp_path)
    assert (tmp_path / "a/note.txt").read_text() == "hi"


async def test_an_approval_that_came_later_lets_the_same_call_run(aimock, tmp_path):
    people, options = People(), {"model": "writes", "base_url": aimock.base_url, **ASK_BEFORE_WRITING}
    async with unanswered(people, options, tmp_path) as items:
        session = last_session(items)
    reply = Reply(is_allowed=True)
    backend = a_backend(People(reply), session, replies={people.asked[0].key: reply})
    seen = await follow(backend, "Go.", options, tmp_path)
    assert (seen.error, seen.text(), kinds(seen)) == ("", "Written.", ["tool_result"])
    assert (tmp_path / "a/note.txt").read_text() == "hi"


async def test_a_tool_that_the_policy_denies_is_not_used_and_nobody_is_asked(aimock, tmp_path):
    options = {"model": "writes", "base_url": aimock.base_url, "tools": ["write_file"]}
    people = People()
    seen = await follow(
        a_backend(people), "Go.", {**options, "approval_policy": {"deny": ["write_file"]}}, tmp_path
    )
    assert (seen.error, people.asked, list(tmp_path.iterdir())) == ("", [], [])
    assert "does not allow it" in seen.text(EventType.TOOL_RESULT)
    nobody = await follow(PydanticAI(), "Go.", {**options, **ASK_BEFORE_WRITING}, tmp_path)
    assert "Nobody is there to approve it" in nobody.text(EventType.TOOL_RESULT)
    assert list(tmp_path.iterdir()) == []


def test_policy_and_tool_are_options_of_all_these_backends():
    for backend in ("pydantic_ai", "openai_agents", "google_adk"):
        registry.check_options(backend, {"ask_human": False, "approval_policy": {"ask": ["write_file"]}})
        with pytest.raises(registry.OptionsError):
            registry.check_options(backend, {"approval_policy": {"never": []}})


# ---------------------------------------------------------------- steering
async def test_a_message_to_a_working_model_is_part_of_its_next_request(aimock, tmp_path):
    (tmp_path / "dot.png").write_bytes(b"\x89PNG")
    people, options = People(), {"model": "asks", "base_url": aimock.base_url}
    people.write("Use the dot.", files=[tmp_path / "dot.png"])
    people.reply = Reply(text="Blue")
    seen = await follow(a_backend(people), "Paint it.", options, tmp_path)
    assert (seen.error, seen.text()) == ("", "Painted.")
    sent = json.dumps(aimock.requests_for("asks")[-1]["body"]["messages"])
    assert "Ada wrote:\\n\\nUse the dot.\\n\\nFiles: dot.png" in sent
    assert "data:image/png;base64," in sent
    assert seen.answer == "Painted."


async def test_a_message_in_the_last_moment_gets_an_answer_too(aimock, tmp_path):
    people = People()
    backend = a_backend(people)
    texts: list[str] = []
    async for item in backend.stream("Go.", {"model": "hello", "base_url": aimock.base_url}, tmp_path):
        if isinstance(item, BackendEvent) and item.type == EventType.MESSAGE:
            texts.append(item.content)
            if len(texts) == 1:
                people.write("And again.")
    assert "".join(texts).count("Hello there") == 2
    assert "And again." in json.dumps(aimock.requests_for("hello")[-1]["body"]["messages"])


# ---------------------------------------------------------------- sessions
async def test_a_follow_up_continues_the_conversation_with_only_its_own_text(provider, aimock, tmp_path):
    options = {"model": f"{provider}:hello"}
    sessions: list[Session] = []
    async for item in a_backend(People()).stream("Say hello.", options, tmp_path):
        sessions += [item] if isinstance(item, Session) else []
    backend = a_backend(People(), sessions[-1], continuation="Once more.")
    seen = await follow(backend, "Say hello.\n\nOnce more.", options, tmp_path)
    assert (seen.error, seen.text(EventType.STATUS)) == ("", "")
    assert seen.text().startswith("Hello there")
    assert seen.session == sessions[-1].id


@pytest.mark.parametrize("state", [None, "text", {"version": 0}, {"version": 1, "messages": [{"kind": "what"}]}])
async def test_a_conversation_that_cannot_be_continued_begins_anew_and_the_run_says_so(aimock, tmp_path, state):
    if isinstance(state, dict) and state.get("version"):
        state = {**state, "model": f"The server at 127.0.0.1:{aimock.port}: hello", "results": {}}
    backend = a_backend(People(), Session("old", state), continuation="Once more.")
    seen = await follow(backend, "Everything.", {"model": "hello", "base_url": aimock.base_url}, tmp_path)
    assert (seen.error, "a new one begins" in seen.text(EventType.STATUS)) == ("", True)
    assert aimock.requests_for("hello")[-1]["body"]["messages"] == [{"role": "user", "content": "Everything."}]
    assert seen.session not in {"", "old"}


async def test_a_conversation_that_the_model_refuses_begins_anew(tmp_path):
    async with refusing_once(b'{"error": {"message": "unknown field in message 3"}}') as base_url:
        session = Session("old", dump(f"The server at {base_url[7:-3]}: m", conversation("Hello."), {}))
        backend = a_backend(People(), session, continuation="Once more.")
        seen = await follow(backend, "All.", {"model": "m", "base_url": base_url, "ask_human": False}, tmp_path)
    assert (seen.error, seen.text()) == ("", "Hi.")
    assert "the model refused it; a new one begins" in seen.text(EventType.STATUS)


def conversation(*texts: str) -> list[ModelMessage]:
    """Return a conversation in which the model reads a file with each text, and says that it has read it."""
    messages: list[ModelMessage] = [ModelRequest.user_text_prompt("Read everything.")]
    for number, text in enumerate(texts):
        messages.append(ModelResponse([ToolCallPart("read_file", {"path": text[:10]}, f"call_{number}")]))
        messages.append(ModelRequest([ToolReturnPart("read_file", text, f"call_{number}")]))
    return [*messages, ModelResponse([TextPart("Read.")])]


def test_a_stored_conversation_is_limited_in_length_and_each_result_keeps_its_call():
    state = dump("m", conversation(*(f"{number} {'x' * 60_000}" for number in range(300))), {})
    assert len(json.dumps(state)) < MOST_CHARS * 1.1
    restored = load("m", state)
    assert restored is not None
    parts: list[Any] = [part for message in restored.messages for part in message.parts]
    assert (parts[0].content, parts[1].content) == ("Read everything.", LEFT_OUT)
    calls = [part.tool_call_id for part in parts if isinstance(part, ToolCallPart)]
    results = [part.tool_call_id for part in parts if isinstance(part, ToolReturnPart)]
    assert calls == results
    assert calls[-1] == "call_299"


def test_a_single_result_that_is_too_long_is_cut():
    state = dump("m", conversation("x" * 900_000), {})
    assert len(json.dumps(state)) < MOST_CHARS
    assert load("m", state) is not None


def test_a_stored_conversation_has_no_secrets_and_no_images():
    image = UserPromptPart(["Look.", BinaryContent(b"\x89PNG" * 9, media_type="image/png")])
    messages: list[ModelMessage] = [
        ModelRequest([image]),
        ModelResponse([ThinkingPart(f"I use {SECRET}", signature="signed"), TextPart(f"Use {SECRET}")]),
        ModelRequest([UserPromptPart(f"No, {SECRET}")]),
        ModelResponse([ToolCallPart("write_file", json.dumps({"path": "a", "content": SECRET}), "call_1")]),
    ]
    state = dump("m", messages, {"call_1": f"wrote {SECRET}"})
    assert SECRET not in json.dumps(state)
    assert "iVBOR" not in json.dumps(state)
    restored = load("m", state)
    assert restored is not None
    call = restored.messages[-1].parts[0]
    assert isinstance(call, ToolCallPart)
    assert call.args_as_dict() == {"path": "a", "content": "[redacted]"}
    assert [part.part_kind for part in restored.messages[1].parts] == ["text"]
