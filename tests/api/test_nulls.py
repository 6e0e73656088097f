"""Null in a PATCH clears a field that may be empty, and leaves any other field unchanged."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests import make
from tests.api.endpoints import WRITES, one_of_each

CLEARED = {
    "tasks": {"creator_id", "project_id", "parent_task_id", "due_date", "estimated_minutes"},
    "projects": {"prd_document_id"},
}
CHANGES = [
    (endpoint, field) for endpoint in WRITES if endpoint.method == "PATCH" for field in sorted(endpoint.fields)
]


def filled(ids: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a value for each field that null clears."""
    task = {
        "creator_id": "human",
        "project_id": str(ids["projects"]),
        "parent_task_id": str(make.task().pk),
        "due_date": datetime(2026, 11, 23, tzinfo=UTC).isoformat(),
        "estimated_minutes": 5,
    }
    return {"tasks": task, "projects": {"prd_document_id": str(ids["documents"])}}


@pytest.mark.parametrize(("endpoint", "field"), CHANGES, ids=[f"{e.kind}-{field}" for e, field in CHANGES])
def test_null_clears_what_may_be_empty_and_leaves_the_rest(api, endpoint, field):
    ids = one_of_each(api.user)
    path = endpoint.path(ids)
    if value := filled(ids).get(endpoint.kind, {}).get(field):
        assert api.patch(path, {field: value}).status_code == 200
    one = endpoint.kind.removesuffix("s")
    before = api.get(path).json()[one]

    answer = api.patch(path, {field: None})

    assert answer.status_code == 200, answer.json()
    cleared = {field: None} if field in CLEARED.get(endpoint.kind, ()) else {}
    after = answer.json()[one]
    assert {**after, "updated_at": None} == {**before, **cleared, "updated_at": None}


def test_a_field_set_to_null_does_not_keep_the_others_from_changing(api):
    task = make.task(title="Before", description="Kept")
    shown = api.patch(f"tasks/{task.pk}", {"title": "After", "description": None, "tags": None}).json()["task"]
    assert (shown["title"], shown["description"], shown["tags"]) == ("After", "Kept", [])


def test_null_in_a_list_is_still_refused(api):
    answer = api.patch(f"tasks/{make.task().pk}", {"tags": [None]})
    assert answer.status_code == 400 and "tags" in answer.json()
