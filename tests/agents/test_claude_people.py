"""Claude asks people, and people write to it: with the real CLI, which calls aimock instead of Anthropic."""

import asyncio
import base64
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.backends import base, registry
from agents.backends.base import BackendEvent, EventType, PersonMessage, Question, Reply, Session
from agents.backends.claude import ClaudeAgentSDK
from agents.backends.claude import people as claudes_people
from agents.backends.claude.images import MOST_BYTES, image_blocks
from tests.agents.follow import Followed, follow
from tests.agents.test_claude import home, workdir

__all__ = ["home", "workdir"]
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class People(base.Dialogue):
    """People who give these replies in turn, and then none; and who write what they are given."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = deque(replies)
        self.asked: list[Question] = []
        self.all_asked = asyncio.Event()
        self.messages: asyncio.Queue[PersonMessage] = asyncio.Queue()
        self.when_sent: Callable[[], None] = lambda: None

    async def ask(self, question: Question) -> Reply:
        self.asked.append(question)
        if not self.replies:
            self.all_asked.set()
            await asyncio.Event().wait()
        return self.replies.popleft()

    async def next_message(self) -> PersonMessage:
        if self.messages.empty():
            self.when_sent()
        return await self.messages.get()


async def talk(
    workdir: Path, model: str, people: base.Dialogue, *, earlier=("", ""), files=(), **options
) -> Followed:
    """Run Claude to its end. `earlier` is the conversation to continue, and what is sent to it."""
    options["model"] = model
    registry.check_options("claude_agent_sdk", options)
    backend = backend_with(people)
    backend.earlier_session, backend.continuation = earlier
    backend.files = files
    return await follow(backend, "Go.", options, workdir)


def backend_with(people: base.Dialogue) -> ClaudeAgentSDK:
    backend = ClaudeAgentSDK()
    backend.dialogue = people
    return backend


def heard(aimock, model: str) -> str:
    """Return what the model last got."""
    return str(aimock.requests_for(model)[-1]["body"]["messages"])


def results(seen: Followed) -> list[BackendEvent]:
    return [event for event in seen.events if event.type == EventType.TOOL_RESULT]


# ---------------------------------------------------------------- questions
async def test_its_questions_are_asked_together_and_the_answers_reach_it(workdir, aimock):
    people = People(Reply(text="Red", choice="1"), Reply(text="S, L"))
    seen = await talk(workdir, "claude-asks", people)
    assert (seen.error, seen.answer) == ("", "Thank you.")
    colour, sizes = people.asked
    assert colour.text == "Which colour?\n\n- Red: warm\n- Blue: cold"
    assert [(option.id, option.label) for option in colour.options] == [("1", "Red"), ("2", "Blue")]
    assert "To choose more than one, write them as text, separated by commas." in sizes.text
    assert '"Which colour?"="Red", "Which sizes?"="S, L"' in heard(aimock, "claude-asks").replace("\\", "")


async def test_a_question_is_an_error_where_nobody_is_there(workdir):
    seen = await talk(workdir, "claude-asks", base.NobodyThere())
    assert seen.error == "The agent asked a question, and nobody is there to answer"


# ---------------------------------------------------------------- approvals
@pytest.mark.parametrize(
    ("model", "tool", "made", "mode"),
    [("claude-runs", "Bash", "ran", "dontAsk"), ("claude-writes", "Write", "note.txt", "acceptEdits")],
)
async def test_a_call_that_the_policy_asks_about_runs_when_a_person_allows_it(workdir, model, tool, made, mode):
    """Whether its permission mode would deny the call, or would allow it unasked."""
    people = People(Reply(is_allowed=True))
    seen = await talk(workdir, model, people, permission_mode=mode, approval_policy={"ask": [tool]})
    assert seen.error == ""
    [question] = people.asked
    assert question.tool.name == tool and question.tool.input
    assert question.text == f"Claude wants to use {tool}"
    assert (workdir / made).exists()
    assert "not allowed" not in seen.text(EventType.STATUS)


async def test_the_reason_of_a_denial_reaches_it_and_the_call_is_marked(workdir, aimock):
    people = People(Reply(reason="use Ruby"))
    seen = await talk(workdir, "claude-runs", people, approval_policy={"ask": ["Bash"]})
    assert (seen.error, seen.answer) == ("", "Done.")
    assert not (workdir / "ran").exists()
    [result] = results(seen)
    assert result.metadata["refused"] is True
    assert "A person denied this: use Ruby" in heard(aimock, "claude-runs")
    assert "It was not allowed to use Bash" in seen.text(EventType.STATUS)


async def test_what_the_policy_denies_or_allows_is_not_asked(workdir):
    people = People()
    policy = {"allow": ["Bash"], "deny": ["Write"]}
    denied = await talk(workdir, "claude-writes", people, approval_policy=policy)
    allowed = await talk(workdir, "claude-runs", people, approval_policy=policy)
    assert not (workdir / "note.txt").exists()
    assert [event.metadata.get("refused") for event in results(denied) + results(allowed)] == [True, None]
    assert (workdir / "ran").exists()
    assert people.asked == []


async def test_what_no_rule_names_follows_the_permission_mode(workdir):
    people = People()
    seen = await talk(workdir, "claude-runs", people, approval_policy={"ask": ["WebFetch"]})
    assert not (workdir / "ran").exists()
    assert results(seen)[0].metadata["refused"] is True
    assert people.asked == []


async def test_an_error_of_the_dialogue_ends_the_conversation(workdir):
    class Broken(People):
        async def ask(self, question: Question) -> Reply:
            raise LookupError("the run was lost")

    with pytest.raises(LookupError, match="the run was lost"):
        await talk(workdir, "claude-runs", Broken(), approval_policy={"ask": ["Bash"]})


async def test_a_sub_agent_is_named_in_its_request(tmp_path):
    people = People(Reply(is_allowed=True))
    asks = claudes_people.People(people, {"ask": ["Bash"]}, tmp_path)
    asks.note_sub_agent("a4fe3d", "general-purpose")
    call = claudes_people.Call("Bash", {"command": "make", "description": "Build it"}, agent="a4fe3d")
    assert (await asks.decide(call)).input == call.input
    assert people.asked[0].text == "Claude's sub-agent `general-purpose` wants to use Bash: Build it"


# ---------------------------------------------------------------- conversations that were parked
async def parked(workdir: Path, model: str, **options) -> str:
    """Cancel Claude while it waits for people; return the id of its conversation."""
    people, sessions = People(), []

    async def listen() -> None:
        async for item in backend_with(people).stream("Remember 4711.", {"model": model, **options}, workdir):
            sessions.extend([item.id] if isinstance(item, Session) else [])

    task = asyncio.create_task(listen())
    waiting = asyncio.create_task(people.all_asked.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    assert waiting.done(), task.exception()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return sessions[-1]


async def test_the_answer_to_a_question_reaches_the_conversation_that_was_parked(workdir, aimock):
    session = await parked(workdir, "claude-asks")
    answer = "You asked: Which colour? ann: Red"
    seen = await talk(workdir, "hello", People(), earlier=(session, answer))
    assert (seen.error, seen.text(EventType.STATUS)) == ("", "")
    said = heard(aimock, "hello")
    assert "Remember 4711." in said and "Which colour?" in said
    assert answer in said
    assert "Go." not in said  # the continuation is sent instead of the prompt


async def test_an_approved_call_runs_when_the_conversation_that_was_parked_repeats_it(workdir):
    policy = {"ask": ["Bash"]}
    session = await parked(workdir, "claude-runs", approval_policy=policy)
    assert not (workdir / "ran").exists()
    people = People(Reply(is_allowed=True))
    seen = await talk(workdir, "claude-runs-again", people, earlier=(session, "Allowed."), approval_policy=policy)
    assert (seen.error, seen.text(EventType.STATUS)) == ("", "")
    assert (workdir / "ran").exists()
    assert [question.tool.name for question in people.asked] == ["Bash"]


async def test_a_new_conversation_gets_the_whole_prompt(workdir, aimock):
    seen = await talk(workdir, "hello", People(), earlier=("0f0f0f0f-1111-4222-8333-444444444444", "Allowed."))
    assert seen.text(EventType.STATUS) == "The earlier conversation no longer exists; starting a new one"
    assert "Go." in heard(aimock, "hello") and "Allowed." not in heard(aimock, "hello")


# ---------------------------------------------------------------- messages and images
async def test_a_message_reaches_it_while_it_works(workdir, home, aimock):
    people = People()
    count = len(aimock.requests_for("claude-waits"))

    async def write() -> None:
        while len(await asyncio.to_thread(aimock.requests_for, "claude-waits")) == count:
            await asyncio.sleep(0.05)
        people.when_sent = (workdir / "go").touch  # what the tool waits for
        people.messages.put_nowait(PersonMessage("1", "ann", "Turn left."))

    writing = asyncio.create_task(write())
    seen = await talk(workdir, "claude-waits", people, allowed_tools=["Bash"])
    await writing
    assert (seen.error, seen.answer) == ("", "Done.")
    [kept] = (home / ".claude/projects").rglob("*.jsonl")
    assert "ann wrote:" in kept.read_text() and "Turn left." in kept.read_text()
    # The message got no turn of its own, which would be another request.
    assert len(aimock.requests_for("claude-waits")) == count + 2


async def test_a_message_that_it_gets_at_the_end_of_its_turn_is_answered_in_another_one(workdir, aimock):
    people = People()
    people.messages.put_nowait(PersonMessage("1", "ann", "First."))
    people.messages.put_nowait(PersonMessage("2", "ann", "Second."))
    seen = await talk(workdir, "hello", people)
    assert seen.error == ""
    assert "First." in heard(aimock, "hello") and "Second." in heard(aimock, "hello")
    assert seen.text().count("Hello there") >= 2
    assert seen.answer == "Hello there, this answer comes in pieces."


def test_images_of_the_folder_are_sent_as_images_and_nothing_outside_of_it(workdir, tmp_path):
    (tmp_path / "secret.png").write_bytes(PNG)
    (workdir / "picture.png").write_bytes(PNG)
    (workdir / "link.png").symlink_to(tmp_path / "secret.png")
    (workdir / "notes.png").write_text("not an image")
    (workdir / "large.png").write_bytes(PNG + bytes(MOST_BYTES))
    names = ("link.png", "notes.png", "large.png", "gone.png", "picture.png")
    [block] = image_blocks([Path(name) for name in names], workdir)
    assert block["source"]["media_type"] == "image/png"
    assert base64.b64decode(block["source"]["data"]) == PNG


async def test_an_image_reaches_it_with_the_prompt(workdir, home, aimock):
    (workdir / "picture.png").write_bytes(PNG)
    seen = await talk(workdir, "hello", People(), files=[workdir / "picture.png"])
    assert seen.error == ""
    [kept] = (home / ".claude/projects").rglob("*.jsonl")  # aimock keeps only the text of a message
    assert base64.b64encode(PNG).decode() in kept.read_text()
