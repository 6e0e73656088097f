"""The admin's change pages in a real browser: the current status of a run."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.system


def test_the_pages_of_a_run_and_of_its_task_follow_it_without_a_reload(page, product):
    task = product.new_task(title="Followed")
    page.goto(f"/admin/mission_control/task/{task}/change/")
    page.locator("#conn[data-conn=live]").wait_for(state="attached")
    page.get_by_label("Title:").fill("Half written")
    run = product.run(task, product.new_rehearser(10_000, delay=0.1))
    page.locator("#live-task [data-status=in_progress]").wait_for()
    page.locator("#live-run [data-status=running]").wait_for()
    expect(page.get_by_label("Title:")).to_have_value("Half written")

    beside = page.context.new_page()
    beside.goto(f"/admin/mission_control/run/{run}/change/")
    beside.locator("#live-run [data-status=running]").wait_for()
    product.post(f"/runs/{run}/stop")
    ended = product.ended(run)
    for shown in (page, beside):
        shown.locator("#live-run [data-status=stopped]").wait_for()
        expect(shown.locator("#live-run [data-word]")).to_have_text("Stopped")
        expect(shown.locator("[data-seq-shown]")).to_have_text(str(ended["last_seq"]))
    page.locator("#live-task [data-status=blocked]").wait_for()
    beside.locator("#live-run a").nth(1).click()
    beside.locator(".mc-events tbody tr").last.wait_for()
