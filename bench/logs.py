"""How the time to read the end of a run's log grows with the log."""

from collections.abc import Iterator

from bench.client import Client
from bench.figures import FLOOR, events_name
from bench.installation import MeasuredProduct
from bench.scale import Scale

LENGTHEN = """
from mission_control.models import Run, RunEvent
run = Run.objects.get(pk={run!r})
numbers = range(run.last_seq + 1, {events} + 1)
fields = dict(run=run, type="message", content="A line of output. " * 3, timestamp=run.finished_at, metadata={{}})
RunEvent.objects.bulk_create([RunEvent(seq=seq, **fields) for seq in numbers], batch_size=1_000)
Run.objects.filter(pk=run.pk).update(last_seq={events})
"""


def logs(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    """Read the last 100 events of runs of several lengths, in turns with `/healthz`."""
    agent = product.new_rehearser(1)
    with Client(product) as client:
        runs = {events: run_with(product, agent, events) for events in scale.events}
        for _ in range(scale.requests):
            yield FLOOR, client.health().seconds * 1000
            for events, run in runs.items():
                path = f"/runs/{run}/events?after={events - 100}&limit=100"
                yield events_name(events), client.call("GET", path).seconds * 1000


def run_with(product: MeasuredProduct, agent: str, events: int) -> str:
    """Return an ended run with this number of events, which are stored directly."""
    run = product.run(product.new_task(), agent)
    product.ended(run)
    product.shell(LENGTHEN.format(run=run, events=events))
    return run
