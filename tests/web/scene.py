"""A product with an example of everything, and every page and state to check or photograph."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from playwright.sync_api import Page, Route

from tests.product import Product

GOAL = "Publish a small book about birds of the city: ten chapters, drawings, a web page and a launch."
SWIFTS = "**Swifts** in four pages.\n\n- where they nest\n- when they leave\n- what helps them"
HOUR = {"sleep": 3600}  # the run goes on, but nothing moves in a picture
QUICK: list[dict[str, Any]] = [
    {"think": "The chapters should follow the year of the birds."},
    {"tool": "read_file", "input": {"path": "inputs/notes.md"}, "result": "Swifts, sparrows, crows, gulls …"},
    {"write": "outline.md", "content": "1. The roofs\n2. Swifts\n3. Sparrows\n"},
    {"usage": {"input_tokens": 6_240, "output_tokens": 810, "cost_usd": 0.04}},
    {"say": "# Outline\n\n1. **The roofs:** where the city is wild\n2. **Swifts:** a summer above us\n"},
    {"say": "3. **Sparrows:** neighbours in the hedge\n4. **Crows:** who remembers whom\n"},
]
# Demo agents: role, specialty, and what they do.
AGENTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "Ada": ("Researcher", "research", {"script": [
        {"think": "Three claims need a source: the height of nests, the date of departure, the speed."},
        {"tool": "search_files", "input": {"text": "swift"}, "result": "sources.md:14: Swifts leave by August."},
        {"usage": {"input_tokens": 11_300, "output_tokens": 640, "cost_usd": 0.06}},
        {"say": "Two of the three claims are confirmed:\n\n- Swifts leave in the first days of August.\n"},
        {"say": "- They nest under eaves, at least six metres above the ground.\n"},
        HOUR,
    ]}),
    "Grace": ("Writer", "writing", {"script": [
        {"think": "Four pages: arrival, nest, young, departure."},
        {"tool": "read_file", "input": {"path": "outline.md"}, "result": "2. Swifts: a summer above us"},
        {"say": "## Swifts: a summer above us\n\nThey come in the first days of May, all in one night, and "},
        {"say": "the street below sounds different from then on.\n"},
        {"write": "chapter-two.md", "content": "## Swifts: a summer above us\n"},
        {"usage": {"input_tokens": 18_900, "output_tokens": 2_450, "cost_usd": 0.13}},
        {"say": "A swift never sits on a wire. It eats, drinks and sleeps in the air, and only comes "},
        {"say": "down for the weeks in which there is a nest under somebody's roof.\n"},
        HOUR,
    ]}),
    "Linus": ("Developer", "code", {"script": [
        {"tool": "write_file", "input": {"path": "site/index.html"}, "result": "Written: 2,114 bytes"},
        {"write": "site/index.html", "content": "<!doctype html><title>Birds of the city</title>\n"},
        {"usage": {"input_tokens": 7_700, "output_tokens": 1_900, "cost_usd": 0.08}},
        {"say": "The page has its first version: a title, ten chapters, one drawing for each.\n"},
        HOUR,
    ]}),
    "Quick": ("Proofreader", "editing", {"script": [{"from_start": True}, *QUICK]}),
    "Broken": ("Illustrator", "drawing", {"script": [
        {"from_start": True},
        {"say": "I begin with a swift above the roofs.\n"},
        {"tool": "draw", "input": {"subject": "swift", "style": "ink"}, "result": "No canvas"},
        {"fail": "The drawing program has no canvas of this size"},
    ]}),
}  # fmt: skip
# Substitutes for pages that a running product shows only after an error.
ERRORS = ["401.html", "403_csrf.html", "500.html", "503.html"]


@dataclass(frozen=True)
class View:
    """A page, or what keys open on it. The `main` ones are the pictures in the documentation."""

    name: str
    path: str
    key: str = ""
    shows: str = "main"
    main: bool = False

    def open(self, page: Page) -> None:
        page.goto(self.path)
        if page.locator("#conn").count():
            page.locator("#conn[data-conn=live]").wait_for(state="attached")
        if self.key:
            page.keyboard.press(self.key)
        page.locator(self.shows).first.wait_for()


class Scene:
    """The objects to show, created through the API."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.tasks: dict[str, str] = {}
        self.documents: list[dict[str, Any]] = []

    def lay(self) -> "Scene":
        """Create everything."""
        self.agents = {
            name: self.product.new_agent(name=name, role=role, specialties=[specialty], backend_options=options)
            for name, (role, specialty, options) in AGENTS.items()
        }
        self.project = self.product.post("/projects", title="Birds of the city", description=GOAL)["project"]["id"]
        self.lay_what_ended()
        self.lay_what_runs()
        self.lay_what_waits()
        return self

    def task(self, name: str, title: str, agent: str, **body: Any) -> str:
        fields = {"project_id": self.project, "assignee_ids": [self.agents[agent]], "tags": ["book"]} | body
        self.tasks[name] = self.product.new_task(title=title, **fields)
        return self.tasks[name]

    def ended(self, name: str, title: str, agent: str = "Quick", **body: Any) -> str:
        task = self.task(name, title, agent, **body)
        self.product.ended(self.product.run(task, self.agents[agent]))
        return task

    def lay_what_ended(self) -> None:
        outline = self.ended("done", "Outline the ten chapters", priority="high")
        self.product.ended(self.product.run(outline, self.agents["Quick"]))
        self.ended("sources", "Collect sources on nesting", tags=["book", "research"])
        self.ended("review", "Proofread chapter one", metadata={"requires_review": True})
        self.ended("failed", "Draw the cover", "Broken", priority="urgent")
        self.documents = self.product.get(f"/documents?task_id={outline}")["documents"]

    def lay_what_runs(self) -> None:
        tasks = self.tasks
        needs = [tasks["done"], tasks["sources"]]
        text: dict[str, Any] = {"priority": "high", "description": SWIFTS}
        chapter = self.task("task", "Write chapter two: swifts", "Grace", blocked_by=needs, **text)
        self.task("facts", "Check the facts of chapter two", "Ada", blocked_by=[tasks["sources"]])
        self.task("web", "Build the web page", "Linus", tags=["web"], blocked_by=[tasks["done"]])
        for name, agent in (("task", "Grace"), ("facts", "Ada"), ("web", "Linus")):
            self.product.running(self.product.run(tasks[name], self.agents[agent]))
        self.product.post(f"/tasks/{chapter}/messages", content="@Grace please keep it under four pages.")

    def lay_what_waits(self) -> None:
        self.task("blocked", "Lay out the book", "Ada", blocked_by=[self.tasks["task"], self.tasks["facts"]])
        self.task("launch", "Plan the launch", "Ada", blocked_by=[self.tasks["web"]])
        self.task("person", "Ask the printer for an offer", "Quick", task_type="human", assignee_ids=[])

    # ------------------------------------------------------------ pages
    def views(self) -> Iterator[View]:
        """Yield the pages of a logged-in user, and what opens on them."""
        yield View("board", "/", main=True)
        yield View("board-nothing-found", "/?q=nothing-is-called-so")
        yield View("new-task", "/tasks/new")
        yield View("dialog", "/", "n", "dialog[open] h2")
        yield View("palette", "/", "Control+k", "#palette [role=option]", main=True)
        yield View("keys-open", "/", "?", "#keys[open] h2")
        yield View("keys", "/keys")
        yield View("search", "/search?q=chapter")
        yield View("documents", "/documents")
        yield View("usage", "/overview/usage?by=agent")
        yield View("document-new", "/documents/new")
        yield from self.views_of_tasks()
        yield from self.views_of_projects()
        yield View("agents", "/agents", main=True)
        yield View("agent", f"/agents/{self.agents['Quick']}", main=True)
        yield View("agent-new", "/agents/new")
        yield View("agent-delete", f"/agents/{self.agents['Quick']}/delete")
        yield View("activity", "/activity", main=True)
        yield View("notifications", "/notifications", main=True)
        yield View("overview", "/overview", main=True)
        yield View("account", "/account", main=True)
        yield View("not-found", "/nothing/here")

    def views_of_tasks(self) -> Iterator[View]:
        yield View("task", f"/tasks/{self.tasks['task']}", main=True)
        for name in ("done", "failed", "blocked", "review", "person"):
            yield View(f"task-{name}", f"/tasks/{self.tasks[name]}", main=name == "review")
        done = f"/tasks/{self.tasks['done']}"
        runs = [run["id"] for run in self.product.get(f"/tasks/{self.tasks['done']}/runs")["runs"]]
        yield View("task-delete", f"{done}/delete")
        yield View("compare", f"{done}/compare?run={runs[0]}&run={runs[1]}")
        yield View("prompt", f"/runs/{runs[0]}/prompt")
        for document in self.documents[:1]:
            yield View("document", f"/documents/{document['id']}")
            yield View("difference", f"/documents/{document['id']}/v1-v2")

    def views_of_projects(self) -> Iterator[View]:
        here = f"/projects/{self.project}"
        yield View("projects", "/projects", main=True)
        yield View("project", here, main=True)
        yield View("project-new", "/projects/new")
        for page in ("edit", "delete", "requirements", "plan", "files"):
            yield View(f"project-{page}", f"{here}/{page}")


def empty_views() -> Iterator[View]:
    """Yield the pages of a product without any data."""
    yield View("welcome", "/", main=True)
    for name in ("projects", "agents", "activity", "notifications", "overview"):
        yield View(f"{name}-empty", f"/{name}")


def errors_of(product: Product) -> dict[str, str]:
    """Return the error pages by their template."""
    code = f"""
import json
from django.template.loader import render_to_string
said = {{"failure": "the database is not reachable"}}
print(json.dumps({{name: render_to_string(name, said) for name in {ERRORS}}}))
"""
    return json.loads(product.shell(code))


def show_errors(page: Page, errors: dict[str, str]) -> Iterator[str]:
    """Show each error page under an address of the product, so that its styles load."""
    for name, markup in errors.items():
        page.route(f"**/shown/{name}", partial(_answer, markup))
        page.goto(f"/shown/{name}")
        yield name


def _answer(markup: str, route: Route) -> None:
    route.fulfill(body=markup, content_type="text/html")
