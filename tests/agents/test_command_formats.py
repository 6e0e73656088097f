"""How single JSON lines of the known agents are read, where a whole transcript would not show it."""

import pytest

from agents.backends.base import BackendEvent, EventType, Usage
from agents.backends.programs.formats.claude import ClaudeReader
from agents.backends.programs.formats.gemini import GeminiReader


def said(reader: ClaudeReader, *lines: dict) -> str:
    items = [item for line in lines for item in reader.read(line)]
    events = [item for item in items if isinstance(item, BackendEvent) and item.type == EventType.MESSAGE]
    return "".join(event.content for event in events)


def whole(message: str, text: str) -> dict:
    return {"type": "assistant", "message": {"id": message, "content": [{"type": "text", "text": text}]}}


def streamed(event: dict) -> dict:
    return {"type": "stream_event", "parent_tool_use_id": None, "event": event}


def test_claudes_message_that_came_in_pieces_is_told_once_and_one_that_came_whole_too():
    """After a dropped connection the CLI asks again without streaming: that answer comes as a whole, or never."""
    pieces = [
        streamed({"type": "message_start", "message": {"id": "first"}}),
        streamed({"type": "content_block_start", "content_block": {"type": "text"}}),
        streamed({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "In pieces."}}),
        whole("first", "In pieces."),
    ]
    assert said(ClaudeReader(), *pieces, whole("second", " At once.")) == "In pieces.\n\n At once."


@pytest.mark.parametrize(("basis", "cost"), [("list_price", 0.5), ("unknown", None)])
def test_a_cost_that_claude_only_guesses_is_not_known(basis, cost):
    result = {"type": "result", "subtype": "success", "total_cost_usd": 0.5, "usage": {"input_tokens": 5}}
    [used] = ClaudeReader().read({**result, "modelUsage": {"mine": {"costBasis": basis}}})
    assert used == Usage(None, 5, None, cost)


def test_geminis_models_are_priced_each_by_itself_and_what_one_lacks_leaves_all_unknown():
    pro = {"total_tokens": 1_150, "input_tokens": 1_000, "output_tokens": 100, "cached": 400}
    small = {"total_tokens": 2_010, "input_tokens": 2_000, "output_tokens": 10, "cached": 0}
    whole = {"total_tokens": 3_160, "input_tokens": 3_000, "output_tokens": 110}

    def cost(models: dict) -> float | None:
        [used] = GeminiReader("gemini-2.5-pro").read({"type": "result", "stats": {**whole, "models": models}})
        assert isinstance(used, Usage)
        assert (used.input_tokens, used.output_tokens) == (3_000, 160)
        return used.cost_usd

    both = cost({"gemini-2.5-pro": pro, "gemini-2.5-flash-lite": small})
    of_pro, of_small = cost({"gemini-2.5-pro": pro}), cost({"gemini-2.5-flash-lite": small})
    assert of_pro and of_small and both == pytest.approx(of_pro + of_small)
    assert cost({"gemini-2.5-pro": pro, "mine": small}) is None
