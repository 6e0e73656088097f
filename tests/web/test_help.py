"""The documentation that comes with the product, as pages."""

import re
from urllib.parse import urljoin

import pytest
from django.test import Client

from tests import make
from tests.web.conftest import client_of
from tests.web.pages import html, text_of

pytestmark = pytest.mark.usefixtures("database")


def test_the_backends_documentation_is_a_page_whose_links_lead_to_pages(browser):
    page = html(browser, "/help/backends.md")
    assert "Agent backends" in text_of(page)
    article = page[page.index("<article") : page.index("</article>")]
    links = [link.partition("#")[0] for link in re.findall(r'href="(?!http)([^"#]+)', article)]
    assert links
    for link in links:
        html(browser, urljoin("/help/backends.md", link))


def test_only_pages_of_the_documentation_are_shown_and_only_after_a_login():
    someone = client_of(make.user(may=[]))
    for path in ("settings.md", "backends/claude.md"):
        assert someone.get(f"/help/{path}").status_code == 200
        assert Client().get(f"/help/{path}").status_code == 302
    for path in ("../README.md", "..%2FREADME.md", "backends", "/etc/passwd", "development.md%00", "images"):
        assert someone.get(f"/help/{path}").status_code == 404, path
