"""How long single requests take, including refused ones."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from bench.client import Client
from bench.figures import CPU
from bench.installation import MeasuredProduct
from bench.scale import Scale

LIMIT = 5
SILENT_SECONDS = 60
CLIENTS = 8


def requests(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    """Create tasks, list 100, and read single tasks of all ages."""
    choice = random.Random(scale.requests)  # noqa: S311 - the same tasks each time
    with Client(product) as client:
        for number in range(scale.requests):
            yield "task created", client.create_task(f"Measured {number}").seconds * 1000
        for _ in range(scale.requests):
            yield "list of 100", client.call("GET", "/tasks?limit=100").seconds * 1000
        stored = client.call("GET", "/tasks?limit=1").json()["count"]
        for _ in range(scale.requests):
            place = choice.randrange(stored)
            [task] = client.call("GET", f"/tasks?limit=1&offset={place}").json()["tasks"]
            yield "detail", client.call("GET", f"/tasks/{task['id']}").seconds * 1000


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
    """Request a sixth run while five are running: with one client, then with eight at once."""
    with full(product) as agent, Client(product) as client:
        task = client.new_task()
        for _ in range(scale.refusals):
            yield "refused at the limit", client.run(task, agent, expect=429).seconds * 1000
        cpu, begun = time.process_time(), time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as pool:
            ends_at = begun + scale.refusing_seconds
            refused = sum(pool.map(lambda _: refusals_until(product, task, agent, ends_at), range(CLIENTS)))
        name = "refusals a second, 8 clients"
        yield name, refused / (time.monotonic() - begun)
        yield f"{name}: {CPU}", time.process_time() - cpu


def refusals_until(product: MeasuredProduct, task: str, agent: str, ends_at: float) -> int:
    count = 0
    with Client(product) as client:
        while time.monotonic() < ends_at:
            client.run(task, agent, expect=429)
            count += 1
    return count
