"""CPU use of the idle product, and its memory before and after load."""

import time
from collections.abc import Iterator

from bench.audience import Audience
from bench.fanout import CHUNK_BYTES, Load, start_together
from bench.installation import MeasuredProduct
from bench.processes import cpu_seconds, pss_mb
from bench.scale import Scale

CALM_SECONDS = 1.0
LOAD_SOCKETS, LOAD_RUNS = 20, 5


def percent_of_core(roots: list[int], seconds: float) -> float:
    started_at, before = time.monotonic(), cpu_seconds(*roots)
    time.sleep(seconds)
    taken = cpu_seconds(*roots) - before
    return 100 * taken / (time.monotonic() - started_at)


def idle(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    up = [product.process.pid]
    time.sleep(CALM_SECONDS)
    yield "idle, no socket", percent_of_core(up, scale.idle_seconds)
    with Audience(product, sockets=1):
        time.sleep(CALM_SECONDS)
        yield "idle, one socket", percent_of_core(up, scale.idle_seconds)
    if product.servers:
        yield "idle, PostgreSQL and Redis", percent_of_core(product.servers.pids, scale.idle_seconds)


def memory(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    """Measure the memory before and after five concurrent runs with twenty sockets."""
    yield "memory idle", pss_mb(product.process.pid)
    agent = product.new_rehearser(scale.chunks, bytes=CHUNK_BYTES)
    with Audience(product, sockets=LOAD_SOCKETS) as audience:
        Load(audience, start_together(product, agent, LOAD_RUNS))
    time.sleep(CALM_SECONDS)
    yield "memory after load", pss_mb(product.process.pid)
