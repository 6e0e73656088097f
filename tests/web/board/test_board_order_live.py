"""Moving cards in a real browser by dragging, by keys and by the menu; other viewers see it at once."""

import pytest
from playwright.sync_api import expect

from tests.web.board.test_board_live import board, card

pytestmark = pytest.mark.system

SHOWN = """tag => [...document.querySelectorAll('.col-inbox .card')]
    .filter(card => card.querySelector('.tag')?.textContent == tag)
    .map(card => card.querySelector('.card-title').textContent.trim()).join('')"""


def made(product, tag: str, titles: str) -> dict[str, str]:
    return {title: product.new_task(title=title, tags=[tag]) for title in reversed(titles)}


def wait_for_order(page, tag: str, order: str) -> None:
    page.wait_for_function(f"([tag, order]) => ({SHOWN})(tag) == order", arg=[tag, order])


def title_of(page, task: str):
    return page.locator(f"#card-{task} [data-key=title]")


def test_a_card_is_dragged_to_its_place_and_stands_there_for_everybody(page, product):
    cards = made(product, "drag", "ABCD")
    board(page, "?tag=drag")
    beside = page.context.new_page()
    board(beside)
    card(page, cards["D"], "inbox").drag_to(card(page, cards["B"], "inbox"), target_position={"x": 60, "y": 8})
    for shown in (page, beside):
        wait_for_order(shown, "drag", "ADBC")
    card(page, cards["A"], "inbox").drag_to(card(page, cards["C"], "inbox"), target_position={"x": 60, "y": 70})
    for shown in (beside, page):
        wait_for_order(shown, "drag", "DBCA")
    page.reload()
    wait_for_order(page, "drag", "DBCA")


def test_a_card_is_dragged_to_its_place_in_another_column(page, product):
    cards = made(product, "across", "ABC")
    for title in "BA":
        product.post(f"/tasks/{cards[title]}/status", status="review")
    board(page, "?tag=across")
    card(page, cards["C"], "inbox").drag_to(card(page, cards["B"], "review"), target_position={"x": 60, "y": 8})
    card(page, cards["C"], "review").wait_for()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.col-review .card-title')]"
        ".map(one => one.textContent.trim()).join('') == 'ACB'"
    )


def test_the_keys_and_the_menu_place_a_card_and_keep_the_focus(page, product):
    cards = made(product, "keys", "ABCD")
    board(page, "?tag=keys")
    title_of(page, cards["D"]).focus()
    for _ in range(2):
        page.keyboard.press("Shift+ArrowUp")
    wait_for_order(page, "keys", "ADBC")
    expect(page.locator(f"#card-{cards['D']} :focus")).to_have_count(1)
    expect(page.locator("#say")).to_have_text("Position 2 of 4.")
    page.keyboard.press("Shift+ArrowDown")
    wait_for_order(page, "keys", "ABDC")
    page.keyboard.press("Shift+Home")
    wait_for_order(page, "keys", "DABC")
    title_of(page, cards["A"]).focus()
    page.keyboard.press(".")
    page.locator("#card-menu").get_by_role("button", name="Move down").click()
    wait_for_order(page, "keys", "DBAC")
    page.locator(f"#card-{cards['A']}[data-placed]").wait_for()
    page.reload()
    wait_for_order(page, "keys", "DBAC")


def test_a_place_that_the_server_refuses_is_taken_back(page, product, complaints):
    complaints.expect("status of 409")
    cards = made(product, "refused", "ABC")
    board(page, "?tag=refused")
    page.route("**/move", lambda route: route.fulfill(status=409, headers={"X-Said": "No%20longer%20there"}))
    title_of(page, cards["C"]).focus()
    page.keyboard.press("Shift+Home")
    page.locator(".toast", has_text="No longer there").wait_for()
    wait_for_order(page, "refused", "ABC")
