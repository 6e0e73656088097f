"""Helpers that read the pages of projects."""

import re
from html import unescape

from mission_control.models import Project
from tests.web.pages import squeezed


def page_of(browser, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return squeezed(answer.content.decode())


def text_of(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def now(project: Project) -> Project:
    return Project.objects.get(pk=project.pk)
