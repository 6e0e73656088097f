"""The OpenAPI schema. Whether it is true is tested by tests/fuzz.py."""

import json
import re
from collections import Counter
from typing import ClassVar

import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from agents.backends.demo import Demo
from mission_control.api import urls
from mission_control.api.views.tasks import TaskViews
from mission_control.models import RunEvent
from mission_control.realtime.frames import RunHeader, run_frames
from tests.api.conftest import Api

FOR_PEOPLE = {"/api/docs"}


@pytest.fixture(scope="module")
def schema():
    from mission_control.api.views.schema import schema

    return schema()


def of_nothing(path):
    return re.sub(r"\{\w+\}", "0" * 32, path)


def operations(schema):
    return [
        (path, method, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_schema_is_made_without_a_warning_and_is_valid(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"))


def test_every_path_of_the_api_is_in_the_schema_and_nothing_else(schema):
    routes = [str(pattern.pattern) for pattern in urls.urlpatterns if pattern.name]
    paths = {"/" + re.sub(r"<str:(\w+)>", r"{\1}", route.replace("<str:pk>", "<str:id>")) for route in routes}
    assert set(schema["paths"]) == paths - FOR_PEOPLE


def test_each_path_with_its_methods_answers_as_the_schema_says(schema, api):
    for path, methods in schema["paths"].items():
        allowed = api.call("OPTIONS", of_nothing(path)).headers["Allow"]
        assert {method.lower() for method in allowed.split(", ")} - {"head", "options"} == set(methods), path


def test_all_but_the_health_need_a_user(schema):
    for path, method, operation in operations(schema):
        is_open = path in ("/healthz", "/readyz")
        assert ("security" in operation) is not is_open, path
        if not is_open:
            answer = Client().generic(method.upper(), of_nothing(path))
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), path
            assert {"401", "403", "503"} <= operation["responses"].keys()


def test_operations_have_names_of_their_own(schema):
    names = [operation["operationId"] for _, _, operation in operations(schema)]
    assert len(set(names)) == len(names)
    assert {"tasks_list", "tasks_create", "tasks_run", "runs_stream", "agents_partial_update"} <= set(names)


def test_what_a_component_is_described_as_is_said_of_no_other(schema):
    described = [component.get("description") for component in schema["components"]["schemas"].values()]
    for words, number in Counter(filter(None, described)).items():
        assert number == 1, words


def test_envelopes_and_refusals_are_those_of_the_contract(schema):
    components = schema["components"]["schemas"]
    run = schema["paths"]["/api/mission-control/tasks/{id}/run"]["post"]["responses"]
    assert run["429"]["headers"]["Retry-After"]["required"]
    assert {"200", "400", "404", "409", "413", "415"} <= run.keys()
    assert set(components["TasksAnswer"]["required"]) == {"tasks", "count", "next", "previous"}
    assert components["TaskAnswer"]["required"] == ["task"]
    stream = schema["paths"]["/api/mission-control/runs/{id}/stream"]["get"]["responses"]["200"]
    assert list(stream["content"]) == ["text/event-stream"]


def test_the_schema_allows_what_is_ignored_a_null_in_an_analysis(schema, api, settings):
    settings.PLANNER_BACKEND = "demo"
    [analysis] = [
        part["properties"]["goal_analysis"]
        for name, part in schema["components"]["schemas"].items()
        if name.startswith("PlanRequest") and "goal_analysis" in part["properties"]
    ]
    validator = Draft202012Validator({**analysis, "components": schema["components"]})
    nulls = {"goal": None, "confidence": None, "domain": None, "sub_domains": None}
    assert validator.is_valid(nulls)
    assert not validator.is_valid({"confidence": "much"})
    body = {"description": "Write a short book", "goal_analysis": nulls}
    assert api.post("/api/deep-work/start", body).status_code == 200


class OpenBackend(Demo):
    display_name = "Open"
    options_schema: ClassVar = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "list": {"type": "array"}, "anything": {}},
    }


def texts_in(part, components, followed=()):
    """Yield the schema of each text, other than dates and ids, in a schema and in the components that it uses."""
    if isinstance(part, list):
        for one in part:
            yield from texts_in(one, components, followed)
    if not isinstance(part, dict):
        return
    name = str(part.get("$ref", "")).rpartition("/")[2]
    if name and name not in followed:
        yield from texts_in(components[name], components, (*followed, name))
    if "string" in part.get("type", []) and "format" not in part:
        yield part
    for one in part.values():
        yield from texts_in(one, components, followed)


def test_no_text_that_a_request_may_contain_allows_a_nul_character(schema):
    components = schema["components"]["schemas"]
    for path, method, operation in operations(schema):
        sent = [parameter["schema"] for parameter in operation.get("parameters", [])]
        for text in texts_in([*sent, operation.get("requestBody")], components):
            validator = Draft202012Validator(text)
            for sample in ("\0", "a\0", "\0a", "a\0b", "http://a\0", "read(\0)", "a:\0"):
                assert not validator.is_valid(sample), (method, path, text, sample)


def test_options_of_any_backend_allow_no_nul_character_in_what_their_schema_leaves_open(schema, settings):
    settings.MISSION_CONTROL_BACKENDS = {"open": f"{__name__}.OpenBackend", "broken": "no.such.Backend"}
    generated = SchemaGenerator().get_schema(request=None, public=True)
    options = generated["components"]["schemas"]["AgentWriter"]["properties"]["backend_options"]
    for title in ("Open", "broken"):
        [described] = [one for one in options["anyOf"] if one["title"] == title]
        validator = Draft202012Validator({**described, "components": schema["components"]})
        assert validator.is_valid({"name": "a", "list": ["a", 1], "anything": {"a": ["b"]}, "more": "a"})
        for wrong in ({"name": "\0"}, {"list": ["\0"]}, {"anything": {"a": ["\0"]}}, {"more": "\0"}, {"\0": 1}):
            assert not validator.is_valid(wrong), (title, wrong)


def test_a_stream_names_each_event_that_a_run_may_send(schema):
    path = "/api/mission-control/runs/{id}/stream"
    content = schema["paths"][path]["get"]["responses"]["200"]["content"]["text/event-stream"]
    named = str(content)
    phases = ["started", "planning", "planned", "ended", "anything else"]
    header = RunHeader("run", "task", "project", "agent", "Agent", "Task")
    now = timezone.now()
    events = [RunEvent(seq=1, timestamp=now, type="status", metadata={"phase": phase}) for phase in phases]
    assert [frame.event for frame in run_frames(header, events) if f"'{frame.event}'" not in named] == []


@pytest.mark.parametrize(
    ("accept", "media_type", "load"),
    [
        ("*/*", "application/json", json.loads),
        ("application/vnd.oai.openapi+json", "application/vnd.oai.openapi+json", json.loads),
        ("application/yaml", "application/yaml", yaml.safe_load),
    ],
)
def test_the_schema_is_served_in_each_of_its_forms(api, schema, accept, media_type, load):
    answer = api.call("GET", "/api/schema", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (200, media_type)
    assert load(answer.content)["paths"].keys() == schema["paths"].keys()


@pytest.mark.parametrize("kind", ["projects", "tasks"])
def test_an_upload_without_a_body_is_against_the_schema(schema, kind):
    body = schema["paths"][f"/api/mission-control/{kind}/{{id}}/files"]["post"]["requestBody"]
    assert list(body["content"]) == ["multipart/form-data"] and body["required"] is True


@pytest.mark.parametrize("path", ["/api/schema", "/api/schema/", "/api/docs", "/api/docs/"])
def test_schema_and_docs_are_for_every_user(path):
    assert Client().get(path).status_code == 401
    assert Api(None).get(path).status_code == 200


def test_an_action_that_does_not_say_what_it_answers_fails_the_generation(monkeypatch, capsys):
    monkeypatch.setattr(TaskViews, "answers", {})
    with pytest.raises(Exception, match="warnings"):
        call_command("spectacular", "--fail-on-warn", "--file", "/dev/null")
    assert "TaskViews.answers does not say what run answers" in capsys.readouterr().err
