"""The pages in Chromium: data transferred, time until they are usable, scrolling, and the memory of a tab.

A page is interactive when it is painted, its document is parsed and its scripts have run, so that every handler is
attached. It is live when, in addition, the board's socket has received its greeting.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from bench.installation import MeasuredProduct
from bench.processes import pss_mb
from bench.scale import Scale
from tests.needs import need
from tests.servers import wait_until
from tests.web.browsing import ARGUMENTS, log_in

DESKTOP = ViewportSize(width=1440, height=900)
LINES_SECONDS = 300
LINE_DELAY_SECONDS = 0.001  # a model that writes many hundred lines a second
WHEEL_PX, WHEEL_STEPS = 240, 150
STEP_MS = 16
MORE_CARDS = 9
MOST_CHUNKS = 100_000  # the run goes on while it is measured, and is then stopped
LIVE = "#conn[data-conn=live]"
INTERACTIVE = """() => Math.max(
  performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd,
  performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0,
)"""
ANSWERED = "() => performance.getEntriesByType('navigation')[0].responseEnd"
WATCH_LIVE = """addEventListener('DOMContentLoaded', () => {
  const word = document.getElementById('conn');
  if (!word) return;
  const look = () => { if (word.dataset.conn === 'live') window.liveAt ??= performance.now(); };
  look();
  new MutationObserver(look).observe(word, { attributes: true });
});"""
WATCH_FRAMES = """() => {
  window.frames_ = [];
  let last = performance.now();
  const next = (now) => {
    window.frames_.push(now - last);
    last = now;
    window.watching = requestAnimationFrame(next);
  };
  window.watching = requestAnimationFrame((now) => { last = now; window.watching = requestAnimationFrame(next); });
}"""
END_FRAMES = "() => { cancelAnimationFrame(window.watching); return window.frames_; }"


class Chromium:
    """A browser that is logged in; each page is measured in a context with an empty cache."""

    def __init__(self, browser: Browser, product: MeasuredProduct) -> None:
        self.browser, self.product = browser, product
        context = browser.new_context(base_url=product.url)
        log_in(context.new_page(), product)
        self.login: Any = context.storage_state()
        context.close()

    @contextmanager
    def page(self) -> Iterator[Page]:
        context = self.browser.new_context(base_url=self.product.url, viewport=DESKTOP, storage_state=self.login)
        context.add_init_script(WATCH_LIVE)
        yield context.new_page()
        context.close()

    def tab_mb(self) -> float:
        """Return the memory in MB of the only tab, which is the largest renderer process."""
        session = self.browser.new_browser_cdp_session()
        found = session.send("SystemInfo.getProcessInfo")["processInfo"]
        session.detach()
        return max(pss_mb(process["id"]) for process in found if process["type"] == "renderer")


@contextmanager
def started(product: MeasuredProduct) -> Iterator[Chromium]:
    [program] = need("chromium", "the pages")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield Chromium(browser, product)
        browser.close()


def pages(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    """Measure the board with the stored tasks."""
    with started(product) as chromium:
        for _ in range(scale.page_loads):
            yield from first_page(chromium)
        yield from board(chromium)


def long_run(product: MeasuredProduct, scale: Scale) -> Iterator[tuple[str, float]]:
    """Measure the page of a running task with much output."""
    with started(product) as chromium:
        yield from running_task(chromium, scale)


def first_page(chromium: Chromium) -> Iterator[tuple[str, float]]:
    """Open the board with an empty cache."""
    with chromium.page() as page:
        received: list[float] = []
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
        page.goto("/")
        page.locator(LIVE).wait_for()
        page.wait_for_load_state("networkidle")
        yield "first page, transferred", sum(received) / 1000
        yield "first page, answered", page.evaluate(ANSWERED)
        yield "first page, interactive", page.evaluate(INTERACTIVE)
        yield "first page, live", page.evaluate("window.liveAt")


def board(chromium: Chromium) -> Iterator[tuple[str, float]]:
    """Load more cards of the longest column several times, then scroll through it."""
    with chromium.page() as page:
        page.goto("/")
        page.locator(LIVE).wait_for()
        for _ in range(MORE_CARDS):
            more = page.locator(".col-done .col-more")
            if not more.count():
                break
            cards = page.locator(".col-done .card").count()
            more.scroll_into_view_if_needed()  # this loads more
            page.wait_for_function("n => document.querySelectorAll('.col-done .card').length > n", arg=cards)
        page.locator(".col-done .card").first.hover()
        yield from scrolled(page, "board", up=False)
        yield "board, tab", chromium.tab_mb()


def running_task(chromium: Chromium, scale: Scale) -> Iterator[tuple[str, float]]:
    """Scroll back in the output of an active run, which loads older lines, then return to its end."""
    product = chromium.product
    task = product.new_task(title="A long run")
    run = product.run(task, product.new_rehearser(MOST_CHUNKS, delay=LINE_DELAY_SECONDS))
    wait_until(lambda: lines_of(product, run) >= scale.lines, seconds=LINES_SECONDS, what=f"{scale.lines} lines")
    with chromium.page() as page:
        page.goto(f"/tasks/{task}")
        page.locator(LIVE).wait_for()
        page.locator("#events > li").first.wait_for()
        yield "long run, interactive", page.evaluate(INTERACTIVE)
        page.locator("#stream").hover()
        yield from scrolled(page, "long run", up=True)
        page.get_by_role("button", name="Jump to latest").click()
        yield "long run, tab", chromium.tab_mb()
    product.post(f"/runs/{run}/stop")
    product.ended(run)


def lines_of(product: MeasuredProduct, run: str) -> int:
    """Return how many lines the run has written; an event may have several."""
    last = product.run_of(run)["last_seq"]
    newest = product.get(f"/runs/{run}/events?after={last - 1}&limit=1")["events"]
    numbers = re.findall(r"\[(\d+)\]", newest[0]["content"]) if newest else []
    return int(numbers[-1]) if numbers else 0


def scrolled(page: Page, name: str, *, up: bool) -> Iterator[tuple[str, float]]:
    """Scroll with the mouse wheel, and yield how long the browser's frames took, in ms."""
    page.evaluate(WATCH_FRAMES)
    for _ in range(WHEEL_STEPS):
        page.mouse.wheel(0, -WHEEL_PX if up else WHEEL_PX)
        page.wait_for_timeout(STEP_MS)
    frames = sorted(page.evaluate(END_FRAMES))
    yield f"{name}, frame", median(frames)
    yield f"{name}, frame p99", frames[len(frames) * 99 // 100 - 1]
    yield f"{name}, worst frame", frames[-1]
