"""What the fuzzer found, each case as a plain request."""

import pytest

from tests import make


@pytest.mark.parametrize("minutes", [387.0, 0.0, 1e6])
def test_a_whole_number_may_be_written_with_a_point(api, minutes):
    assert api.made("tasks", title="x", estimated_minutes=minutes)["estimated_minutes"] == int(minutes)


@pytest.mark.parametrize("minutes", [387.5, True, "387", 1e300, -1.0])
def test_what_is_no_whole_number_is_refused(api, minutes):
    answer = api.post("tasks", {"title": "x", "estimated_minutes": minutes})
    assert (answer.status_code, answer.json().keys()) == (400, {"estimated_minutes", "detail"})


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ({"after": "x"}, {"Last-Event-ID": "3"}, "after"),
        ({"after": "-1"}, {}, "after"),
        ({}, {"Last-Event-ID": "true"}, "Last-Event-ID"),
    ],
)
def test_a_stream_refuses_a_bad_number_wherever_it_stands(api, query, headers, field):
    answer = api.call("GET", f"runs/{make.run().pk}/stream", query_params=query, headers=headers)
    assert (answer.status_code, answer.json().keys()) == (400, {field, "detail"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/api/mission-control/runs/{run}/stream"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE"])
def test_a_method_that_is_not_there_is_answered_with_those_that_are(api, path, method):
    answer = api.call(method, path.format(run=make.run().pk))
    assert answer.status_code == 405
    assert {"GET", "HEAD"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/api/mission-control/runs/{run}/stream"])
def test_where_there_is_one_form_it_is_sent_whatever_is_accepted(api, path):
    answer = api.call("GET", path.format(run=make.run().pk), headers={"Accept": "image/png"})
    assert answer.status_code in (200, 503)


@pytest.mark.parametrize("space", ["\r", " ", "\n", "\x1f"])
def test_the_length_is_that_of_what_was_sent_with_the_space_round_it(api, space):
    fits = api.made("agents", name="x", role=space + "r" * 99)
    assert fits["role"] == "r" * 99
    answer = api.post("agents", {"name": "x", "role": space + "r" * 100})
    assert (answer.status_code, answer.json().keys()) == (400, {"role", "detail"})


@pytest.mark.parametrize("space", [" ", "\x1d", "\n\t"])
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("tasks", "assignee_id"),
        ("documents", "task_id"),
        ("runs", "agent_id"),
        ("activity", "agent_id"),
        ("notifications", "agent_id"),
        ("notifications", "unread_only"),
    ],
)
def test_white_space_alone_is_no_missing_filter(api, path, name, space):
    answer = api.call("GET", path, query_params={name: space})
    assert (answer.status_code, answer.json().keys()) == (400, {name, "detail"})
    assert api.call("GET", path, query_params={name: ""}).status_code == 200
