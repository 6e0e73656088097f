"""Refreshes of all pages. One without news changes nothing, so nothing flickers and nothing is announced again."""

import pytest

from tests.servers import wait_until
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
      if (target.closest?.("time, .tl")) continue; // they tell the time
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


def nothing_runs(product) -> bool:
    """Stop what tests before this one have started, and return whether nothing runs any more."""
    tasks = product.get("/tasks/running")["running_tasks"]
    for task in tasks:
        product.client.post(f"/tasks/{task['task_id']}/stop")
    return not tasks


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
    wait_until(lambda: nothing_runs(product), what="the runs of other tests to end")
    opened(page, paths[name])
    page.wait_for_load_state("networkidle")
    page.evaluate(WATCH)
    page.evaluate(REFRESH)
    page.wait_for_function("part => window.placed.has(part)", arg=LAST_PARTS[name])
    assert page.evaluate("window.changed") == []
