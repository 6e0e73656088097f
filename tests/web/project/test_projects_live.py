"""Journeys in a real browser: a goal is planned and executed, an agent is created and tested, all live."""

import pytest
from playwright.sync_api import expect

GOAL = "Write a short book about cats for children."


def planner(product) -> None:
    fields = {"name": "Planner", "role": "Project planner", "backend": "demo"}
    assert product.client.post("/agents", json=fields).status_code == 200


@pytest.fixture
def marked(page):
    """The page with a mark that a reload would remove."""

    def mark():
        page.evaluate("window.isTheSame = true")

    page.mark = mark
    page.is_the_same = lambda: page.evaluate("window.isTheSame === true")
    return page


def test_a_goal_is_planned_before_ones_eyes_approved_and_carried_out(marked, product):
    page = marked
    planner(product)
    page.goto("/projects/new")
    page.get_by_label("Goal", exact=True).fill(GOAL)
    page.get_by_role("button", name="Create plan").click()
    page.wait_for_url("**/projects/*-*")
    page.mark()
    page.get_by_role("button", name="Approve and start").wait_for()
    expect(page.locator(".node")).to_have_count(4)
    page.get_by_role("heading", name="Plan ready for approval").or_(
        page.get_by_text("Plan ready for approval")
    ).wait_for()
    assert page.is_the_same()
    page.get_by_role("button", name="Approve and start").click()
    page.get_by_text("Plan approved. Its tasks start automatically.").wait_for()
    page.mark()
    page.locator('.node[data-status="review"]').wait_for()
    expect(page.locator('.node[data-status="done"]')).to_have_count(2)
    expect(page.locator('.tl .bar[data-status="completed"]')).to_have_count(3)
    expect(page.locator("path.met")).to_have_count(2)
    assert page.is_the_same()


def test_an_agent_is_made_with_its_backends_options_and_tested_live(marked):
    page = marked
    page.goto("/agents/new")
    page.get_by_label("Name").fill("Quick")
    page.get_by_label("Role").fill("Tester")
    page.get_by_label("Backend", exact=True).select_option("pydantic_ai")
    page.get_by_label("Temperature").wait_for()
    page.get_by_label("Backend", exact=True).select_option("demo")
    page.get_by_label("Chunks").fill("40")
    page.get_by_label("Delay seconds").fill("0.05")
    page.get_by_role("button", name="Create agent").click()
    page.get_by_text("Quick is ready.").wait_for()
    page.get_by_role("button", name="Test", exact=True).click()
    page.locator("#agent-history [data-run]").wait_for()
    page.mark()
    page.get_by_text("[20]").wait_for()
    page.get_by_text("Answered in").wait_for()
    page.get_by_role("row", name="Quick").get_by_text("100%").wait_for()
    assert page.is_the_same()


def test_a_second_user_sees_a_pause_at_once_and_keeps_the_place_in_the_graph(chromium, marked, product):
    page = marked
    client = product.client
    agent = client.post("/agents", json={"name": "Slow", "role": "x", "backend": "demo"}).json()["agent"]["id"]
    client.patch(f"/agents/{agent}", json={"backend_options": {"chunks": 10_000, "delay_seconds": 0.1}})
    project = client.post("/projects", json={"title": "Shared"}).json()["project"]["id"]
    key = None
    for number in range(5):
        fields = {"title": f"Step {number}", "project_id": project, "assignee_ids": [agent]}
        key = client.post("/tasks", json={**fields, "blocked_by": [key] if key else []}).json()["task"]["id"]
    page.goto(f"/projects/{project}")
    page.mark()
    page.evaluate("document.querySelector('.graph-scroll').scrollLeft = 200")
    context = chromium.new_context(base_url=product.url, storage_state=page.context.storage_state())
    try:
        other = context.new_page()
        other.goto(f"/projects/{project}")
        other.get_by_role("button", name="Start").click()
        page.locator('.node[data-status="running"]').wait_for()
        other.get_by_role("button", name="Pause").click()
        page.get_by_role("button", name="Resume").wait_for()
        page.locator('.node[data-status="running"]').wait_for(state="detached")
    finally:
        context.close()
    assert page.evaluate("document.querySelector('.graph-scroll').scrollLeft") == 200
    assert page.is_the_same()
