import io
import json
import uuid
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests import make


@pytest.fixture(autouse=True)
def database(db):
    make.limit(5)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "pocketpaw")


class Folder:
    """A folder of PocketPaw's files."""

    def __init__(self, path) -> None:
        self.path = path
        path.mkdir()

    def write(self, **files: list[Any]) -> "Folder":
        for name, objects in files.items():
            (self.path / f"{name}.json").write_text(json.dumps(objects))
        return self

    def read(self, name: str) -> list[Any]:
        return json.loads((self.path / f"{name}.json").read_text())

    def take(self) -> "Taken":
        """Import the folder."""
        out, told = io.StringIO(), ""
        try:
            call_command("import_pocketpaw", str(self.path), stdout=out)
            status = 0
        except CommandError as error:
            status, told = error.returncode, str(error)
        return Taken(status, out.getvalue().splitlines(), told)


class Taken:
    def __init__(self, status: int, lines: list[str], error: str) -> None:
        self.status, self.lines, self.error = status, lines, error

    def about(self, *words: str) -> list[str]:
        """Return the lines of the import's output that contain all these words."""
        return [line for line in self.lines if all(word in line for word in words)]


TIME, LATER = "2026-02-06T12:00:00.123456+00:00", "2026-02-07T12:00:00+00:00"


def entry(**fields: Any) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "created_at": TIME, "updated_at": LATER, "metadata": {}, **fields}


def agent(**fields: Any) -> dict[str, Any]:
    return entry(**{"name": "Jarvis", "role": "Lead", "backend": "demo", **fields})


def task(**fields: Any) -> dict[str, Any]:
    return entry(**{"title": "Write", "status": "inbox", **fields})


def project(**fields: Any) -> dict[str, Any]:
    return entry(**{"title": "Book", "status": "draft", "creator_id": "human", **fields})


def document(**fields: Any) -> dict[str, Any]:
    return entry(**{"title": "Notes", "content": "Text", "type": "draft", "version": 1, **fields})


def message(of: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return entry(**{"task_id": of["id"], "from_agent_id": "human", "content": "Hello", **fields})


def activity(**fields: Any) -> dict[str, Any]:
    return entry(**{"type": "task_created", "message": "Task created", **fields})


def notification(**fields: Any) -> dict[str, Any]:
    return entry(
        **{"type": "mention", "content": "You were mentioned", "delivered": False, "read": False, **fields}
    )
