"""Attaching files in a real browser, to a task and to a message."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.system


def chosen(name: str, content: bytes) -> dict:
    return {"name": name, "mimeType": "text/plain", "buffer": content}


def test_files_are_attached_to_the_task_and_to_a_message(page, product):
    task = product.new_task(title="With files")
    page.goto(f"/tasks/{task}")
    page.locator("#conn[data-conn=live]").wait_for()
    page.get_by_text("Attach a file", exact=False).first.click()
    page.locator("#files-task").set_input_files([chosen("brief.md", b"# Brief")])
    page.locator("#documents").get_by_text("brief.md").wait_for()
    page.get_by_role("button", name="Attach", exact=True).click()
    page.locator("#documents .doc", has_text="brief.md").wait_for()
    page.locator("#say-document option", has_text="brief.md").wait_for(state="attached")
    page.locator("#say-it").fill("See both")
    page.locator("#files-message").set_input_files([chosen("log.txt", b"One line")])
    page.locator("#say-document").select_option(label="brief.md")
    page.get_by_role("button", name="Send", exact=True).click()
    message = page.locator("#thread .msg", has_text="See both")
    message.get_by_role("link", name="log.txt").wait_for()
    message.get_by_role("link", name="brief.md").wait_for()
    expect(page.locator("#files-said-message")).to_have_text("Text files, up to 5 MB each")
    assert len(product.get(f"/tasks/{task}/documents")["documents"]) == 2


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(page, product, complaints):
    complaints.expect("status of 400")
    page.goto(f"/tasks/{product.new_task()}")
    page.locator("#files-message").set_input_files([chosen("big.log", b"x" * (5 * 2**20 + 1))])
    page.get_by_text("big.log is larger than 5 MB.").wait_for()
    page.wait_for_function("() => document.getElementById('files-message').files.length == 0")
    page.locator("#files-message").set_input_files([chosen("odd.bin", b"\x00\x01")])
    page.locator("#say-it").fill("Kept")
    page.get_by_role("button", name="Send", exact=True).click()
    page.locator("#task-notice").get_by_text("odd.bin is not text", exact=False).wait_for()
    expect(page.locator("#say-it")).to_have_value("Kept")
