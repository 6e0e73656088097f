import pytest
from django.test import Client

from tests import make
from tests.needs import need
from tests.servers import WAIT_SECONDS
from tests.web.browsing import ARGUMENTS, have_login, slow_down

SEES = ["mission_control.view_task", "mission_control.view_run"]


@pytest.fixture
def database(transactional_db):
    """Use real transactions, as admission needs them, with a new row for the limit."""
    make.limit(5)


def client_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def browser() -> Client:
    """A browser in which a superuser is logged in."""
    return client_of(make.user())


@pytest.fixture(scope="module")
def chromium():
    [program] = need("chromium", "the journeys in a browser")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=1000 * WAIT_SECONDS)  # its own timeout is 5 seconds
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


class Complaints:
    """Errors that the browser reports. A test declares the errors that it causes before it causes them.

    Errors arrive late, even after the last line of the test, so that none can be removed by hand.
    """

    def __init__(self) -> None:
        self._reported: list[str] = []
        self._expected: list[str] = []

    def expect(self, *parts: str) -> None:
        """Allow errors with one of these parts, such as `status of 409`, for the rest of the test."""
        self._expected += parts

    def watch(self, page) -> None:
        page.on("pageerror", lambda error: self._reported.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self._reported.append(message.text))

    @property
    def unexpected(self) -> list[str]:
        return [error for error in self._reported if not any(part in error for part in self._expected)]


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


@pytest.fixture
def page(chromium, product, complaints):
    """A logged-in page; any error that it reports, such as a breach of the security policy, fails the test.

    No run is active when the test begins, so that every slot is free and nothing else changes the page.
    """
    product.end_runs()
    context = chromium.new_context(base_url=product.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(1000 * WAIT_SECONDS)
    page = context.new_page()
    complaints.watch(page)
    slow_down(page)
    have_login(page, product)
    yield page
    context.close()
    assert complaints.unexpected == []
