"""The buffer between the agent and the database: in order, bounded, and without secrets."""

import asyncio

import pytest

from agents.backends.base import BackendEvent, EventType
from mission_control.runs import buffer as room
from mission_control.runs.buffer import EVENT_CHARS, FULL_CHARS, EventBuffer

MESSAGE, THINKING, TOOL_USE = EventType.MESSAGE, EventType.THINKING, EventType.TOOL_USE


@pytest.fixture
def buffer() -> EventBuffer:
    return EventBuffer(max_output_chars=1_000_000)


async def put(buffer: EventBuffer, *said: tuple[EventType, str]) -> None:
    for type, text in said:
        await buffer.put(BackendEvent(type, text, {}))


def taken(buffer: EventBuffer) -> list[tuple[str, str]]:
    return [(draft.type, draft.content) for draft in buffer.take()]


async def test_a_key_that_two_batches_share_is_removed_and_the_text_before_it_does_not_wait(buffer):
    await put(buffer, (MESSAGE, "Here: ghp_abcdefghij"))
    assert taken(buffer) == [(MESSAGE, "Here: ")]
    await put(buffer, (MESSAGE, "klmnopqrst1234 and"))
    assert taken(buffer) == [(MESSAGE, "[redacted] and")]


async def test_a_name_and_its_value_in_two_batches_belong_together(buffer):
    await put(buffer, (MESSAGE, "pass"))
    assert taken(buffer) == [(MESSAGE, "pass")]
    await put(buffer, (MESSAGE, "word=hunter2 "))
    assert taken(buffer) == [(MESSAGE, "word=[redacted] ")]


@pytest.mark.parametrize("text", ["A risk", "the key", "see sky", "tokens", "It ends here.", "{", "[1] ....\n"])
async def test_ordinary_text_does_not_wait(buffer, text):
    await put(buffer, (MESSAGE, text))
    assert taken(buffer) == [(MESSAGE, text)]


async def test_what_was_held_comes_before_what_is_of_another_kind(buffer):
    await put(buffer, (MESSAGE, "see sk-"))
    assert taken(buffer) == [(MESSAGE, "see ")]
    await put(buffer, (TOOL_USE, "search"), (MESSAGE, "found sk-"), (THINKING, "hm"))
    assert taken(buffer) == [(MESSAGE, "sk-"), (TOOL_USE, "search"), (MESSAGE, "found sk-"), (THINKING, "hm")]


async def test_what_was_held_comes_when_the_buffer_is_closed(buffer):
    await put(buffer, (MESSAGE, "https://example.org"))
    assert taken(buffer) == [(MESSAGE, "https://")]
    buffer.close()
    assert await buffer.wait_for_events()
    assert taken(buffer) == [(MESSAGE, "example.org")]
    assert not await buffer.wait_for_events()


async def test_what_was_held_comes_after_a_while_when_nothing_else_does(buffer, monkeypatch):
    monkeypatch.setattr(room, "MAX_HOLD_SECONDS", 0.01)
    await put(buffer, (MESSAGE, "password: hunter2"))
    assert taken(buffer) == [(MESSAGE, "password: ")]
    assert await buffer.wait_for_events()
    assert taken(buffer) == [(MESSAGE, "[redacted]")]
    await put(buffer, (MESSAGE, "hunter3 ok"))
    assert taken(buffer) == [(MESSAGE, " ok")]


async def test_a_long_text_comes_in_bounded_events_and_a_key_at_the_seam_is_removed(buffer):
    key = "sk-" + "k" * 40
    await put(buffer, (MESSAGE, "x" * (EVENT_CHARS - 20) + " " + key + " " + "y" * EVENT_CHARS))
    buffer.close()
    found = taken(buffer)

    assert max(len(text) for _, text in found) <= EVENT_CHARS
    assert "".join(text for _, text in found) == "x" * (EVENT_CHARS - 20) + " [redacted] " + "y" * EVENT_CHARS


async def test_what_a_tool_is_given_is_redacted_too(buffer):
    given = {
        "input": {"headers": ["Authorization: Bearer abc123def456"], "password": "hunter2", "n": 3, "x": None}
    }
    await buffer.put(BackendEvent(TOOL_USE, "fetch", given))
    [draft] = buffer.take()

    expected = {"headers": ["Authorization: Bearer [redacted]"], "password": "[redacted]", "n": 3, "x": None}
    assert draft.metadata == {"input": expected}


async def test_an_agent_is_held_back_while_too_much_of_what_it_said_is_not_stored(buffer):
    await put(buffer, (MESSAGE, "x" * FULL_CHARS))
    more = asyncio.create_task(put(buffer, (MESSAGE, "y ")))
    await asyncio.sleep(0)
    assert not more.done()
    taken(buffer)
    await asyncio.wait_for(more, 60)
    assert "".join(text for _, text in taken(buffer)).endswith("y ")
