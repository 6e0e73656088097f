"""A long history on a task's page: the newest part is shown, all of it can be reached."""

import re

import pytest

from mission_control.actions import comments
from tests import make
from tests.web.pages import finished_run, html, page_of, text_of

pytestmark = pytest.mark.usefixtures("database")


def attempts(page: str) -> list[int]:
    return [int(number) for number in re.findall(r"Output of attempt </span>(\d+)</a>", page)]


def messages(page: str) -> list[int]:
    return [int(number) for number in re.findall(r"Message (\d+)\.", page)]


def link(page: str, words: str) -> str:
    return re.search(rf'href="(\?[^"#]*)[^"]*"[^>]*>\s*{words}', " ".join(page.split()))[1].replace("&amp;", "&")


def test_older_runs_are_shown_when_asked_for(browser):
    task, agent = make.task(), make.agent()
    runs = [finished_run(task, agent, said=f"try {number}") for number in range(1, 13)]
    page = page_of(browser, task)
    assert attempts(page) == list(range(12, 2, -1))
    assert re.search(r'<h2 id="hist-h">Runs</h2><span class="quiet num">12<', page)
    assert attempts(page_of(browser, task, link(page, "2 older runs"))) == list(range(12, 0, -1))
    first = page_of(browser, task, f"?run={runs[0].pk}")
    assert "try 1<" in first
    assert attempts(page_of(browser, task, link(first, "2 older runs"))) == list(range(12, 0, -1))
    assert "try 1<" in page_of(browser, task, link(first, "2 older runs"))
    for count in ("x", "-1", "0", "9" * 30):
        assert page_of(browser, task, f"?runs={count}")


def test_older_messages_are_shown_when_asked_for(browser):
    task, person = make.task(), make.user()
    for number in range(1, 34):
        comments.post(task, f"Message {number}.", by=person)
    page = page_of(browser, task)
    assert messages(page) == list(range(4, 34))
    assert "3 earlier messages" in text_of(page)
    whole = page_of(browser, task, link(page, "3 earlier messages"))
    assert messages(whole) == list(range(1, 34))
    assert "earlier message" not in text_of(whole)


def test_who_has_not_chosen_two_runs_is_told_to(browser):
    task, agent = make.task(), make.agent()
    runs = [finished_run(task, agent) for _ in range(3)]
    for chosen in (runs[:1], runs):
        query = "&".join(f"run={run.pk}" for run in chosen)
        answer = browser.get(f"/tasks/{task.pk}/compare?{query}", follow=True)
        assert "Choose two runs to compare." in text_of(answer.content.decode())
    two = f"/tasks/{task.pk}/compare?run={runs[0].pk}&run={runs[1].pk}"
    assert "Compare attempts 1 and 2" in text_of(html(browser, two))
