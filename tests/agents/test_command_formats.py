"""How single JSON lines of the known agents are read, where a whole transcript would not show it."""

import json
import os

import pytest

from agents.backends.base import BackendEvent, EventType, Usage
from agents.backends.programs.allowed import Definition
from agents.backends.programs.formats.claude import ClaudeReader
from agents.backends.programs.formats.codex import CodexReader
from agents.backends.programs.formats.gemini import GeminiReader
from agents.backends.programs.presets import PRESETS
from agents.backends.programs.sessions import conversations


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


def test_codex_is_ended_at_the_second_refusal_of_a_key_with_the_reason_alone():
    reader = CodexReader()
    for number in (1, 2):
        assert not reader.is_hopeless
        message = f"Reconnecting... {number}/5 (unexpected status 401 Unauthorized: Incorrect API key)"
        list(reader.read({"type": "error", "message": message}))
    assert (reader.is_hopeless, reader.failure) == (True, "unexpected status 401 Unauthorized: Incorrect API key")


def test_a_continued_codex_conversation_is_counted_without_its_earlier_part(tmp_path):
    folder = tmp_path / "2026/11/30"
    folder.mkdir(parents=True)
    counts = [{"input_tokens": 700, "output_tokens": 30}, {"input_tokens": 1000, "output_tokens": 50}]
    events = [{"payload": {"type": "token_count", "info": {"total_token_usage": one}}} for one in counts]
    os.mkfifo(folder / "rollout-2026-11-30T20-51-20-pipe.jsonl")  # a hostile agent's
    (folder / "rollout-2026-11-30T20-51-20-abc.jsonl").write_text(
        "".join(f"{json.dumps(one)}\n" for one in events)
    )
    total = {"input_tokens": 2500, "output_tokens": 80}

    def used(session: str, usage: dict) -> Usage:
        reader = CodexReader()
        reader.continues(session, [tmp_path / "none", tmp_path])
        [used] = reader.read({"type": "turn.completed", "usage": usage})
        assert isinstance(used, Usage)
        return used

    assert used("abc", total) == Usage(None, 1500, 30, None)
    assert used("abc", {"input_tokens": 5}) == Usage(None, 0, None, None)
    assert used("pipe", total) == Usage(None, None, None, None)
    assert used("unknown", total) == Usage(None, None, None, None)


@pytest.mark.parametrize("earlier", ["--yolo", "../x", "a b", "*", "", "x" * 101, "a\n"])
def test_an_id_that_is_none_continues_nothing(earlier):
    sessions = PRESETS["codex"].sessions
    assert [one.is_continued for one in conversations(sessions, earlier)] == [False]


def test_a_command_line_of_ones_own_continues_conversations_where_its_form_allows_it():
    def sessions(argv: list[str]) -> bool:
        return Definition.of("codex", {"argv": argv}).sessions is not None

    assert sessions(["codex", "exec", "--json", "-"])
    assert not sessions(["codex", "exec", "--json", "Say hello"])
    assert not sessions(["other", "exec", "--json", "-"])
