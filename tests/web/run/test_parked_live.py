"""A run that waits for a quota, in a real browser: it is tried now, and then given to another agent."""

import uuid
from datetime import datetime

import pytest
from playwright.sync_api import expect

from tests.servers import wait_until
from tests.web.browsing import opened

pytestmark = pytest.mark.system


def parked(product, run: str, *, before: str | None = None) -> str:
    """Wait until the run is parked until another time than `before`; return that time as the page writes it."""

    def time() -> str | None:
        resumes_at = product.run_of(run)["resumes_at"]
        return datetime.fromisoformat(resumes_at).isoformat() if resumes_at else None

    return wait_until(lambda: (now := time()) != before and now, what="the run to be parked")


def test_run_that_waits_for_a_quota_is_tried_now_and_then_given_to_another_agent(page, product):
    begin = f"Begun {uuid.uuid4().hex}. "  # no other test has this script, and so this account
    metered = product.new_agent(
        name="Metered", backend_options={"script": [{"say": begin}, {"quota": 3600}, {"quota": 7200}]}
    )
    other = product.new_agent(name="Other", backend_options={"script": [{"say": "Done by another."}]})
    task = product.new_task(title="Waits for a quota")
    opened(page, "/")
    run = product.run(task, metered)
    first = parked(product, run)
    note = page.locator(f"#card-{task} .card-note[data-status=parked]", has_text="Waits for the demo agent until")
    note.locator(f"time[datetime='{first}']").wait_for()

    page.locator(f"#card-{task}").get_by_role("button", name="Actions for").click()
    page.locator("#card-menu:popover-open").get_by_role("button", name="Try now").click()
    second = parked(product, run, before=first)
    note.locator(f"time[datetime='{second}']").wait_for()

    opened(page, f"/tasks/{task}")
    bar = page.locator("#run-bar")
    bar.locator("p[data-status=parked]", has_text="Waits for the demo agent until").wait_for()
    bar.locator("[data-picker] summary").click()
    expect(bar.locator(f"[data-picker] input[value='{metered}']")).to_have_count(0)
    bar.locator(f"[data-picker] label:has(input[value='{other}'])").click()
    bar.get_by_role("button", name="Use another agent").click()
    ended = product.ended(run)
    assert (ended["status"], ended["agent_name"], ended["id"]) == ("completed", "Other", run)
    bar.locator(".badge[data-status=completed]").wait_for()
    page.locator("#thread", has_text="The quota of the demo agent is used up. Other continues.").wait_for()
