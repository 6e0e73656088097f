"""The board in a real browser, with the running product: it updates live, and works without a mouse."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from mission_control.web.board.page import FIRST_CARDS
from tests.servers import wait_until
from tests.web.browsing import Sockets, press_in_one

pytestmark = pytest.mark.system

PHONE = {"width": 390, "height": 844}


def board(page, query: str = "") -> None:
    page.goto(f"/{query}")
    page.locator("#conn[data-conn=live]").wait_for()


def card(page, task: str, column: str):
    return page.locator(f".col-{column} #card-{task}")


def test_a_card_follows_its_task_from_column_to_column_with_its_latest_line(page, product):
    task = product.new_task(title="Followed")
    board(page)
    card(page, task, "inbox").wait_for()
    blocked = int(page.locator("[data-count=blocked]").last.inner_text())
    product.run(task, product.new_rehearser(10_000, delay=0.1))
    card(page, task, "in_progress").wait_for()
    page.wait_for_function(
        "id => [...document.querySelectorAll(`#card-${id} .card-line, #slots .slot-line`)]"
        ".filter(line => /\\[\\d+\\]/.test(line.textContent)).length == 2",
        arg=task,
    )
    expect(page).to_have_title(re.compile(r"\(1\) Board"))
    page.locator("#slots .slot[data-status=running]").get_by_role("button", name="Stop").click()
    card(page, task, "blocked").wait_for()
    page.locator("#slots .slot[data-status]").wait_for(state="detached")
    expect(page.locator("[data-count=blocked]").last).to_have_text(str(blocked + 1))


def test_a_card_shows_what_still_blocks_its_task_however_a_blocker_changes(page, product):
    blockers = [product.new_task(title=f"Blocker {number}") for number in range(4)]
    task = product.new_task(title="Dependent", blocked_by=blockers)
    board(page)

    def needs(*titles: str) -> None:
        note = page.locator(f"#card-{task} .card-note")
        if titles:
            note.filter(has_text=re.compile(rf"Blocked by {', '.join(titles)}\s*$")).wait_for()
        else:
            note.wait_for(state="detached")

    product.ended(product.run(blockers[0], product.new_rehearser(1)))
    needs("Blocker 1", "Blocker 2", "Blocker 3")
    product.call("PATCH", f"/tasks/{blockers[1]}", title="Renamed")
    needs("Renamed", "Blocker 2", "Blocker 3")
    product.post(f"/tasks/{blockers[1]}/status", status="skipped")
    needs("Blocker 2", "Blocker 3")
    product.call("DELETE", f"/tasks/{blockers[2]}")
    needs("Blocker 3")
    product.call("PATCH", f"/tasks/{task}", blocked_by=blockers[:2])
    needs()
    product.post(f"/tasks/{blockers[0]}/status", status="assigned")  # it is open again
    needs("Blocker 0")
    product.call("PATCH", f"/tasks/{task}", blocked_by=[])
    needs()


def test_a_card_is_fetched_again_where_the_server_was_busy(page, product, complaints):
    complaints.expect("status of 503")
    task = product.new_task(title="Before")
    board(page)
    page.route("**/board/changed*", lambda route: route.fulfill(status=503, headers={"Retry-After": "1"}), times=1)
    product.call("PATCH", f"/tasks/{task}", title="Afterwards")
    page.locator(f"#card-{task}", has_text="Afterwards").wait_for()


def test_the_cards_of_deleted_tasks_and_projects_leave_an_open_board(page, product):
    project = product.post("/projects", title="Deleted")["project"]["id"]
    alone, within = product.new_task(title="Alone"), product.new_task(title="Within", project_id=project)
    board(page)
    for task in (alone, within):
        card(page, task, "inbox").wait_for()
    product.call("DELETE", f"/tasks/{alone}")
    page.locator(f"#card-{alone}").wait_for(state="detached")
    product.call("DELETE", f"/projects/{project}")
    page.locator(f"#card-{within}").wait_for(state="detached")


def test_a_task_is_made_in_the_dialog_and_seen_by_who_else_looks(page, product):
    board(page)
    beside = page.context.new_page()
    board(beside)
    page.keyboard.press("n")
    page.get_by_role("dialog").get_by_label("Title").fill("")
    page.get_by_role("button", name="Create task").click()
    page.get_by_text("Title is required.").wait_for()
    page.get_by_role("dialog").get_by_label("Title").fill("Made in a dialog")
    page.get_by_role("button", name="Create task").click()
    page.locator(".toast", has_text="Created: Made in a dialog").wait_for()  # first, because it disappears
    for shown in (page, beside):
        shown.locator(".col-inbox .card-title", has_text="Made in a dialog").wait_for()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_card_is_dragged_where_it_may_go_and_nowhere_else(page, product):
    agent = product.new_rehearser(10_000, delay=0.1)
    task = product.new_task(title="Dragged", assignee_ids=[agent])
    board(page)
    card(page, task, "assigned").drag_to(page.locator(".col-review .cards"))
    card(page, task, "review").wait_for()
    assert product.get(f"/tasks/{task}")["task"]["status"] == "review"
    card(page, task, "review").drag_to(page.locator(".col-in_progress .cards"))
    card(page, task, "in_progress").wait_for()
    expect(card(page, task, "in_progress")).to_have_attribute("data-to", "")
    page.get_by_role("heading", name="Board").click()  # a card with the focus does not move
    product.post(f"/tasks/{task}/stop")
    card(page, task, "blocked").wait_for()


def test_the_keys_go_through_the_cards_and_move_one(page, product):
    first = product.new_task(title="Lower")
    second = product.new_task(title="Upper")
    board(page)
    page.locator(f"#card-{second} [data-key=title]").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(f"#card-{first} :focus")).to_have_count(1)
    page.keyboard.press("m")
    page.locator("#card-menu:popover-open").wait_for()
    page.wait_for_function("() => document.activeElement.name == 'to'")
    page.keyboard.press("Escape")
    page.locator("#card-menu:popover-open").wait_for(state="detached")
    expect(page.locator(f"#card-{first} :focus")).to_have_count(1)
    page.keyboard.press(".")
    page.locator("#card-menu").get_by_role("button", name="Done").click()
    card(page, first, "done").wait_for()


def test_filters_stand_in_the_address_and_hold_for_what_comes_live(page, product):
    alpha = product.new_task(title="Alpha")
    board(page)
    page.locator("#q").fill("beta")
    page.wait_for_url("**/?q=beta")
    page.locator(f"#card-{alpha}").wait_for(state="detached")
    beta, gamma = product.new_task(title="Beta"), product.new_task(title="Gamma")
    card(page, beta, "inbox").wait_for()
    expect(page.locator(f"#card-{gamma}")).to_have_count(0)
    page.reload()
    expect(page.locator("#q")).to_have_value("beta")
    expect(page.locator(f"#card-{beta}")).to_have_count(1)
    expect(page.locator(f"#card-{alpha}")).to_have_count(0)
    page.get_by_role("link", name="Clear").click()
    card(page, gamma, "inbox").wait_for()


def test_the_palette_finds_a_task_and_goes_there(page, product):
    task = product.new_task(title="Needle in the hay")
    board(page)
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search").fill("needle")
    page.locator("#palette [role=option][aria-selected=true]", has_text="Needle in the hay").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/tasks/{task}")
    press_in_one(page, "g", "b")
    page.wait_for_url(f"{product.url}/")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard shortcuts").wait_for()
    page.keyboard.press("Escape")


def test_a_board_that_was_cut_off_says_so_and_catches_up(page, product, complaints):
    complaints.expect("net::ERR_FAILED")
    sockets = Sockets(page)
    task = product.new_task(title="Meanwhile")
    board(page)
    page.route("**/board/changed*", lambda route: route.abort())
    sockets.cut()
    page.locator("#conn[data-conn=retrying]").wait_for()
    product.post(f"/tasks/{task}/status", status="done")
    sockets.restore()
    page.locator("#conn[data-conn=live]").wait_for()
    card(page, task, "done").wait_for()


@pytest.mark.parametrize("path", ["/", "/projects"])
def test_what_changes_between_rendering_and_the_first_opening_of_the_socket_is_shown(page, product, path):
    title = "A card before the socket" if path == "/" else "A project before the socket"
    held = []

    def hold(socket) -> None:
        held.append(socket)

    page.route_web_socket(re.compile("/ws/pages"), hold)
    page.goto(path)
    wait_until(lambda: page.wait_for_timeout(20) or held, what="the page's socket")
    make = product.new_task if path == "/" else lambda title: product.post("/projects", title=title)
    make(title=title)
    expect(page.get_by_text(title)).to_have_count(0)
    held[0].connect_to_server()
    page.locator("main").get_by_text(title).first.wait_for()


def test_a_page_that_missed_nothing_requests_nothing_when_its_socket_opens(page, product):
    board(page)
    task = product.new_task(title="Already there")
    card(page, task, "inbox").wait_for()  # the frame about it is not on its way any more
    requested = requests_of(page)
    board(page)
    page.wait_for_load_state("networkidle")
    assert requested == []


def test_an_open_board_requests_nothing_while_output_is_written_and_once_for_a_change(page, product):
    task = product.new_task(title="Writes much")
    board(page)
    page.wait_for_load_state("networkidle")
    requested = requests_of(page)
    run = product.run(task, product.new_rehearser(10_000, delay=0.03))
    wrote(page, task, 20)
    before = len(requested)
    wrote(page, task, 120)
    assert len(requested) - before <= 3  # a busy machine may be late with what has changed at the start
    product.post(f"/runs/{run}/stop")
    card(page, task, "blocked").wait_for()
    assert set(requested) == {"/board/changed"}


def wrote(page, task: str, number: int) -> None:
    """Wait until the card shows this line of a rehearser's output or a later one."""
    page.wait_for_function(
        "([card, number]) => /\\[(\\d+)\\]/.exec(document.querySelector(card)?.textContent)?.[1] >= number",
        arg=[f"#card-{task} .card-line", number],
    )


def requests_of(page) -> list[str]:
    """Return the list of the paths that the page's scripts request from now on."""
    requested: list[str] = []
    page.on("request", lambda one: one.resource_type == "fetch" and requested.append(urlsplit(one.url).path))
    return requested


def test_the_first_page_is_small(page, product, chromium):
    for number in range(60):
        product.new_task(title=f"One of many {number}", description="Words " * 50, tags=["many", "first"])
    fresh = chromium.new_context(base_url=product.url, storage_state=page.context.storage_state()).new_page()
    received: list[float] = []
    session = fresh.context.new_cdp_session(fresh)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    board(fresh)
    fresh.wait_for_load_state("networkidle")
    assert fresh.locator(".card").count() >= FIRST_CARDS
    assert 20_000 < sum(received) < 150_000
    inbox = fresh.locator(".col-inbox")
    expect(inbox.locator(".card")).to_have_count(FIRST_CARDS)
    inbox.locator(".cards").evaluate("cards => cards.scrollTo(0, cards.scrollHeight)")
    inbox.locator(".card").nth(FIRST_CARDS + 1).wait_for()  # more cards load when one scrolls there
    fresh.context.close()


def test_a_connection_on_which_nobody_says_hello_is_given_up_and_made_anew(page, product):
    made = []

    def between(socket) -> None:
        made.append(socket)
        if len(made) > 1:
            socket.connect_to_server()

    page.route_web_socket(re.compile("/ws/"), between)
    page.clock.install(time=0)
    page.clock.pause_at(1_000)  # otherwise time would also pass by itself
    page.goto("/")
    page.clock.run_for(5_000)
    page.locator("#conn[data-conn=off]", has_text="Connecting").wait_for()
    assert len(made) == 1
    page.clock.run_for(5_200)  # it is given up after ten seconds, and tried again at least 0.375 later
    page.locator("#conn[data-conn=retrying]").wait_for()
    page.clock.run_for(1_000)
    page.locator("#conn[data-conn=live]").wait_for()


@pytest.mark.parametrize(
    "path", ["/", "/overview", "/activity", "/notifications", "/account", "/tasks/new", "/search"]
)
def test_a_phone_never_scrolls_sideways(page, product, path):
    product.new_task(title="W" * 200, tags=["t" * 50])
    page.set_viewport_size({**PHONE, "width": 360})
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_a_phone_shows_one_column_and_switches(page, product):
    task = product.new_task(title="In the inbox")
    page.set_viewport_size(PHONE)
    board(page)
    expect(card(page, task, "inbox")).to_be_hidden()
    page.locator(".col-switch label", has_text="Inbox").click()
    card(page, task, "inbox").wait_for()


def test_shortcuts_of_a_single_key_are_switched_off_and_on_in_the_help_sheet(page, product):
    task = product.new_task(title="Quiet")
    board(page)
    page.keyboard.press("?")
    switch = page.get_by_role("dialog", name="Keyboard shortcuts").get_by_label("Enable single-key shortcuts")
    switch.uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.locator("#conn[data-conn=live]").wait_for()
    for key in ("?", "n", "/"):
        page.keyboard.press(key)
    page.locator(f"#card-{task} [data-key=title]").focus()
    page.keyboard.press("m")
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#card-menu:popover-open")).to_have_count(0)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search").wait_for()
    expect(page).to_have_url(f"{product.url}/")
    page.goto("/keys")
    page.locator("main").get_by_label("Enable single-key shortcuts").check()
    press_in_one(page, "g", "o")
    page.wait_for_url("**/overview")


@pytest.mark.parametrize("width", [1440, 1366, 390, 320])
def test_the_footers_of_cards_fit_and_begin_at_their_beginning(page, product, width):
    agent = product.new_agent(name="Honorificabilitudinitatibus")
    tags = ["feature-request-of-a-customer", "needs-design", "third"]
    crowded = product.new_task(title="Crowded", assignee_ids=[agent], tags=tags)
    nobody = product.new_task(title="Nobody has it", tags=tags)
    page.set_viewport_size({"width": width, "height": 844})
    for task, column in ((crowded, "assigned"), (nobody, "inbox")):
        board(page)
        if width < 700:
            page.locator(f'.col-switch label[data-status="{column}"]').click()
        foot = card(page, task, column).locator(".card-foot")
        foot.scroll_into_view_if_needed()
        outside = foot.evaluate(
            """foot => [foot, ...foot.querySelectorAll('*')].filter(part => {
                const [box, all] = [part.getBoundingClientRect(), foot.getBoundingClientRect()];
                const isSpoken = part.closest('.sr') || getComputedStyle(part).clipPath !== 'none';
                return !isSpoken && (box.left < all.left - 1 || box.right > all.right + 1 || box.height > 24);
            }).map(part => part.outerHTML)"""
        )
        assert outside == []
        assert foot.locator(".tag").evaluate("tag => getComputedStyle(tag).textOverflow") == "ellipsis"
        title = card(page, task, column).locator(".card-title")
        assert title.bounding_box()["y"] + title.bounding_box()["height"] <= foot.bounding_box()["y"]
    expect(foot).to_contain_text("Unassigned")
    expect(foot).to_contain_text("+2")
