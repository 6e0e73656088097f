"""The operator's keys never reach an address that an API user wrote into the options."""

import importlib.util

import pytest

from agents.backends.pydantic_ai import PydanticAI
from agents.redaction import shown_error
from tests.agents.follow import follow
from tests.agents.wire import STREAM_HEAD, chunk, raw_server, saying

OWN_KEY = "sk-the-operators-own-key-0123456789"
ANSWER = saying(STREAM_HEAD, chunk("Hello"), chunk(finish="stop"))


@pytest.fixture(autouse=True)
def operators_secrets(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", OWN_KEY)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-key-0123456789")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-operators")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-operators")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway-Secret: operators-gateway")


async def test_a_foreign_address_gets_none_of_the_operators_secrets(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    async with raw_server(ANSWER) as server:
        seen = await follow(PydanticAI(), "Go.", {"model": "m", "base_url": server.base_url})
    assert seen.text() == "Hello"
    assert server.headers()["authorization"] == "Bearer no-key"
    request = server.requests[-1].decode().lower()
    assert not [
        word for word in ("operators", "admin", "openai-organization", "openai-project") if word in request
    ]


async def test_without_an_address_of_the_operator_every_address_is_foreign():
    async with raw_server(ANSWER) as server:
        await follow(PydanticAI(), "Go.", {"model": "openai:m", "base_url": server.base_url})
    assert server.headers()["authorization"] == "Bearer no-key"


@pytest.mark.parametrize(
    "written", ["http://127.0.0.1:{port}/v1", "HTTP://127.0.0.1:{port}/v1/", "http://127.0.0.1:{port}/v1//"]
)
async def test_the_operators_own_address_gets_the_key_however_it_is_written(monkeypatch, written):
    async with raw_server(ANSWER) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        base_url = written.format(port=server.port)
        seen = await follow(PydanticAI(), "Go.", {"model": "m", "base_url": base_url})
    assert seen.text() == "Hello"
    assert server.headers()["authorization"] == f"Bearer {OWN_KEY}"
    assert server.headers()["x-gateway-secret"] == "operators-gateway"


@pytest.mark.parametrize("foreign", ["/v1/other", "/v2", ""])
async def test_another_path_on_the_operators_host_is_foreign(monkeypatch, foreign):
    async with raw_server(ANSWER) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        base_url = f"http://127.0.0.1:{server.port}{foreign}"
        await follow(PydanticAI(), "Go.", {"model": "m", "base_url": base_url})
    assert server.headers()["authorization"] == "Bearer no-key"


async def test_a_model_of_openai_is_asked_at_the_operators_address(monkeypatch):
    async with raw_server(ANSWER) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        seen = await follow(PydanticAI(), "Go.", {"model": "openai:m"})
    assert (seen.error, seen.text()) == ("", "Hello")
    assert server.headers()["authorization"] == f"Bearer {OWN_KEY}"


async def test_a_redirect_is_not_followed():
    async with raw_server(ANSWER) as target:
        moved = f"HTTP/1.1 307 Moved\r\nlocation: {target.base_url}\r\ncontent-length: 0\r\n\r\n".encode()
        async with raw_server(saying(moved)) as server:
            seen = await follow(PydanticAI(), "Go.", {"model": "m", "base_url": server.base_url})
    assert (seen.events, target.requests, len(server.requests)) == ([], [], 1)
    assert seen.error


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("", "Set the option `model`"),
        ("gpt-5.2", "`model` must be `provider:model`"),
        ("nobody:model", "`model` must be `provider:model`"),
        ("openai:", "`model` must be `provider:model`"),
        ("openai:gpt-5.2", "OpenAI needs OPENAI_API_KEY in the environment"),
        ("openai-responses:gpt-5.2", "OpenAI needs OPENAI_API_KEY in the environment"),
        ("anthropic:claude", "Anthropic needs ANTHROPIC_API_KEY in the environment"),
        ("google:gemini", "Google needs GOOGLE_API_KEY or GEMINI_API_KEY in the environment"),
        ("ollama:llama3.2:3b", "Ollama needs OLLAMA_BASE_URL in the environment"),
    ],
)
async def test_what_is_not_set_is_named(monkeypatch, model, message):
    monkeypatch.delenv("OPENAI_API_KEY")
    seen = await follow(PydanticAI(), "Go.", {"model": model} if model else {})
    assert seen.error.startswith(message)
    assert shown_error(seen.error) == seen.error


async def test_a_provider_whose_package_is_not_installed_says_which_to_install(monkeypatch):
    if importlib.util.find_spec("cohere") is not None:
        pytest.skip("cohere is installed here")
    monkeypatch.setenv("CO_API_KEY", "0123456789")
    seen = await follow(PydanticAI(), "Go.", {"model": "cohere:m"})
    assert seen.error.endswith("needs a package: pip install 'pydantic-ai-slim[cohere]'")
    assert shown_error(seen.error) == seen.error


def test_what_an_agent_lacks_is_told_before_it_runs(monkeypatch):
    assert PydanticAI.missing_for({"model": "openai:gpt-5.2"}) is None
    monkeypatch.delenv("OPENAI_API_KEY")
    assert PydanticAI.missing_for({"model": "openai:gpt-5.2"}).startswith("OpenAI needs OPENAI_API_KEY")
    assert PydanticAI.missing_for({}).startswith("Set the option `model`")
