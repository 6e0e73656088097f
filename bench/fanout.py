"""Fan-out: how long chunks take to reach all sockets, and whether all arrive once, in order and as stored."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import groupby
from statistics import median
from threading import Event

from bench.audience import Audience
from bench.client import Answer, Client
from bench.figures import CPU, CROWD_RUNS, CROWD_SOCKETS, FAULTS, LARGE_FANOUTS, SMALL_FANOUTS, fanout_name
from bench.installation import MeasuredProduct
from bench.scale import Scale

CHUNK_BYTES = 50
STALLING_CHUNK_BYTES = 450  # 10,000 of them are more than the kernel buffers for a socket that does not read
CALM_SECONDS = 0.3
READERS = 19


def start_together(product: MeasuredProduct, agent: str, runs: int) -> dict[str, Answer]:
    """Request this number of runs at the same time; return run → the answer to its request."""
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(product)) for _ in range(runs)]
        tasks = [clients[0].new_task() for _ in range(runs)]
        time.sleep(CALM_SECONDS)
        with ThreadPoolExecutor(runs) as pool:
            answers = list(pool.map(lambda client, task: client.run(task, agent), clients, tasks))
    return {answer.json()["run_id"]: answer for answer in answers}


class Load:
    """Runs that were started together, received completely by an audience."""

    def __init__(self, audience: Audience, requests: dict[str, Answer]) -> None:
        self.requests = requests
        cpu_seconds = audience.cpu_seconds
        audience.await_end(requests)
        self.cpu_seconds = audience.cpu_seconds - cpu_seconds

    def seconds(self, report: dict[str, list[dict]], *, sockets: int | None = None) -> float:
        """Return the time from the first request until the first `sockets` sockets (or all) have all chunks."""
        started_at = min(answer.sent_at for answer in self.requests.values())
        return max(got["last_output_at"] for run in self.requests for got in report[run][:sockets]) - started_at


def fanout(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    yield from fanned_out(product, scale, LARGE_FANOUTS)


def small_fanout(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    yield from fanned_out(product, scale, SMALL_FANOUTS)


def fanned_out(
    product: MeasuredProduct, scale: Scale, sizes: Sequence[tuple[int, int]]
) -> Iterator[tuple[str, float]]:
    """Time runs to sockets, for several numbers of both, and count the faults."""
    agent = product.new_rehearser(scale.chunks, bytes=CHUNK_BYTES)
    for sockets, of_these in groupby(sizes, key=lambda size: size[0]):
        loads = []
        with Audience(product, sockets=sockets) as audience:
            for _, runs in of_these:
                for _ in range(scale.fan_outs):
                    load = Load(audience, start_together(product, agent, runs))
                    loads.append((fanout_name(sockets, runs), load))
            report = audience.report()
        for name, load in loads:
            yield name, load.seconds(report)
            yield f"{name}: {CPU}", load.cpu_seconds
            yield from faults(product, name, load, report, scale.chunks)


def crowd(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    """Time one client's requests for a task, first alone, then while three runs go to sixty sockets."""
    agent, task = product.new_rehearser(scale.chunks, bytes=CHUNK_BYTES), product.new_task()
    with Audience(product, sockets=CROWD_SOCKETS) as audience, Client(product) as client:
        alone = [client.call("GET", f"/tasks/{task}").seconds * 1000 for _ in range(scale.requests)]
        stop = Event()
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read_until, stop, client, task)
            try:
                Load(audience, start_together(product, agent, CROWD_RUNS))
            finally:
                stop.set()
            beside = reading.result()
    yield "other request, idle", median(alone)
    yield "worst other request beside 3 runs to 60 sockets", max(beside)
    yield "worst other request beside 3 runs to 60 sockets : idle", max(beside) / median(alone)


def read_until(stop: Event, client: Client, task: str) -> list[float]:
    took = []
    while not stop.is_set():
        took.append(client.call("GET", f"/tasks/{task}").seconds * 1000)
    return took


def faults(
    product: MeasuredProduct, name: str, load: Load, report: dict[str, list[dict]], chunks: int
) -> Iterator[tuple[str, float]]:
    """Count the faults over all sockets; each count should be 0."""
    counted = dict.fromkeys(FAULTS, 0)
    for run in load.requests:
        stored = stored_digest(product, run)
        for got in report[run]:
            counted["lost"] += chunks - got["distinct"]
            counted["doubled"] += got["chunks"] - got["distinct"]
            counted["out of order"] += got["disordered"] + got["gaps"]
            counted["not as stored"] += got["digest"] != stored
    for fault, number in counted.items():
        yield f"{name}: {fault}", number


def stored_digest(product: MeasuredProduct, run: str) -> str | None:
    """Return the digest of a run's stored output; None if it did not complete or its events differ from it."""
    found = product.run_of(run)
    output = "".join(event["content"] for event in product.events(run) if event["type"] == "message")
    whole = found["status"] == "completed" and found["output"] == output
    return hashlib.sha256(output.encode()).hexdigest() if whole else None


def stalled(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    """Time 19 readers while a 20th reads, and while it has stopped reading, in turns."""
    agent = product.new_rehearser(scale.chunks, bytes=STALLING_CHUNK_BYTES)
    for turn in range(scale.stalls):
        took = {}
        for stalls in (False, True) if turn % 2 == 0 else (True, False):
            took[stalls] = stalled_seconds(product, agent, reading=READERS + (not stalls), stalled=int(stalls))
        yield "19 readers", took[False]
        yield "19 readers beside a stalled one", took[True]
        yield "stalled : not stalled", took[True] / took[False]


def stalled_seconds(product: MeasuredProduct, agent: str, *, reading: int, stalled: int) -> float:
    with Audience(product, sockets=reading, stalled=stalled) as audience:
        load = Load(audience, start_together(product, agent, 1))
        return load.seconds(audience.report(), sockets=READERS)
