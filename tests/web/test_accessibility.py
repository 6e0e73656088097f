"""axe-core finds no problem on any page, in light and dark, on a desktop and on a narrow phone."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.conftest import environment_of, running
from tests.web.browsing import have_login
from tests.web.scene import Scene, View, empty_views, errors_of, show_errors

pytestmark = [pytest.mark.system, pytest.mark.exhaustive]

AXE = Axe().axe_script
WIDTHS = {"desktop": 1440, "phone": 360}
LOOKS: list[tuple[str, Literal["light", "dark"], dict[str, Any]]] = [
    ("desktop", "light", {}),
    ("desktop", "dark", {"runOnly": ["color-contrast"]}),  # the dark theme differs only in colours
    ("phone", "light", {}),
]


@pytest.fixture(scope="module")
def empty(tmp_path_factory, profile):
    environment = environment_of(profile) | {"MISSION_CONTROL_SAMPLE": "no"}
    with running(tmp_path_factory.mktemp("empty"), environment) as product:
        yield product


@pytest.fixture(scope="module")
def laid(empty):
    """The same product with an example of everything."""
    return Scene(empty).lay()


@pytest.fixture
def visitor(chromium, empty):
    """A page without a login."""
    context = chromium.new_context(base_url=empty.url, reduced_motion="reduce")
    page = context.new_page()
    look(page, "desktop", "light")
    yield page
    context.close()


@pytest.fixture
def reader(visitor, empty):
    have_login(visitor, empty)
    return visitor


def look(page: Page, width: str, scheme: Literal["light", "dark"]) -> None:
    page.set_viewport_size({"width": WIDTHS[width], "height": 900})
    page.emulate_media(color_scheme=scheme)


def complaints_of(page: Page, name: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield what axe-core finds: page and variant, rule, element, reason. Leaves the page in its desktop form."""
    page.evaluate(AXE)
    for width, scheme, rules in LOOKS:
        look(page, width, scheme)
        options = {"resultTypes": ["violations"]} | rules
        for rule in page.evaluate("options => axe.run(options).then(({ violations }) => violations)", options):
            for node in rule["nodes"]:
                yield f"{name}, {width}, {scheme}", rule["id"], node["html"][:200], node["failureSummary"][:300]
    look(page, "desktop", "light")


def complaints_of_views(page: Page, views: Iterator[View]) -> list[tuple[str, str, str, str]]:
    found: list[tuple[str, str, str, str]] = []
    for view in views:
        view.open(page)
        found += complaints_of(page, view.name)
    return found


def test_the_first_pages_of_an_empty_product(reader):
    assert complaints_of_views(reader, empty_views()) == []


def test_every_page_and_what_opens_on_it(reader, laid):
    assert complaints_of_views(reader, laid.views()) == []


def test_the_login_and_the_pages_that_tell_what_is_wrong(visitor, empty):
    found = complaints_of_views(visitor, iter([View("login", "/login")]))
    for name in show_errors(visitor, errors_of(empty)):
        found += complaints_of(visitor, name)
    assert found == []


def test_a_page_that_is_not_open_to_the_user(visitor, empty):
    empty.shell(
        "from django.contrib.auth import get_user_model as users; "
        "users().objects.filter(username='guest').delete(); "
        "users().objects.create_user('guest', password='guest')"
    )
    visitor.goto("/login")
    visitor.get_by_label("Username").fill("guest")
    visitor.get_by_label("Password").fill("guest")
    visitor.get_by_role("button", name="Log in").click()
    visitor.get_by_text("You don’t have access").wait_for()
    assert list(complaints_of(visitor, "403")) == []
