"""What a model server may send: odd answers, which are understood, and hostile ones, which are refused."""

import gzip
import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.backends.base import BackendError, EventType, QuotaUsedUp, TransientError
from agents.backends.pydantic_ai import OpenAIAgents, PydanticAI, wire
from agents.backends.pydantic_ai.answer import EventTranslator
from agents.backends.pydantic_ai.thoughts import Thoughts, without_thoughts
from tests.agents.follow import Followed, follow
from tests.agents.wire import STREAM_HEAD, chunk, raw_server, saying

DONE = b"data: [DONE]\n\n"
MEMORY = "model requires more system memory (8.0 GiB) than is available"


def head(status: str = "200 OK", kind: str = "application/json", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", "connection: close", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def chunked(*pieces: bytes) -> list[bytes]:
    frames = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
    return [head("200 OK", "text/event-stream", "transfer-encoding: chunked"), *frames]


async def ask(*pieces: bytes, **options) -> Followed:
    async with raw_server(saying(*pieces)) as server:
        return await follow(PydanticAI(), "Go.", {"model": "m", "base_url": server.base_url, **options})


# ---------------------------------------------------------------- the end of an answer
@pytest.mark.parametrize(
    "pieces",
    [
        [STREAM_HEAD, chunk("one "), chunk("two"), DONE],
        [*chunked(chunk("one "), chunk("two")), b"0\r\n\r\n"],
    ],
    ids=["[DONE]", "HTTP's own end"],
)
async def test_an_answer_without_a_reason_to_finish_is_whole_where_its_end_is_clear(pieces):
    seen = await ask(*pieces)
    assert (seen.text(), seen.answer, seen.error) == ("one two", "one two", "")


async def test_a_stream_whose_last_chunk_is_missing_is_not_whole():
    seen = await ask(*chunked(chunk("one ")))
    assert seen.text() == "one " and "broke off before" in seen.error


@pytest.mark.parametrize("pieces", [[chunk(finish="stop"), DONE], [DONE], [chunk(" "), chunk(finish="stop")]])
async def test_an_empty_answer_is_called_that(pieces):
    seen = await ask(STREAM_HEAD, *pieces)
    assert seen.error == "The model returned an empty answer" or (seen.error, seen.answer.strip()) == ("", "")


# ---------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ([head(), json.dumps({"error": {"message": MEMORY}}).encode()], f"failed: {MEMORY}"),
        ([head(), json.dumps({"error": MEMORY}).encode()], f"failed: {MEMORY}"),
        ([head("500 Oh"), json.dumps({"error": MEMORY}).encode()], f"(HTTP 500); try again later: {MEMORY}"),
        ([head("404 No"), b'{"detail": "No such path"}'], "(HTTP 404): No such path"),
    ],
)
async def test_the_message_of_a_json_error_is_shown_whatever_the_status(pieces, error):
    seen = await ask(*pieces)
    assert seen.error.endswith(error) and seen.error.startswith("The server at 127.0.0.1:")


@pytest.mark.parametrize("error", [MEMORY, {"message": MEMORY}])
async def test_the_message_of_an_error_amid_the_stream_is_shown(error):
    seen = await ask(STREAM_HEAD, chunk("one "), b"data: " + json.dumps({"error": error}).encode() + b"\n\n")
    assert seen.text() == "one " and seen.error.endswith(f": {MEMORY}")


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "404 Not Found", "500 Oh", "502 Bad Gateway"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", b"<html>INTERNAL 10.0.0.7</html>"),
        ("text/plain", b"INTERNAL notes"),
        ("application/json", b'{"users": ["INTERNAL"], "data": {"message": "INTERNAL"}}'),
        ("application/json", b'["INTERNAL"]'),
        ("application/json", b'"INTERNAL"'),
        ("application/json", b'{"error": {"debug": "INTERNAL"}}'),
    ],
)
async def test_whatever_else_a_server_answers_is_not_shown(status, kind, body):
    seen = await ask(head(status, kind), body)
    assert seen.error and "INTERNAL" not in seen.error


async def test_a_server_that_is_busy_says_when_to_come_back():
    async with raw_server(saying(head("503 Busy", "application/json", "retry-after: 7"), b"{}")) as server:
        stream = PydanticAI().stream("Go.", {"model": "m", "base_url": server.base_url}, Path())
        with pytest.raises(TransientError) as busy:
            async for _ in stream:
                pass
    assert busy.value.retry_after_seconds == 7


@pytest.mark.parametrize(
    ("headers", "minutes"),
    [
        (["retry-after: 3600"], 60),
        (["x-ratelimit-remaining-requests: 0", "x-ratelimit-reset-requests: 1h30m0s"], 90),
    ],
)
async def test_long_rate_limit_is_a_used_up_quota_of_the_server(headers, minutes):
    async with raw_server(saying(head("429 Slow", "application/json", *headers), b"{}")) as server:
        options = {"model": "m", "base_url": server.base_url}
        with pytest.raises(QuotaUsedUp) as used_up:
            async for _ in PydanticAI().stream("Go.", options, Path()):
                pass
    assert used_up.value.account == PydanticAI.account(options) == server.base_url.split("/")[2]
    expected = datetime.now(UTC) + timedelta(minutes=minutes)
    assert used_up.value.resets_at is not None
    assert abs(used_up.value.resets_at - expected) < timedelta(minutes=5)


async def test_short_rate_limit_is_waited_for():
    async with raw_server(saying(head("429 Slow", "application/json", "retry-after: 60"), b"{}")) as server:
        with pytest.raises(TransientError) as busy:
            async for _ in PydanticAI().stream("Go.", {"model": "m", "base_url": server.base_url}, Path()):
                pass
    assert busy.value.retry_after_seconds == 60


def test_account_of_a_provider_names_the_end_of_its_key(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-" + "x" * 30 + "a1b2")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-" + "x" * 30 + "c3d4")
    assert PydanticAI.account({"model": "anthropic:claude-sonnet-5-5"}) == "anthropic:…a1b2"
    assert PydanticAI.account({"model": "openai-responses:gpt-5"}) == "openai:…c3d4"
    assert OpenAIAgents.account({"model": "gpt-5"}) == "openai:…c3d4"


# ---------------------------------------------------------------- size
@pytest.mark.parametrize(
    ("piece", "times", "error"),
    [
        (b"data: " + b"A" * 60_000, 40, "a line that is too long"),
        (b"data: A\n" * 7_000, 40, "a line that is too long"),
        (b": ping\n\n" * 7_000, 40, "an answer that is too long"),
    ],
    ids=["an endless line", "an endless event", "no end"],
)
async def test_an_answer_without_end_is_refused_before_it_fills_the_memory(piece, times, error, monkeypatch):
    monkeypatch.setattr(wire, "EVENT_BYTES", 400_000)
    monkeypatch.setattr(wire, "ANSWER_BYTES", 600_000)

    async def pour(writer):
        writer.write(STREAM_HEAD)
        for _ in range(times):
            writer.write(piece)
            await writer.drain()

    await ask(head("500 Oh", "text/plain"), b"")  # do not count what the first call imports and keeps
    tracemalloc.start()
    async with raw_server(pour) as server:
        seen = await follow(PydanticAI(), "Go.", {"model": "m", "base_url": server.base_url})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error in seen.error
    assert peak < 10_000_000


async def test_an_error_page_without_end_is_refused():
    seen = await ask(head("500 Oh", "text/plain"), *[b"A" * 100_000] * 15)
    assert "an answer that is too long" in seen.error


async def test_no_compressed_answer_is_asked_for_and_none_is_unpacked():
    bomb = gzip.compress(b"\0" * 3_000_000)
    answer = saying(head("200 OK", "text/event-stream", "content-encoding: gzip"), bomb)
    async with raw_server(answer) as server:
        seen = await follow(PydanticAI(), "Go.", {"model": "m", "base_url": server.base_url})
    assert server.headers()["accept-encoding"] == "identity"
    assert seen.error.endswith("sent a compressed answer, which was not asked for")


# ---------------------------------------------------------------- addresses
@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "2852039166",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "100.100.100.200",
        "[fd00:ec2::254]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[::a9fe:a9fe]",
        "[fd20:ce::254]",
        "168.63.129.16",
    ],
)
async def test_an_address_that_gives_away_a_machines_credentials_is_refused(host):
    seen = await follow(PydanticAI(), "Go.", {"model": "m", "base_url": f"http://{host}/latest"})
    assert seen.error.endswith("is at an address that is not allowed (link-local)")


async def test_a_name_that_leads_there_only_when_the_connection_is_made_is_seen_too(monkeypatch):
    async def passes(request):
        pass

    monkeypatch.setattr(wire, "refuse_forbidden", passes)
    monkeypatch.setattr(wire, "is_forbidden", lambda address: address == "127.0.0.1")
    seen = await ask(STREAM_HEAD, chunk("secret"), chunk(finish="stop"))
    assert (seen.text(), seen.error.endswith("is not allowed (link-local)")) == ("", True)


@pytest.mark.parametrize("listed", ["127.0.0.1:1", "localhost", "llm.example.org , 10.0.0.1"])
async def test_the_operator_may_say_which_model_servers_agents_may_use(listed, settings):
    settings.MODEL_SERVERS = listed.split(",")
    seen = await ask(STREAM_HEAD, chunk("hi"), chunk(finish="stop"))
    assert "MISSION_CONTROL_MODEL_SERVERS" in seen.error and not seen.events


async def test_a_server_that_the_operator_lists_is_used(settings):
    settings.MODEL_SERVERS = [" 127.0.0.1 ", "other.example.org"]
    assert (await ask(STREAM_HEAD, chunk("hi"), chunk(finish="stop"))).text() == "hi"


# ---------------------------------------------------------------- thoughts inside the text
@pytest.mark.parametrize(
    "pieces",
    [
        ["<think>\n", "Hm", ".", "</think>\n\n", "Yes."],
        ["<th", "ink>Hm.</thi", "nk>Yes."],
        ["<think>Hm.</think>Yes."],
    ],
)
async def test_thoughts_between_tags_are_no_part_of_the_answer(pieces):
    seen = await ask(STREAM_HEAD, *map(chunk, pieces), chunk(finish="stop"))
    assert (seen.text(), seen.text(EventType.THINKING).strip(), seen.answer) == ("Yes.", "Hm.", "Yes.")


@pytest.mark.parametrize("text", ["a <think> b", "<thin", "<b>bold</b>", " x", "</think>"])
def test_what_only_looks_like_a_tag_is_said(text):
    thoughts = Thoughts()
    said = [words for piece in text for kind, words in thoughts.feed(piece) if not kind]
    assert "".join(said + [words for _, words in thoughts.end()]) == text == without_thoughts(text)


def test_the_thoughts_of_two_turns_are_two_paragraphs():
    from pydantic_ai.messages import PartStartEvent, TextPart, ThinkingPart

    translation = EventTranslator()
    parts: list = [ThinkingPart("Hm."), TextPart("One."), ThinkingPart("Let me see."), TextPart("Two.")]
    starts = [PartStartEvent(index=index, part=part) for index, part in enumerate(parts)]
    events = [event for start in starts for event in translation.of(start)]
    assert [event.content for event in events] == ["Hm.", "One.", "\n\nLet me see.", "\n\nTwo."]


# ---------------------------------------------------------------- which failures are retried
@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("401 No", {"error": {"message": "Incorrect key", "code": "invalid_api_key"}}),
        ("403 No", {"error": {"message": "Not for you"}}),
        ("402 Pay", {"error": {"message": "No credit"}}),
        ("429 Slow", {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}),
    ],
)
async def test_a_wrong_key_and_an_exhausted_quota_are_asked_once_and_said_at_once(status, body):
    async with raw_server(saying(head(status), json.dumps(body).encode())) as server:
        stream = PydanticAI().stream("Go.", {"model": "m", "base_url": server.base_url}, Path())
        with pytest.raises(BackendError) as refused:
            async for _ in stream:
                pass
    assert len(server.requests) == 1 and not isinstance(refused.value, TransientError)
