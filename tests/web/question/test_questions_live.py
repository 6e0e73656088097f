"""Agents ask and people answer in a real browser, with the running product."""

import re

import pytest
from playwright.sync_api import expect

from tests.web.browsing import opened

pytestmark = pytest.mark.system

ASKS = {"ask": "Which **database**?", "options": ["PostgreSQL", "SQLite"]}
PUSHES = {"approve": "Bash", "input": {"command": "git push origin main"}}
SIZES = (1440, 900), (1366, 768)
SCROLLING_PARENTS = """element => {
  const found = [];
  for (let one = element.parentElement; one && one !== document.body; one = one.parentElement) {
    const style = getComputedStyle(one);
    const scrolls = ["auto", "scroll"].includes(style.overflowY) && one.scrollHeight > one.clientHeight + 1;
    if (scrolls) found.push(style.overscrollBehaviorY);
  }
  return found;
}"""
BROWSER_NOTIFICATIONS = """
  window.shown = [];
  window.requested = 0;
  window.isHidden = false;
  Object.defineProperty(document, "hidden", { get: () => window.isHidden });
  window.Notification = class {
    static permission = "default";
    static async requestPermission() { window.requested += 1; return this.permission = "granted"; }
    constructor(title, { body }) { window.shown.push([title, body]); }
    addEventListener() {}
  };
"""


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


def test_newest_line_of_an_active_run_is_in_the_window_also_beside_an_open_question(page, product):
    lines = "\n\n".join(f"Line {number}." for number in range(80))
    task, agent = task_of(product, "Write much", {"say": lines}, {"wait_for_message": True}, ASKS)
    run = product.run(task, agent)
    page.set_viewport_size({"width": 1440, "height": 900})
    opened(page, f"/tasks/{task}")
    newest = page.locator("#events").get_by_text("Line 79.")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        expect(newest).to_be_in_viewport(ratio=1)
    assert newest.evaluate(SCROLLING_PARENTS) == ["auto"], (
        "one scrolling box, which passes the wheel on to the page"
    )
    product.post(f"/runs/{run}/messages", content="Ask me")
    page.locator("#questions .question").wait_for()
    last = page.locator("#events > *").last
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        expect(last).to_be_in_viewport(ratio=0.7)  # without its padding
        expect(page.locator("#questions .question h3")).to_be_in_viewport(ratio=1)


def test_nothing_moves_under_the_pointer_while_a_question_comes_and_goes(page, product):
    waits = {"wait_for_message": True}
    task, agent = task_of(product, "Hold still", waits, ASKS, {"say": "I take {answer}."}, waits)
    run = product.run(task, agent)
    product.running(run)
    opened(page, f"/tasks/{task}")
    page.locator("#events").get_by_text("I begin.").wait_for()
    page.evaluate(
        "performance.now = () => 0"
    )  # the pointer has always moved just now, however slow the machine is
    control, card, notice = (
        page.locator("#show-tools"),
        page.locator("#questions .question"),
        page.locator("#held-question"),
    )
    control.hover()
    before = control.bounding_box()
    product.post(f"/runs/{run}/messages", content="Ask me")
    notice.wait_for()
    expect(card).to_have_count(0)
    assert control.bounding_box() == before
    page.mouse.move(1, 1)  # the top bar
    card.wait_for()
    expect(notice).to_have_count(0)
    control.hover()
    before = control.bounding_box()
    [question] = product.get(f"/questions?run_id={run}&status=open")["questions"]
    product.post(f"/questions/{question['id']}/answer", choice=question["options"][0]["id"])
    page.locator("#events").get_by_text("I take PostgreSQL.").wait_for()
    expect(card).to_have_count(1)
    assert control.bounding_box() == before
    page.mouse.move(1, 1)
    expect(card).to_have_count(0)


def test_question_is_announced_on_other_pages_and_by_the_browser_only_after_a_click_allowed_it(page, product):
    page.add_init_script(BROWSER_NOTIFICATIONS)
    opened(page, "/documents")
    task, agent = task_of(product, "Call me", ASKS, ASKS)
    run = product.run(task, agent)
    toast = page.locator(".toast", has_text="Which database?")
    expect(toast.get_by_role("link")).to_have_attribute("href", re.compile(rf"/tasks/{task}#questions$"))
    expect(page).to_have_title(re.compile("^Asks · "))
    assert page.evaluate("[requested, shown.length]") == [0, 0]
    opened(page, f"/tasks/{task}")
    expect(page).to_have_title(re.compile("^Asks · "))
    assert page.evaluate("requested") == 0
    page.locator(".question [data-ask-browser]").click()
    expect(page.locator(".question [data-ask-browser]")).to_be_hidden()
    assert page.evaluate("[requested, shown.length]") == [1, 0]
    page.evaluate("isHidden = true")
    [question] = product.get(f"/questions?run_id={run}&status=open")["questions"]
    product.post(f"/questions/{question['id']}/answer", choice=question["options"][0]["id"])
    page.wait_for_function("() => shown.some(([title]) => title === 'An agent asks')")
    [body] = page.evaluate("shown.filter(([title]) => title === 'An agent asks').map(([, body]) => body)")
    assert "Which database?" in body
