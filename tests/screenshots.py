"""Take a picture of each page of the running product: `python -m tests.screenshots docs/images`.

The product is a fresh one with agents that rehearse, a project in execution, tasks of every status, runs that
run, wait, failed and were stopped.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.needs import need
from tests.product import Product
from tests.servers import wait_until
from tests.web.browsing import ARGUMENTS, log_in

DESKTOP, PHONE = ViewportSize(width=1440, height=900), ViewportSize(width=390, height=844)
LOOKS: dict[str, tuple[ViewportSize, Literal["light", "dark"]]] = {
    "light": (DESKTOP, "light"),
    "dark": (DESKTOP, "dark"),
    "phone": (PHONE, "light"),
}
SETTLE_MS = 1_200  # until the sockets have said what runs
GOAL = "Publish a small book about birds of the city: ten chapters, drawings, a web page and a launch."


class Scene:
    """What the pictures show, made through the API."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.agents = {
            name: product.new_agent(name=name, role=role, specialties=specialties, backend_options=options)
            for name, role, specialties, options in (
                ("Ada", "Researcher", ["research"], {"chunks": 900, "delay_seconds": 0.4}),
                ("Grace", "Writer", ["writing"], {"chunks": 900, "delay_seconds": 0.5}),
                ("Linus", "Developer", ["code"], {"chunks": 900, "delay_seconds": 0.6}),
                ("Quick", "Proofreader", ["editing"], {"chunks": 12, "delay_seconds": 0.02}),
                ("Broken", "Illustrator", ["drawing"], {"chunks": 9, "delay_seconds": 0.02, "fail_after": 6}),
            )
        }
        self.project = product.post("/projects", title="Birds of the city", description=GOAL)["project"]["id"]

    def task(self, title: str, agent: str, **body: Any) -> str:
        fields = {"project_id": self.project, "assignee_ids": [self.agents[agent]], "tags": ["book"]} | body
        return self.product.new_task(title=title, **fields)

    def run(self, task: str, agent: str, **body: Any) -> str:
        return self.product.run(task, self.agents[agent], **body)

    def done(self, title: str, **body: Any) -> str:
        task = self.task(title, "Quick", **body)
        self.product.ended(self.run(task, "Quick"))
        return task

    def lay(self) -> str:
        """Make everything, and return the id of the task whose page is shown."""
        outline = self.done("Outline the ten chapters", priority="high")
        sources = self.done("Collect sources on nesting", tags=["book", "research"])
        reviewed = self.task("Proofread chapter one", "Quick", metadata={"requires_review": True})
        self.product.ended(self.run(reviewed, "Quick"))
        failed = self.task("Draw the cover", "Broken", priority="urgent")
        self.product.ended(self.run(failed, "Broken"))
        chapter = self.task(
            "Write chapter two: swifts",
            "Grace",
            priority="high",
            blocked_by=[outline, sources],
            description="**Swifts** in four pages.\n\n- where they nest\n- when they leave\n- what helps them",
        )
        facts = self.task("Check the facts of chapter two", "Ada", blocked_by=[sources])
        page = self.task("Build the web page", "Linus", tags=["web"], blocked_by=[outline])
        for task, agent in ((chapter, "Grace"), (facts, "Ada"), (page, "Linus")):
            self.product.running(self.run(task, agent))
        for title, blockers in (("Lay out the book", [chapter, facts]), ("Plan the launch", [page])):
            self.task(title, "Ada", blocked_by=blockers)
        self.task("Ask the printer for an offer", "Quick", task_type="human", assignee_ids=[])
        self.product.post(f"/tasks/{chapter}/messages", content="@Grace please keep it under four pages.")
        return chapter


def pages(scene: Scene, task: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the path of each page."""
    yield "board", "/"
    yield "task", f"/tasks/{task}"
    yield "project", f"/projects/{scene.project}"
    yield "agents", "/agents"
    yield "overview", "/overview"
    yield "activity", "/activity"


def shoot(browser: Browser, product: Product, folder: Path, paths: dict[str, str]) -> None:
    for look, (viewport, scheme) in LOOKS.items():
        context = browser.new_context(base_url=product.url, viewport=viewport, color_scheme=scheme)
        page = context.new_page()
        page.goto("/login")
        picture(page, folder / f"login-{look}.png")
        log_in(page, product)
        for name, path in paths.items():
            page.goto(path)
            picture(page, folder / f"{name}-{look}.png")
        context.close()


def picture(page: Page, path: Path) -> None:
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__.split(":")[0])
    parser.add_argument("folder", type=Path, help="where the pictures go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    [program] = need("chromium", "the pictures of the pages")
    with tempfile.TemporaryDirectory(prefix="screenshots-") as place, sync_playwright() as playwright:
        product = Product(Path(place) / "data", MISSION_CONTROL_SAMPLE="no")
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        try:
            wait_until(product.start().is_ready, what="the product")
            scene = Scene(product)
            task = scene.lay()
            shoot(browser, product, folder, dict(pages(scene, task)))
        finally:
            browser.close()
            product.stop()


if __name__ == "__main__":
    main()
