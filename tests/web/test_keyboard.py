"""A task from its creation to its review with the keyboard only, and the announcements to screen readers."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.system

MAX_TABS = 90
NAME_OF_FOCUSED = """() => {
  const at = document.activeElement;
  const label = at.getAttribute('aria-label') ?? at.labels?.[0]?.innerText ?? at.innerText;
  return (label ?? '').trim().replace(/\\s+/g, ' ');
}"""


def tab_to(page, name: str) -> None:
    """Press Tab until an element with this name has the focus, which must be visible."""
    passed = []
    for _ in range(MAX_TABS):
        page.keyboard.press("Tab")
        passed.append(page.evaluate(NAME_OF_FOCUSED))
        if passed[-1].startswith(name):
            break
    else:
        pytest.fail(f"{name} is not reached; passed by: {passed}")
    assert page.evaluate("document.activeElement.matches(':focus-visible')")


def focus_stays_in_the_page(page) -> bool:
    return page.evaluate("document.activeElement !== document.body")


def test_a_task_is_made_run_stopped_run_again_and_approved_without_a_mouse(page, product):
    product.new_agent(name="Slow hand", backend_options={"chunks": 10_000, "delay_seconds": 0.1})
    product.new_agent(name="Young hand", level="intern", backend_options={"chunks": 3})
    page.goto("/")
    page.locator("#conn[data-conn=live]").wait_for()
    page.keyboard.press("n")
    page.wait_for_function("() => document.activeElement.closest('dialog')")
    page.keyboard.type("By hand alone")
    tab_to(page, "Agent")
    page.keyboard.type("Slow hand")
    tab_to(page, "Create task")
    page.keyboard.press("Enter")
    page.locator(".col-assigned .card-title", has_text="By hand alone").wait_for()

    page.keyboard.press("Control+k")
    page.keyboard.type("by hand alone")
    page.locator("#palette [role=option][aria-selected=true]", has_text="By hand alone").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks/*")
    page.locator("#conn[data-conn=live]").wait_for()
    tab_to(page, "Run")
    page.keyboard.press("Enter")
    page.locator("#events [data-kind=message]").first.wait_for()
    page.wait_for_function(f"() => ({NAME_OF_FOCUSED})() === 'Stop'")
    page.keyboard.press("Enter")
    page.locator("#events [data-kind=stopped]").wait_for()

    page.locator("#run-bar").get_by_role("button", name="Run again").wait_for()
    assert focus_stays_in_the_page(page)
    page.locator("body").evaluate("() => document.activeElement.blur()")
    tab_to(page, "Agent: SL Slow hand")
    page.keyboard.press("Enter")
    tab_to(page, "SL Slow hand")
    while not page.evaluate(NAME_OF_FOCUSED).startswith("YO Young hand"):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    assert page.evaluate(NAME_OF_FOCUSED) == "Agent: YO Young hand"
    tab_to(page, "Run again")
    page.keyboard.press("Enter")
    page.locator("#ask").get_by_role("button", name="Approve").wait_for()
    tab_to(page, "Approve")
    page.keyboard.press("Enter")
    page.locator("#task-head .badge[data-status=done]").wait_for()
    assert focus_stays_in_the_page(page)


def test_what_happens_is_said_politely_and_once(page, product):
    page.goto("/")
    page.locator("#conn[data-conn=live]").wait_for()
    page.evaluate("""() => {
      window.said = [];
      const watch = new MutationObserver(() => window.said.push(document.getElementById('say').textContent));
      watch.observe(document.getElementById('say'), { childList: true });
    }""")
    task = product.new_task(title="Heard of")
    product.ended(product.run(task, product.new_rehearser(3)))
    page.wait_for_function("() => window.said.includes('Heard of: completed.')")
    heard = [text for text in page.evaluate("window.said") if text.startswith("Heard of")]
    assert heard == ["Heard of: started.", "Heard of: completed."]
    regions = page.locator("[role=status], [role=alert], [aria-live]")
    assert regions.evaluate_all("all => all.filter(one => one.ariaLive === 'assertive').length") == 0
    expect(page.locator("#say")).to_have_attribute("role", "status")
