"""The pydantic-ai backend with aimock, an independent server that speaks the providers' protocols."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agents.backends.base import EventType, Usage
from agents.backends.pydantic_ai import PydanticAI
from agents.redaction import shown_error
from tests.agents.follow import Followed, follow
from tests.agents.wire import STREAM_HEAD, chunk, raw_server, saying, tap


async def ask(aimock, model: str, **options) -> Followed:
    return await follow(PydanticAI(), "Say hello.", {"model": model, "base_url": aimock.base_url, **options})


async def test_an_answer_streams_in_pieces_thoughts_first_and_ends_with_the_usage(aimock):
    seen = await ask(aimock, "hello")
    assert seen.error == ""
    assert seen.text(EventType.THINKING) == "Let me think."
    assert seen.text() == "Hello there, this answer comes in pieces."
    assert len(seen.events) > 5
    assert seen.usage == Usage(model="hello", input_tokens=1000, output_tokens=2000, cost_usd=None)


async def test_the_cost_is_told_where_the_price_is_known(aimock):
    seen = await ask(aimock, "gpt-4o-mini")
    assert seen.usage.cost_usd == pytest.approx(1000 * 0.15e-6 + 2000 * 0.6e-6)


async def test_prompt_and_options_reach_the_server(aimock):
    await ask(aimock, "openai:hello", temperature=0.3, max_tokens=77)
    request = aimock.requests_for("hello")[-1]
    assert request["path"] == "/v1/chat/completions"
    body = request["body"]
    assert body["messages"] == [{"role": "user", "content": "Say hello."}]
    assert (body["temperature"], body.get("max_completion_tokens") or body.get("max_tokens")) == (0.3, 77)
    assert body["stream"] is True


async def test_an_anthropic_model_is_asked_in_anthropics_own_language(aimock, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-operator")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{aimock.port}")
    seen = await follow(PydanticAI(), "Say hello.", {"model": "anthropic:claude-haiku-4-5"})
    assert (seen.error, seen.text()) == ("", "Hello from Anthropic's side.")
    assert seen.text(EventType.THINKING) == "Hm."
    assert (seen.usage.input_tokens, seen.usage.output_tokens) == (1000, 2000)


async def test_an_answer_that_reached_the_limit_of_tokens_says_so(aimock):
    seen = await ask(aimock, "too-long")
    assert (seen.error, seen.text()) == ("", "As I was saying")
    assert "limit of tokens" in seen.text(EventType.STATUS)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("no-such-key", "refused the key (HTTP 401). Keys are only sent to the address in OPENAI_BASE_URL"),
        ("no-such-model", "does not know the model no-such-model (HTTP 404): The model does not exist"),
        ("too-many", "is rate-limiting requests (HTTP 429); try again in 7 s"),
        ("out-of-order", "failed (HTTP 500); try again later: died in [path]"),
        ("garbled", "sent no answer that can be used"),
        ("hung-up", "broke off before the answer was complete"),
    ],
)
async def test_a_failure_before_the_answer_is_told_in_words_for_people_and_never_tried_again(
    aimock, model, message
):
    before = len(aimock.requests_for(model))
    seen = await ask(aimock, model)
    assert seen.events == []
    assert message in seen.error
    assert "sk-" not in seen.error
    assert shown_error(seen.error) == seen.error  # it is short, and is shown unchanged
    assert len(aimock.requests_for(model)) == before + 1


async def test_what_was_streamed_stands_when_the_connection_breaks_in_mid_answer(aimock):
    seen = await ask(aimock, "broken-off")
    assert seen.text()
    assert "one two three four five six".startswith(seen.text())
    assert "broke off before the answer was complete" in seen.error


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([b'data: {"cho\n\n'], "sent an answer that cannot be understood"),
        ([b'data: {"error": {"message": "overloaded, sk-abcdefghijklmnopqrst", "code": 503}}\n\n'], "[redacted]"),
        ([chunk("and "), chunk("two")], "broke off before it was complete"),
    ],
    ids=["invalid JSON", "an error event", "closed without an end"],
)
async def test_what_was_streamed_stands_when_the_answer_goes_wrong(pieces, message):
    async with raw_server(saying(STREAM_HEAD, chunk("one "), *pieces)) as server:
        seen = await follow(PydanticAI(), "Go.", {"model": "m", "base_url": server.base_url})
    assert seen.text().startswith("one ")
    assert message in seen.error


async def test_an_answer_whose_end_is_only_the_reason_to_finish_is_whole():
    async with raw_server(saying(STREAM_HEAD, chunk("one "), chunk("two"), chunk(finish="stop"))) as server:
        seen = await follow(PydanticAI(), "Go.", {"model": "m", "base_url": server.base_url})
    assert (seen.text(), seen.error) == ("one two", "")
    assert seen.usage == Usage(model="m")


async def test_a_web_page_is_no_answer():
    page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<html>hello</html>"
    async with raw_server(saying(page)) as server:
        seen = await follow(PydanticAI(), "Go.", {"model": "m", "base_url": server.base_url})
    assert (seen.events, "no answer that can be used" in seen.error) == ([], True)


async def test_a_server_that_is_not_there_is_named_without_its_path():
    seen = await follow(PydanticAI(), "Go.", {"model": "m", "base_url": "http://127.0.0.1:1/some/path"})
    assert seen.error == "The server at 127.0.0.1:1 cannot be reached. Is it running, and is the address right?"


@pytest.mark.parametrize("how", ["cancel the task", "close the stream"])
async def test_a_stop_closes_the_connection_at_once_and_keeps_what_was_said(aimock, how):
    async with tap(aimock.port) as wire:
        stream = PydanticAI().stream("Go.", {"model": "slow", "base_url": wire.base_url}, Path())
        said: list[Any] = []

        async def listen():
            async for item in stream:
                said.append(item)
                if how == "close the stream":
                    break
            await stream.aclose()

        task = asyncio.create_task(listen())
        while not (said or task.done()):
            await asyncio.sleep(0.01)
        if how == "cancel the task":
            assert not wire.client_gone.is_set()
            task.cancel()
        await asyncio.wait_for(wire.client_gone.wait(), 60)
        await asyncio.wait({task})
    assert task.cancelled() is (how == "cancel the task")
    assert said[0].content.startswith("one")
    assert not [task for task in asyncio.all_tasks() if "pydantic_ai" in repr(task.get_coro())]


async def test_a_stop_before_the_first_piece_closes_the_connection_at_once():
    async def silence(writer):
        await asyncio.Event().wait()

    async with raw_server(silence) as upstream, tap(upstream.port) as wire:
        task = asyncio.create_task(follow(PydanticAI(), "Go.", {"model": "m", "base_url": wire.base_url}))
        while not (upstream.requests or task.done()):
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait_for(wire.client_gone.wait(), 60)
        await asyncio.wait({task})
    assert task.cancelled()
