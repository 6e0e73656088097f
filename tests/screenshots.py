"""Take a picture of each page of the running product: `python -m tests.screenshots docs/images`.

The product is a new one with demo agents, an executing project, tasks of every status, and runs that are running,
waiting, failed and stopped.
"""

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.needs import need
from tests.product import Product
from tests.servers import wait_until
from tests.web.browsing import ARGUMENTS, log_in
from tests.web.scene import Scene, View, empty_views

DESKTOP, PHONE = ViewportSize(width=1440, height=900), ViewportSize(width=390, height=844)
LOOKS: dict[str, tuple[ViewportSize, Literal["light", "dark"]]] = {
    "light": (DESKTOP, "light"),
    "dark": (DESKTOP, "dark"),
    "phone": (PHONE, "light"),
    "phone-dark": (PHONE, "dark"),
    "narrow": (ViewportSize(width=360, height=740), "light"),
    "4k": (ViewportSize(width=3840, height=2160), "light"),
    "4k-dark": (ViewportSize(width=3840, height=2160), "dark"),
}
IN_DOCS = ["light", "dark", "phone", "phone-dark"]
SETTLE_MS = 1_200  # until the sockets have reported the active runs


def shoot(browser: Browser, product: Product, folder: Path, views: list[View], looks: Iterable[str]) -> None:
    for look in looks:
        viewport, scheme = LOOKS[look]
        context = browser.new_context(base_url=product.url, viewport=viewport, color_scheme=scheme)
        page = context.new_page()
        page.goto("/login")
        picture(page, folder / f"login-{look}.png")
        log_in(page, product)
        for view in views:
            view.open(page)
            picture(page, folder / f"{view.name}-{look}.png")
        context.close()


def picture(page: Page, path: Path) -> None:
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__.split(":")[0])
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--all", action="store_true", help="every page and state, also at 4K, to be looked at")
    given = parser.parse_args()
    folder = given.folder
    looks = list(LOOKS) if given.all else IN_DOCS
    folder.mkdir(parents=True, exist_ok=True)
    [program] = need("chromium", "the pictures of the pages")
    with tempfile.TemporaryDirectory(prefix="screenshots-") as place, sync_playwright() as playwright:
        product = Product(Path(place) / "data", MISSION_CONTROL_SAMPLE="no")
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        try:
            wait_until(product.start().is_ready, what="the product")
            shoot(browser, product, folder, [v for v in empty_views() if v.main or given.all], looks)
            scene = Scene(product).lay()
            shoot(browser, product, folder, [v for v in scene.views() if v.main or given.all], looks)
        finally:
            browser.close()
            product.stop()


if __name__ == "__main__":
    main()
