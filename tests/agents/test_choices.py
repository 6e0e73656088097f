"""The models to choose from: listed by providers, servers and programs, and nobody else gets a key."""

import json
from collections.abc import Callable

import pytest

from agents import choices, lookups
from agents.backends.base import BackendError
from agents.backends.programs.allowed import grant
from agents.backends.pydantic_ai import model_lists
from agents.backends.pydantic_ai.endpoints import PROVIDERS
from agents.backends.registry import check_choices, setup_of
from tests.agents.discovery.conftest import install, machine
from tests.agents.discovery.test_model_servers import HOSTILE, http, models, server

__all__ = ["install", "machine"]  # fixtures
BEARER = "authorization"
KEY = "a-key-of-the-provider-0123456789"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for provider in PROVIDERS.values():
        for variable in provider.variables:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def answer(value) -> Callable:
    return http(json.dumps(value).encode())


# ---------------------------------------------------------------- what is asked, and what is read
@pytest.mark.parametrize(
    ("provider", "key", "address", "listed", "header"),
    [
        ("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL", {"data": [{"id": "m"}, {"id": "tts-1"}]}, "authorization"),
        (
            "anthropic",
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_BASE_URL",
            {"data": [{"id": "m", "type": "model"}]},
            "x-api-key",
        ),
        (
            "google",
            "GEMINI_API_KEY",
            "GOOGLE_GEMINI_BASE_URL",
            {
                "models": [
                    {"name": "models/m", "supportedGenerationMethods": ["generateContent"]},
                    {"name": "models/e", "supportedGenerationMethods": ["embedContent"]},
                ]
            },
            "x-goog-api-key",
        ),
        (
            "mistral",
            "MISTRAL_API_KEY",
            "MISTRAL_BASE_URL",
            {"data": [{"id": "m"}, {"id": "ocr", "capabilities": {"completion_chat": False}}]},
            BEARER,
        ),
        (
            "groq",
            "GROQ_API_KEY",
            "GROQ_BASE_URL",
            {"data": [{"id": "m"}, {"id": "whisper-large"}]},
            BEARER,
        ),
    ],
)
def test_a_provider_lists_its_models_for_its_own_key(provider, key, address, listed, header, monkeypatch):
    monkeypatch.setenv("OTHER_API_KEY", "another-secret-value")
    with server(answer(listed)) as there:
        monkeypatch.setenv(key, KEY)
        monkeypatch.setenv(address, f"http://{there.address}")
        assert model_lists.of_provider(provider).look() == ["m"]
    [request] = there.requests
    assert f"{header}: " in request.lower() and request.count(KEY) == 1
    assert "another-secret-value" not in request


def test_a_list_without_an_envelope_is_read_and_what_writes_no_text_is_left_out(monkeypatch):
    listed = [
        {"id": "a/chat", "type": "chat"},
        {"id": "a/picture", "type": "image"},
        {"id": "b", "supports_chat": False},
        *({"id": name} for name in ("", "two words", "x" * 201, 7, None, "a\u200bb", KEY, "a/chat")),
    ]
    with server(answer(listed)) as there:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://{there.address}/v1")
        assert model_lists.of_provider("openai").look() == ["a/chat"]


def test_a_key_does_not_follow_a_redirect(monkeypatch):
    with server(models({"id": "m"})) as other:
        moved = http(b"", status="307 Moved", headers=f"location: http://{other.address}/v1/models\r\n")
        with server(moved) as there:
            monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
            monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://{there.address}")
            with pytest.raises(BackendError, match=r"Anthropic did not list its models \(HTTP 307\)"):
                model_lists.of_provider("anthropic").look()
        assert other.requests == []


def test_a_server_of_an_agents_options_gets_no_key_and_only_if_the_operator_allows_it(monkeypatch, settings):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with server(models({"id": "m"})) as there:
        base_url = f"http://{there.address}/v1"
        source = model_lists.of_server(base_url)
        assert source and source.is_given and source.look() == ["m"]
        assert KEY not in there.requests[0]
        settings.MODEL_SERVERS = ["elsewhere.example"]
        assert model_lists.of_server(base_url) is None
    settings.MODEL_SERVERS = []
    metadata = model_lists.of_server("http://169.254.169.254/v1")
    assert metadata
    with pytest.raises(BackendError, match="could not be asked"):
        metadata.look()


@pytest.mark.parametrize("kind", ["endless", "garbage", "deep", "error", "web page"])
def test_a_hostile_server_gives_an_error_without_its_words(kind, monkeypatch):
    monkeypatch.setattr(model_lists, "ANSWER_BYTES", 100_000)
    with server(HOSTILE[kind]) as there:
        source = model_lists.of_server(f"http://{there.address}/v1")
        assert source
        with pytest.raises(BackendError) as refusal:
            source.look()
    assert len(str(refusal.value)) < 200 and "Oops" not in str(refusal.value)


def test_a_refused_key_is_said_without_the_key(monkeypatch):
    with server(http(KEY.encode(), status="401 No")) as there:
        monkeypatch.setenv("MISTRAL_API_KEY", KEY)
        monkeypatch.setenv("MISTRAL_BASE_URL", f"http://{there.address}")
        with pytest.raises(BackendError) as refusal:
            model_lists.of_provider("mistral").look()
    assert str(refusal.value) == "Mistral refused the key (HTTP 401)"


def test_every_provider_that_lists_its_models_is_asked_over_https():
    for name, one in model_lists.LISTS.items():
        assert one.url().startswith("https://") or name == "ollama", name


def test_a_program_lists_its_models_and_an_agent_may_choose_any_of_them(install, no_grants):
    install("opencode", 'echo "a/one"; echo "two words"; echo "--evil"; echo "b/two"')
    grant(["opencode"])
    [source] = setup_of("opencode", {}).sources
    assert source.look() == ["a/one", "b/two"]
    check_choices("opencode", {"model": "c/three"})
    with pytest.raises(BackendError, match="not a model's name"):
        check_choices("opencode", {"model": "--evil"})


@pytest.fixture
def no_grants():
    yield
    grant(())


# ---------------------------------------------------------------- what is offered
@pytest.mark.django_db(transaction=True)
def test_choices_come_when_they_have_arrived_and_replace_suggestions_that_are_not_listed(monkeypatch, settings):
    settings.FIND_AGENTS = True
    with server(answer({"data": [{"id": "gpt-new"}]})) as there:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://{there.address}/v1")
        quiet = choices.choices_for("openai_agents", {})
        assert not quiet.is_checking and quiet.values["model"] and there.requests == []
        first = choices.choices_for("openai_agents", {}, ask=True)
        assert first.is_checking and first.values == quiet.values
        lookups.wait(60)
        for backend, model in (("openai_agents", "gpt-new"), ("pydantic_ai", "openai:gpt-new")):
            found = choices.choices_for(backend, {}, ask=True)
            assert found.values["model"] == [model], backend
            assert [(one.number, one.problem) for one in found.sources] == [(1, "")]
        assert len(there.requests) == 1  # both backends share the answer
        assert choices.choices_for("pydantic_ai", {}, again=True).is_checking
        lookups.wait(60)
        assert len(there.requests) == 2


@pytest.mark.django_db(transaction=True)
def test_a_failure_is_offered_as_a_quiet_sentence_and_the_suggestions_stay(monkeypatch, settings):
    settings.FIND_AGENTS = True
    with server(http(b"", status="401 No")) as there:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://{there.address}/v1")
        choices.choices_for("openai_agents", {}, ask=True)
        lookups.wait(60)
        found = choices.choices_for("openai_agents", {}, ask=True)
    assert [one.problem for one in found.sources] == ["OpenAI refused the key (HTTP 401)"]
    assert found.values["model"] and not found.is_checking


@pytest.mark.django_db(transaction=True)
def test_a_server_of_the_options_is_asked_only_if_a_user_wants_that(settings):
    settings.FIND_AGENTS = True
    with server(models({"id": "m"})) as there:
        options = {"base_url": f"http://{there.address}/v1"}
        assert not choices.choices_for("pydantic_ai", options, ask=True).is_checking
        assert there.requests == []
        assert choices.choices_for("pydantic_ai", options, again=True).is_checking
        lookups.wait(60)
        assert choices.choices_for("pydantic_ai", options).values["model"] == ["m"]
