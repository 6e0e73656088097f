"""How long single requests take, in turns with `/healthz`, and how many a second several clients get answered."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median

from bench.client import Client
from bench.figures import FLOOR
from bench.installation import MeasuredProduct
from bench.samples import p99
from bench.scale import Scale

LIMIT = 5
SILENT_SECONDS = 60
WRITERS = 8
IDS_AT_ONCE = 100


def requests(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    """Read single tasks of all ages, lists of tasks and agents, and create tasks: one of each in turn."""
    choice = random.Random(scale.requests)  # noqa: S311 - the same tasks each time
    with Client(product) as client:
        keys = some_keys(client, choice, scale.requests)
        for number, key in enumerate(keys):
            yield FLOOR, client.health().seconds * 1000
            yield "one task", client.call("GET", f"/tasks/{key}").seconds * 1000
            yield "list of 100 tasks", client.call("GET", "/tasks?limit=100").seconds * 1000
            yield "list of 20 agents", client.call("GET", "/agents?limit=20").seconds * 1000
            yield "task created", client.create_task(f"Measured {number}").seconds * 1000


def some_keys(client: Client, choice: random.Random, number: int) -> list[str]:
    """Return the ids of tasks from all parts of the list."""
    stored = client.call("GET", "/tasks?limit=1").json()["count"]
    keys: list[str] = []
    while len(keys) < number:
        offset = choice.randrange(max(stored - IDS_AT_ONCE, 1))
        page = client.call("GET", f"/tasks?limit={IDS_AT_ONCE}&offset={offset}").json()["tasks"]
        keys += [task["id"] for task in choice.sample(page, min(len(page), 20))]
    return keys[:number]


def writers(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    """Create tasks for some seconds with one client, then with eight at once."""
    alone = sorted(written_by(product, 1, scale.writing_seconds))
    together = sorted(written_by(product, WRITERS, scale.writing_seconds))
    yield "tasks created a second, 1 writer", len(alone) / scale.writing_seconds
    yield "tasks created a second, 8 writers", len(together) / scale.writing_seconds
    yield "throughput of 8 writers : 1 writer", len(together) / len(alone)
    yield "8 writers, p99 : median", p99(together) / median(together)


def written_by(product: MeasuredProduct, clients: int, seconds: float) -> list[float]:
    """Return how long each request took."""
    ends_at = time.monotonic() + seconds
    with ThreadPoolExecutor(clients) as pool:
        writing = [pool.submit(repeated, product, ends_at, create_one) for _ in range(clients)]
        return [took for written in writing for took in written.result()]


def create_one(client: Client) -> float:
    return client.create_task("Measured").seconds


def repeated(product: MeasuredProduct, ends_at: float, request: Callable[[Client], float]) -> list[float]:
    took = []
    with Client(product) as client:
        while time.monotonic() < ends_at:
            took.append(request(client))
    return took


@contextmanager
def full(product: MeasuredProduct) -> Iterator[str]:
    """Fill every slot with a run that writes nothing, and yield the agent's id."""
    agent = product.new_rehearser(LIMIT, delay=SILENT_SECONDS)
    tasks = [product.new_task() for _ in range(LIMIT)]
    try:
        for run in [product.run(task, agent) for task in tasks]:
            product.running(run)
        yield agent
    finally:
        for task in tasks:
            product.client.post(f"/tasks/{task}/stop")


def limit(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    """Request a sixth run while five are running."""
    with full(product) as agent, Client(product) as client:
        task = client.new_task()
        for _ in range(scale.refusals):
            yield FLOOR, client.health().seconds * 1000
            yield "refused at the limit", client.run(task, agent, expect=429).seconds * 1000
