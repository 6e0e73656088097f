import pytest
from django.test import Client

from tests import make
from tests.needs import need
from tests.web.browsing import ARGUMENTS, log_in

SEES = ["mission_control.view_task", "mission_control.view_run"]


@pytest.fixture
def database(transactional_db):
    """Real transactions, as admission needs them. The limit's row is laid anew."""
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
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the page complained of; a test takes out what it has brought about itself."""
    return []


@pytest.fixture
def page(chromium, product, complaints):
    """A page that is logged in; what it complains of, a breach of the policy for one, fails the test."""
    context = chromium.new_context(base_url=product.url, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    log_in(page, product)
    yield page
    context.close()
    assert complaints == []
