"""Refreshes of all pages. One without news changes nothing, so nothing flickers and nothing is announced again."""

import pytest
from playwright.sync_api import expect

from tests.web.browsing import opened

pytestmark = pytest.mark.system

# Note what changes on the page. htmx marks an element while it fetches its fragment; that does not count.
WATCH = """() => {
  [window.changed, window.placed] = [[], new Set()];
  document.addEventListener("mc:placed", ({ detail }) => window.placed.add(detail.id));
  const ofPage = (classes) => (classes ?? "").replace(/htmx-[a-z]+/g, "").trim();
  new MutationObserver((records) => {
    for (const { type, target, attributeName, oldValue } of records) {
      if (attributeName === "class" && ofPage(oldValue) === ofPage(target.getAttribute("class"))) continue;
      const element = target instanceof Element ? target : target.parentElement;
      if (element?.closest("time, .tl, #output")) continue; // two tell the time; the output is no part
      window.changed.push(`${type} ${attributeName ?? ""} of ${(target.outerHTML ?? target.data).slice(0, 150)}`);
    }
  }).observe(document.body, {
    subtree: true, childList: true, characterData: true, attributes: true, attributeOldValue: true,
  });
}"""
REFRESH = """() => {
  htmx.trigger(document.body, "mc:missed");
  document.dispatchEvent(new CustomEvent("mc:wake", { detail: new Set(["mc:missed"]) }));
  document.dispatchEvent(new CustomEvent("mc:frame", { detail: { event_type: "mc_capacity", data: {} } }));
}"""


@pytest.fixture(scope="module")
def paths(product) -> dict[str, str]:
    """Create an object of each kind, and return the pages that show them, by their names."""
    agent = product.new_rehearser(2)
    project = product.post("/projects", title="Still", description="A plan")["project"]["id"]
    task = product.new_task(title="Still", project_id=project, assignee_ids=[agent], description="Some *text*")
    product.ended(product.run(task, agent))
    product.ended(product.run(task, agent))
    review = product.new_task(title="To decide", project_id=project, metadata={"requires_review": True})
    product.ended(product.run(review, agent))
    return {
        "task": f"/tasks/{task}",
        "review": f"/tasks/{review}",
        "project": f"/projects/{project}",
        "projects": "/projects",
        "agent": f"/agents/{agent}",
        "agents": "/agents",
        "overview": "/overview",
        "activity": "/activity",
        "notifications": "/notifications",
    }


# Each page with the last part that its refresh shows.
LAST_PARTS = {
    "task": "review-aside",
    "review": "review-aside",
    "project": "p-team",
    "projects": "projects",
    "agent": "agent-history",
    "agents": "agents",
    "overview": "charts",
    "activity": "feed",
    "notifications": "notifications",
}


@pytest.mark.parametrize("name", LAST_PARTS)
def test_a_refresh_without_news_changes_nothing_on_the_page(page, product, paths, name):
    opened(page, paths[name])
    page.wait_for_load_state("networkidle")
    page.evaluate(WATCH)
    page.evaluate(REFRESH)
    page.wait_for_function("part => window.placed.has(part)", arg=LAST_PARTS[name])
    assert page.evaluate("window.changed") == []


def test_an_open_menu_of_a_project_stays_open_while_its_header_is_refreshed(page, product, paths):
    opened(page, paths["project"])
    page.locator("[data-key=project-more]").click()
    product.call("PATCH", paths["project"], title="Renamed elsewhere")
    page.get_by_role("heading", name="Renamed elsewhere").wait_for()
    expect(page.get_by_role("link", name="Edit title, tags and team")).to_be_visible()


def test_the_focus_stays_on_the_same_agent_while_the_list_changes_and_is_checked_again(page, product, paths):
    opened(page, paths["agent"])
    row = f"#agent-{paths['agent'].removeprefix('/agents/')}"
    page.locator(f"{row} a").first.focus()
    product.new_agent(name="Aaron, above all others")
    page.get_by_role("link", name="Aaron, above all others").wait_for()
    assert page.evaluate("row => document.activeElement.closest(row) !== null", row)

    page.locator("#backends summary").click()
    with page.expect_response("**/backends"):
        page.get_by_role("link", name="Check again").click()
    page.locator("#backends a[data-look-again]:not([aria-busy])").wait_for()
    expect(page.locator("#backends details")).to_have_attribute("open", "")
    expect(page.locator(":focus")).to_have_text("Check again")


def test_the_focus_on_a_button_of_the_overview_never_moves_to_another_task(page, product):
    first, second = (product.new_task(title=title, task_type="human") for title in ("One of two", "Two of two"))
    opened(page, "/overview")
    button = page.locator(f"#person-{first} button")
    button.focus()
    product.post(f"/tasks/{second}/status", status="done")
    page.locator(f"#person-{second}").wait_for(state="detached")
    assert button.evaluate("button => button === document.activeElement")
    product.post(f"/tasks/{first}/status", status="done")
    button.wait_for(state="detached")
    assert page.evaluate("document.activeElement === document.body")
