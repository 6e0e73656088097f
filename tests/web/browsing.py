"""Starting a browser, logging in, and holding back what a page requests."""

import os
import re

from tests.servers import wait_until

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


_logins: dict[str, list] = {}  # by product, the cookies of a login that tests share


def have_login(page, product) -> None:
    """Give the page's context a login. Tests share one, until one of them ends it: each costs a second."""
    context = page.context
    context.add_cookies(_logins.get(product.url, []))
    if context.request.get("/keys", max_redirects=0).status != 200:
        context.clear_cookies()
        log_in(page, product)
        _logins[product.url] = context.cookies()


def log_in(page, product) -> None:
    page.goto("/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(product.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{product.url}/")


def slow_down(page) -> None:
    """Slow the page's scripts down by the factor in BROWSER_SLOWDOWN: finds tests that need a fast machine."""
    if factor := float(os.environ.get("BROWSER_SLOWDOWN", "0")):
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": factor})


def opened(page, path: str) -> None:
    """Open a page and wait until its connection is live."""
    page.goto(path)
    page.locator("#conn[data-conn=live]").wait_for()


class Sockets:
    """The page's sockets. While they are cut, those that it opens are closed at once, so that it keeps trying."""

    def __init__(self, page) -> None:
        self.is_cut = False
        self._connected: list = []
        page.route_web_socket(re.compile("/ws/"), self._connect)

    def _connect(self, socket) -> None:
        if self.is_cut:
            socket.close(code=1012)
            return
        socket.connect_to_server()
        self._connected.append(socket)

    def cut(self) -> None:
        self.is_cut = True
        while self._connected:
            self._connected.pop().close(code=1012)

    def restore(self) -> None:
        self.is_cut = False


def press_in_one(page, *keys: str) -> None:
    """Press keys without a pause, such as G and B, which only belong together for 1.5 seconds."""
    page.evaluate(
        "keys => keys.forEach(key => (document.activeElement ?? document.body)"
        ".dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true })))",
        list(keys),
    )


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
