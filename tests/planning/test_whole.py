"""Deep Work from outside, with the demo backend and a real worker: goal, plan, approval."""

import json

import pytest

from tests.product import frames_of
from tests.servers import wait_until

pytestmark = pytest.mark.system

GOAL = "Write a short book about cats"


@pytest.fixture(autouse=True)
def database():
    """The product has a database of its own."""


@pytest.fixture
def deep_work(product):
    """Call Deep Work, with the demo backend as its planner."""
    if not any(agent["name"] == "Planner" for agent in product.get("/agents?limit=500")["agents"]):
        product.new_agent(name="Planner", role="Project planner")

    def ask(method: str, path: str, **body) -> dict:
        answer = product.client.request(
            method, f"{product.url}/api/deep-work/{path}", json=body or None, timeout=90
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


def test_a_goal_becomes_a_plan_that_can_be_watched_changed_and_approved(product, deep_work):
    analysis = deep_work("POST", "parse-goal", description=GOAL)["goal_analysis"]
    assert analysis["goal"].startswith("Sample")

    with product.socket() as page, product.socket() as board:
        project = deep_work("POST", "start", description=GOAL, research_depth="auto")["project"]
        key = project["id"]
        assert project["status"] == "planning"
        [run] = [run["id"] for run in product.get(f"/runs?project_id={key}")["runs"]]
        frames = [frames_of(socket, run) for socket in (page, board)]

    for seen in frames:
        assert [
            (frame["phase"], frame["project_id"]) for frame in seen if frame["event"] == "dw_planning_phase"
        ] == [(phase, key) for phase in ("goal_analysis", "research", "prd", "tasks", "team")]
        complete, last = seen[-2:]
        assert complete["event"] == "dw_planning_complete"
        told = {name: complete[name] for name in ("project_id", "status", "title", "error")}
        assert told == {"project_id": key, "status": "awaiting_approval", "title": "Sample plan", "error": None}
        assert (last["event"], last["status"], last["task_id"]) == ("mc_task_completed", "completed", None)
        assert [frame["seq"] for frame in seen] == list(range(1, len(seen) + 1))
    with product.socket(f"/ws/mission-control/runs/{run}?after=0") as again:
        assert [frame["event"] for frame in frames_of(again, run)] == [frame["event"] for frame in frames[0]]

    plan = deep_work("GET", f"projects/{key}/plan")
    assert plan["goal_analysis"] == analysis
    assert "no language model" in plan["prd"]["content"]
    assert [len(level) for level in plan["execution_levels"]] == [1, 1, 1, 1]
    tasks = sorted(plan["tasks"], key=lambda task: plan["task_level_map"][task["id"]])
    assert [task["task_type"] for task in tasks] == ["agent", "agent", "review", "human"]
    assert all(task["title"].startswith("Sample: ") and task["estimated_minutes"] for task in tasks)

    product.call("PATCH", f"/tasks/{tasks[1]['id']}", title="Write it")
    assert deep_work("POST", f"projects/{key}/approve")["project"]["status"] == "executing"
    deep_work("POST", f"projects/{key}/pause")  # its tasks would occupy slots in the next tests


def test_a_stop_of_the_planning_is_told_and_it_can_be_planned_again(product, deep_work):
    with product.socket() as board:
        key = deep_work("POST", "start", description=GOAL)["project"]["id"]
        [run] = [run["id"] for run in product.get(f"/runs?project_id={key}")["runs"]]
        product.running(run)
        product.post(f"/runs/{run}/stop")
        *_, complete, last = frames_of(board, run)
    assert (complete["event"], complete["status"], complete["error"]) == (
        "dw_planning_complete", "failed", "Planning was stopped",
    )  # fmt: skip
    assert last["status"] == "stopped"
    shown = product.get(f"/projects/{key}")
    assert (shown["project"]["status"], shown["tasks"]) == ("failed", [])
    assert shown["project"]["metadata"]["planning_error"] == "Planning was stopped"

    deep_work("POST", f"projects/{key}/replan")
    wait_until(
        lambda: product.get(f"/projects/{key}")["project"]["status"] == "awaiting_approval", what="the second plan"
    )
    assert len(json.dumps(product.get(f"/projects/{key}")["tasks"])) > 100
