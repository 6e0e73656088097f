"""The backend `acp` with two real agents from npm, against the mocked provider."""

import os

import pytest

from agents.backends import registry
from agents.backends.base import EventType
from tests.agents.follow import Followed, follow
from tests.agents.programs import installed
from tests.agents.test_acp import tools
from tests.agents.test_mcp_programs import point_at

pytestmark = pytest.mark.agents


@pytest.fixture
def run(tmp_path, settings, monkeypatch, aimock):
    """Return a function that runs an agent with a model; OpenCode asks before each command."""
    settings.AGENT_ISOLATION = "none"
    folder, home = tmp_path / "work", tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("OPENCODE_PERMISSION", '{"bash": "ask", "edit": "ask"}')

    async def run(name: str, model: str, **options) -> Followed:
        monkeypatch.setenv("PATH", f"{installed(name).parent}:{os.environ['PATH']}")
        options |= {"command": name, **point_at(name, model, home, aimock, monkeypatch)}
        settings.MISSION_CONTROL_COMMANDS = {name: {"models": [model], "env": ["OPENCODE_PERMISSION"]}}
        return await follow(registry.get("acp")(), "Go.", options, folder)

    return run


@pytest.mark.parametrize("name", ["gemini", "opencode"])
async def test_a_real_agent_answers_and_its_session_and_tokens_are_known(run, name):
    seen = await run(name, "hello")
    assert (seen.error, seen.answer) == ("", "Hello there, this answer comes in pieces.")
    assert len([event for event in seen.events if event.type == EventType.MESSAGE]) > 1
    assert "Let me t" in seen.text(EventType.THINKING)
    assert seen.session and (seen.usage.input_tokens, seen.usage.output_tokens) == (1000, 2000)


@pytest.mark.parametrize("decision", ["allow", "reject"])
@pytest.mark.parametrize(("name", "model"), [("gemini", "acp-gemini"), ("opencode", "acp-opencode")])
async def test_a_real_agent_runs_a_command_only_if_it_may(run, tmp_path, name, model, decision):
    seen = await run(name, model, permissions={"execute": decision})
    assert (seen.error, tools(seen)) == ("", [("execute", decision == "reject")])
    assert (tmp_path / "work/ran").exists() == (decision == "allow")
