"""Text that was typed and not sent is kept: in a real browser, with the running product."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.web.browsing import log_in

pytestmark = pytest.mark.system

STORED = "JSON.stringify(sessionStorage)"


@pytest.fixture
def questions(page) -> list[str]:
    """The types of the browser's own dialogs that were shown; each is accepted."""
    shown: list[str] = []

    def take(dialog) -> None:
        shown.append(dialog.type)
        dialog.accept()

    page.on("dialog", take)
    return shown


def is_forgotten(page: Page, text: str) -> None:
    """Wait until no draft contains the text."""
    page.wait_for_function(f"text => !{STORED}.includes(text)", arg=text)


def new_task_dialog(page: Page):
    page.goto("/")
    page.locator("#conn[data-conn=live]").wait_for()
    page.keyboard.press("n")
    dialog = page.get_by_role("dialog", name="New task")
    dialog.wait_for()
    return dialog


def end_session(page: Page, product) -> None:
    """End the page's session on the server, as its expiry or a logout elsewhere does."""
    key = next(one["value"] for one in page.context.cookies() if "session" in one["name"])
    product.shell(
        f"from django.contrib.sessions.models import Session; Session.objects.filter(pk='{key}').delete()"
    )


def log_in_again(page: Page, product, *, name: str = "admin", password: str = "") -> None:
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password or product.password)
    page.get_by_role("button", name="Log in").click()
    page.locator(".topbar").wait_for()


def test_the_new_task_dialog_keeps_what_was_typed_until_it_is_created_or_cancelled(page, product, questions):
    dialog = new_task_dialog(page)
    dialog.get_by_label("Title").fill("Half written")
    dialog.get_by_label("Priority").select_option("high")
    page.mouse.click(5, 450)  # outside the dialog
    dialog.get_by_text("Still open because you have unsaved text").wait_for()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    dialog = new_task_dialog(page)
    expect(dialog.get_by_label("Title")).to_have_value("Half written")
    expect(dialog.get_by_label("Priority")).to_have_value("high")
    dialog.get_by_text("Your draft was restored.").wait_for()
    dialog.get_by_role("link", name="Cancel").click()
    dialog = new_task_dialog(page)
    expect(dialog.get_by_label("Title")).to_have_value("")
    dialog.get_by_label("Title").fill("Written")
    dialog.get_by_role("button", name="Create task").click()
    page.locator(".toast", has_text="Created: Written").wait_for()
    is_forgotten(page, "Written")
    expect(new_task_dialog(page).get_by_label("Title")).to_have_value("")
    assert questions == []


def test_a_page_with_typed_text_asks_before_it_is_left_and_has_the_text_when_one_comes_back(
    page, product, questions
):
    task = product.new_task(title="Described")
    page.goto(f"/tasks/{task}")
    page.locator("#edit-text summary").click()
    page.locator("#edit-description").click()
    page.keyboard.type("A long description")
    page.get_by_role("link", name="Board").first.click()
    page.wait_for_url(f"{product.url}/")
    assert questions == ["beforeunload"]
    page.go_back()
    page.get_by_text("Your draft was restored.").wait_for()
    expect(page.locator("#edit-description")).to_have_value("A long description")
    page.locator("#edit-text").get_by_role("button", name="Save").click()
    page.locator("#task-text .desc", has_text="A long description").wait_for()
    is_forgotten(page, "A long description")
    page.reload()
    assert questions == ["beforeunload"]
    expect(page.locator("[data-draft-note]")).to_have_count(0)


def test_escape_throws_no_text_away_that_was_typed_on_a_tasks_page(page, product, questions):
    page.goto(f"/tasks/{product.new_task(title='Described')}")
    form = page.locator("#edit-text")
    form.locator("summary").click()
    page.locator("#edit-description").fill("Half written")
    page.keyboard.press("Escape")
    page.get_by_text("Still open because you have unsaved text").wait_for()
    expect(page.locator("#edit-description")).to_have_value("Half written")
    form.get_by_role("button", name="Cancel").click()
    form.locator("summary").click()
    expect(page.locator("#edit-description")).to_have_value("")
    page.keyboard.press("Escape")
    expect(page.locator("#edit-description")).to_be_hidden()
    assert questions == []


def test_a_draft_is_restored_with_what_it_was_written_on_so_that_anothers_change_is_seen(
    page, product, complaints
):
    complaints.expect("status of 409")
    task = product.new_task(title="Shared", description="one")
    page.goto(f"/tasks/{task}")
    page.locator("#edit-text summary").click()
    page.locator("#edit-description").fill("mine")
    product.call("PATCH", f"/tasks/{task}", description="theirs")
    page.reload()
    page.get_by_text("Your draft was restored.").wait_for()
    page.locator("#edit-text").get_by_role("button", name="Save").click()
    page.locator("[data-conflict]", has_text="edited this while you were editing").wait_for()
    expect(page.locator("#edit-description")).to_have_value("mine")
    page.get_by_role("link", name="Discard mine").click()
    page.locator("#task-text .desc", has_text="theirs").wait_for()
    expect(page.locator("[data-draft-note]")).to_have_count(0)


def test_the_end_of_a_session_leaves_the_page_and_its_text_and_the_refused_text_is_back_after_the_login(
    page, product, questions, complaints
):
    sockets = []
    page.route_web_socket(re.compile("/ws/"), lambda socket: sockets.append((socket, socket.connect_to_server())))
    page.goto("/documents/new")
    page.locator("#conn[data-conn=live]").wait_for()
    page.get_by_label("Title").fill("Minutes")
    page.get_by_label("Text").fill("What was decided\nand why")
    end_session(page, product)
    sockets[-1][0].close(code=4401)  # as the server does within twenty seconds
    page.get_by_text("You are logged out").wait_for()
    expect(page.locator("#conn")).to_have_text("Logged out")
    expect(page.get_by_label("Text")).to_have_value("What was decided\nand why")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(re.compile(r"/login\?next=/documents/new"))
    log_in_again(page, product)
    page.wait_for_url("**/documents/new")
    expect(page.get_by_label("Title")).to_have_value("Minutes")
    expect(page.get_by_label("Text")).to_have_value("What was decided\nand why")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="Minutes").wait_for()
    is_forgotten(page, "decided")
    assert questions == []


def test_a_dialog_and_a_message_that_are_refused_after_the_session_ended_keep_their_text(
    page, product, questions, complaints
):
    complaints.expect("status of 401")
    task = product.new_task(title="With a thread")
    page.goto(f"/tasks/{task}")
    page.locator("#conn[data-conn=live]").wait_for()
    page.locator("#say-it").fill("A message")
    end_session(page, product)
    page.locator("#composer").get_by_role("button", name="Send", exact=True).click()
    page.get_by_text("You are logged out").first.wait_for()
    page.locator("[data-logged-out]").get_by_role("link", name="Log in").click()
    log_in_again(page, product)
    page.wait_for_url(f"**/tasks/{task}")
    expect(page.locator("#say-it")).to_have_value("A message")
    dialog = new_task_dialog(page)
    dialog.get_by_label("Title").fill("From a dialog")
    end_session(page, product)
    dialog.get_by_role("button", name="Create task").click()
    dialog.get_by_role("link", name="Log in").click()
    log_in_again(page, product)
    page.wait_for_url("**/tasks/new")
    expect(page.get_by_label("Title")).to_have_value("From a dialog")
    assert set(questions) <= {"beforeunload"}


def test_logging_out_clears_drafts_and_no_other_user_sees_them(page, product, questions):
    page.goto("/projects/new")
    page.get_by_label("Title").fill("A secret project")
    page.reload()
    expect(page.get_by_label("Title")).to_have_value("A secret project")
    end_session(page, product)
    page.goto("/projects/new")
    product.shell(
        "from django.contrib.auth.models import User;"
        "User.objects.create_superuser('other', password='a long enough one')"
    )
    log_in_again(page, product, name="other", password="a long enough one")
    expect(page.get_by_label("Title")).to_have_value("")
    is_forgotten(page, "secret project")
    page.get_by_label("Title").fill("Another one")
    page.reload()
    page.locator("#account summary").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    is_forgotten(page, "Another one")


def test_passwords_are_never_stored(page, product):
    page.goto("/account")
    for label in ("Old password", "New password", "New password confirmation"):
        page.get_by_label(label, exact=True).fill("hunter2 hunter2")
    page.get_by_label("Name").fill("Token of a script")
    page.reload()
    expect(page.get_by_label("Name")).to_have_value("Token of a script")
    assert "hunter2" not in page.evaluate(STORED)
    assert "hunter2" not in page.evaluate("JSON.stringify(localStorage)")


def test_a_refused_form_leads_back_to_no_page_of_another_server(page, product, complaints):
    complaints.expect("status of 403")
    form = f'<form method="post" action="{product.url}/tasks/new"><button>Go</button></form>'
    page.route("http://other.example/", lambda route: route.fulfill(body=form, content_type="text/html"))
    page.goto("http://other.example/")
    page.get_by_role("button", name="Go").click()
    page.get_by_role("heading", name="This page is out of date").wait_for()
    expect(page.get_by_role("link", name="Back to the form")).to_be_hidden()


def test_two_tabs_keep_their_own_drafts_and_log_out_leaves_the_text_of_the_other(page, product, questions):
    beside = page.context.new_page()
    for shown, text in ((page, "First"), (beside, "Second")):
        shown.goto("/documents/new")
        shown.locator("#conn[data-conn=live]").wait_for()
        shown.get_by_label("Title").fill(text)
    page.locator("#account summary").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    beside.get_by_text("You are logged out").wait_for()
    expect(beside.get_by_label("Title")).to_have_value("Second")
    log_in(page, product)  # the other tab notices when it becomes visible
    beside.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(beside.get_by_text("You are logged out")).to_have_count(0)
    expect(beside.get_by_label("Title")).to_have_value("Second")
    beside.close()


def test_an_edit_of_an_agent_is_discarded_by_its_own_link(page, product, questions):
    agent = product.new_agent(name="Kept", role="As it was")
    page.goto(f"/agents/{agent}#form")
    page.locator("#conn[data-conn=live]").wait_for()
    page.locator("#agent-role").fill("Changed")
    page.get_by_role("link", name="Discard", exact=True).click()
    expect(page.locator("#agent-role")).to_have_value("As it was")
    assert questions == []
