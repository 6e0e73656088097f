"""Agents ask and people answer in a real browser, with the running product."""

import pytest
from playwright.sync_api import expect

from tests.web.browsing import opened

pytestmark = pytest.mark.system

ASKS = {"ask": "Which **database**?", "options": ["PostgreSQL", "SQLite"]}
PUSHES = {"approve": "Bash", "input": {"command": "git push origin main"}}


def task_of(product, title: str, *script) -> tuple[str, str]:
    """Return a task and its agent, which plays the script."""
    agent = product.new_agent(backend_options={"script": [{"say": "I begin.\n\n"}, *script]})
    return product.new_task(title=title, assignee_ids=[agent]), agent


def test_question_appears_on_the_open_page_and_one_click_lets_the_run_continue(page, product):
    task, agent = task_of(product, "Choose", ASKS, {"say": "I take {answer}."})
    opened(page, f"/tasks/{task}")
    run = product.run(task, agent)
    card = page.locator("#questions .question")
    expect(card).to_contain_text("asks")
    expect(card.locator("strong")).to_have_text("database")
    card.get_by_role("button", name="SQLite").click()
    page.get_by_text("I take SQLite.").first.wait_for()
    expect(page.locator("#questions")).to_be_hidden()
    assert product.ended(run)["status"] == "completed"


def test_approval_is_decided_with_the_keyboard_and_a_half_typed_reason_is_kept(page, product):
    task, agent = task_of(product, "Publish", PUSHES, {"say": "Then I am done."})
    run = product.run(task, agent)
    opened(page, f"/tasks/{task}")
    card = page.locator("#questions .question")
    expect(card.locator(".code")).to_have_text("git push origin main")
    page.keyboard.press("q")
    expect(card.get_by_role("heading")).to_be_focused()
    reason = card.get_by_label("Reason for denying")
    reason.fill("Not on a")
    product.post(f"/tasks/{task}/messages", content="Look at this")  # refreshes the page
    page.get_by_text("Look at this").wait_for()
    expect(reason).to_have_value("Not on a")
    reason.press_sequentially(" Friday")
    reason.press("Control+Enter")
    page.get_by_text("Then I am done.").first.wait_for()  # in the output and in the thread
    assert product.ended(run)["status"] == "completed"
    contents = [message["content"] for message in product.get(f"/tasks/{task}/messages")["messages"]]
    assert "Deny: Bash. Not on a Friday" in contents


def test_board_shows_a_question_without_a_reload_and_leads_to_it(page, product):
    opened(page, "/")
    task, agent = task_of(product, "Decide", ASKS)
    run = product.run(task, agent)
    card = page.locator(f"#card-{task}")
    expect(card).to_contain_text("Which database?")
    card.get_by_role("link", name="Which database?").click()
    expect(page.locator("#questions .question h3")).to_be_focused()
    page.keyboard.press("2")
    page.locator("#events [data-kind=completed]").wait_for()
    assert product.ended(run)["status"] == "completed"
