"""A client gets every number once and in order, whatever happens to the messages on the way."""

import random

import pytest

from agents.models import Agent
from mission_control.models import Task
from mission_control.realtime.relay import Relay
from mission_control.realtime.replay import ReplayPosition, stored_frames
from mission_control.runs.admission import admit
from mission_control.runs.events import Draft, append
from mission_control.runs.lifecycle import claim

pytestmark = pytest.mark.django_db(transaction=True)
EVENTS = 30


@pytest.fixture
def run(transactional_db):
    agent = Agent.objects.create(name="Demo", role="Rehearser", backend="demo")
    run = claim(admit(Task.objects.create(title="Task"), agent).pk, worker="test")
    append(run.pk, run.claim_token, [Draft("message", str(number)) for number in range(2, EVENTS + 1)], after=1)
    return run


def messages(run, rng: random.Random) -> list[dict]:
    """Split the run's log into messages, lose some, repeat some, and shuffle them a little."""
    frames = stored_frames(str(run.pk), 0, upto=None)
    parts: list[dict] = []
    while frames:
        size = rng.randint(1, 4)
        parts.append({"run": str(run.pk), "frames": frames[:size]})
        frames = frames[size:]
    kept = [part for part in parts if rng.random() > 0.4]
    kept += rng.choices(parts, k=3)
    kept.sort(key=lambda part: part["frames"][0][0] + rng.randint(-6, 6))
    return kept


@pytest.mark.parametrize("seed", range(25))
async def test_lost_doubled_and_overtaking_messages_are_made_good(run, seed):
    from asgiref.sync import sync_to_async

    relay = Relay.for_running_loop()
    position, got = ReplayPosition(relay), []
    for message in await sync_to_async(messages)(run, random.Random(seed)):
        got += [frame.seq for frame in await position.advance(message)]
    got += [frame.seq for frame in await position.catch_up({str(run.pk): EVENTS})]
    await relay.read(_close)

    assert got == list(range(1, EVENTS + 1))


async def test_a_replay_begins_behind_the_number_and_goes_to_the_end(run):
    relay = Relay.for_running_loop()
    position = ReplayPosition(relay)
    got = [frame.seq async for frames in position.replay(str(run.pk), after=12) for frame in frames]
    await relay.read(_close)

    assert got == list(range(13, EVENTS + 1))
    assert position.seqs == {str(run.pk): EVENTS}


def _close() -> None:
    from django.db import connection

    connection.close()
