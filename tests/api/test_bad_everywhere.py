"""Bad input to all endpoints: the status is below 500, the reason names the field, no row of any table changes.

Fields that are written, filters and ids are read from the URL configuration and the schema: a new endpoint, field
or parameter fails these tests until it has its rows here. Sizes and formats of single fields are in
test_bad_fields.py, broken bodies in test_bad_requests.py.
"""

import json
import re

import pytest
from django.apps import apps
from django.conf import settings

from mission_control.api.views.schema import schema
from tests.api.answers import NOBODY, assert_names
from tests.api.endpoints import ALL, BY_NAME, METHODS, NOUNS, WRITES, one_of_each

pytestmark = pytest.mark.exhaustive

# Requests that are refused before any query: one profile is enough.
before_the_database = pytest.mark.embedded

HERE = re.escape(str(settings.BASE_DIR))
LEAKS = re.compile(rf"Traceback|site-packages|SELECT |INSERT |\.py\b|sqlite|psycopg|{HERE}|/tmp/")


def nested(levels):
    return {} if levels == 1 else {"a": nested(levels - 1)}


NUL, SURROGATE, HUGE, DEEP = "a\x00b", "a\ud800b", 10**400, nested(21)
ODD = [DEEP, [DEEP], HUGE, -1, 1.5, True, NUL, SURROGATE]
NO_IDS = ["x", "", NOBODY[:-1], NOBODY + "0", 2**127, *ODD]
SHORT, LONG = [*ODD, "", " ", "x" * 201], [*ODD, "x" * 50_001]
KINDS = {
    "text": SHORT,
    "optional text": [*ODD, "x" * 201],
    "optional address": [*ODD, "x" * 501],
    "key": [*ODD, None, "two words", "short", "ümlauts " * 4, "x" * 1_001],
    "goal": [*ODD, None, "", "x" * 9, " " * 20, "x" * 5_001],
    "analysis": [
        HUGE,
        -1,
        True,
        "{}",
        [],
        DEEP,
        {"goal": NUL},
        {"goal": "g", "domain": "sea"},
        {"goal": ["g"]},
    ],
    "long text": LONG,
    "message": [*LONG, "", " \n"],
    "content": [*ODD, "x" * (5 * 2**20 + 1)],
    "enum": [*ODD, None, "", "nonsense", "DONE", "done ", ["done"], {"done": 1}],
    "id": [*NO_IDS, NOBODY, [NOBODY]],
    "required id": [*NO_IDS, None, NOBODY, [NOBODY]],
    "format of an id": [*NO_IDS, None, [NOBODY]],
    "ids": [*ODD, None, NOBODY, [NOBODY], [None], [1], [NUL], [[NOBODY]], [NOBODY] * 501],
    "person": [*ODD, "", "Human", NOBODY, ["human"]],
    "tags": [*ODD, None, "a,b", [1], [None], [True], [""], [NUL], [SURROGATE], ["x" * 101], ["x"] * 51],
    "data": [HUGE, -1, True, "{}", None, [], DEEP, {NUL: 1}, {"a": [NUL]}, {SURROGATE: 1}, {"a": "x" * 65_536}],
    "whole number": [DEEP, [1], HUGE, -1, 1.5, True, "1", "", NUL, 2**31],
    "days": [DEEP, [1], HUGE, -1, 0, 1.5, True, "1", NUL, 2**31],
    "time": [
        *ODD,
        "",
        "x",
        "2026-02-30T00:00:00Z",
        "2026-11-23T25:00:00Z",
        1_700_000_000,
        "10000-01-01T00:00:00Z",
    ],
    "flag": [DEEP, [True], HUGE, -1, 0, 1, None, "true", "false", NUL],
}
TASK = {
    "title": "text",
    "description": "long text",
    "priority": "enum",
    "task_type": "enum",
    "tags": "tags",
    "assignee_ids": "ids",
    "creator_id": "person",
    "project_id": "id",
    "parent_task_id": "id",
    "blocked_by": "ids",
    "due_date": "time",
    "estimated_minutes": "whole number",
    "active_description": "optional text",
    "metadata": "data",
}
AGENT = {
    "name": "text",
    "role": "text",
    "description": "long text",
    "session_key": "optional text",
    "backend": "enum",
    "backend_options": "data",
    "fallback_agent_id": "id",
    "status": "enum",
    "level": "enum",
    "specialties": "tags",
    "metadata": "data",
}
PROJECT = {"title": "text", "description": "long text", "tags": "tags", "creator_id": "person", "metadata": "data"}
DOCUMENT = {"title": "text", "content": "content", "type": "enum", "tags": "tags", "metadata": "data"}
NEW_DOCUMENT = {**DOCUMENT, "author_id": "person", "task_id": "id", "project_id": "id"}
BODIES = {
    "POST agents/found/{pk}/use": {"model": "optional text"},
    "POST backends/choices": {"backend": "enum", "command": "optional text", "base_url": "optional address"},
    "POST connections/programs": {"name": "enum", "allowed": "flag"},
    "POST connections/keys": {"variable": "enum", "value": "key"},
    "POST agents": AGENT,
    "PATCH agents/{pk}": AGENT,
    "POST tasks": TASK,
    "PATCH tasks/{pk}": {**TASK, "status": "enum"},
    "POST tasks/{pk}/run": {
        "agent_id": "format of an id",
        "when_full": "enum",
        "ignore_dependencies": "flag",
        "follow_up": "message",
        "attachment_ids": "ids",
    },
    "POST tasks/{pk}/assign": {"agent_ids": "ids"},
    "POST tasks/{pk}/status": {"status": "enum", "agent_id": "id"},
    "POST tasks/{pk}/messages": {"content": "message", "from_agent_id": "person", "attachment_ids": "ids"},
    "POST tasks/{pk}/attachments": {"document_id": "required id"},
    "POST tasks/{pk}/request-changes": {"feedback": "message", "task_ids": "ids"},
    "POST projects": PROJECT,
    "PATCH projects/{pk}": {**PROJECT, "status": "enum", "prd_document_id": "id", "team_agent_ids": "ids"},
    "POST documents": NEW_DOCUMENT,
    "PATCH documents/{pk}": {**DOCUMENT, "editor_id": "person"},
    "POST deliverables": NEW_DOCUMENT,
    "PATCH deliverables/{pk}": {**DOCUMENT, "editor_id": "person"},
    "POST runs/{pk}/resume": {"agent_id": "id"},
    "POST runs/{pk}/messages": {"content": "message", "attachment_ids": "ids"},
    "POST questions/{pk}/answer": {
        "choice": "text",
        "text": "message",
        "decision": "enum",
        "reason": "long text",
    },
    "POST tokens": {"name": "text", "expires_in_days": "days"},
    "POST deep-work/parse-goal": {"description": "goal"},
    "POST deep-work/start": {"description": "goal", "research_depth": "enum", "goal_analysis": "analysis"},
}
NO_BODY = {
    "POST agents/found/check",
    "DELETE agents/{pk}",
    "POST agents/{pk}/heartbeat",
    "POST agents/{pk}/check-tools",
    "DELETE tasks/{pk}",
    "POST tasks/{pk}/stop",
    "POST tasks/{pk}/approve",
    "DELETE projects/{pk}",
    "POST projects/{pk}/approve",
    "POST projects/{pk}/pause",
    "POST projects/{pk}/resume",
    "POST deep-work/projects/{pk}/replan",
    "POST deep-work/projects/{pk}/approve",
    "POST deep-work/projects/{pk}/pause",
    "POST deep-work/projects/{pk}/start",
    "POST deep-work/projects/{pk}/resume",
    "POST deep-work/projects/{pk}/tasks/{task_id}/skip",
    "DELETE documents/{pk}",
    "DELETE deliverables/{pk}",
    "POST notifications/{pk}/delivered",
    "POST notifications/{pk}/read",
    "POST runs/{pk}/stop",
    "POST connections/claude-sdk",
    "DELETE tokens/{pk}",
    "DELETE tasks/{pk}/attachments/{file_id}",
}
OF_FILES = {"POST tasks/{pk}/files", "POST projects/{pk}/files"}  # with a body of files: test_uploads.py
REQUIRED: dict[str, dict[str, object]] = {
    "POST connections/programs": {"name": "claude", "allowed": True},
    "POST connections/keys": {"variable": "OPENAI_API_KEY", "value": "x" * 40},
    "POST agents": {"name": "n", "role": "r", "backend": "demo"},
    "POST tasks": {"title": "t"},
    "POST projects": {"title": "t"},
    "POST documents": {"title": "t"},
    "POST deliverables": {"title": "t"},
    "POST tasks/{pk}/messages": {"content": "t"},
    "POST tasks/{pk}/request-changes": {"feedback": "t"},
    "POST tasks/{pk}/status": {"status": "done"},
    "POST runs/{pk}/messages": {"content": "t"},
    "POST questions/{pk}/answer": {"text": "t"},
    "POST tokens": {"name": "t"},
    "POST deep-work/start": {"description": "Write a short book"},
}

NO_NUMBERS = ["-1", "x", "1.5", "1e3", "0x1", "NaN", "true", "9" * 400, "\x00", "[]"]
NO_NAMES = ["nonsense", "IDLE", "\x00", "idle,done", "x" * 5_000]
NO_UUIDS = ["x", "-1", "1", "null", NOBODY[:-1], f"{NOBODY},{NOBODY}", "\x00", "9" * 400, "' OR 1=1 --"]
NO_FLAGS = ["maybe", "2", "-1", "\x00", "true,false"]
NO_DAYS = ["nonsense", "2026-02-30", "20261120", "2026-11-20T00:00:00Z", "\x00"]
QUERIES = {
    **dict.fromkeys(["limit", "offset", "after"], NO_NUMBERS),
    **dict.fromkeys(["status", "type", "kind", "priority", "task_type", "parked_for"], NO_NAMES),
    **dict.fromkeys(["agent_id", "assignee_id", "task_id", "project_id", "run_id"], NO_UUIDS),
    **dict.fromkeys(["undelivered_only", "unread_only"], NO_FLAGS),
    "ordering": ["nonsense", "--title", "password", "project__title", "title,nonsense", "\x00"],
    "search": ["\x00", "x" * 201],
    "tags": ["\x00", "x" * 3_001],
    "backend": NO_NAMES,
    "command": ["\x00", "x" * 51],
    "base_url": ["\x00", "x" * 501],
    "path": ["..", "a/../..", "/etc/passwd", "\x00", "x" * 4_097],
    **dict.fromkeys(["from", "to"], NO_DAYS),
    "group_by": ["nonsense", "day,nonsense", "\x00"],
}
ANY_TEXT = {"schema": {"format", "lang"}}  # of the schema's own page, which ignores unknown values
BAD_KEYS = [
    NOBODY,
    "x",
    "0",
    "-1",
    "9" * 400,
    NOBODY[:-1],
    NOBODY + "0",
    "%00",
    "%ed%a0%80",
    "%ff",
    "'; --",
    "null",
]

FIELDS = [(name, field) for name, fields in BODIES.items() for field in fields]
PARAMETERS = [
    (path, parameter["name"])
    for path, methods in schema()["paths"].items()
    for parameter in methods.get("get", {}).get("parameters", [])
    if parameter["in"] == "query" and parameter["name"] not in ANY_TEXT.get(path.rpartition("/")[2], ())
]
OF_SOMETHING = [endpoint for endpoint in ALL if "{pk}" in endpoint.route]


def everything():
    """Return all rows of our tables, and the number of rows of each other table."""
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values())
        if model._meta.app_label in ("agents", "mission_control")
        else model._base_manager.count()
        for model in apps.get_models()
    }


@pytest.fixture
def ids(api):
    return one_of_each(api.user)


@pytest.fixture(autouse=True)
def nothing_changes(ids):
    before = everything()
    yield
    assert everything() == before


def assert_refused(answer, status):
    assert answer.status_code == status, answer.content[:500]
    assert isinstance(answer.json()["detail"], str)
    assert answer.json()["detail"]
    assert_leaks_nothing(answer)


def assert_leaks_nothing(answer):
    text = answer.content.decode()
    assert not LEAKS.search(text), text
    assert str(settings.DATA_DIR) not in text


# ---------------------------------------------------------------- the tables of this module are complete
def test_every_endpoint_that_writes_has_its_rows():
    assert {endpoint.name for endpoint in WRITES} == BODIES.keys() | NO_BODY | OF_FILES


@pytest.mark.parametrize("endpoint", WRITES, ids=lambda endpoint: endpoint.name)
def test_every_field_has_its_rows(endpoint):
    assert endpoint.fields == set(BODIES.get(endpoint.name, {}))


def test_every_parameter_has_its_rows():
    assert {name for _, name in PARAMETERS} == QUERIES.keys()


def test_there_are_many_more_than_two_hundred():
    bodies = sum(len(KINDS[kind]) for fields in BODIES.values() for kind in fields.values())
    assert bodies > 1_000
    assert sum(len(QUERIES[name]) for _, name in PARAMETERS) > 300
    assert len(OF_SOMETHING) * len(BAD_KEYS) > 300


# ---------------------------------------------------------------- bodies
@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_a_bad_value_is_400_and_its_field_is_named(api, ids, name, field):
    path = BY_NAME[name].path(ids)
    required = {"agent_id": str(ids["agents"])} if name.endswith("/run") else REQUIRED.get(name, {})
    for bad in KINDS[BODIES[name][field]]:
        if bad is None and name.startswith("PATCH"):  # null means "not given" there, see test_nulls.py
            continue
        answer = api.call(BY_NAME[name].method, path, {**required, field: bad})
        assert_names(answer, field)
        assert_leaks_nothing(answer)


@before_the_database
@pytest.mark.parametrize("name", BODIES)
def test_a_field_that_comes_twice_counts_as_it_came_last(api, ids, name):
    field, kind = next(iter(BODIES[name].items()))
    good = json.dumps(REQUIRED.get(name, {}).get(field, "x"))
    body = f'{{"{field}": {good}, "{field}": {json.dumps(KINDS[kind][0])}}}'
    endpoint = BY_NAME[name]
    answer = api.call(endpoint.method, endpoint.path(ids), body, content_type="application/json")
    assert answer.status_code == 400
    assert field in answer.json()


@before_the_database
@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_what_is_no_json_number_is_400_wherever_it_stands(api, ids, name, field):
    endpoint = BY_NAME[name]
    for literal in ("NaN", "Infinity", "-Infinity", "1e999", "[NaN]", '{"a": -1e999}', "01", "1.", "+1"):
        body = f'{{"{field}": {literal}}}'
        answer = api.call(endpoint.method, endpoint.path(ids), body, content_type="application/json")
        assert_refused(answer, 400)
        assert answer.json().keys() == {"detail"}


@before_the_database
@pytest.mark.parametrize("name", BODIES)
def test_a_body_over_the_limit_is_413(api, ids, name, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    endpoint = BY_NAME[name]
    assert_refused(api.call(endpoint.method, endpoint.path(ids), {"unknown": "x" * 1_000}), 413)


@before_the_database
@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_another_kind_is_refused(api, ids, name):
    endpoint = BY_NAME[name]
    path = endpoint.path(ids)
    for body in ("{", "[]", '"x"', "1", "null", "true", '{"a": ' + "[" * 50_000, b"\xff", "{} {}"):
        assert_refused(api.call(endpoint.method, path, body, content_type="application/json"), 400)
    assert_refused(api.call(endpoint.method, path, "<a/>", content_type="application/xml"), 415)


# ---------------------------------------------------------------- ids in paths, methods, queries
@pytest.mark.parametrize("endpoint", OF_SOMETHING, ids=lambda endpoint: endpoint.name)
def test_a_bad_id_in_the_path_is_404_that_says_of_what(api, endpoint):
    for key in BAD_KEYS:
        for slash in ("", "/"):
            path = endpoint.route.format(pk=key, task_id=key, file_id=key) + slash
            answer = api.call(endpoint.method, path, {} if endpoint.method != "GET" else None)
            assert_refused(answer, 404)
            assert answer.json() == {"detail": f"{NOUNS[endpoint.kind]} not found"}


def test_a_bad_id_of_a_task_to_skip_is_404(api, ids):
    for key in BAD_KEYS:
        answer = api.post(f"/api/deep-work/projects/{ids['projects']}/tasks/{key}/skip")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Task not found"})


@before_the_database
@pytest.mark.parametrize("route", sorted({endpoint.route for endpoint in ALL}))
def test_a_method_that_is_not_there_is_405(api, ids, route):
    there = {endpoint.method: endpoint for endpoint in ALL if endpoint.route == route}
    path = next(iter(there.values())).path(ids)
    for method in [method for method in METHODS if method not in there] + ["TRACE"]:
        assert_refused(api.call(method, path, {}, headers={"Accept": "application/json"}), 405)


@pytest.mark.parametrize(("path", "name"), PARAMETERS)
def test_a_bad_parameter_is_400_and_named(api, ids, path, name):
    kind = next((part for part in path.split("/") if part in NOUNS), "")
    for bad in QUERIES[name]:
        answer = api.call("GET", path.format(id=ids.get(kind)), query_params={name: bad})
        assert_names(answer, name)
        assert_leaks_nothing(answer)
