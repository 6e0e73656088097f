"""A person continues the conversation with an agent in a real browser, with the running product."""

import pytest
from playwright.sync_api import expect

from tests.web.task.test_task_journey import opened

pytestmark = pytest.mark.system


def test_a_done_task_is_continued_from_its_thread_and_the_answer_is_the_new_version(page, product):
    script = [{"say": "The first text."}, {"sleep": 0}, {"say": "You wrote: {message}"}]
    agent = product.new_agent(name="Ada", backend_options={"script": script[:1]})
    task = product.new_task(title="Continued", assignee_ids=[agent])
    product.ended(product.run(task, agent))
    product.call("PATCH", f"/agents/{agent}", backend_options={"script": [{"from_start": True}, script[2]]})
    opened(page, task)
    thread, field = page.locator("#thread"), page.locator("#say-it")
    thread.get_by_text("The first text.").wait_for()
    expect(page.locator("#composer-reach")).to_contain_text("Send and run starts a new run of Ada.")

    field.fill("Shorter, please")
    field.press("Control+Shift+Enter")

    expect(field).to_have_value("")
    thread.locator(".msg", has_text="Shorter, please").get_by_text("Started attempt 2 of Ada").wait_for()
    page.locator("#output [data-kind=completed]").wait_for()
    page.locator("#documents").get_by_text("v2, latest").wait_for(state="attached")
    thread.locator(".msg", has_text="You wrote:").wait_for()
    thread.locator(".thread-run summary", has_text="attempt 2").click()
    thread.locator(".thread-run .steps", has_text="Shorter, please").wait_for()
    [newest, _] = product.get(f"/tasks/{task}/runs")["runs"]
    assert newest["follow_up"] == "Shorter, please"
