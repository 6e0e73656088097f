"""A stream of a run that says nothing."""

import asyncio
from contextlib import aclosing

import pytest
from asgiref.sync import sync_to_async

from mission_control import follower
from mission_control.api import stream
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_stream_of_a_silent_run_is_kept_alive_whatever_goes_by_inside(monkeypatch):
    """The follower tells every few seconds where the runs stand: more often than a comment is due."""
    monkeypatch.setattr(follower, "SAFETY_SECONDS", 0.05)
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.4)
    run = await sync_to_async(make.run)()

    async with asyncio.timeout(10), aclosing(stream._log(run, after=1)) as log:
        comments = 0
        async for lines in log:
            comments += lines == ": still here\n\n"
            if comments == 2:
                break
    assert comments == 2
