"""How soon a run is under way: its request answered, its first output at a socket."""

import time
from collections.abc import Iterator

from bench.audience import Audience
from bench.client import Client
from bench.installation import MeasuredProduct
from bench.scale import Scale

CHUNKS, DELAY_SECONDS = 3, 0.05  # a run that still works when its first output arrives
CALM_SECONDS = 0.02
CLUSTER = 5


def warm_up(product: MeasuredProduct, scale: Scale) -> None:
    """Let every worker have run something, and the web process have answered."""
    agent = product.new_rehearser(CHUNKS)
    with Audience(product, sockets=1) as audience, Client(product) as client:
        for _ in range(scale.warm_ups):
            tasks = [client.new_task() for _ in range(CLUSTER)]
            runs = [client.run(task, agent).json()["run_id"] for task in tasks]
            client.call("GET", "/tasks")
            client.call("GET", f"/tasks/{tasks[0]}")
            audience.await_end(runs)


def running(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    """One run after the other, each seen by one socket."""
    agent = product.new_rehearser(CHUNKS, delay=DELAY_SECONDS)
    requests = {}
    with Audience(product, sockets=1) as audience, Client(product) as client:
        for _ in range(scale.runs):
            task = client.new_task()
            time.sleep(CALM_SECONDS)
            answer = client.run(task, agent)
            requests[answer.json()["run_id"]] = answer
            audience.await_end(requests)
        report = audience.report()
    for run, answer in requests.items():
        yield "run request answered", answer.seconds * 1000
        yield "first output", (report[run][0]["first_output_at"] - answer.sent_at) * 1000
