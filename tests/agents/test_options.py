from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from agents.backends import registry
from agents.models import Agent

REFUSED = [
    ("demo", {"chunks": "200"}, "chunks", "must be an integer"),
    ("demo", {"chunks": True}, "chunks", "must be an integer"),
    ("demo", {"chunks": 2.5}, "chunks", "must be an integer"),
    ("demo", {"chunks": None}, "chunks", "must be an integer"),
    ("demo", {"chunks": 0}, "chunks", "must be at least 1"),
    ("demo", {"chunks": 100_001}, "chunks", "must be at most 100000"),
    ("demo", {"chunks": 10**400}, "chunks", "must be at most 100000"),
    ("demo", {"chunk_bytes": 7}, "chunk_bytes", "must be at least 8"),
    ("demo", {"chunk_bytes": 65_537}, "chunk_bytes", "must be at most 65536"),
    ("demo", {"delay_seconds": -0.1}, "delay_seconds", "must be at least 0"),
    ("demo", {"delay_seconds": 61}, "delay_seconds", "must be at most 60"),
    ("demo", {"delay_seconds": False}, "delay_seconds", "must be a number"),
    ("demo", {"delay_seconds": float("nan")}, "delay_seconds", "must be a number"),
    ("demo", {"delay_seconds": float("inf")}, "delay_seconds", "must be a number"),
    ("demo", {"fail_after": "never"}, "fail_after", "must be an integer or null"),
    ("demo", {"fail_after": -1}, "fail_after", "must be at least 0"),
    ("demo", {"chunk": 3}, "chunk", "Unknown option `chunk`. Available: chunks, chunk_bytes"),
    ("demo", ["chunks"], None, "must be an object"),
    ("demo", None, None, "must be an object"),
    ("pydantic_ai", {"api_key": "sk-1"}, "api_key", "Unknown option `api_key`. Available: model, base_url"),
    ("pydantic_ai", {"model": ""}, "model", "must have at least 1 character"),
    ("pydantic_ai", {"model": "m" * 201}, "model", "must have at most 200 characters"),
    ("pydantic_ai", {"base_url": "ftp://host/"}, "base_url", "must be the http or https address"),
    ("pydantic_ai", {"base_url": "http://me:secret@host/v1"}, "base_url", "without a login"),
    ("pydantic_ai", {"base_url": "http://host/v1\n"}, "base_url", "must be the http or https address"),
    ("pydantic_ai", {"base_url": "http://host\\@evil/v1"}, "base_url", "must be the http or https address"),
    ("pydantic_ai", {"temperature": 2.1}, "temperature", "must be at most 2"),
    ("pydantic_ai", {"temperature": "0"}, "temperature", "must be a number"),
    ("pydantic_ai", {"max_tokens": 0}, "max_tokens", "must be at least 1"),
    ("command", {"command": "rm -rf /"}, "command", "never a command line"),
    ("claude_agent_sdk", {"permission_mode": "x"}, "permission_mode", "must be one of acceptEdits, dontAsk"),
    ("codex_cli", {"model": 5}, "model", "must be a string"),
    ("codex_cli", {"approval_policy": {}}, "approval_policy", "cannot ask for approval"),
    ("command", {"approval_policy": {"ask": ["Bash"]}}, "approval_policy", "Backends that can: demo, pydantic_ai"),
    ("acp", {"approval_policy": {"never": []}}, "approval_policy.never", "Available: ask, allow, deny"),
    ("echo", {}, "voice", "`voice` is required"),
    ("echo", {"voice": "loud"}, "voice", "must be one of low, high"),
    ("echo", {"voice": "low", "tags": ["a", 1]}, "tags.1", "must be a string"),
    ("echo", {"voice": "low", "tags": ["a", "b", "c"]}, "tags", "must have at most 2 entries"),
]

TAKEN = [
    ("demo", {}),
    ("demo", {"chunks": 1, "chunk_bytes": 8, "delay_seconds": 0, "fail_after": None}),
    ("demo", {"chunks": 100_000, "chunk_bytes": 65_536, "delay_seconds": 60, "fail_after": 100_000}),
    ("pydantic_ai", {}),
    ("pydantic_ai", {"model": "openai:gpt-5.2", "temperature": 0, "max_tokens": 1}),
    ("pydantic_ai", {"model": "llama3.2:3b", "base_url": "http://localhost:11434/v1", "temperature": 0.7}),
    ("pydantic_ai", {"model": "m", "base_url": "https://[::1]:8000"}),
    ("command", {"command": "claude"}),
    ("claude_agent_sdk", {"model": "claude-opus-4-6", "max_turns": 20}),
    ("opencode", {"model": "x"}),
    ("echo", {"voice": "low", "tags": ["a"]}),
]


@pytest.fixture(autouse=True)
def echo(settings):
    settings.MISSION_CONTROL_BACKENDS = {"echo": "tests.agents.third_party.Echo"}


@pytest.mark.parametrize(("backend", "options", "option", "message"), REFUSED)
def test_options_that_do_not_fit_are_refused_with_the_name_of_the_option(backend, options, option, message):
    with pytest.raises(registry.OptionsError) as refusal:
        registry.check_options(backend, options)
    assert refusal.value.option == option
    assert message in str(refusal.value)
    assert option is None or f"`{option}`" in str(refusal.value)


@pytest.mark.parametrize(("backend", "options"), TAKEN)
def test_options_that_fit_are_taken(backend, options):
    registry.check_options(backend, options)


def test_options_of_an_unknown_backend_cannot_be_checked():
    with pytest.raises(registry.UnknownBackend):
        registry.check_options("nobody", {})


@pytest.mark.parametrize("model", ["sk-abcdefghijklmnopqrstuvwx", "AIza" + "x" * 35, "operators-own-key"])
@pytest.mark.parametrize("backend", ["pydantic_ai", "openai_agents", "claude_agent_sdk"])
def test_a_key_given_as_the_model_is_refused_and_not_repeated(backend, model, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "operators-own-key")
    with pytest.raises(registry.OptionsError) as refused:
        registry.check_options(backend, {"model": model})
    assert refused.value.option == "model" and model not in str(refused.value)


@pytest.mark.django_db
def test_a_key_that_was_stored_as_a_model_before_is_taken_out():
    made = [Agent.objects.create(name="A", role="B", backend_options=options) for options in OPTIONS_BEFORE]
    migration = import_module("agents.migrations.0003_no_keys_as_models")
    migration.remove_keys(apps, connection.schema_editor())
    assert [Agent.objects.get(pk=agent.pk).backend_options for agent in made] == [
        {"model": "[redacted]", "max_tokens": 5}, {"model": "openai:gpt-5.2"}, {},
    ]  # fmt: skip


OPTIONS_BEFORE: list[dict] = [
    {"model": "sk-abcdefghijklmnopqrstuvwx", "max_tokens": 5},
    {"model": "openai:gpt-5.2"},
    {},
]


def test_a_rule_that_could_never_apply_is_refused_when_the_agent_is_saved():
    with pytest.raises(registry.OptionsError) as refusal:
        registry.check_choices("acp", {"approval_policy": {"ask": ["Bash()"]}})
    assert refusal.value.option == "approval_policy.ask.0"
