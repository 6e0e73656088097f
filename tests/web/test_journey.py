"""The page in a real browser, against the running product."""

import re

import pytest

pytestmark = pytest.mark.system


def entries(page) -> list[list[str]]:
    """Return kind and text of all that the output pane shows."""
    return page.locator("#events > li").evaluate_all(
        "items => items.map(item => [item.dataset.kind,"
        " [...item.querySelectorAll('[data-text]')].map(part => part.textContent).join('')])"
    )


def said(page) -> str:
    return "".join(text for kind, text in entries(page) if kind == "message")


def slow_task(product) -> str:
    """Return a task whose agent takes ten seconds: there is time to look, however busy the machine."""
    return product.new_task(assignee_ids=[product.new_rehearser(100, delay=0.1)])


def test_run_is_watched_live_kept_over_a_reload_and_stopped_the_second_time(page, product):
    task = slow_task(product)
    page.goto("/")
    row = page.locator(f"#task-{task}")
    row.get_by_role("button", name="Run").locator("visible=true").click()

    page.wait_for_selector("#events [data-kind=message]")
    early = said(page)
    row.locator("[data-action=stop]").wait_for()
    assert page.locator("#events [data-kind=completed]").count() == 0

    page.wait_for_selector("#events [data-kind=completed]")
    shown, run = entries(page), page.locator("#pane").get_attribute("data-run")
    assert said(page).startswith(early)
    assert len(said(page)) > len(early)
    assert said(page) == product.run_of(run)["output"]
    page.locator(f"#task-{task}[data-status=done]").wait_for()
    page.locator("#deliverable .paper").wait_for(state="attached")

    page.reload()
    page.locator("#conn[data-conn=live]").wait_for()
    assert entries(page) == shown
    assert page.locator("#deliverable .paper").text_content() == product.run_of(run)["output"]

    page.locator("#run-bar").get_by_role("button", name="Run").locator("visible=true").click()
    page.wait_for_selector(f"#pane:not([data-run='{run}']) [data-kind=message]")
    page.locator("#run-bar").get_by_role("button", name="Stop").click()
    page.wait_for_selector("#events [data-kind=stopped]")
    page.locator(f"#task-{task}[data-status=blocked]").wait_for()
    second = product.run_of(page.locator("#pane").get_attribute("data-run"))
    assert second["status"] == "stopped"
    assert said(page) == second["output"]


def test_a_page_whose_connection_breaks_says_so_and_goes_on_without_gap_or_repeat(page, product):
    connections = []

    def between(socket) -> None:
        socket.connect_to_server()
        connections.append(socket)

    page.route_web_socket(re.compile("/ws/"), between)
    task = product.new_task(title="Count to four hundred")
    page.goto(f"/tasks/{task}")
    page.locator("#conn[data-conn=live]").wait_for()
    run = product.run(task, product.new_rehearser(400, delay=0.01))
    for number in (20, 150):
        page.wait_for_function(
            "n => document.getElementById('events').textContent.includes(`[${n}] `)", arg=number
        )
        for connection in connections[:]:
            connections.remove(connection)
            connection.close(code=1012)
        page.locator("#conn[data-conn=retrying]").wait_for()
        page.locator("#conn[data-conn=live]").wait_for()

    page.wait_for_selector("#events [data-kind=completed]")
    assert said(page) == product.ended(run)["output"]
    assert re.findall(r"\[(\d+)\]", said(page)) == [str(number) for number in range(1, 401)]


def test_output_that_comes_while_the_reader_scrolled_up_moves_nothing(page, product):
    task = product.new_task(title="Read back")
    page.goto(f"/tasks/{task}")
    page.locator("#conn[data-conn=live]").wait_for()
    run = product.run(task, product.new_rehearser(300, delay=0.02))
    page.wait_for_function("() => document.getElementById('stream').scrollTop > 100")
    page.locator("#stream").evaluate("stream => { stream.scrollTop = 40; }")
    newest = page.get_by_role("button", name="Jump to newest")
    newest.wait_for()
    page.wait_for_selector("#events [data-kind=completed]", state="attached")
    assert page.locator("#stream").evaluate("stream => stream.scrollTop") == 40

    newest.click()
    newest.wait_for(state="hidden")
    assert product.ended(run)["status"] == "completed"
    page.locator("#events [data-kind=completed]").wait_for()


def test_a_narrow_screen_shows_the_list_or_one_task_and_never_scrolls_sideways(page, product):
    task = product.new_task(title="W" * 200)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    assert page.locator("#pane").is_hidden()
    page.locator(f"#task-{task} [data-key=title]").click()
    page.locator("#pane").wait_for()
    assert page.locator("#tasks").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("link", name="All tasks").click()
    page.locator("#tasks").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
