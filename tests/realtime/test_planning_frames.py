"""The frames of each socket for a planning, which is a run without a task."""

import asyncio
import json

import pytest

from mission_control.models import Run
from tests import make
from tests.planning.planners import NAMES, a_planner, carried_out, started
from tests.realtime.test_consumers import leave, socket

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def planner(settings) -> None:
    settings.MISSION_CONTROL_BACKENDS = NAMES
    a_planner()


async def events_until(client, last: str, run: Run) -> list[str]:
    """Return the names of the run's frames up to `last`, in order."""
    found: list[str] = []
    while last not in found:
        frame = json.loads(await client.receive_from(timeout=60))
        if frame.get("data", {}).get("run_id") == str(run.pk):
            found.append(frame["event_type"])
    return found


async def test_of_a_planning_ws_sends_only_the_frames_of_its_phases():
    token = await asyncio.to_thread(make.token, expiry=None)
    theirs, ours = socket("/ws", token), socket("/ws/mission-control", token)
    for client in (theirs, ours):
        assert (await client.connect(timeout=60))[0]
        await client.receive_from(timeout=60)
    _, run = await asyncio.to_thread(started)
    working = asyncio.create_task(asyncio.to_thread(carried_out, run))
    on_theirs = await events_until(theirs, "dw_planning_complete", run)
    on_ours = await events_until(ours, "mc_task_completed", run)
    await working
    await theirs.disconnect()
    await leave(ours)

    assert set(on_theirs) == {"dw_planning_phase", "dw_planning_complete"}
    assert set(on_ours) == {*on_theirs, "mc_task_started", "mc_task_output", "mc_task_completed"}
