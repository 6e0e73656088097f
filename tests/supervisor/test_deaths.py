"""Killed processes are started again, and processes that lose their parent end with it."""

import os
import signal
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from tests.servers import wait_until
from tests.supervisor.processes import is_alive

pytestmark = [pytest.mark.system, pytest.mark.embedded, pytest.mark.exhaustive]


def kill(pid: int) -> int:
    os.kill(pid, signal.SIGKILL)
    return pid


def assert_works(product) -> None:
    run = product.run(product.make_task("After the death", chunks=1, delay_seconds=0))
    product.await_status(run, "completed")


def test_killed_web_server_is_started_again_and_refuses_nobody(mortal):
    killed = kill(mortal.web)
    assert urllib.request.urlopen(f"{mortal.url}/healthz", timeout=30).status == 200
    assert mortal.web not in (None, killed)
    mortal.await_line(f"manage.py web (pid {killed}) was killed by SIGKILL")
    mortal.await_line(f"manage.py web was started again as pid {mortal.web}")


def test_killed_worker_is_started_again_without_its_old_processes(mortal):
    killed = mortal.worker
    family = [pid for pid in mortal.pids if pid not in (mortal.process.pid, mortal.web)]
    kill(killed)
    wait_until(lambda: mortal.worker not in (None, killed), what="another worker")
    wait_until(lambda: not any(map(is_alive, family)), what="the end of the old processes")
    mortal.await_line(f"manage.py worker (pid {killed}) was killed by SIGKILL")
    assert_works(mortal)
    wait_until(lambda: mortal.reaper, what="its reaper")


def test_killed_reaper_is_started_again(mortal):
    killed = kill(mortal.reaper)
    mortal.await_line(f"the reaper (pid {killed}) was killed by SIGKILL")
    wait_until(lambda: mortal.reaper not in (None, killed), what="another reaper")
    mortal.await_line(f"the reaper was started again as pid {mortal.reaper}")


@pytest.mark.parametrize("whom", ["cluster", "sentinel"])
def test_killed_cluster_is_started_again_and_works(mortal, whom):
    old, family = mortal.cluster, mortal.children_of(mortal.sentinel)
    assert len(family) >= 5
    kill(getattr(mortal, whom))
    mortal.await_line(f"the cluster (pid {old})")
    wait_until(lambda: mortal.cluster not in (None, old), what="another cluster")
    wait_until(lambda: not any(map(is_alive, family)), what="the end of the old processes")
    assert_works(mortal)


def test_limit_changed_live_changes_the_workers(mortal, start):
    old = mortal.cluster
    code = "from mission_control.models import Capacity; Capacity.objects.update(limit=3)"
    change = start("shell", "-c", code, in_folder=mortal.folder)
    assert change.await_end() == 0, change.output
    mortal.await_line("from now on 4 workers")
    wait_until(lambda: not is_alive(old), what="the end of the old cluster")
    wait_until(lambda: len(mortal.children_of(mortal.sentinel)) == 4 + 2, what="four workers, monitor and pusher")
    assert_works(mortal)


def test_cluster_whose_idle_workers_are_blocked_is_replaced(up):
    """A worker that dies with the queue's lock leaves the others waiting for it forever."""
    product = up()
    old = product.cluster
    kill(holder_of_the_queue(product))
    run = product.run(product.make_task("Behind a lock", chunks=1, delay_seconds=0))
    product.await_status(run, "completed")
    wait_until(lambda: not is_alive(old), what="the end of the dead cluster")
    assert "a new cluster takes over" in product.output


def holder_of_the_queue(product) -> int:
    """Return the idle worker that reads the queue's pipe; the others wait for its lock."""
    return wait_until(lambda: the_one_that_reads(product), what="all idle workers but one to wait for the lock")


def the_one_that_reads(product) -> int | None:
    waits = {pid: Path(f"/proc/{pid}/syscall") for pid in product.children_of(product.sentinel)[:-2]}
    try:
        calls = {pid: file.read_text().split()[0] for pid, file in waits.items()}
    except PermissionError:
        pytest.skip("seeing what a process waits for needs the right to trace it")
    usual, _ = Counter(calls.values()).most_common(1)[0]
    others = [pid for pid, call in calls.items() if call != usual]
    return others[0] if len(others) == 1 else None


def test_nothing_outlives_a_killed_supervisor_and_its_runs_end_at_the_next_start(up):
    first = up()
    run = first.run(first.make_task("Cut short", chunks=1000, delay_seconds=0.1))
    first.await_status(run, "running")
    assert len(first.pids) > 8
    kill(first.process.pid)
    first.process.wait()
    wait_until(lambda: not first.pids, what="the end of all its processes")
    second = up()
    assert second.state(run)["status"] == "error"
    assert "worker lost" in second.state(run)["error"]
    assert_works(second)
