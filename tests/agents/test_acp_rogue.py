"""The backend `acp` with agents that break the protocol: clear errors, bounded memory, nothing left running."""

import asyncio
import json
from contextlib import aclosing
from pathlib import Path

import pytest

from agents.backends.acp import ACP, conversation
from agents.backends.base import EventType
from tests.agents.test_acp import heard

ROGUE = str(Path(__file__).with_name("acp_rogue.py"))


async def test_an_agent_that_never_begins_is_ended(acp_agent, folder, monkeypatch):
    monkeypatch.setattr(conversation, "BEGIN_SECONDS", 0.5)
    acp_agent(ROGUE, "silent")
    seen = await heard(folder, "hello")
    assert seen.error.startswith("`actor` did not begin a session within 0.5 seconds") and seen.limit == "silence"


async def test_an_agent_that_never_answers_is_ended_at_the_limit_of_silence(acp_agent, folder):
    acp_agent(ROGUE, "mute", limits={"idle_seconds": 3})
    seen = await heard(folder, "hello")
    assert (seen.error, seen.limit) == (
        "`actor` was silent for the limit of 3 seconds, and was stopped",
        "silence",
    )


async def test_a_line_without_an_end_is_not_kept_and_ends_at_the_limit_of_output(acp_agent, folder):
    acp_agent(ROGUE, "endless", limits={"output_bytes": 30_000_000})
    seen = await heard(folder, "hello")
    assert seen.limit == "output"


async def test_nonsense_is_left_out_and_the_rest_is_read(acp_agent, folder):
    acp_agent(ROGUE, "babble")
    seen = await heard(folder, "hello")
    assert (seen.error, seen.answer, seen.text()) == ("", "Mine.", "\n\nMine.".strip())
    assert "Welcome!" in seen.text(EventType.STATUS)


async def test_a_message_that_is_too_large_is_left_out(acp_agent, folder):
    acp_agent(ROGUE, "huge")
    seen = await heard(folder, "hello")
    assert (seen.error, seen.text()) == ("", "short")
    assert "A message of 9,000," in seen.text(EventType.STATUS)


async def test_an_agent_is_read_no_faster_than_its_output_is_consumed(acp_agent, folder):
    """Whoever does not consume holds the agent up: pipes and 200 items are all that is kept."""
    acp_agent(ROGUE, "flood")
    async with asyncio.timeout(60), aclosing(ACP().stream("hello", {"command": "actor"}, folder)) as items:
        await anext(items)
        sent = [-1, *[await _sent(folder) for _ in range(3)]]
        while sent[-1] != sent[-2] or sent[-1] < 100:
            await asyncio.sleep(0.3)
            sent.append(await _sent(folder))
    assert sent[-1] < 2_000


async def _sent(folder: Path) -> int:
    return int((folder / "sent").read_text() or 0) if (folder / "sent").exists() else 0


async def test_requests_that_are_not_ours_to_answer_are_refused_and_none_is_answered_after_the_end(
    acp_agent, folder
):
    acp_agent(ROGUE, "demand")
    seen = await heard(folder, "hello")
    assert (seen.error, seen.text(), seen.answer) == ("", "done", "done")


async def test_an_agent_that_ends_too_early_says_why_and_leaves_nothing_behind(acp_agent, folder):
    acp_agent(ROGUE, "leave")
    seen = await heard(folder, "hello")
    assert seen.error == "`actor` ended with exit status 3 before it answered: out of memory"
    assert seen.text() == "so far"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (
            {"result": {"protocolVersion": 2}},
            "`actor` speaks version 2 of the Agent Client Protocol; only version 1",
        ),
        ({"result": ["x"]}, "`actor` speaks version None"),
        ({"error": "no"}, "`actor` failed: no reason given"),
        (
            {"error": {"code": "x", "message": {"a": 1}, "data": {"details": ["y"]}}},
            "`actor` failed: no reason given y",
        ),
    ],
)
async def test_an_answer_of_another_form_is_an_error(acp_agent, folder, answer, error):
    acp_agent(ROGUE, "answers", json.dumps(answer))
    assert (await heard(folder, "hello")).error.startswith(error)


async def test_a_session_without_a_valid_id_is_an_error(acp_agent, folder):
    acp_agent(ROGUE, "nameless")
    assert (await heard(folder, "hello")).error == "`actor` sent an invalid answer to `session/new`"
