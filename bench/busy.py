"""What five running agents cost a browser that shows them: its main thread, and requests for their output."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page

from bench.installation import MeasuredProduct
from bench.pages import LIVE, MOST_CHUNKS, Chromium, started
from bench.requests import LIMIT
from bench.scale import Scale

PIECE_SECONDS = 0.1
SETTLE_MS = 1_000


@contextmanager
def busy_agents(product: MeasuredProduct) -> Iterator[dict[str, str]]:
    """Let five agents write ten pieces of output a second; yield task → run."""
    agent = product.new_rehearser(MOST_CHUNKS, delay=PIECE_SECONDS)
    runs: dict[str, str] = {}
    try:
        for _ in range(LIMIT):
            task = product.new_task()
            runs[task] = product.run(task, agent)
        for run in runs.values():
            product.running(run)
        yield runs
    finally:
        for task in runs:
            product.client.post(f"/tasks/{task}/stop")


def busy(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    with started(product) as chromium, busy_agents(product) as runs:
        with opened(chromium, "/") as page:
            yield "board, main thread busy while 5 run", 100 * busy_share(page, scale.busy_seconds)
        task, run = next(iter(runs.items()))
        with opened(chromium, f"/tasks/{task}") as page:
            requests: list[str] = []
            page.on("request", lambda request: requests.append(request.url))
            before = product.run_of(run)["last_seq"]
            page.wait_for_timeout(scale.busy_seconds * 1000)
            pieces = product.run_of(run)["last_seq"] - before
            yield "requests of a tab per piece of output", len(requests) / pieces


@contextmanager
def opened(chromium: Chromium, path: str) -> Iterator[Page]:
    with chromium.page() as page:
        page.goto(path)
        page.locator(LIVE).wait_for()
        page.wait_for_timeout(SETTLE_MS)
        yield page


def busy_share(page: Page, seconds: float) -> float:
    """Return the share of the time in which the page's main thread had a task, by the browser's own count."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def metrics() -> dict[str, float]:
        found = session.send("Performance.getMetrics")["metrics"]
        return {metric["name"]: metric["value"] for metric in found}

    before = metrics()
    page.wait_for_timeout(seconds * 1000)
    after = metrics()
    return (after["TaskDuration"] - before["TaskDuration"]) / (after["Timestamp"] - before["Timestamp"])
