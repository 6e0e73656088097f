import json
from typing import Any

import pytest
from django.test import Client

from tests import make

BASE = "/api/mission-control/"


class Api:
    """A client of the API with a token; every answer must be JSON, unless it is for a browser."""

    def __init__(self, owner=None, *, token: str | None = None) -> None:
        self.user = owner or make.user()
        self.client = Client(headers={"Authorization": f"Bearer {token or make.token(self.user)}"})

    def call(self, method: str, path: str, body: Any = None, **options):
        if body is not None and "content_type" not in options:
            body, options["content_type"] = json.dumps(body), "application/json"
        path = path if path.startswith("/") else BASE + path
        return self.client.generic(method, path, body if body is not None else "", **options)

    def get(self, path: str, **query):
        return self.call("GET", path, query_params=query)

    def post(self, path: str, body: Any = None, **options):
        return self.call("POST", path, body, **options)

    def patch(self, path: str, body: Any, **options):
        return self.call("PATCH", path, body, **options)

    def delete(self, path: str):
        return self.call("DELETE", path)

    def made(self, path: str, **body) -> dict[str, Any]:
        """Create an object and return the content of its envelope."""
        answer = self.post(path, body)
        assert answer.status_code == 200, answer.json()
        [(_, made)] = answer.json().items()
        return made


@pytest.fixture(autouse=True)
def database(db):
    make.limit(5)


@pytest.fixture
def api(database) -> Api:
    return Api()
