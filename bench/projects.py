"""How soon a project continues: the time from the end of a run to the start of the next, over all slots."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from bench.client import Client
from bench.installation import MeasuredProduct
from bench.requests import LIMIT
from bench.scale import Scale
from tests.servers import wait_until

LONGEST_SECONDS = 600
POLL_SECONDS = 0.5  # fifty polls a second took a third of the two cores from the runs
PAGE = 500
Times = tuple[datetime, datetime]  # a run's start and end, by the workers' own clocks


def projects(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    """Run tasks without work: some that wait only for a slot, then a chain for each slot, then a chain alone."""
    agent = product.new_rehearser(1)
    with Client(product) as client:
        times = carried_out(product, client, agent, chains=[1] * scale.project_tasks)
        every = [of for [of] in times]
        starts, ends = sorted(start for start, _ in every), sorted(end for _, end in every)
        # Each start after the first few used a slot that an end had freed; which one does not matter.
        for end, start in zip(ends, starts[LIMIT:], strict=False):
            yield "next run of a project", milliseconds(end, start)
        yield "tasks of a project a second", len(every) / (ends[-1] - starts[0]).total_seconds()

        length = scale.project_tasks // LIMIT
        for name, chains in (("run of a dependent task", LIMIT), ("run of a dependent task, alone", 1)):
            for chain in carried_out(product, client, agent, chains=[length] * chains):
                for (_, end), (start, _) in pairwise(chain):
                    yield name, milliseconds(end, start)


def carried_out(product: MeasuredProduct, client: Client, agent: str, *, chains: list[int]) -> list[list[Times]]:
    """Create a project with chains of these lengths, execute it, and return the times of its runs by chain."""
    project = client.call("POST", "/projects", {"title": "Measured"}).json()["project"]["id"]
    made = [list(chain_of(client, project, agent, length)) for length in chains]
    client.call("PATCH", f"/projects/{project}", {"status": "awaiting_approval"})
    answer = product.client.post(f"{product.url}/api/deep-work/projects/{project}/approve")
    assert answer.status_code == 200, answer.text
    end = "the project's end"
    wait_until(lambda: is_completed(client, project), seconds=LONGEST_SECONDS, every=POLL_SECONDS, what=end)
    times = times_of(client, {task for chain in made for task in chain})
    return [[times[task] for task in chain] for chain in made]


def chain_of(client: Client, project: str, agent: str, length: int) -> Iterator[str]:
    blockers: list[str] = []
    for _ in range(length):
        body = {"title": "Measured", "project_id": project, "assignee_ids": [agent], "blocked_by": blockers}
        blockers = [client.call("POST", "/tasks", body).json()["task"]["id"]]
        yield blockers[0]


def is_completed(client: Client, project: str) -> bool:
    """Return whether the project is completed.

    Reads it only when nothing runs, because listing its many tasks is work for the web process each time.
    """
    if client.call("GET", "/capacity").json()["running"]:
        return False
    rows = client.call("GET", "/projects?limit=1").json()["projects"]
    return [row["status"] for row in rows if row["id"] == project] == ["completed"]


def times_of(client: Client, tasks: set[str]) -> dict[str, Times]:
    """Return each task's start and end from the newest runs. Raises AssertionError if one failed or ran twice."""
    found: dict[str, Times] = {}
    for offset in range(0, len(tasks), PAGE):
        for run in client.call("GET", f"/runs?limit={PAGE}&offset={offset}").json()["runs"]:
            if run["task_id"] in tasks:
                assert run["status"] == "completed" and run["task_id"] not in found, run
                found[run["task_id"]] = moment(run["started_at"]), moment(run["finished_at"])
    return found


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def milliseconds(before: datetime, after: datetime) -> float:
    return (after - before).total_seconds() * 1000
