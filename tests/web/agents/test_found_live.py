"""In a real browser: from a model server that was found to its agent's first answer and first task."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.agents.discovery.test_model_servers import OLLAMA
from tests.agents.wire import STREAM_HEAD, chunk
from tests.conftest import environment_of, running

ANSWER = "I am a model on this machine."


class ModelServer(BaseHTTPRequestHandler):
    """Answers as Ollama does, and always the same."""

    def do_GET(self):
        body = json.dumps({"object": "list", "data": OLLAMA}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.close_connection = True
        self.wfile.write(STREAM_HEAD + chunk(ANSWER) + chunk(finish="stop") + b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def product(tmp_path_factory, profile):
    """A running product that finds one model server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), ModelServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_port}"
    environment = {
        **environment_of(profile),
        "MISSION_CONTROL_FIND_AGENTS": "yes",
        "MISSION_CONTROL_FIND_MODEL_SERVERS": address,
    }
    with running(tmp_path_factory.mktemp("found"), environment) as found:
        yield found
    server.shutdown()
    server.server_close()


def test_a_found_model_server_is_used_tested_live_and_given_a_task(page):
    page.goto("/")
    panel = page.locator("#found")
    model = panel.get_by_label("Model of Ollama")
    model.wait_for()
    again = panel.get_by_role("button", name="Check again")
    again.wait_for()

    # What the user has chosen stays when the end of a search refreshes the panel.
    held: list[Any] = []
    page.route("**/agents/found", lambda route: (held.append if route.request.method == "GET" else go_on)(route))
    again.click()
    panel.get_by_text("Searching…").wait_for()
    model.select_option("qwen3:8b")
    page.unroute("**/agents/found")
    for route in held:
        go_on(route)
    again.wait_for()
    expect(model).to_have_value("qwen3:8b")

    panel.locator("li", has_text="Ollama").get_by_role("button", name="Use it").click()
    page.wait_for_url("**/agents/*#agent-history")
    page.get_by_text("qwen3-8b is added.").wait_for()
    page.locator(".test-answer", has_text=ANSWER).wait_for()
    page.get_by_role("link", name="Give it a task").click()
    chosen = page.get_by_role("dialog").locator("option:checked, input:checked", has_text="qwen3-8b")
    chosen.first.wait_for(state="attached")


def go_on(route) -> None:
    route.continue_()


def test_the_form_asks_the_server_that_is_chosen_for_its_models(page):
    page.goto("/agents/new")
    page.locator("#agent-backend").select_option("pydantic_ai")
    found = page.locator("#o-base_url-l option")
    found.wait_for(state="attached")
    field = page.get_by_label("Base URL")
    field.fill(str(found.get_attribute("value")))
    field.press("Tab")
    expect(page.locator("#choices")).to_contain_text("2 models")  # the third one writes no text
