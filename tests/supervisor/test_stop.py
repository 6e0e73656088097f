"""The end of `up`: all processes end soon, and interrupted runs are named."""

import os
import signal
import time

import pytest

from tests.needs import lack
from tests.servers import wait_until
from tests.supervisor.processes import CHECKOUT, MakeRun

pytestmark = [pytest.mark.system, pytest.mark.embedded]

LIMIT_SECONDS = 30  # 10 are promised to the person at the terminal; a busy machine needs longer


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_every_process(up, number):
    product = up()
    os.killpg(product.process.pid, number)
    assert product.await_end(seconds=LIMIT_SECONDS) == 0
    wait_until(lambda: product.pids == [], what="every process to end")
    assert "Traceback" not in product.output
    assert product.output.rstrip().endswith("Stopped.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_make_run_serves_and_ends_with_everything_it_started(folder, number):
    if not (CHECKOUT / ".venv" / "requirements.lock.installed").exists():
        lack("the virtual environment of `make run` is not made; `make test` makes it")
    product = MakeRun(folder)
    try:
        product.await_ready()
        assert product.call("GET", "/api/mission-control/tasks")[1]["count"] == 2  # the sample data
        if number == signal.SIGINT:
            os.killpg(product.process.pid, number)  # Ctrl-C reaches the whole group
        else:
            product.signal(number)
        product.await_end(seconds=LIMIT_SECONDS)
        wait_until(lambda: product.pids == [], seconds=LIMIT_SECONDS, what="every process to end")
        assert "Stopped." in product.output
    finally:
        product.end()


def test_interrupted_and_waiting_runs_are_named(up):
    product = up(MISSION_CONTROL_MAX_CONCURRENT_TASKS="1")
    assert product.call("GET", "/api/mission-control/projects")[1]["count"] == 0
    assert product.call("GET", "/api/mission-control/capacity")[1]["limit"] == 1
    running = product.run(product.make_task("Long\x1b[2J work", chunks=10000, delay_seconds=0.1))
    waiting = product.run(product.make_task("Patient work", chunks=1), when_full="queue")
    product.await_status(running, "running")
    product.signal(signal.SIGINT)
    assert product.await_end(seconds=LIMIT_SECONDS) == 0
    wait_until(lambda: product.pids == [], what="every process to end")
    assert f"Interrupted: Long [2J work by Agent of Long [2J work (run {running})" in product.output
    assert f"Queued for the next start: Patient work by Agent of Patient work (run {waiting})" in product.output
    again = up(MISSION_CONTROL_MAX_CONCURRENT_TASKS="1")
    assert again.state(running)["status"] == "stopped"
    assert "shut down" in again.state(running)["error"]
    again.await_status(waiting, "completed")


@pytest.mark.exhaustive
def test_frozen_worker_does_not_keep_it(up):
    product = up()
    for pid in product.pids:
        if pid not in (product.process.pid, product.web):
            os.kill(pid, signal.SIGSTOP)
    product.signal(signal.SIGTERM)
    assert product.await_end(seconds=LIMIT_SECONDS) == 0
    wait_until(lambda: not product.pids, what="the end of the frozen ones")


@pytest.mark.exhaustive
def test_frozen_cluster_does_not_keep_the_worker(up):
    product = up()
    run = product.run(product.make_task("Frozen", chunks=10000, delay_seconds=0.1))
    product.await_status(run, "running")
    cluster = product.cluster
    for pid in (product.sentinel, *product.children_of(product.sentinel)):
        os.kill(pid, signal.SIGSTOP)
    os.kill(cluster, signal.SIGSTOP)
    product.signal(signal.SIGTERM)
    assert product.await_end(seconds=LIMIT_SECONDS) == 0
    wait_until(lambda: product.pids == [], what="every process to end")
    assert f"(run {run})" in product.output


@pytest.mark.exhaustive
def test_second_signal_hurries(up):
    product = up()
    for pid in (product.cluster, product.sentinel):
        os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    product.signal(signal.SIGINT)
    product.await_line("Stopping")
    product.signal(signal.SIGINT)
    assert product.await_end(seconds=LIMIT_SECONDS) == 0
    wait_until(lambda: product.pids == [], what="every process to end")
    assert time.monotonic() - begun < LIMIT_SECONDS


@pytest.mark.exhaustive
def test_signal_before_it_is_ready_ends_it_too(up):
    product = up(ready=False)
    product.await_line("Starting the web server")
    product.signal(signal.SIGINT)
    assert product.await_end(seconds=LIMIT_SECONDS) == 0
    wait_until(lambda: product.pids == [], what="every process to end")
    assert "Traceback" not in product.output


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_worker_by_hand_goes_and_leaves_the_product_alone(served, start, number):
    before = served.pids
    by_hand = start("worker", "--workers", "2", in_folder=served.folder)
    wait_until(
        lambda: len(by_hand.pids) == 8, what="watchdog, reaper, cluster, sentinel, 2 workers, monitor and pusher"
    )
    os.killpg(by_hand.process.pid, number)
    assert by_hand.await_end(seconds=LIMIT_SECONDS) == 0
    wait_until(lambda: by_hand.pids == [], what="every process to end")
    assert by_hand.output.rstrip().endswith("Stopped.")
    assert served.pids == before


@pytest.mark.exhaustive
def test_worker_by_hand_interrupts_what_it_runs(up, start):
    product = up()
    os.kill(product.sentinel, signal.SIGSTOP)
    for pid in product.children_of(product.sentinel):
        os.kill(pid, signal.SIGSTOP)
    by_hand = start("worker", "--workers", "1")
    run = product.run(product.make_task("By hand", chunks=10000, delay_seconds=0.1))
    product.await_status(run, "running")
    by_hand.signal(signal.SIGINT)
    assert by_hand.await_end(seconds=LIMIT_SECONDS) == 0
    assert f"Interrupted: By hand by Agent of By hand (run {run})" in by_hand.output
    assert product.state(run)["status"] == "stopped"
