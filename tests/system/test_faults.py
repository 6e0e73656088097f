"""Recovery from faults: nothing remains stuck, no stored output is lost, every lost run has a reason."""

import json
import os
import signal
import tempfile
from pathlib import Path

import pytest

from tests.product import Product, frames_of, server_environment
from tests.servers import PostgreSQL, Redis, wait_until

pytestmark = [pytest.mark.system, pytest.mark.exhaustive]
LOST_SECONDS = 30  # the promise: a lost run has ended and its slot is free after at most this long


def holder_of(product: Product, run: str) -> int:
    """Return the pid of the worker process that holds the run, from the product's own database."""
    worker = product.shell(f"from mission_control.models import Run; print(Run.objects.get(pk='{run}').worker)")
    return int(worker.strip().rpartition("/")[2].partition("-")[0])


def test_a_run_whose_worker_is_killed_ends_with_the_reason_and_gives_its_slot_back(fresh_product):
    product = fresh_product
    agent = product.new_rehearser(100_000, delay=0.02)
    runs = [product.run(product.new_task(), agent) for _ in range(5)]
    for run in runs:
        product.running(run)
    with product.socket(f"/ws/mission-control/runs/{runs[0]}?after=0") as socket:
        os.kill(holder_of(product, runs[0]), signal.SIGKILL)
        frames = frames_of(socket, seconds=LOST_SECONDS)

    ended = product.run_of(runs[0])
    assert (ended["status"], ended["error"]) == ("error", "worker lost")
    assert [frame["seq"] for frame in frames] == list(range(1, ended["last_seq"] + 1))
    assert ended["output"].startswith("[1] ")
    assert [product.run_of(run)["status"] for run in runs[1:]] == ["running"] * 4
    product.running(product.run(product.new_task(), agent))


def test_stopping_the_product_interrupts_what_runs_and_says_so_and_starts_again_with_everything(fresh_product):
    product = fresh_product
    task = product.new_task(title="Interrupted work")
    run = product.run(task, product.new_rehearser(100_000, delay=0.02))
    product.running(run)

    assert product.stop() == 0
    assert "Interrupted work" in product.said() and run in product.said()
    product.start()
    ended = product.run_of(run)
    assert (ended["status"], ended["error"]) == ("stopped", "Mission Control was shut down")
    assert ended["output"].startswith("[1] ")
    again = product.ended(product.run(task, product.new_rehearser(3)))
    assert (again["status"], again["attempt"]) == ("completed", 2)


def test_after_a_kill_of_everything_the_next_start_ends_the_lost_run_at_once(fresh_product):
    product = fresh_product
    run = product.run(product.new_task(), product.new_rehearser(100_000, delay=0.02))
    product.running(run)
    script = [{"say": "One "}, {"quota": 3600}, {"say": "two"}]
    parked = product.run(product.new_task(), product.new_agent(backend_options={"script": script}))
    wait_until(lambda: product.run_of(parked)["status"] == "parked", what="a run to be parked")
    os.kill(product.process.pid, signal.SIGKILL)
    product.process.wait()
    product.start()

    ended = product.run_of(run)
    assert (ended["status"], ended["error"]) == ("error", "worker lost")
    assert product.ended(product.run(product.new_task(), product.new_rehearser(3)))["status"] == "completed"
    assert product.run_of(parked)["status"] == "parked"
    product.post(f"/runs/{parked}/resume")
    assert product.ended(parked)["output"].count("One") == 1


def test_clients_go_on_behind_their_last_number_when_the_web_server_is_killed(fresh_product):
    product = fresh_product
    run = product.run(product.new_task(), product.new_rehearser(200, delay=0.03))
    with product.socket(f"/ws/mission-control/runs/{run}?after=0") as socket:
        head = [json.loads(socket.recv(timeout=60)) for _ in range(6)]
    os.kill(product.web_pid(), signal.SIGKILL)
    after = head[-1]["data"]["seq"]
    wait_until(product.is_ready, what="the web server to be started again")
    with product.socket(f"/ws/mission-control/runs/{run}?after={after}") as socket:
        tail = frames_of(socket)

    assert [frame["seq"] for frame in tail] == list(range(after + 1, product.ended(run)["last_seq"] + 1))
    assert product.run_of(run)["status"] == "completed"


@pytest.mark.server
def test_without_redis_in_mid_run_every_number_arrives_once_and_in_order(tmp_path_factory):
    redis = Redis(Path(tempfile.mkdtemp(prefix="mission-control-redis-")))
    environment = server_environment(os.environ["DATABASE_URL"], redis.url)
    product = Product(tmp_path_factory.mktemp("redis"), **environment).start()
    try:
        agent = product.new_rehearser(300, delay=0.02)
        with product.socket() as early:
            run = product.run(product.new_task(), agent)
            product.running(run)
            redis.stop()
            with product.socket(f"/ws/mission-control/runs/{run}?after=0") as late:
                frames = frames_of(early, run)
                assert [frame["seq"] for frame in frames_of(late)] == [frame["seq"] for frame in frames]
            second = product.run(product.new_task(), product.new_rehearser(20))
            redis.start()
            third = product.run(product.new_task(), product.new_rehearser(20))
            both: dict[str, list[dict]] = {second: [], third: []}
            while (
                len(both[second]) == 0
                or len(both[third]) == 0
                or not all(part[-1]["event"] == "mc_task_completed" for part in both.values())
            ):
                frame = json.loads(early.recv(timeout=30))
                data = frame.get("data", {})
                if data.get("run_id") in both:
                    both[data["run_id"]].append({**data, "event": frame["event_type"]})
        assert [frame["seq"] for frame in frames] == list(range(1, product.ended(run)["last_seq"] + 1))
        assert product.run_of(run)["output"].count("] ") == 300
        for one, part in both.items():
            assert [frame["seq"] for frame in part] == list(range(1, product.ended(one)["last_seq"] + 1))
    finally:
        product.stop()
        redis.stop()


@pytest.mark.server
def test_a_run_outlives_a_restart_of_postgresql_and_the_api_says_503_meanwhile(tmp_path_factory):
    postgresql = PostgreSQL(Path(tempfile.mkdtemp(prefix="mission-control-postgresql-")))
    environment = server_environment(postgresql.url, os.environ["REDIS_URL"])
    product = Product(tmp_path_factory.mktemp("postgresql"), **environment).start()
    try:
        run = product.run(product.new_task(), product.new_rehearser(300, delay=0.02))
        product.running(run)
        postgresql.stop()
        answer = product.client.get("/tasks")
        assert (answer.status_code, list(answer.json())) == (503, ["detail"])
        postgresql.start()
        wait_until(lambda: product.client.get("/tasks").status_code == 200, what="the API to answer again")

        ended = product.ended(run)
        assert (ended["status"], ended["error"]) == ("completed", None)
        assert [event["seq"] for event in product.events(run)] == list(range(1, ended["last_seq"] + 1))
        assert ended["output"].count("] ") == 300
        assert product.ended(product.run(product.new_task(), product.new_rehearser(3)))["status"] == "completed"
    finally:
        product.stop()
        postgresql.stop()
