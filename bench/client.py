"""An API client with very little overhead: one persistent connection, and only the standard library."""

import http.client
import json
import time
from typing import NamedTuple, Self

from tests.product import Product


class Answer(NamedTuple):
    status: int
    body: bytes
    sent_at: float  # on the monotonic clock, which all processes of a machine share
    seconds: float

    def json(self) -> dict:
        return json.loads(self.body)


class Client:
    def __init__(self, product: Product) -> None:
        self.base = "/api/mission-control"
        self.headers = {"Authorization": f"Bearer {product.token}", "Content-Type": "application/json"}
        self.connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=30)
        self.connection.connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.connection.close()

    def call(self, method: str, path: str, body: dict | None = None, *, expect: int = 200) -> Answer:
        """Send a request and time it to the last byte of its answer. Raises AssertionError for another status."""
        return self._send(method, self.base + path, body, expect)

    def health(self) -> Answer:
        return self._send("GET", "/healthz", None, 200)

    def _send(self, method: str, path: str, body: dict | None, expect: int) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        sent_at = time.monotonic()
        self.connection.request(method, path, data, self.headers)
        response = self.connection.getresponse()
        content = response.read()
        answer = Answer(response.status, content, sent_at, time.monotonic() - sent_at)
        assert answer.status == expect, f"{method} {path}: {answer.status} {content[:300]!r}"
        return answer

    def create_task(self, title: str) -> Answer:
        return self.call("POST", "/tasks", {"title": title, "description": "Made to be measured."})

    def new_task(self, title: str = "Measured") -> str:
        return self.create_task(title).json()["task"]["id"]

    def run(self, task: str, agent: str, *, expect: int = 200, **body: str) -> Answer:
        return self.call("POST", f"/tasks/{task}/run", {"agent_id": agent, **body}, expect=expect)
