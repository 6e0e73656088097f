"""Bad bodies, paths and queries: the status is below 500, the answer has a reason, and nothing is stored."""

import io
import json

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.urls import resolve

from tests import make
from tests.api.answers import NOBODY, assert_names, stored

WRITES = [
    ("POST", "agents"),
    ("POST", "tasks"),
    ("POST", "projects"),
    ("POST", "documents"),
    ("POST", "deliverables"),
    ("PATCH", "agents/{agent}"),
    ("PATCH", "tasks/{task}"),
    ("PATCH", "projects/{project}"),
    ("PATCH", "documents/{document}"),
    ("PATCH", "deliverables/{document}"),
    ("POST", "tasks/{task}/run"),
]
BROKEN = [
    "{",
    "",
    "[]",
    '"text"',
    "1",
    "null",
    "{'a': 1}",
    '{"title": NaN}',
    '{"title": Infinity}',
    '{"metadata": {"a": 1e999}}',
    '{"estimated_minutes": ' + "1" * 5_000 + "}",
    '{"a":' * 100_000,
    '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
    b"\xff\xfe\x00",
    '{"title": "\xfc"}'.encode("latin-1"),
]


def made_paths():
    return {
        "agent": make.agent().pk,
        "task": make.task().pk,
        "project": make.project().pk,
        "document": make.document().pk,
    }


def test_a_byte_order_mark_before_a_body_is_ignored(api):
    answer = api.post("tasks", b'\xef\xbb\xbf{"title": "x"}', content_type="application/json")
    assert answer.status_code == 200, answer.json()


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_body_that_is_no_json_object_is_400_with_a_reason(api, method, path):
    path = path.format(**made_paths())
    before = stored()
    for body in BROKEN[:1] + BROKEN[2:]:
        answer = api.call(method, path, body, content_type="application/json")
        assert answer.status_code == 400, body
        assert answer.json().keys() == {"detail"}, answer.json()
    assert stored() == before


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_an_unknown_media_type_is_415(api, method, path):
    answer = api.call(method, path.format(**made_paths()), "title=x", content_type="text/plain")
    assert (answer.status_code, answer.json().keys()) == (415, {"detail"})


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "hex", "bz2_codec", "no-such-charset", "utf-7", "idna"])
def test_json_in_another_charset_is_400(api, charset):
    content_type = f"application/json; charset={charset}"
    assert api.post("tasks", '{"title": "x"}', content_type=content_type).status_code == 400


def test_a_body_that_comes_in_chunks_is_read(api):
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    headers.append((b"authorization", f"Bearer {make.token(api.user)}".encode()))
    scope = {"type": "http", "method": "POST", "path": "/x", "query_string": b"", "headers": headers}
    request = ASGIRequest(scope, io.BytesIO(b'{"title": "Chunked"}'))
    answer = resolve("/api/mission-control/tasks").func(request)
    assert (answer.status_code, answer.data["task"]["title"]) == (200, "Chunked")


@pytest.mark.parametrize("levels", [15, 500, 900, 950, 970, 985, 995])
def test_deep_json_is_answered_wherever_it_is_found_out(api, levels):
    deep = "[" * levels + "]" * levels
    for field in ("title", "tags", "metadata", "assignee_ids", "project_id", "priority", "unknown"):
        answer = api.post("tasks", f'{{"title": "x", "{field}": {deep}}}', content_type="application/json")
        assert answer.status_code in (200, 400)


def test_metadata_may_have_twenty_levels_and_no_more(api):
    def nested(levels):
        return {} if levels == 1 else {"a": nested(levels - 1)}

    assert api.made("tasks", title="x", metadata=nested(20))["metadata"] == nested(20)
    assert_names(api.post("tasks", {"title": "x", "metadata": nested(21)}), "metadata")


def test_the_largest_that_is_allowed_is_taken(api):
    content = "x" * (5 * 1024 * 1024)
    assert api.made("documents", title="x" * 200, content=content)["content"] == content
    tags = [f"{number:050}" for number in range(50)]
    task = api.made("tasks", title="ü" * 200, description="x" * 50_000, tags=tags, metadata={"a": "x" * 65_000})
    assert task["tags"] == tags


def test_the_size_of_a_content_is_counted_in_bytes(api):
    body = f'{{"title": "x", "content": "{"ü" * (5 * 1024 * 1024 // 2 + 1)}"}}'
    assert_names(api.post("documents", body, content_type="application/json"), "content")


def test_large_and_odd_numbers_in_metadata_are_kept(api):
    metadata = {"a": 10**400, "b": 1.5, "c": -0.0, "d": "\U0001f600", "e": "1e999"}
    assert api.made("tasks", title="x", metadata=metadata)["metadata"] == metadata


PATHS = [
    ("Agent", ["GET", "PATCH", "DELETE"], "agents/{}"),
    ("Task", ["GET", "PATCH", "DELETE"], "tasks/{}"),
    ("Task", ["POST"], "tasks/{}/run"),
    ("Task", ["POST"], "tasks/{}/stop"),
    ("Task", ["GET"], "tasks/{}/runs"),
    ("Task", ["GET"], "tasks/{}/documents"),
    ("Project", ["GET", "PATCH", "DELETE"], "projects/{}"),
    ("Document", ["GET", "PATCH", "DELETE"], "documents/{}"),
    ("Document", ["GET"], "documents/{}/versions"),
    ("Document", ["GET", "PATCH", "DELETE"], "deliverables/{}"),
    ("Document", ["GET"], "deliverables/{}/versions"),
    ("Run", ["GET"], "runs/{}"),
    ("Run", ["POST"], "runs/{}/stop"),
    ("Run", ["GET"], "runs/{}/events"),
]


@pytest.mark.parametrize(("noun", "methods", "path"), PATHS)
def test_an_unknown_or_malformed_id_in_a_path_is_404(api, noun, methods, path):
    for key in (NOBODY, "x", "1", NOBODY[:-1], "%00", "%ff%fe", "'; --", "é" * 100, "x" * 5_000, "%2e%2e"):
        for method in methods:
            for slash in ("", "/"):
                answer = api.call(method, path.format(key) + slash, None if method in ("GET", "DELETE") else {})
                assert (answer.status_code, answer.json()) == (404, {"detail": f"{noun} not found"}), (method, key)


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/x", "/api/mission-control/x", "/api/mission-control/tasks/a/b/c"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_an_unknown_path_of_the_api_is_a_404_in_json(api, method, path):
    answer = api.call(method, path, {})
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "tasks"),
        ("DELETE", "tasks"),
        ("PATCH", "agents"),
        ("POST", "runs"),
        ("DELETE", "runs/{run}"),
        ("GET", "tasks/{task}/run"),
        ("PUT", "tasks/{task}"),
        ("POST", "tasks/running"),
        ("POST", "capacity"),
        ("DELETE", "backends"),
        ("TRACE", "tasks"),
        ("POST", "/healthz"),
        ("DELETE", "/readyz"),
    ],
)
def test_a_method_that_is_not_there_is_405_with_a_reason(api, method, path):
    run = make.run()
    answer = api.call(method, path.format(run=run.pk, task=run.task_id))
    assert (answer.status_code, answer.json().keys()) == (405, {"detail"})


LISTS = ["agents", "tasks", "projects", "documents", "deliverables", "runs"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("name", ["limit", "offset"])
@pytest.mark.parametrize(
    "wrong", ["-1", "x", "NaN", "1.5", "1e3", "9" * 30, "9" * 10, "\x00", "٣", "1_0", " 1", "0x10", "[]"]
)
def test_a_limit_or_offset_that_is_no_number_from_0_is_named(api, path, name, wrong):
    assert_names(api.get(path, **{name: wrong}), name)


FILTERS = [
    ("agents", "status", ["none", "\x00"]),
    ("tasks", "status", ["none", "DONE", "\x00", "x" * 10_000]),
    ("tasks", "priority", ["none"]),
    ("tasks", "task_type", ["none"]),
    ("tasks", "assignee_id", ["x", "1", "\x00", NOBODY[:-1], "9" * 50]),
    ("tasks", "project_id", ["x", "1", "\x00"]),
    ("tasks", "search", ["\x00", "x" * 201]),
    ("tasks", "tags", ["\x00", "x" * 3_001]),
    ("tasks", "ordering", ["none", "password", "project__title", "\x00", "--title"]),
    ("projects", "status", ["none"]),
    ("documents", "type", ["none"]),
    ("documents", "task_id", ["x"]),
    ("documents", "tags", ["\x00"]),
    ("runs", "status", ["none"]),
    ("runs", "task_id", ["x"]),
    ("runs", "agent_id", ["x"]),
    ("runs", "project_id", ["x"]),
]


@pytest.mark.parametrize(("path", "name", "wrongs"), FILTERS)
def test_a_wrong_filter_is_named(api, path, name, wrongs):
    for wrong in wrongs:
        assert_names(api.get(path, **{name: wrong}), name)


@pytest.mark.parametrize("name", ["after", "limit"])
def test_a_wrong_place_in_the_events_is_named(api, name):
    run = make.run()
    for wrong in ("-1", "x", "NaN", "9" * 30, "\x00", "1.5"):
        assert_names(api.get(f"runs/{run.pk}/events", **{name: wrong}), name)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("tasks", "assignee_id"),
        ("tasks", "project_id"),
        ("documents", "task_id"),
        ("runs", "task_id"),
        ("runs", "agent_id"),
    ],
)
def test_a_filter_by_an_id_that_does_not_exist_finds_nothing(api, path, name):
    make.run()
    make.document()
    answer = api.get(path, **{name: NOBODY})
    assert (answer.status_code, answer.json()["count"]) == (200, 0)


@pytest.mark.parametrize(
    "query", ["search=%25_%5C%27%22", "search=%ff", "tags=%27,%22,%5C", "x=%00", "&&=&a[]=1", "search=*"]
)
def test_odd_queries_are_answered(api, query):
    make.task(tags=["'"])
    assert api.call("GET", f"tasks?{query}").status_code == 200


def test_a_form_is_read_as_strictly_where_it_counts(api):
    agent = make.agent()
    form = (
        f"title=From+a+form&estimated_minutes=5&tags=a&tags=b&assignee_ids={agent.pk}&project_id=&metadata=%7B%7D"
    )
    kind = "application/x-www-form-urlencoded"
    task = api.post("tasks", form, content_type=kind).json()["task"]
    assert (task["title"], task["estimated_minutes"], task["tags"]) == ("From a form", 5, ["a", "b"])
    assert task["assignee_ids"] == [str(agent.pk)]
    for wrong in ("metadata=[", "metadata=[]", "title=%00", "title=", "estimated_minutes=x", "blocked_by=x"):
        answer = api.post("tasks", f"title=x&{wrong}" if "title" not in wrong else wrong, content_type=kind)
        assert_names(answer, wrong.partition("=")[0])


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=x", "multipart/form-data; boundary=\u00e9"],
)
def test_a_broken_multipart_body_is_400(api, content_type):
    answer = api.post("tasks", "--x\r\nbroken", content_type=content_type)
    assert answer.status_code == 400
    assert "detail" in answer.json()


def test_a_file_is_no_text(api):
    body = '--x\r\nContent-Disposition: form-data; name="title"; filename="a"\r\n\r\ntext\r\n--x--\r\n'
    assert_names(api.post("tasks", body, content_type="multipart/form-data; boundary=x"), "title")


def test_more_form_fields_than_anybody_needs_are_400(api):
    form = "&".join(f"a{number}=1" for number in range(2_000))
    answer = api.post("tasks", form, content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.json().keys()) == (400, {"detail"})


def test_a_body_that_django_finds_too_large_is_413(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    answer = api.post("tasks", {"title": "x", "description": "x" * 2_000})
    assert (answer.status_code, answer.json().keys()) == (413, {"detail"})


def test_no_error_repeats_what_was_sent(api):
    marker = "<script>marker</script>"
    for body in (
        {"title": "x", "priority": marker},
        {"title": "x", "tags": marker},
        {"title": "x", "project_id": marker},
    ):
        assert "marker" not in json.dumps(api.post("tasks", body).json())
