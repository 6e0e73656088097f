"""Starting a browser, logging in, and holding back what a page requests."""

import re

from tests.servers import wait_until

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def log_in(page, product) -> None:
    page.goto("/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(product.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{product.url}/")


def opened(page, path: str) -> None:
    """Open a page and wait until its connection is live."""
    page.goto(path)
    page.locator("#conn[data-conn=live]").wait_for()


def hold_first(page, pattern: str) -> list:
    """Hold the first matching request until its route, the only one in the list, is continued."""
    held = []

    def keep(route) -> None:
        held.append(route)

    page.route(re.compile(pattern), keep, times=1)
    return held


def arrived(page, held: list):
    """Wait until a held request has been made, and return its route."""
    return wait_until(lambda: page.wait_for_timeout(20) or (held and held.pop()), what="a request of the page")
