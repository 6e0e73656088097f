"""How soon a run starts: time until its request is answered, and until a socket has its first output."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from bench.audience import Audience
from bench.client import Client
from bench.figures import FLOOR
from bench.installation import MeasuredProduct
from bench.scale import Scale

CHUNKS, DELAY_SECONDS = 3, 0.05  # the run is still active when its first output arrives
CALM_SECONDS = 0.02
CLUSTER = 5


def warm_up(product: MeasuredProduct, scale: Scale) -> None:
    """Let every worker execute a run, and the web process answer requests."""
    agent = product.new_rehearser(CHUNKS)
    with Audience(product, sockets=1) as audience, Client(product) as client:
        for _ in range(scale.warm_ups):
            tasks = [client.new_task() for _ in range(CLUSTER)]
            runs = [client.run(task, agent).json()["run_id"] for task in tasks]
            client.call("GET", "/tasks")
            client.call("GET", f"/tasks/{tasks[0]}")
            audience.await_end(runs)


def used(product: MeasuredProduct) -> list[dict[str, Any]]:
    """Return the tokens and cost of today's runs by model, as the product itself reports them."""
    today = datetime.now(UTC).date().isoformat()
    with Client(product) as client:
        sums: list[dict[str, Any]] = client.call("GET", f"/usage?group_by=model&from={today}").json()["usage"]
        return sums


def running(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    """Time one run after the other, each received by one socket, in turns with `/healthz`."""
    agent = product.new_rehearser(CHUNKS, delay=DELAY_SECONDS)
    requests = {}
    with Audience(product, sockets=1) as audience, Client(product) as client:
        for _ in range(scale.runs):
            task = client.new_task()
            time.sleep(CALM_SECONDS)
            yield FLOOR, client.health().seconds * 1000
            answer = client.run(task, agent)
            requests[answer.json()["run_id"]] = answer
            audience.await_end(requests)
        report = audience.report()
    for run, answer in requests.items():
        yield "run answered", answer.seconds * 1000
        yield "first output", (report[run][0]["first_output_at"] - answer.sent_at) * 1000
