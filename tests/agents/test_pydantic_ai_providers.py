"""Each provider's own protocol, with aimock: streaming, a tool, failures, a dropped connection, a stop."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.backends.base import EventType, TransientError
from agents.backends.pydantic_ai import GoogleADK, OpenAIAgents, PydanticAI
from tests.agents.follow import Followed, follow
from tests.agents.wire import STREAM_HEAD, raw_server, tap

# The variables that send a provider's requests to another address, and the path prefix there.
ADDRESSES = {
    "openai": ("OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1"),
    "openai-responses": ("OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1"),
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", ""),
    "google": ("GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", ""),
    "mistral": ("MISTRAL_API_KEY", "MISTRAL_BASE_URL", ""),
    "groq": ("GROQ_API_KEY", "GROQ_BASE_URL", ""),
    "ollama": ("OLLAMA_API_KEY", "OLLAMA_BASE_URL", "/v1"),
}
Point = Callable[[str, int], None]


@pytest.fixture
def point(monkeypatch) -> Point:
    """Return a function that points a provider at a port of this machine."""

    def point(provider: str, port: int) -> None:
        key, address, before = ADDRESSES[provider]
        monkeypatch.setenv(key, "operators-own-key-0123456789")
        monkeypatch.setenv(address, f"http://127.0.0.1:{port}{before}")

    return point


@pytest.fixture(params=ADDRESSES)
def provider(request, point, aimock) -> str:
    point(request.param, aimock.port)
    return request.param


async def ask(provider: str, model: str, workdir: Path = Path(), **options) -> Followed:
    return await follow(PydanticAI(), "Go.", {"model": f"{provider}:{model}", **options}, workdir)


async def test_an_answer_streams_in_pieces_and_ends_with_the_usage(provider):
    seen = await ask(provider, "hello")
    assert (seen.error, seen.text()) == ("", "Hello there, this answer comes in pieces.")
    assert len([event for event in seen.events if event.type == EventType.MESSAGE]) > 3
    told = (None, None) if provider in {"groq", "mistral"} else (1000, 2000)  # aimock reports no usage to these
    assert (seen.usage.input_tokens, seen.usage.output_tokens) == told


@pytest.mark.parametrize("provider", sorted(set(ADDRESSES) - {"mistral"}), indirect=True)  # see below
async def test_a_tool_is_called_and_its_result_goes_back(provider, tmp_path):
    seen = await ask(provider, "writes", tmp_path, tools=["write_file"])
    assert (seen.error, seen.text()) == ("", "Written.")
    assert seen.text(EventType.TOOL_RESULT) == "Written: 2 bytes"
    assert (tmp_path / "a/note.txt").read_text() == "hi"


async def test_a_tool_of_mistral_is_called_and_its_result_goes_back(point, tmp_path):
    """The calls of aimock lack fields that Mistral's have, so these pieces are from Mistral's documentation."""
    call = {"id": "D681PevKs", "function": {"name": "write_file", "arguments": '{"path": "n", "content": "hi"}'}}
    answers = [
        {"role": "assistant", "content": "", "tool_calls": [{**call, "index": 0}]},
        {"role": "assistant", "content": "Written."},
    ]

    async def answer(writer: asyncio.StreamWriter) -> None:
        delta = answers.pop(0)
        choice = {"index": 0, "delta": delta, "finish_reason": "tool_calls" if answers else "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        piece = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        writer.write(STREAM_HEAD + f"data: {json.dumps({**piece, 'usage': usage})}\n\ndata: [DONE]\n\n".encode())
        await writer.drain()

    async with raw_server(answer) as server:
        point("mistral", server.port)
        seen = await ask("mistral", "m", tmp_path, tools=["write_file"])
    assert (seen.error, seen.text()) == ("", "Written.")
    assert (tmp_path / "n").read_text() == "hi"
    assert (seen.usage.input_tokens, seen.usage.output_tokens) == (20, 10)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("no-such-key", "refused the key (HTTP 401)"),
        ("too-many", "is rate-limiting requests (HTTP 429)"),
        ("out-of-order", "failed (HTTP 500)"),
    ],
)
async def test_a_failure_before_the_answer_is_told_alike(provider, model, message):
    seen = await ask(provider, model)
    assert seen.events == []
    assert message in seen.error
    assert "sk-" not in seen.error


async def test_a_connection_that_breaks_in_mid_answer_keeps_what_was_said(provider):
    seen = await ask(provider, "broken-later")
    assert seen.text() and "one two three four five six seven".startswith(seen.text())
    assert "broke off before" in seen.error


async def test_a_connection_that_is_dropped_before_the_answer_may_be_tried_again(provider):
    with pytest.raises(TransientError):
        async for _ in PydanticAI().stream("Go.", {"model": f"{provider}:hung-up"}, Path()):
            pass


async def test_a_stop_closes_the_connection_to_a_slow_model_at_once(provider, point, aimock):
    async with tap(aimock.port) as wire:
        point(provider, wire.port)
        said = asyncio.Event()

        async def listen() -> None:
            async for _ in PydanticAI().stream("Go.", {"model": f"{provider}:slow"}, Path()):
                said.set()

        task = asyncio.create_task(listen())
        await asyncio.wait_for(said.wait(), 60)
        assert not wire.client_gone.is_set()
        task.cancel()
        await asyncio.wait_for(wire.client_gone.wait(), 60)
        await asyncio.wait({task})
    assert task.cancelled()


@pytest.mark.parametrize(("backend", "provider"), [(OpenAIAgents, "openai"), (GoogleADK, "google")])
@pytest.mark.parametrize("prefixed", ["", "with its provider"])
async def test_a_backend_of_one_provider_asks_that_one(backend, provider, prefixed, point, aimock):
    point(provider, aimock.port)
    seen = await follow(backend(), "Go.", {"model": f"{provider}:hello" if prefixed else "hello"})
    assert (seen.error, seen.text()) == ("", "Hello there, this answer comes in pieces.")
    assert backend.missing_for({"model": "hello"}) is None
    assert backend.missing_for({}).startswith("Set the option `model`")
