"""The output of a run arrives in the browser while the user reads, selects and opens parts of it."""

import re

import pytest

from tests.web.task.test_task_journey import bare, counted_to, opened, said

pytestmark = pytest.mark.system

SELECT_GROWING_ENTRY = """() => {
  const entry = document.querySelector("#events [data-kind=message]:last-child");
  const texts = document.createTreeWalker(entry, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (texts.nextNode()) if (texts.currentNode.data.trim()) nodes.push(texts.currentNode);
  const [start, end] = [nodes.find((node) => node.data.includes("[2]")), nodes.at(-1)];
  getSelection().setBaseAndExtent(start, start.data.indexOf("[2]"), end, end.data.length);
  return getSelection().toString();
}"""


def output_requests(page) -> list[str]:
    """Return the list to which the requests of the page for output will be added."""
    found = []
    page.on("request", lambda request: "/output?" in request.url and found.append(request.url))
    return found


def test_a_selection_in_the_entry_that_still_grows_survives(page, product):
    task = product.new_task(title="Selected")
    opened(page, task)
    run = product.run(task, product.new_rehearser(10_000, delay=0.03))
    counted_to(page, 8)
    selected = page.evaluate(SELECT_GROWING_ENTRY)
    counted_to(page, 60)
    assert "[2]" in selected
    assert page.evaluate("getSelection().toString()") == selected
    product.post(f"/runs/{run}/stop")
    page.wait_for_selector("#events [data-kind=stopped]")
    assert page.evaluate("getSelection().toString()") == selected
    assert said(page) == bare(product.ended(run)["output"])


def test_each_of_ten_tabs_shows_all_output_without_a_request_for_it(chromium, page, product):
    task = product.new_task(title="Watched by many")
    tabs = [page, *(page.context.new_page() for _ in range(9))]
    requested = [output_requests(tab) for tab in tabs]
    for tab in tabs:
        opened(tab, task)
    run = product.run(task, product.new_rehearser(200, delay=0.01))
    for tab in tabs:
        tab.wait_for_selector("#events [data-kind=completed]", state="attached")
    output = bare(product.ended(run)["output"])
    for tab in tabs:
        assert said(tab) == output
    assert requested == [[] for _ in tabs]


def test_output_is_requested_where_its_socket_fails(page, product):
    page.route_web_socket(re.compile("/ws/pages/"), lambda socket: socket.close())
    task = product.new_task(title="Behind an old proxy")
    opened(page, task)
    requested = output_requests(page)
    run = product.run(task, product.new_rehearser(40, delay=0.02))
    page.wait_for_selector("#events [data-kind=completed]")
    assert said(page) == bare(product.ended(run)["output"])
    assert requested


ENTRY = (
    '<li data-kind="message" data-first="1" data-last="{last}"><details><summary>Input</summary>in</details>'
    '<div class="code-box"><button type="button" data-copy>Copy</button><pre>{code}</pre></div></li>'
)


def test_what_the_user_has_opened_focused_and_copied_in_an_entry_stays_while_it_grows(page, product):
    opened(page, product.new_task())
    found = page.evaluate(
        """async ([older, newer]) => {
          const { put } = await import("/static/mission_control/output_entries.js");
          const part = (html) => Object.assign(document.createElement("ol"), { innerHTML: html });
          const show = (html, first) => { const made = part(html); made.dataset.first = first; put(made); };
          show(older, 1);
          const entry = document.querySelector("#events > li");
          entry.querySelector("details").open = true;
          entry.querySelector("summary").focus();
          entry.querySelector("button").textContent = "Copied";
          show(newer, 1);
          const now = document.querySelector("#events > li");
          return [now === entry, now.querySelector("details").open, now.contains(document.activeElement),
            now.querySelector("button").textContent, now.querySelector("pre").textContent, now.dataset.last,
            document.querySelectorAll("#events > li").length];
        }""",
        [
            ENTRY.format(last=3, code="a = 1"),
            ENTRY.format(last=5, code="a = 12\nb = 3") + '<li data-first="6"></li>',
        ],
    )
    assert found == [True, True, True, "Copied", "a = 12\nb = 3", "5", 2]
