"""The documentation that comes with the product, as pages."""

import re
from urllib.parse import urljoin

import pytest
from django.test import Client

from tests import make
from tests.web.conftest import client_of
from tests.web.pages import html, text_of

pytestmark = pytest.mark.usefixtures("database")


def test_links_of_the_documentation_lead_to_pages(browser):
    to_visit = {"/help/backends.md", "/help/settings.md", "/help/operations.md"}
    visited: set[str] = set()
    while to_visit:
        path = to_visit.pop()
        visited.add(path)
        page = html(browser, path)
        article = page[page.index("<article") : page.index("</article>")]
        links = [urljoin(path, link) for link in re.findall(r'href="(?!http)([^"#]+)', article)]
        to_visit |= set(links) - visited
    assert len(visited) > 5
    assert "Agent backends" in text_of(html(browser, "/help/backends.md"))
    assert ".env.example" in text_of(html(browser, "/help/settings.md"))


def test_links_to_a_section_lead_to_its_heading(browser):
    pages = {
        path: html(browser, f"/help/{path}") for path in ("operations.md", "settings.md", "backends/command.md")
    }
    links = {
        urljoin(path, link)
        for path, page in pages.items()
        for link in re.findall(r'href="([^":]*#[^"]+)"', page[page.index("<article") : page.index("</article>")])
    }
    assert "operations.md#processes" in links
    assert "backends/command.md#sandbox" in links
    for link in links:
        path, _, section = link.partition("#")
        page = pages.setdefault(path, html(browser, f"/help/{path}"))
        assert f'id="{section}"' in page, link


def test_only_pages_of_the_documentation_are_shown_and_only_after_a_login():
    someone = client_of(make.user(may=[]))
    for path in ("settings.md", "backends/claude.md"):
        assert someone.get(f"/help/{path}").status_code == 200
        assert Client().get(f"/help/{path}").status_code == 302
    for path in ("../README.md", "..%2FREADME.md", "backends", "/etc/passwd", "development.md%00", "images"):
        assert someone.get(f"/help/{path}").status_code == 404, path
