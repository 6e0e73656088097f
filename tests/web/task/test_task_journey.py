"""The task page in a real browser, with the running product."""

import re

import pytest
from playwright.sync_api import expect

from tests.servers import wait_until
from tests.web.browsing import Sockets, arrived, have_login, hold_first

pytestmark = pytest.mark.system


def entries(page) -> list[list[str]]:
    """Return kind, numbers and text of all entries that the output shows."""
    return page.locator("#events > li").evaluate_all(
        "items => items.map(item => [item.dataset.kind, item.dataset.first, item.dataset.last, item.textContent])"
    )


def said(page) -> str:
    """Return the agent's whole output, without the white space that the markup adds."""
    shown = [text.strip() for kind, _, _, text in entries(page) if kind == "message"]
    return bare("".join(text[8:] for text in shown))  # after the time


def bare(text: str) -> str:
    return "".join(text.split())


def opened(page, task) -> None:
    page.goto(f"/tasks/{task}")
    page.locator("#conn[data-conn=live]").wait_for()


def counted_to(page, number: int) -> None:
    page.wait_for_function("n => document.getElementById('events').textContent.includes(`[${n}] `)", arg=number)


def test_run_is_watched_live_kept_over_a_reload_and_stopped_the_second_time(page, product):
    agent = product.new_rehearser(80, delay=0.1)
    task = product.new_task(assignee_ids=[agent])
    opened(page, task)
    page.locator("#run-bar").get_by_role("button", name="Run").click()

    page.wait_for_selector("#events [data-kind=message]")
    early = said(page)

    page.wait_for_selector("#events [data-kind=completed]")
    shown, run = entries(page), page.locator("#output").get_attribute("data-run")
    output = product.run_of(run)["output"]
    assert said(page).startswith(early)
    assert len(said(page)) > len(early)
    assert said(page) == bare(output)
    page.locator("#task-head .badge[data-status=done]").wait_for()
    page.locator("#documents .doc").get_by_text("Preview").click()
    page.locator("#documents [data-content]").wait_for()
    assert bare(page.locator("#documents [data-content]").inner_text()) == bare(output)

    page.reload()
    page.locator("#conn[data-conn=live]").wait_for()
    assert entries(page) == shown

    product.call("PATCH", f"/agents/{agent}", backend_options={"chunks": 10_000, "delay_seconds": 0.1})
    page.locator("#run-bar").get_by_role("button", name="Run again").click()
    page.wait_for_selector(f"#output:not([data-run='{run}']) [data-kind=message]")
    page.locator("#run-bar").get_by_role("button", name="Stop").click()
    page.wait_for_selector("#events [data-kind=stopped]")
    page.locator("#task-head .badge[data-status=blocked]").wait_for()
    page.locator("#runs tbody tr").nth(1).wait_for()
    second = product.run_of(page.locator("#output").get_attribute("data-run"))
    assert second["status"] == "stopped"
    assert said(page) == bare(second["output"])


def test_a_page_whose_connection_breaks_says_so_and_goes_on_without_gap_or_repeat(page, product):
    sockets = Sockets(page)
    task = product.new_task(title="Count to four hundred")
    opened(page, task)
    run = product.run(task, product.new_rehearser(400, delay=0.01))
    for number in (20, 150):
        counted_to(page, number)
        sockets.cut()
        page.locator("#conn[data-conn=retrying]").wait_for()
        sockets.restore()
        page.locator("#conn[data-conn=live]").wait_for()

    page.wait_for_selector("#events [data-kind=completed]")
    assert said(page) == bare(product.ended(run)["output"])
    assert re.findall(r"\[(\d+)\]", said(page)) == [str(number) for number in range(1, 401)]


def test_output_that_comes_while_the_reader_scrolled_up_moves_nothing(page, product):
    task = product.new_task(title="Read back")
    opened(page, task)
    run = product.run(task, product.new_rehearser(300, delay=0.02))
    page.wait_for_function("() => document.getElementById('stream').scrollTop > 100")
    page.locator("#stream").evaluate("stream => { stream.scrollTop = 40; }")
    newest = page.get_by_role("button", name="Jump to latest")
    newest.wait_for()
    page.wait_for_selector("#events [data-kind=completed]", state="attached")
    assert page.locator("#stream").evaluate("stream => stream.scrollTop") == 40
    expect(page.locator("#stream-foot")).to_contain_text("auto-scroll paused")

    newest.click()
    newest.wait_for(state="hidden")
    assert product.ended(run)["status"] == "completed"
    page.locator("#events [data-kind=completed]").wait_for()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1366, 768), (390, 844)])
def test_the_newest_line_is_in_sight_while_a_run_writes(page, product, width, height):
    page.set_viewport_size({"width": width, "height": height})
    text = "What to write about swifts. " * 20 + "\n\n- one\n- two\n- three\n- four"
    agent = product.new_rehearser(10_000, delay=0.02)
    task = product.new_task(title="Write chapter two about swifts", description=text, assignee_ids=[agent])
    opened(page, task)
    page.locator("#run-bar").get_by_role("button", name="Run").click()
    counted_to(page, 60)
    edges = page.evaluate(
        """() => {
          const tabs = document.querySelector(".tabbar").getBoundingClientRect();
          const bottom = (id) => document.getElementById(id).getBoundingClientRect().bottom;
          const end = tabs.height ? tabs.top : innerHeight;
          return { window: end, line: bottom("events"), output: bottom("output"), scroll: scrollY };
        }"""
    )
    assert edges["line"] < edges["output"] <= edges["window"]
    assert edges["scroll"] == 0 or width < 768
    page.locator("#stream").evaluate("stream => { stream.scrollTop = 0; }")
    newest = page.get_by_role("button", name="Jump to latest")
    newest.wait_for()
    assert newest.bounding_box()["y"] + newest.bounding_box()["height"] < edges["window"]
    newest.click()  # the last line is on the page for sure only for a reader who is at the end
    page.locator("#run-bar").get_by_role("button", name="Stop").click()
    page.wait_for_selector("#events [data-kind=stopped]", state="attached")


def test_a_task_that_is_deleted_elsewhere_says_so_and_keeps_what_is_written(page, product, complaints):
    complaints.expect("status of 404")
    task = product.new_task(title="Soon gone")
    opened(page, task)
    page.get_by_label("Message (use @").fill("Half a thought")
    product.call("DELETE", f"/tasks/{task}")
    page.locator("#task-notice").get_by_text("This task was deleted").wait_for()
    expect(page.get_by_label("Message (use @")).to_have_value("Half a thought")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()


def test_sending_to_a_task_that_is_gone_says_that_it_was_deleted(page, product, complaints):
    complaints.expect("status of 404")
    task = product.new_task(title="Gone")
    page.route_web_socket(re.compile("/ws/"), lambda socket: None)  # no frame reaches the page
    page.goto(f"/tasks/{task}")
    product.call("DELETE", f"/tasks/{task}")
    page.get_by_label("Message (use @").fill("Half a thought")
    page.get_by_role("button", name="Send", exact=True).click()
    page.locator("#task-notice").get_by_text("This task was deleted").wait_for()


def test_code_is_copied_word_for_word(page, product):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    code = 'def f(x):\n    return "<b>" + x\n'
    task = product.new_task(title="Code", description=f"```python\n{code}```")
    opened(page, task)
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == code


NUMBERS = (
    "() => document.getElementById('events').textContent.match(/\\[\\d+\\]/g).map(text => +text.slice(1, -1))"
)


def to_the_top(page) -> None:
    page.locator("#stream").evaluate("stream => { stream.scrollTop = 0; }")


def older_than(page, number: int) -> None:
    page.wait_for_function(f"n => ({NUMBERS})()[0] < n", arg=number)


def test_older_lines_are_read_when_the_reader_comes_to_them_and_the_page_stays_small(page, product):
    task = product.new_task(title="Twenty thousand lines")
    run = product.run(task, product.new_rehearser(20_000))
    product.ended(run)
    opened(page, task)
    shown = page.evaluate(NUMBERS)
    assert shown[-1] == 20_000
    assert len(shown) < 2_000

    lowest = shown[0]
    while lowest > 10_000:
        to_the_top(page)
        older_than(page, lowest)
        shown = page.evaluate(NUMBERS)
        assert shown == list(range(shown[0], shown[-1] + 1))
        assert len(shown) < 6_000
        lowest = shown[0]
    page.get_by_role("button", name="Jump to latest").click()
    counted_to(page, 20_000)


@pytest.fixture
def long_task(product) -> str:
    """Return a task with more output than its page shows."""
    task = product.new_task(title="Five thousand lines")
    product.ended(product.run(task, product.new_rehearser(5_000)))
    return task


def test_who_scrolls_up_while_the_page_reads_what_is_new_gets_what_is_older(page, long_task):
    held = hold_first(page, r"[?&]after=")
    opened(page, long_task)
    page.evaluate("document.dispatchEvent(new CustomEvent('mc:wake', { detail: new Set(['mc:missed']) }))")
    newer = arrived(page, held)
    lowest = page.evaluate(NUMBERS)[0]
    to_the_top(page)
    page.get_by_role("button", name="Jump to latest").wait_for()  # the page has noticed the scrolling
    newer.continue_()
    older_than(page, lowest)


def test_the_newest_is_shown_without_gap_to_who_leaves_what_is_older_before_it_has_come(page, product):
    task = product.new_task(title="Twenty thousand lines")
    product.ended(product.run(task, product.new_rehearser(20_000)))
    opened(page, task)
    lowest = page.evaluate(NUMBERS)[0]
    while page.evaluate(NUMBERS)[-1] == 20_000:  # until the end is removed
        to_the_top(page)
        older_than(page, lowest)
        lowest = page.evaluate(NUMBERS)[0]
    held = hold_first(page, r"[?&]upto=")
    to_the_top(page)
    older = arrived(page, held)
    page.get_by_role("button", name="Jump to latest").click()
    counted_to(page, 20_000)
    with page.expect_response(re.compile(r"[?&]upto=")):
        older.continue_()
    page.wait_for_timeout(100)  # in this time it would be shown
    shown = page.evaluate(NUMBERS)
    assert shown == list(range(shown[0], 20_001))


def test_what_is_older_is_asked_for_again_when_the_server_could_not_answer(page, complaints, long_task):
    complaints.expect("status of 503", "status of 500")
    refusals = [503, 500]
    page.route(
        re.compile(r"[?&]upto="),
        lambda route: route.fulfill(status=refusals.pop(), body="") if refusals else route.continue_(),
    )
    opened(page, long_task)
    lowest = page.evaluate(NUMBERS)[0]
    to_the_top(page)
    older_than(page, lowest)
    assert not refusals


def test_what_is_opened_stays_open_and_what_is_written_stays_while_the_run_goes_on(page, product):
    task = product.new_task(title="Busy")
    opened(page, task)
    page.get_by_label("Message (use @").fill("Half a thought")
    page.locator("#edit-text summary").click()
    page.get_by_label("Title", exact=True).fill("A better title")
    run = product.run(task, product.new_rehearser(60, delay=0.05))
    page.wait_for_selector("#events [data-kind=completed]")
    page.locator("#task-head .badge[data-status=done]").wait_for()
    expect(page.get_by_label("Message (use @")).to_have_value("Half a thought")
    expect(page.get_by_label("Title", exact=True)).to_have_value("A better title")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="A better title").wait_for()
    assert product.get(f"/tasks/{task}")["task"]["title"] == "A better title"
    assert product.ended(run)["status"] == "completed"


def test_limit_reached_is_told_and_queues_with_one_click(page, product):
    agent = product.new_rehearser(10_000, delay=0.1)
    task = product.new_task(title="The sixth", assignee_ids=[agent])
    opened(page, task)
    runs = [product.run(product.new_task(), agent) for _ in range(5)]
    queue = page.get_by_role("button", name="Add to queue")
    queue.wait_for()
    queue.click()
    page.get_by_role("button", name="Remove from queue").wait_for()
    page.locator("#task-page #run-bar [data-status=waiting]").first.wait_for()
    for run in runs:
        product.post(f"/runs/{run}/stop")
    page.wait_for_selector("#events [data-kind=message]")
    page.locator("#run-bar").get_by_role("button", name="Stop").click()
    page.wait_for_selector("#events [data-kind=stopped]")


def test_two_people_see_each_others_changes_and_decide_a_review(page, chromium, product):
    task = product.new_task(title="Shared", metadata={"requires_review": True})
    context = chromium.new_context(base_url=product.url, storage_state=page.context.storage_state())
    other = context.new_page()
    for one in (page, other):
        opened(one, task)
    page.locator("[data-key=p-priority]").click()
    page.get_by_role("button", name="Urgent").click()
    other.locator("#props .prio[data-priority=urgent]").first.wait_for()
    other.get_by_label("Message (use @").fill("Seen by both")
    other.keyboard.press("Control+Enter")
    page.locator(".msg").get_by_text("Seen by both").wait_for()

    product.ended(product.run(task, product.new_rehearser(3)))
    page.get_by_label("Feedback").fill("Count further")
    page.get_by_role("button", name="Request changes").click()
    page.locator("#ask").wait_for(state="hidden")
    other.locator(".msg").get_by_text("Count further").wait_for()
    product.ended(product.run(task, product.new_rehearser(4)))
    other.get_by_role("button", name="Approve").click()
    page.locator("#task-head .badge[data-status=done]").wait_for()
    context.close()


def test_a_name_is_completed_by_the_keyboard(page, product):
    product.new_agent(name="Ada Byron")
    opened(page, product.new_task())
    page.get_by_label("Message (use @").click()
    page.keyboard.type("Hello @ada")
    page.get_by_role("option", name="@ada-byron").wait_for()
    page.keyboard.press("Enter")
    page.keyboard.type("!")
    expect(page.get_by_label("Message (use @")).to_have_value("Hello @ada-byron !")


def test_a_page_goes_on_after_the_server_was_restarted_in_mid_run(chromium, product):
    context = chromium.new_context(base_url=product.url)
    page = context.new_page()  # its errors are allowed, because the server is down
    have_login(page, product)
    task = product.new_task(title="Restarted")
    opened(page, task)
    run = product.run(task, product.new_rehearser(2000, delay=0.05))
    counted_to(page, 5)
    product.stop()
    page.locator("#offline").wait_for()
    product.start()
    page.locator("#conn[data-conn=live]").wait_for()
    ended = wait_until(lambda: (found := product.run_of(run))["finished_at"] and found, what="the run to end")
    page.wait_for_selector(f"#events [data-kind={ended['status']}]")
    assert said(page) == bare(ended["output"])
    context.close()


def test_pages_about_runs_and_documents_take_news_of_other_things_without_complaint(page, product):
    agent, task = product.new_rehearser(1), product.new_task()
    runs = [product.ended(product.run(task, agent))["id"] for _ in range(2)]
    [document] = product.get(f"/documents?task_id={task}")["documents"]
    compared = f"/tasks/{task}/compare?run={runs[0]}&run={runs[1]}"
    for path in (compared, f"/runs/{runs[0]}/prompt", f"/documents/{document['id']}"):
        page.goto(path)
        page.locator("#conn[data-conn=live]").wait_for()
        page.evaluate(
            "document.addEventListener('mc:frame', ({ detail }) => document.body.classList.add(detail.event_type))"
        )
        product.ended(product.run(task, agent))
        page.locator("body.mc_task_started.mc_task_completed").wait_for()


def test_the_page_shows_what_becomes_of_the_tasks_that_it_waits_for_and_that_wait_for_it(page, product):
    blocker = product.new_task(title="Comes first")
    task = product.new_task(title="In the middle", blocked_by=[blocker])
    last = product.new_task(title="Comes last", blocked_by=[task])
    page.goto(f"/tasks/{task}")
    page.locator("#conn[data-conn=live]").wait_for()
    product.post(f"/tasks/{blocker}/status", status="review")
    page.locator("#deps .state[data-status=review]").wait_for()
    product.post(f"/tasks/{last}/status", status="skipped")
    page.locator("#deps .state[data-status=skipped]").wait_for()
