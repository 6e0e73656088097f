"""A task's page that is refreshed while somebody uses it: it takes nothing away that they see, chose or typed."""

import pytest
from playwright.sync_api import expect

from tests.web.browsing import arrived, hold_first, opened

pytestmark = pytest.mark.system

PARTS = r"/parts"


@pytest.fixture
def task(product) -> str:
    return product.new_task(title="Open", description="Some **words** to read")


def change_title(product, task: str, title: str = "Changed elsewhere") -> None:
    product.call("PATCH", f"/tasks/{task}", title=title)


def shows_title(page, title: str = "Changed elsewhere") -> None:
    page.get_by_role("heading", name=title).wait_for()


def test_a_refresh_that_comes_late_does_not_take_away_that_something_was_copied(page, product):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    task = product.new_task(title="Code", description="```python\nx = 1\n```")
    opened(page, f"/tasks/{task}")
    held = hold_first(page, PARTS)
    change_title(product, task)
    parts = arrived(page, held)
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    parts.continue_()
    shows_title(page)
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Copy", exact=True).wait_for()


def test_names_are_offered_to_who_types_before_the_scripts_have_come(page, product, task):
    product.new_agent(name="Ida Rhodes")
    held = hold_first(page, r"/task(\.\w+)?\.js")
    page.goto(f"/tasks/{task}", wait_until="commit")
    script = arrived(page, held)
    page.get_by_label("Message (use @").click()
    page.keyboard.type("Hello @ida")
    script.continue_()
    page.get_by_role("option", name="@ida-rhodes").wait_for()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Message (use @")).to_have_value("Hello @ida-rhodes ")


def test_an_agent_that_is_created_while_the_page_is_open_can_be_mentioned(page, product, task):
    opened(page, f"/tasks/{task}")
    page.get_by_label("Message (use @").fill("Hello ")
    page.wait_for_function("() => Object.keys(sessionStorage).some((key) => key.startsWith('mc-draft'))")
    product.new_agent(name="Mary Jackson")
    change_title(product, task)
    shows_title(page)
    page.get_by_label("Message (use @").press_sequentially("@mary")
    page.get_by_role("option", name="@mary-jackson").wait_for()
    change_title(product, task, "While the list is open")
    shows_title(page, "While the list is open")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Message (use @")).to_have_value("Hello @mary-jackson ")


def test_typed_text_the_caret_and_open_menus_stay_and_the_rest_of_the_page_is_refreshed(page, product, task):
    opened(page, f"/tasks/{task}")
    page.locator("#edit-text summary").click()
    title = page.get_by_label("Title", exact=True)
    title.fill("My own title")
    title.evaluate("field => field.setSelectionRange(3, 6)")
    change_title(product, task)
    shows_title(page)
    expect(title).to_have_value("My own title")
    assert title.evaluate("field => [field.selectionStart, field.selectionEnd]") == [3, 6]
    assert page.evaluate("document.activeElement.id") == "edit-title"
    page.get_by_role("button", name="Cancel").first.click()
    page.wait_for_function("() => document.getElementById('edit-title').value === 'Changed elsewhere'")

    page.locator("[data-key=p-priority]").click()
    change_title(product, task, "With an open menu")
    shows_title(page, "With an open menu")
    page.get_by_role("button", name="Urgent").click()
    page.locator("#props .prio[data-priority=urgent]").first.wait_for()


def test_a_review_form_with_text_stays_until_the_text_is_gone_though_somebody_else_decides(page, product):
    task = product.new_task(title="Decided", metadata={"requires_review": True})
    product.ended(product.run(task, product.new_rehearser(2)))
    opened(page, f"/tasks/{task}")
    page.get_by_label("Feedback").fill("Half a thought")
    product.post(f"/tasks/{task}/status", status="done")
    page.locator("#task-head .badge[data-status=done]").wait_for()
    expect(page.get_by_label("Feedback")).to_have_value("Half a thought")
    page.get_by_label("Feedback").fill("")
    page.get_by_label("Message (use @").focus()
    page.locator("#ask").wait_for(state="hidden")


def test_what_is_selected_to_be_copied_stays_selected(page, product, task):
    opened(page, f"/tasks/{task}")
    page.locator("#task-text strong").evaluate("words => getSelection().selectAllChildren(words)")
    change_title(product, task)
    shows_title(page)
    assert page.evaluate("getSelection().toString()") == "words"


def test_the_agent_and_the_runs_that_were_chosen_stay_chosen_and_the_focus_stays(page, product, task):
    agents = [product.new_rehearser(1) for _ in range(2)]
    runs = [product.ended(product.run(task, agents[0]))["id"] for _ in range(3)]
    opened(page, f"/tasks/{task}")
    page.locator("[data-picker] summary").click()
    page.locator(f"[data-picker] label:has(input[value='{agents[1]}'])").click()
    page.get_by_label("Compare attempt 3").uncheck()
    page.get_by_label("Compare attempt 1").check()
    product.ended(product.run(task, agents[0]))
    page.get_by_label("Compare attempt 4").wait_for(state="attached")
    page.locator("#run-bar").get_by_role("button", name="Run again").wait_for()
    assert page.locator("#runs input:checked").evaluate_all("all => all.map(one => one.value)") == runs[1::-1]
    assert page.evaluate("document.activeElement.value") == runs[0]


def test_a_preview_stays_open_and_shows_the_version_that_was_chosen(page, product, task):
    agent = product.new_rehearser(2)
    for _ in range(2):
        product.ended(product.run(task, agent))
    opened(page, f"/tasks/{task}")
    document = page.locator("#documents .doc")
    document.get_by_text("Preview").click()
    document.locator("[data-content]").wait_for()
    document.get_by_role("combobox").select_option("1")
    document.get_by_text("Preview v1").wait_for()
    change_title(product, task)
    shows_title(page)
    expect(document.get_by_role("combobox")).to_have_value("1")
    expect(document.locator("[data-content]")).to_be_visible()


def test_a_run_that_ends_before_it_is_stopped_does_not_look_like_a_deleted_task(page, product, task, complaints):
    complaints.expect("status of 404")
    run = product.run(task, product.new_rehearser(10_000, delay=0.1))
    opened(page, f"/tasks/{task}")
    held = hold_first(page, r"/stop")
    page.locator("#run-bar").get_by_role("button", name="Stop").click()
    stop = arrived(page, held)
    product.post(f"/runs/{run}/stop")
    product.ended(run)
    stop.continue_()
    page.locator("#task-notice .notice").wait_for()
    expect(page.get_by_text("This task was deleted")).to_have_count(0)
    page.locator("#run-bar").get_by_role("button", name="Run again").wait_for()


def test_the_title_of_the_window_has_the_new_name_and_how_many_runs_there_are(page, product, task):
    opened(page, f"/tasks/{task}")
    change_title(product, task)
    shows_title(page)
    run = product.run(task, product.new_rehearser(10_000, delay=0.1))
    page.wait_for_function("() => /^\\(\\d+\\) Changed elsewhere · /.test(document.title)")
    product.post(f"/runs/{run}/stop")
