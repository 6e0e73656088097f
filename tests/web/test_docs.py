"""The page that shows the API's schema, in a real browser."""

import pytest

pytestmark = pytest.mark.system


def test_the_docs_show_the_schema_and_try_a_request_without_another_host(page, product):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/api/docs")
    page.locator("#operations-tasks-tasks_create .opblock-summary-control").click()
    assert page.locator(".opblock").count() > 40

    page.get_by_role("button", name="Try it out").click()
    page.locator("textarea.body-param__text").fill('{"title": "From the docs"}')
    page.get_by_role("button", name="Execute").click()
    page.locator(".live-responses-table .response-col_status", has_text="200").wait_for()
    assert any(task["title"] == "From the docs" for task in product.get("/tasks")["tasks"])

    assert f"{product.url}/api/schema" in asked
    assert [url for url in asked if not url.startswith((product.url, "data:"))] == []


def test_the_docs_lead_who_is_not_logged_in_to_the_login_and_back(chromium, product):
    context = chromium.new_context(base_url=product.url)
    page = context.new_page()
    assert page.goto("/api/docs").status == 401
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(product.password)
    page.get_by_role("button", name="Log in").click()
    page.locator("#swagger-ui .opblock").first.wait_for()
    context.close()
