"""Dropping and pasting files on the task page in a real browser."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.system

GIVE = """([type, name, target]) => {
  const picture = atob("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7");
  const bytes = Uint8Array.from(picture, (one) => one.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type: "image/gif" }));
  const options = { bubbles: true, cancelable: true };
  const event = type === "paste"
    ? new ClipboardEvent(type, { ...options, clipboardData: data })
    : new DragEvent(type, { ...options, dataTransfer: data });
  return document.querySelector(target).dispatchEvent(event);
}"""


def test_dropped_and_pasted_pictures_are_sent_with_the_message_and_shown(page, product):
    task = product.new_task(title="With pictures")
    page.goto(f"/tasks/{task}")
    page.locator("#conn[data-conn=live]").wait_for()
    assert page.evaluate(GIVE, ["dragover", "dropped.gif", "#main"]) is False  # the browser must not open the file
    page.evaluate(GIVE, ["drop", "dropped.gif", "#main"])
    page.evaluate(GIVE, ["paste", "pasted.gif", "#say-it"])
    expect(page.locator("#files-said-folder")).to_have_text("dropped.gif, pasted.gif")
    page.locator("#say-it").fill("See both")
    page.get_by_role("button", name="Send", exact=True).click()
    pictures = page.locator("#thread .msg", has_text="See both").locator("img")
    expect(pictures).to_have_count(2)
    pictures.first.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('#thread .msg img').naturalWidth === 1")
    expect(page.locator("#files-said-folder")).to_contain_text("Drop or paste")
    assert [file["name"] for file in product.get(f"/tasks/{task}/attachments")["attachments"]] == [
        "dropped.gif",
        "pasted.gif",
    ]
