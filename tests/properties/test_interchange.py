"""What the API accepts survives an export and an import, with any values."""

import io
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from agents.models import Agent
from mission_control.models import Activity, Deliverable, Message, Notification, Project, Task
from tests import make
from tests.api.conftest import Api
from tests.interchange.test_export import without
from tests.properties.conftest import share
from tests.properties.hostile import lines, texts

pytestmark = pytest.mark.django_db

EXTREMES = [0, -1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**300, 1e308, 5e-324, -0.0, 0.1, 1e16]
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(EXTREMES), st.floats(), lines)
values = st.recursive(scalars, lambda some: st.lists(some, max_size=3) | st.dictionaries(lines, some, max_size=3))
data = st.dictionaries(lines, values, max_size=4)
tags = st.lists(st.one_of(lines, st.just("a,b")), max_size=3)
times = st.datetimes(timezones=st.sampled_from([UTC])).map(datetime.isoformat)
numbers = st.one_of(st.integers(), st.sampled_from(EXTREMES), st.floats())
FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "agents": {"name": lines, "role": lines, "description": texts, "session_key": lines, "specialties": tags},
    "projects": {"title": lines, "description": texts, "tags": tags},
    "tasks": {
        "title": lines,
        "description": texts,
        "tags": tags,
        "due_date": times,
        "estimated_minutes": numbers,
        "active_description": lines,
    },
    "documents": {"title": lines, "content": texts, "tags": tags},
}
BASE = {
    "agents": {"name": "n", "role": "r", "backend": "demo"},
    "projects": {"title": "t"},
    "tasks": {"title": "t"},
    "documents": {"title": "t"},
}


def exported() -> dict[str, list[dict[str, Any]]]:
    """Export, and return the content of each file, decoded strictly."""
    with tempfile.TemporaryDirectory() as folder:
        call_command("export_pocketpaw", folder, stdout=io.StringIO())
        return {
            path.name: json.loads(path.read_text(), parse_constant=pytest.fail) for path in Path(folder).iterdir()
        }


def imported_again() -> list[str]:
    """Export, delete everything, import, and return the output. Raises CommandError on an incomplete import."""
    out = io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        call_command("export_pocketpaw", folder, stdout=io.StringIO())
        forget_everything()
        call_command("import_pocketpaw", folder, stdout=out)
    return out.getvalue().splitlines()


def forget_everything() -> None:
    for model in (Notification, Message, Activity, Deliverable, Task, Project, Agent):
        model.objects.all().delete()


@share(0.06)
@given(chance=st.data())
def test_what_the_api_takes_is_read_again_from_its_export(chance):
    forget_everything()
    api, taken = Api(), 0
    for path, fields in FIELDS.items():
        for field, strategy in {**fields, "metadata": data}.items():
            value = chance.draw(strategy, label=f"{path}.{field}")
            answer = api.post(path, json.dumps({**BASE[path], field: value}), content_type="application/json")
            assert answer.status_code in (200, 400)
            taken += answer.status_code == 200
    said = api.post(f"tasks/{make.task().pk}/messages", {"content": chance.draw(texts, label="message")})
    assert said.status_code in (200, 400)
    before = without(exported())

    lines = imported_again()

    assert [line for line in lines if "aken" in line] == []
    assert without(exported()) == before
    assert sum(len(before[f"{path}.json"]) for path in FIELDS) >= taken
