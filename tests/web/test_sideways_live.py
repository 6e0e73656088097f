"""No page is wider than its window, and no table wider than its panel, with any text and any font."""

import json

import pytest

from tests.servers import wait_until

pytestmark = pytest.mark.system

WIDTHS = (320, 390, 768, 960, 1280, 1440)
ERROR = (
    "Error code: 401, the provider refused the request because the key that was given may not use this model; "
    "ask the owner of the account, then run the task again."
)
# The fonts of a machine are unknown: each page must also work if every letter is wider (WCAG 1.4.12).
WIDE_LETTERS = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("* { letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }");
  document.adoptedStyleSheets = [sheet];
}"""
TOO_WIDE = """() => {
  const found = [...document.querySelectorAll(".panel")]
    .filter((panel) => panel.scrollWidth > panel.clientWidth + 1)
    .map((panel) => `${panel.id || panel.className}: ${panel.scrollWidth} of ${panel.clientWidth}`);
  const width = document.documentElement.scrollWidth;
  return width > innerWidth ? [`page: ${width} of ${innerWidth}`, ...found] : found;
}"""


@pytest.fixture(scope="module")
def paths(product) -> list[str]:
    """Create everything with the longest names allowed, and return the pages that show it."""
    agent = product.new_agent(name="W" * 50, role="R" * 50, backend_options={"chunks": 2, "fail_after": 1})
    project = product.post("/projects", title="P" * 100, description="D" * 500)["project"]["id"]
    task = product.new_task(
        title="W" * 200,
        description="https://example.org/" + "w" * 300,
        tags=["t" * 50],
        project_id=project,
        assignee_ids=[agent],
    )
    runs = [product.ended(product.run(task, agent))["id"] for _ in range(2)]
    values = {"input_tokens": 123_456_789, "output_tokens": 98_765_432, "cost_usd": "123456.12"}
    errors = dict(zip(runs, (ERROR, "E" * 600), strict=True))
    product.shell(
        "from mission_control.models import Run\n"
        f"for run, error in {json.dumps(errors)}.items():\n"
        f"    Run.objects.filter(pk=run).update(error=error, **{json.dumps(values)})"
    )
    document = product.post("/documents", title="d" * 200, content="c" * 900, task_id=task, tags=["t" * 50])
    product.post(f"/tasks/{task}/messages", content="m" * 500)
    product.post("/tokens", name="n" * 64)
    shown = f"/documents/{document['document']['id']}"
    return [
        *("/", "/search?q=WW", "/documents", "/overview", "/overview/usage?by=task", "/projects", "/agents"),
        *("/activity", "/notifications?show=all", "/account", "/overview/standup"),
        *(f"/tasks/{task}{end}" for end in ("", "/delete", f"/compare?run={runs[0]}&run={runs[1]}")),
        *(f"/projects/{project}{end}" for end in ("", "/edit", "/plan", "/files")),
        *(shown, f"{shown}/edit", f"/runs/{runs[0]}/prompt", f"/agents/{agent}"),
    ]


def asking_task(product) -> str:
    """Return a task whose agent asks a long question with long answers."""
    asks = {"ask": "q" * 300, "options": ["o" * 80, "p" * 80]}
    agent = product.new_agent(name="A" * 50, backend_options={"script": [asks]})
    task = product.new_task(title="T" * 200)
    run = product.run(task, agent)
    wait_until(lambda: product.get(f"/questions?run_id={run}&status=open")["questions"], what="the question")
    return task


def test_a_page_is_never_wider_than_its_window_nor_a_table_than_its_panel(page, product, paths):
    found: list[tuple[str, int, str, list[str]]] = []
    for path in [*paths, f"/tasks/{asking_task(product)}"]:
        page.goto(path)
        for letters in ("normal", "wide"):
            if letters == "wide":
                page.evaluate(WIDE_LETTERS)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                if wide := page.evaluate(TOO_WIDE):
                    found.append((path, width, letters, wide))
    assert found == []
