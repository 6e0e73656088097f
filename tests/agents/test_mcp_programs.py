"""MCP servers of agents with real backends: a model calls a tool of a real server, and gets its result.

The server at an address answers only to the token in the worker's environment; the one that is a program gets a
variable of the operator's.
"""

import json
import os
import sys
from pathlib import Path

import pytest

from agents.backends import registry
from agents.backends.base import BackendError, EventType
from agents.backends.claude.installation import cli_path
from agents.backends.programs.mcp_settings import McpCommand
from tests.agents.follow import Followed, follow
from tests.agents.programs import installed
from tests.agents.responses_provider import calling
from tests.agents.test_mcp_servers import SERVER, TOKEN, operator, parrot_url, url  # noqa: F401 - fixtures
from tests.needs import lack

MODELS = dict.fromkeys(["claude", "codex", "qwen"], "parrots")  # each names the tool in its program's way
OPTIONAL = pytest.mark.agents
PROGRAMS = [
    "claude",
    "codex",
    pytest.param("gemini", marks=OPTIONAL),
    pytest.param("opencode", marks=OPTIONAL),
    pytest.param("copilot", marks=OPTIONAL),
    pytest.param("qwen", marks=OPTIONAL),
]


@pytest.fixture
def servers(url, settings, monkeypatch):  # noqa: F811 - a fixture
    """Return two servers: an address with a token, and a program with a variable."""
    parrot = {"argv": [sys.executable, SERVER, "stdio"], "env": ["PARROT_MOOD"]}
    settings.MCP_COMMANDS = {
        "parrot": McpCommand.of("parrot", parrot),
        "broken": McpCommand.of("broken", ["sh", "-c", "echo the cage is empty >&2; exit 3"]),
    }
    monkeypatch.setenv("PARROT_MOOD", "calm")
    return {
        "url": {"url": url, "headers": {"Authorization": "Bearer ${PARROT_TOKEN}"}},
        "command": {"command": "parrot"},
    }


def check_repeated(seen: Followed, kind: str) -> None:
    assert (seen.error, seen.answer) == ("", "Repeated.")
    expected = "hi, hi! calm" if kind == "command" else "hi, hi!"
    assert expected in seen.text(EventType.TOOL_RESULT)
    assert TOKEN not in repr(seen.events)


@pytest.mark.parametrize("kind", ["url", "command"])
async def test_a_language_model_uses_a_servers_tool(servers, kind, aimock, tmp_path):
    options = {"model": "parrots", "base_url": aimock.base_url, "mcp_servers": {"parrot": servers[kind]}}
    registry.check_choices("pydantic_ai", options)
    seen = await follow(registry.get("pydantic_ai")(), "Go.", options, tmp_path)
    check_repeated(seen, kind)
    (use,) = [event for event in seen.events if event.type == EventType.TOOL_USE]
    assert (use.content, use.metadata["input"]) == ("mcp__parrot__repeat", {"text": "hi"})


async def test_a_language_model_works_without_a_server_that_does_not_start(servers, aimock, tmp_path):
    options = {"model": "hello", "base_url": aimock.base_url, "mcp_servers": {"lost": {"command": "broken"}}}
    seen = await follow(registry.get("pydantic_ai")(), "Go.", options, tmp_path)
    assert (seen.error, seen.answer) == ("", "Hello there, this answer comes in pieces.")
    assert "`lost` did not start, the agent works without it: the cage is empty" in seen.text(EventType.STATUS)


async def test_the_claude_sdk_uses_a_servers_tool_and_names_one_that_does_not_start(
    servers, aimock, tmp_path, monkeypatch
):
    try:
        cli_path()
    except BackendError as error:
        lack(str(error))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-operators-own-0123456789")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", aimock.root_url)
    options = {"model": "parrots", "mcp_servers": {"parrot": servers["url"], "lost": {"command": "broken"}}}
    registry.check_choices("claude_agent_sdk", options)
    seen = await follow(registry.get("claude_agent_sdk")(), "Go.", options, tmp_path)
    check_repeated(seen, "url")
    assert "`lost` did not start" in seen.text(EventType.STATUS)


@pytest.mark.parametrize("kind", ["url", "command"])
@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_program_uses_a_servers_tool(
    servers, name, kind, aimock, codex_provider, tmp_path, settings, monkeypatch
):
    home, workdir = tmp_path / "home", tmp_path / "work"
    workdir.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{installed(name).parent}:{os.environ['PATH']}")
    options = {"command": name, "mcp_servers": {"parrot": servers[kind]}}
    model = MODELS.get(name, f"parrots-{name}")
    options |= point_at(name, model, home, aimock, monkeypatch)
    settings.MISSION_CONTROL_COMMANDS = {name: {"models": [options["model"]] if "model" in options else []}}
    registry.check_choices("command", options)
    check_repeated(await follow(registry.get("command")(), "Go.", options, workdir), kind)
    assert not list(workdir.iterdir())


async def test_a_program_that_cannot_use_servers_refuses_the_option(settings):
    settings.MISSION_CONTROL_COMMANDS = {"own": {"argv": ["own"]}}
    with pytest.raises(registry.OptionsError, match="`own` cannot use MCP servers"):
        registry.check_choices("command", {"command": "own", "mcp_servers": {"parrot": {"command": "parrot"}}})


# ---------------------------------------------------------------- how each program is pointed at a mocked provider
def point_at(name: str, model: str, home: Path, aimock, monkeypatch) -> dict:
    """Write the program's configuration and set its variables; return the options of the agent."""
    match name:
        case "claude":
            monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-operators-own-0123456789")
            monkeypatch.setenv("ANTHROPIC_BASE_URL", aimock.root_url)
            return {"model": model}
        case "codex":
            monkeypatch.setenv("CODEX_API_KEY", "sk-codex-0123456789abcdef")
            if not (home / ".codex/config.toml").exists():
                configure_codex(home, model, aimock.base_url)
            return {}
        case "gemini":
            monkeypatch.setenv("GEMINI_API_KEY", "AIza-operators-own-0123456789")
            monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", aimock.root_url)
            login = {"security": {"auth": {"selectedType": "gemini-api-key"}}}
            _write(home / ".gemini/settings.json", json.dumps(login))
            return {"model": model}
        case "opencode":
            server = {"baseURL": aimock.base_url, "apiKey": "k"}
            provider = {"npm": "@ai-sdk/openai-compatible", "options": server, "models": {model: {}}}
            configuration = {"provider": {"mock": provider}, "model": f"mock/{model}"}
            _write(home / ".config/opencode/opencode.json", json.dumps(configuration))
            return {}
        case "qwen":
            monkeypatch.setenv("OPENAI_API_KEY", "sk-operators-own-0123456789")
            monkeypatch.setenv("OPENAI_BASE_URL", aimock.base_url)
            monkeypatch.setenv("OPENAI_MODEL", model)
            return {}
    for variable, value in {
        "COPILOT_PROVIDER_BASE_URL": aimock.base_url,
        "COPILOT_PROVIDER_TYPE": "openai",
        "COPILOT_PROVIDER_API_KEY": "k",
        "COPILOT_OFFLINE": "true",
        "COPILOT_MODEL": model,
    }.items():
        monkeypatch.setenv(variable, value)
    return {}


def configure_codex(home: Path, model: str, base_url: str) -> None:
    provider = f'name = "mock"\nbase_url = "{base_url}"\nenv_key = "CODEX_API_KEY"\nwire_api = "responses"\n'
    configuration = f'model = "{model}"\nmodel_provider = "mock"\n[model_providers.mock]\n{provider}'
    _write(home / ".codex/config.toml", configuration)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)


@pytest.fixture
def codex_provider(tmp_path):
    """Give Codex a provider of its own: it accepts a server's tool only with its namespace."""
    with calling("mcp__parrot", "repeat", {"text": "hi"}, "Repeated.") as base_url:
        configure_codex(tmp_path / "home", "parrots", base_url)
        yield
