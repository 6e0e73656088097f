"""Bad fields in a body: the status is below 500, the answer names the wrong field, and nothing is stored."""

import pytest

from mission_control.models import Run
from tests import make
from tests.api.answers import NOBODY, assert_names, stored

NUL, SURROGATE = "a\x00b", "a\ud800b"
WRONG_TYPES = [1, 1.5, True, None, [], {}, ["x"]]

WRONG_TEXTS = [*WRONG_TYPES, NUL, SURROGATE]
WRONG_TITLES = [*WRONG_TEXTS, "", " \n", "x" * 201]
WRONG_ENUMS = [*WRONG_TEXTS, "", "none", "DONE", "x" * 100_000]
WRONG_IDS = [1, True, [], {}, "x", NUL, SURROGATE, NOBODY, NOBODY[:-1], 2**200]
WRONG_LISTS = ["x", 1, True, None, {}, {"0": "x"}, [[]], [None], [1]]
WRONG_ID_LISTS = [*WRONG_LISTS, ["x"], [NOBODY], [NUL], [SURROGATE], [NOBODY] * 501]
WRONG_TAGS = [*WRONG_LISTS, [""], ["x" * 51], ["x"] * 51, [NUL], [SURROGATE]]
WRONG_DATA = [
    "x",
    1,
    None,
    [],
    "{}",
    {NUL: 1},
    {"a": [{"b": SURROGATE}]},
    {"a": "x" * 70_000},
    {"a": "ü" * 33_000},
]
WRONG_NUMBERS = ["1", 1.5, True, [], {}, -1, 2**31, 10**100]
WRONG_TIMES = [1, True, [], {}, "", "x", "2026-13-01", NUL, SURROGATE, "99999-01-01T00:00:00Z"]
WRONG_PEOPLE = [1, True, [], {}, "", "somebody", NOBODY, NUL, SURROGATE, "Human"]
WRONG_CONTENTS = [*WRONG_TEXTS, "x" * (5 * 1024 * 1024 + 1)]

TASK_FIELDS = {
    "title": WRONG_TITLES,
    "description": [*WRONG_TEXTS, "x" * 50_001],
    "priority": WRONG_ENUMS,
    "task_type": WRONG_ENUMS,
    "tags": WRONG_TAGS,
    "assignee_ids": WRONG_ID_LISTS,
    "creator_id": WRONG_PEOPLE,
    "project_id": WRONG_IDS,
    "parent_task_id": WRONG_IDS,
    "blocked_by": WRONG_ID_LISTS,
    "due_date": WRONG_TIMES,
    "estimated_minutes": WRONG_NUMBERS,
    "active_description": [*WRONG_TEXTS, "x" * 201],
    "metadata": WRONG_DATA,
}
AGENT_FIELDS = {
    "name": [*WRONG_TEXTS, "", " ", "x" * 51],
    "role": [*WRONG_TEXTS, "", " ", "x" * 101],
    "description": [*WRONG_TEXTS, "x" * 50_001],
    "session_key": [*WRONG_TEXTS, "x" * 101],
    "backend": [*WRONG_TEXTS, "", "none", SURROGATE],
    "backend_options": [*WRONG_DATA, {"unknown": 1}, {"chunks": "3"}, {"chunks": -1}, {"delay_seconds": 61}],
    "status": WRONG_ENUMS,
    "level": WRONG_ENUMS,
    "specialties": [*WRONG_LISTS, [""], ["x" * 101], ["x"] * 51, [NUL], [SURROGATE]],
    "metadata": WRONG_DATA,
}
PROJECT_FIELDS = {
    "title": WRONG_TITLES,
    "description": [*WRONG_TEXTS, "x" * 50_001],
    "tags": WRONG_TAGS,
    "creator_id": [*WRONG_PEOPLE, None],
    "metadata": WRONG_DATA,
}
DOCUMENT_FIELDS = {
    "title": WRONG_TITLES,
    "content": WRONG_CONTENTS,
    "type": WRONG_ENUMS,
    "tags": WRONG_TAGS,
    "metadata": WRONG_DATA,
}
REQUIRED = {
    "tasks": {"title": "t"},
    "agents": {"name": "n", "role": "r", "backend": "demo"},
    "projects": {"title": "t"},
    "documents": {"title": "t"},
    "deliverables": {"title": "t"},
}
ON_CREATE = {
    "tasks": TASK_FIELDS,
    "agents": AGENT_FIELDS,
    "projects": PROJECT_FIELDS,
    "documents": {
        **DOCUMENT_FIELDS,
        "author_id": WRONG_PEOPLE,
        "task_id": WRONG_IDS,
        "project_id": WRONG_IDS,
    },
    "deliverables": DOCUMENT_FIELDS,
}
ON_CHANGE = {
    "tasks": {**TASK_FIELDS, "status": WRONG_ENUMS},
    "agents": AGENT_FIELDS,
    "projects": {
        **PROJECT_FIELDS,
        "status": WRONG_ENUMS,
        "prd_document_id": WRONG_IDS,
        "team_agent_ids": WRONG_ID_LISTS,
    },
    "documents": {**DOCUMENT_FIELDS, "editor_id": WRONG_PEOPLE},
    "deliverables": {**DOCUMENT_FIELDS, "editor_id": WRONG_PEOPLE},
}
MAKE = {
    "tasks": make.task,
    "agents": make.agent,
    "projects": make.project,
    "documents": make.document,
    "deliverables": make.document,
}


def fields_of(table):
    return [(path, field) for path, fields in table.items() for field in fields]


@pytest.mark.parametrize(("path", "field"), fields_of(ON_CREATE))
def test_a_wrong_field_of_a_new_object_is_named_and_nothing_is_stored(api, path, field):
    before = stored()
    for wrong in ON_CREATE[path][field]:
        assert_names(api.post(path, {**REQUIRED[path], field: wrong}), field)
    assert stored() == before


@pytest.mark.parametrize(("path", "field"), fields_of(ON_CHANGE))
def test_a_wrong_field_of_a_change_is_named_and_nothing_is_stored(api, path, field):
    one = f"{path}/{MAKE[path]().pk}"
    before = stored()
    for wrong in ON_CHANGE[path][field]:
        if wrong is not None:  # null is in tests/api/test_nulls.py
            assert_names(api.patch(one, {field: wrong}), field)
    assert stored() == before


@pytest.mark.parametrize("path", REQUIRED)
def test_what_is_required_is_missed(api, path):
    body = api.post(path, {}).json()
    assert body.keys() == {*REQUIRED[path], "detail"} - {"backend"}
    assert body["detail"] in {"Title is required.", "Name is required."}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "agent_id"),
        *[({"agent_id": wrong}, "agent_id") for wrong in [*WRONG_TEXTS, "", "x", 2**200]],
        *[({"when_full": wrong}, "when_full") for wrong in [*WRONG_ENUMS]],
        *[({"ignore_dependencies": w}, "ignore_dependencies") for w in ["true", 1, 0, None, [], {}, "x"]],
    ],
)
def test_a_wrong_field_of_a_run_request_is_named(api, body, field):
    task, agent = make.task(), make.agent()
    if field != "agent_id":
        body = {"agent_id": str(agent.pk), **body}
    assert_names(api.post(f"tasks/{task.pk}/run", body), field)
    assert not Run.objects.exists()
