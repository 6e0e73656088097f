"""A project from its approval to its end in the running product, while workers are killed and the power fails."""

import os
import signal
from collections import Counter, defaultdict

import pytest

from tests.product import Product
from tests.servers import wait_until

pytestmark = [pytest.mark.system, pytest.mark.exhaustive]
LONGEST_SECONDS = 120


def steer(product: Product, project: str, verb: str) -> None:
    answer = product.client.post(f"{product.url}/api/deep-work/projects/{project}/{verb}")
    assert answer.status_code == 200, answer.text


def approved(product: Product, agent: str, *, levels: int, width: int) -> tuple[str, dict[str, list[str]]]:
    """Approve a project of tasks in levels, each blocked by the whole level before; return its tasks too."""
    project = product.post("/projects", title="The whole way")["project"]["id"]
    blockers: list[str] = []
    tasks: dict[str, list[str]] = {}
    for _ in range(levels):
        fields = {"project_id": project, "assignee_ids": [agent], "blocked_by": blockers}
        level = [product.new_task(**fields) for _ in range(width)]
        tasks |= dict.fromkeys(level, blockers)
        blockers = level
    product.call("PATCH", f"/projects/{project}", status="awaiting_approval")
    steer(product, project, "approve")
    return project, tasks


def completed(product: Product, project: str) -> dict:
    return wait_until(
        lambda: (found := product.get(f"/projects/{project}"))["project"]["status"] == "completed" and found,
        seconds=LONGEST_SECONDS,
        what=f"the project to be completed; the product said: {product.said()}",
    )


def runs_of(product: Product, tasks: dict[str, list[str]]) -> dict[str, list[dict]]:
    """Return each task's runs, oldest first."""
    found = defaultdict(list)
    for run in reversed(product.get("/runs?limit=500")["runs"]):
        if run["task_id"] in tasks:
            found[run["task_id"]].append(run)
    return found


def done(product: Product, tasks: dict[str, list[str]]) -> int:
    return Counter(runs[-1]["status"] for runs in runs_of(product, tasks).values())["completed"]


def assert_in_order(product: Product, tasks: dict[str, list[str]], *, causes: set[str]) -> list[str]:
    """Fail unless every task was completed once, after its blockers, and was run again for these causes only."""
    runs = runs_of(product, tasks)
    again = [run["error"] for attempts in runs.values() for run in attempts[:-1]]
    assert set(again) <= causes
    for task, blockers in tasks.items():
        assert [run["status"] for run in runs[task]].count("completed") == 1
        for blocker in blockers:
            assert runs[blocker][-1]["finished_at"] <= runs[task][0]["started_at"]
    return again


def test_a_project_of_no_work_runs_itself_to_its_end(product):
    agent = product.new_rehearser(1)
    project, tasks = approved(product, agent, levels=4, width=6)
    found = completed(product, project)
    assert found["progress"]["percent"] == 100.0
    assert assert_in_order(product, tasks, causes=set()) == []


def test_a_project_goes_on_by_itself_when_workers_are_killed_and_after_a_power_cut(fresh_product):
    product = fresh_product
    agent = product.new_rehearser(20, delay=0.25)  # long enough to find the worker
    project, tasks = approved(product, agent, levels=3, width=4)
    kill_a_worker(product)

    wait_until(lambda: done(product, tasks) >= 4 and product.get("/capacity")["running"], what="the next level")
    os.kill(product.process.pid, signal.SIGKILL)  # all its processes end with it
    product.process.wait()
    product.start()

    completed(product, project)
    again = assert_in_order(product, tasks, causes={"worker lost"})
    assert len(again) >= 2, "the kill or the power cut hit nobody"


def kill_a_worker(product: Product) -> None:
    """Kill a process that executes a run, at once when it is found: a second later the run may be over."""
    code = """
import os, signal
from mission_control.models import Run
for worker in Run.objects.filter(status="running").values_list("worker", flat=True)[:1]:
    os.kill(int(worker.rpartition("/")[2].partition("-")[0]), signal.SIGKILL)
    print(worker)
"""
    wait_until(lambda: product.shell(code).strip(), what="a run to be claimed")


def test_a_project_goes_on_by_itself_after_a_shutdown(fresh_product):
    product = fresh_product
    project, tasks = approved(product, product.new_rehearser(40, delay=0.05), levels=2, width=3)
    wait_until(lambda: product.get("/capacity")["running"] == 3, what="its tasks to be at work")
    assert product.stop() == 0
    product.start()
    completed(product, project)
    assert len(assert_in_order(product, tasks, causes={"Mission Control was shut down"})) == 3
