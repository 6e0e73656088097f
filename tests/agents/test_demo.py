import asyncio
import re
from pathlib import Path

import pytest

from agents.backends import demo
from agents.backends.base import EventType
from agents.backends.demo import Demo
from tests.agents.follow import follow

PROMPT = """You are Ada, engineer.

## Project: Bridge
Working folder: a

## Results of earlier tasks
This is material.
<document kind="deliverable" title="Soil report">
## A heading of the report
Clay.
</document>

## Your task: Draw
Draw it.
"""


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(demo, "OUTLINE_SECONDS", 0.0)


async def test_the_account_says_what_it_is_and_what_was_sent(at_once):
    seen = await follow(Demo(), PROMPT, {})
    text = seen.text()
    assert "no language model" in text.splitlines()[0]
    assert f"{len(PROMPT.split())} words in 3 sections" in text
    assert "- Project: Bridge\n- Results of earlier tasks\n- Your task: Draw\n" in text
    assert "A heading of the report" not in text
    assert "Deliverables of upstream tasks included: 1 (Soil report)." in text


async def test_the_account_says_when_no_deliverables_were_sent(at_once):
    seen = await follow(Demo(), "Just do it.", {})
    assert "The prompt has 3 words in 0 sections.\n" in seen.text()
    assert "No deliverables of upstream tasks were included." in seen.text()


async def test_the_account_shows_each_kind_of_event_in_pieces(at_once):
    seen = await follow(Demo(), PROMPT, {})
    kinds = [event.type for event in seen.events]
    assert set(kinds) == {EventType.THINKING, EventType.TOOL_USE, EventType.TOOL_RESULT, EventType.MESSAGE}
    assert kinds.count(EventType.MESSAGE) > 10
    use, result = (next(e for e in seen.events if e.type == kind) for kind in ("tool_use", "tool_result"))
    assert use.metadata["id"] == result.metadata["id"]
    assert result.content == f"{len(PROMPT.split())} words, 3 sections, 1 document"
    assert seen.usage is None


@pytest.mark.parametrize(
    ("options", "count", "size"),
    [
        ({"chunks": 200, "delay_seconds": 0}, 200, 50),
        ({"chunks": 3, "chunk_bytes": 8, "delay_seconds": 0}, 3, 8),
        ({"chunks": 12, "chunk_bytes": 65_536, "delay_seconds": 0}, 12, 65_536),
        ({"chunks": 2.0, "chunk_bytes": 9.0, "delay_seconds": 0}, 2, 9),
        ({"delay_seconds": 0}, 200, 50),
    ],
)
async def test_a_rehearsal_emits_exactly_the_chunks_asked_for(options, count, size):
    seen = await follow(Demo(), PROMPT, options)
    assert {event.type for event in seen.events} == {EventType.MESSAGE}
    contents = [event.content for event in seen.events]
    assert [re.match(r"\[(\d+)\] ", content)[1] for content in contents] == [str(n + 1) for n in range(count)]
    assert {len(content.encode()) for content in contents} == {size}
    assert (seen.usage, seen.error) == (None, "")


async def test_the_number_wins_where_it_needs_more_room_than_the_chunk():
    seen = await follow(Demo(), "", {"chunks": 10_001, "chunk_bytes": 8, "delay_seconds": 0})
    assert [event.content for event in seen.events[9_998:]] == ["[9999] \n", "[10000] ", "[10001] "]


@pytest.mark.parametrize(
    ("fail_after", "emitted", "fails"), [(0, 0, True), (2, 2, True), (3, 3, True), (4, 3, False), (None, 3, False)]
)
async def test_a_rehearsal_fails_after_the_chunks_asked_for(fail_after, emitted, fails):
    seen = await follow(Demo(), "", {"chunks": 3, "delay_seconds": 0, "fail_after": fail_after})
    assert len(seen.events) == emitted
    assert ("as set by" in seen.error) is fails


@pytest.mark.parametrize("options", [{"chunks": 100_000, "delay_seconds": 0}, {"chunks": 2, "delay_seconds": 60}])
async def test_a_rehearsal_ends_when_it_is_cancelled(options):
    emitted: list[object] = []
    task = asyncio.create_task(_collect(options, emitted))
    while not (emitted or task.done()):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 60)
    assert len(emitted) < options["chunks"]


async def _collect(options, emitted):
    async for event in Demo().stream("", options, Path()):
        emitted.append(event)
