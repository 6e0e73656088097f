"""No process of a program outlives its run, however its children are started and however the run ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import aclosing
from pathlib import Path

import pytest

from agents.backends import cgroups
from agents.backends.base import BackendEvent, BackendItem
from agents.backends.command import Command
from tests.agents.test_command import PLAYER, allow, heard, player
from tests.needs import lack
from tests.servers import wait_until
from tests.supervisor.processes import is_alive

__all__ = ["allow"]  # a fixture
STOP_SECONDS = 6.0  # the two of the contract, plus what a busy machine needs


async def cancelled_after_a_word(workdir: Path) -> tuple[str, float]:
    """Return the first word of the program `mine`, and how long its cancellation took."""
    said: list[str] = []
    spoke = asyncio.Event()

    async def listen() -> None:
        async with aclosing(Command().stream("work", {"command": "mine"}, workdir)) as stream:
            async for item in stream:
                said.append(text_of(item))
                spoke.set()

    task = asyncio.create_task(listen())
    await asyncio.wait_for(spoke.wait(), 60)
    begun = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return "".join(said), time.monotonic() - begun


@pytest.mark.parametrize("manners", ["deaf", "family", "closes"])
async def test_a_stop_leaves_nothing_of_a_program_within_two_seconds(allow, tmp_path, manners):
    allow(mine=player(manners))
    said, seconds = await cancelled_after_a_word(tmp_path)
    assert said.split() and not [pid for pid in said.split() if is_alive(int(pid))]
    assert seconds < STOP_SECONDS


async def test_a_program_that_is_stopped_may_clean_up(allow, tmp_path):
    allow(mine=player("tidy"))
    await cancelled_after_a_word(tmp_path)
    assert (tmp_path / "cleaned").read_text() == "yes"


async def test_a_flood_that_nobody_reads_is_stopped_like_any_other(allow, tmp_path):
    allow(mine=player("flood", "1000000000000"))
    stream = Command().stream("work", {"command": "mine"}, tmp_path)
    await anext(stream)
    await asyncio.to_thread(wait_until, (tmp_path / "pid").exists, what="the program to begin")
    begun = time.monotonic()
    await stream.aclose()
    assert time.monotonic() - begun < STOP_SECONDS
    assert not is_alive(int((tmp_path / "pid").read_text()))


async def test_a_second_cancellation_does_not_break_off_the_first(allow, tmp_path):
    allow(mine=player("deaf"))
    stream = Command().stream("work", {"command": "mine"}, tmp_path)
    pids = text_of(await anext(stream)).split()
    closing = asyncio.create_task(stream.aclose())
    while not closing.done():
        await asyncio.sleep(0.1)
        closing.cancel()
    assert not [pid for pid in pids if is_alive(int(pid))]


async def test_what_a_program_leaves_behind_when_it_ends_is_ended_too(allow, tmp_path):
    allow(mine=player("family", "leave"))
    seen = await heard(tmp_path, command="mine")
    assert seen.error == ""
    assert len(seen.text().split()) == 5
    assert not [pid for pid in seen.text().split() if is_alive(int(pid))]


@pytest.mark.parametrize("manners", ["deaf", "family"])
def test_nothing_is_left_when_the_worker_is_killed(tmp_path, manners):
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from agents.backends.command import Command\n"
        "from agents.backends.programs.allowed import Allowed, read_allowed_from\n"
        f"read_allowed_from(lambda: Allowed({{'mine': {player(manners)!r}}}, 'none'))\n"
        "async def main():\n"
        "    async for item in Command().stream('work', {'command': 'mine'}, Path(sys.argv[1])):\n"
        "        print(item.content, flush=True)\n"
        "asyncio.run(main())"
    )
    checkout = Path(PLAYER).parents[2]
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=checkout, stdout=subprocess.PIPE, text=True
    )
    pids = [int(pid) for pid in worker.stdout.readline().split()]
    assert len(pids) >= 2 and all(map(is_alive, pids))
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    wait_until(lambda: not any(map(is_alive, pids)), what="all of the program to end")


async def test_a_program_dies_with_its_keeper(allow, tmp_path):
    allow(mine=player("silent"))
    stream = Command().stream("work", {"command": "mine"}, tmp_path)
    await anext(stream)
    [guardian] = [
        pid for pid in children_of(os.getpid()) if "guardian.py" in Path(f"/proc/{pid}/cmdline").read_text()
    ]
    [program] = children_of(guardian)
    os.kill(guardian, signal.SIGKILL)
    await asyncio.to_thread(wait_until, lambda: not is_alive(program), what="the program to end")
    await stream.aclose()


def text_of(item: BackendItem) -> str:
    assert isinstance(item, BackendEvent)
    return item.content


def children_of(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


# ---------------------------------------------------------------- resource limits
async def test_a_program_with_too_many_processes_is_stopped_with_all_of_them(allow, tmp_path):
    allow(mine=player("crowd", "60", limits={"processes": 40}))
    seen = await heard(tmp_path, command="mine")
    assert seen.error == "`mine` had more than the limit of 40 processes at once, and was stopped"
    assert seen.limit == "processes"


async def test_a_file_has_a_size_that_it_cannot_grow_beyond(allow, tmp_path):
    allow(mine=player("fill", str(tmp_path / "big"), "20000000", limits={"file_mb": 2}))
    told = json.loads((await heard(tmp_path, command="mine")).text())
    assert (told["error"], (tmp_path / "big").stat().st_size) == ("File too large", 2_000_000)


async def test_a_program_is_stopped_before_the_disk_is_full(allow, tmp_path):
    allow(mine=player("silent", limits={"free_mb": 900_000_000}))
    seen = await heard(tmp_path, command="mine")
    assert seen.error == "`mine` ran while less than 900,000,000 MB of the disk were free, and was stopped"
    assert seen.limit == "disk"


async def test_a_program_that_only_says_it_reached_a_limit_has_failed_and_shows_no_secret(allow, tmp_path):
    words = "echo 'limit reached: key sk-abcdefghijklmnopqrstuvwx of /srv/secret/file' >&2; exit 122"
    allow(mine={"argv": ["sh", "-c", words]})
    seen = await heard(tmp_path, command="mine")
    assert seen.error == "`mine` ended with exit status 122: limit reached: key [redacted] of [path]"
    assert seen.limit == ""


async def test_a_program_that_kills_its_keeper_is_ended_by_its_control_group(allow, tmp_path):
    parent = cgroups._own_group()
    if parent is None or not os.access(parent, os.W_OK):
        lack("there is no control group to write in")
    allow(mine=player("outlive"))
    seen = await heard(tmp_path, command="mine")
    pids = [int(pid) for pid in seen.text().split()]
    assert len(pids) == 2 and not [pid for pid in pids if is_alive(pid)]
