"""Whatever a client sends, its socket stays open, answers as the contract says, and delivers the next event."""

import json
from urllib.parse import quote, urlencode

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from hypothesis import given
from hypothesis import strategies as st

from mission_control.realtime.frames import RunHeader
from mission_control.realtime.publisher import publish_events
from mission_control.runs import events
from mission_control.runs.lifecycle import claim
from pocketpaw_site.asgi import application
from tests import make
from tests.properties.conftest import share
from tests.properties.hostile import texts
from tests.realtime.test_consumers import leave, socket

pytestmark = pytest.mark.usefixtures("database")

PLACES = ["", "/tasks/{task}", "/projects/{project}", "/runs/{run}"]
ACTIONS = ["browse", "authenticate", "get_settings", "", "Browse", 7, None, [], {"action": "browse"}, True]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from(ACTIONS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
objects = st.fixed_dictionaries(
    {"action": st.sampled_from(ACTIONS)}, optional={"path": values, "context": values, "token": values}
)
CRAFTED = [
    "", " ", "null", "NaN", "Infinity", '"', "{", "[1,", "{}", "[]", '{"action"}', "\x00",
    '{"action": "browse", "action": 1}',
    '{"action": 1, "action": "browse", "path": ".."}', '{"action": "browse", "context": NaN}', "\ufeff{}",
    '{"action": "browse", "path": "\\ud800\\u0000", "context": "\\udfff"}', '{"action": -1e999}',
    '{"action": "browse", "path": "' + "../" * 2_000 + '"}', '{"a": ' + "9" * 5_000 + "}", "{}\x00",
    '{"action": "authenticate", "token": "\\u0000"}', '{"action": "authenticate", "token": {}}',
]  # fmt: skip
depths = st.one_of(st.integers(1, 300), st.integers(900, 1_100), st.just(100_000))
nested = st.builds(
    lambda depth, before, after: before + "[" * depth + "]" * depth + after,
    depths,
    st.sampled_from(["", '{"action": "browse", "context": ', '{"action": ']),
    st.sampled_from(["", "}"]),
)
said = st.one_of(
    texts.map(lambda text: text.encode("utf-8", "replace").decode()),
    st.binary(max_size=50),
    values.map(json.dumps),
    objects.map(json.dumps),
    st.sampled_from(CRAFTED),
    nested,
)


class Work:
    """A run whose agent emits something on request."""

    def __init__(self) -> None:
        self.task = make.task(project=make.project())
        self.run = claim(make.run(self.task).pk, worker="folder/group/othernode/1-1")
        self.header = RunHeader.of(self.run)
        self.seq = 1

    def path(self, place: str) -> str:
        return place.format(task=self.task.pk, project=self.task.project_id, run=self.run.pk)

    async def say(self) -> int:
        """Store and publish an event as a worker does; return its number."""
        draft = events.Draft("message", f"number {self.seq + 1}")
        append = sync_to_async(events.append)
        stored = await append(self.run.pk, self.run.claim_token, [draft], after=self.seq)
        await publish_events(self.header, stored)
        self.seq += 1
        return self.seq


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def token() -> str:
    return make.token(expiry=None)


async def send(client: WebsocketCommunicator, message: str | bytes) -> None:
    """Send a message in the form that daphne passes on, including an empty one."""
    kind = "bytes" if isinstance(message, bytes) else "text"
    await client.send_input({"type": "websocket.receive", kind: message})


async def connected(client: WebsocketCommunicator) -> dict:
    """Connect and return the first message: the greeting, or the close code."""
    assert (await client.connect(timeout=60))[0]
    return frame_in(await client.receive_output(timeout=60))


def frame_in(output: dict) -> dict:
    return json.loads(output["text"]) if output["type"] == "websocket.send" else {"closed": output["code"]}


async def heard(client: WebsocketCommunicator, work: Work, *, answers: int) -> list[dict]:
    """Return that many answers to the sent messages, and check that the next event comes too, exactly once."""
    answered: list[dict] = []
    seq, found = await work.say(), []
    while len(answered) < answers or seq not in found:
        frame = frame_in(await client.receive_output(timeout=60))
        assert "closed" not in frame
        if frame["type"] != "system_event":
            answered.append(frame)
        elif "seq" in frame["data"]:
            found.append(frame["data"]["seq"])
    assert found == list(range(found[0], seq + 1))
    return answered


def parsed(message: str | bytes) -> object:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return json.loads(message, parse_constant=refuse) if isinstance(message, str) else None
    except (ValueError, RecursionError):
        return None


@share(0.25)
@given(place=st.sampled_from(PLACES), messages=st.lists(said, max_size=5))
async def test_whatever_is_sent_is_answered_by_an_error_and_the_next_event_comes(work, token, place, messages):
    client = socket("/ws/mission-control" + work.path(place), token)
    assert (await connected(client))["type"] == "connection_info"
    for message in messages:
        await send(client, message)
    answers = await heard(client, work, answers=len(messages))
    await leave(client)

    assert [(answer["type"], answer["message"] == answer["content"]) for answer in answers] == [
        ("error", True)
    ] * len(messages)


@share(0.25)
@given(messages=st.lists(said, max_size=5))
async def test_pocketpaws_socket_answers_what_it_knows_and_is_silent_for_other_actions(work, token, messages):
    expected = [answer for message in messages if (answer := answer_of_pocketpaws(message))]
    client = socket("/ws", token)
    assert (await connected(client))["type"] == "connection_info"
    for message in messages:
        await send(client, message)
    answers = await heard(client, work, answers=len(expected))
    await leave(client)

    assert [answer["type"] for answer in answers] == expected
    # Without a path it lists the projects' folders, and other tests may have created some.
    entries = [entry for answer in answers if answer["type"] == "files" for entry in answer["files"]]
    assert all(entry.keys() == {"name", "isDir", "size"} for entry in entries)


def answer_of_pocketpaws(message: str | bytes) -> str | None:
    content = parsed(message)
    action = content.get("action") if isinstance(content, dict) else None
    if not isinstance(action, str):
        return "error"
    return "files" if action == "browse" else None


numbers = st.one_of(
    st.integers(-5, 20).map(str), st.integers().map(str), texts, st.sampled_from(["1e3", "٣", "1_0", " 1", "0x1"])
)


@share(0.25)
@given(after=numbers, run=st.none() | texts | st.uuids().map(str) | st.just("mine"), place=st.sampled_from(PLACES))
async def test_whatever_the_query_says_the_socket_answers_and_brings_what_is_asked_for(
    work, token, after, run, place
):
    run = str(work.run.pk) if run == "mine" else run
    query = urlencode({"after": after} | ({} if run is None else {"run": run}), errors="replace")
    client = socket(f"/ws/mission-control{work.path(place)}?{query}", token)
    first = await connected(client)

    if place.startswith("/tasks") and run not in (None, str(work.run.pk), ""):
        assert first == {"closed": 4404}
    else:
        assert first["type"] == "connection_info"
        if not (after.isdecimal() and int(after) > work.seq):  # otherwise all events are before that number
            await heard(client, work, answers=0)
    await leave(client)


@st.composite
def wrong_tokens(draw, right: str) -> str:
    """Return a text that is not the token, such as its beginning followed by something odd."""
    odd = draw(st.sampled_from(["\x00", "é", "zz", "\ud800", " ", ""]) | texts)
    kept = draw(st.integers(0, len(right) - 1))
    return right[:kept] + odd + draw(st.sampled_from(["", right[kept:]]))


@share(0.25)
@given(data=st.data(), way=st.sampled_from(["header", "query", "message"]))
async def test_no_wrong_token_is_let_in_and_none_breaks_the_socket(token, data, way):
    wrong = data.draw(
        wrong_tokens(token).filter(lambda text: text.split() != [token])
    )  # the server ignores white space around it
    header = [(b"authorization", b"Bearer " + wrong.encode("utf-8", "replace"))] if way == "header" else []
    query = f"?token={quote(wrong, errors='replace') or '-'}" if way == "query" else ""
    client = WebsocketCommunicator(application, f"/ws{query}", headers=header)
    assert (await client.connect(timeout=60))[0]
    if way != "query":
        await client.send_to(text_data=json.dumps({"action": "authenticate", "token": wrong}))

    assert await client.receive_output(timeout=60) == {"type": "websocket.close", "code": 4003}
    await client.disconnect()
