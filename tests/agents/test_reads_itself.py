"""What each known program reads in its folder by itself, which is therefore not in its prompt: the real programs.

It is part of the presets; a new version of a program may read something else.
"""

import json
import os

import pytest

from agents.backends import registry
from tests.agents.follow import follow
from tests.agents.programs import PROGRAMS, installed
from tests.agents.test_mcp_programs import point_at

pytestmark = pytest.mark.agents
MODEL = "hello"


@pytest.fixture
def workdir(tmp_path, settings):
    settings.AGENT_ISOLATION = "none"
    folder = tmp_path / "work"
    (folder / ".agents/skills/release").mkdir(parents=True)
    (folder / ".agents/skills/release/SKILL.md").write_text(
        "---\nname: release\ndescription: MARKED skills\n---\nSteps"
    )
    (folder / "AGENTS.md").write_text("MARKED AGENTS.md")
    (folder / "CLAUDE.md").write_text("MARKED CLAUDE.md")
    return folder


@pytest.mark.parametrize(
    ("name", "with_instructions"),
    # Qwen Code has no switch for them.
    [*((name, True) for name in PROGRAMS), *((name, False) for name in PROGRAMS if name != "qwen")],
)
async def test_a_program_reads_what_its_preset_says(
    workdir, name, with_instructions, aimock, tmp_path, settings, monkeypatch
):
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{installed(name).parent}:{os.environ['PATH']}")
    options = {"command": name, "project_instructions": with_instructions}
    options |= point_at(name, MODEL, home, aimock, monkeypatch)
    settings.MISSION_CONTROL_COMMANDS = {name: {"models": [MODEL]}}
    before = len(aimock.requests_for(MODEL))
    await follow(registry.get("command")(), "Go.", options, workdir)
    sent = json.dumps(aimock.requests_for(MODEL)[before:])
    read = {what for what in ("AGENTS.md", "CLAUDE.md", "skills") if f"MARKED {what}" in sent}
    expected = registry.reads_itself("command", options)
    assert read == (expected if with_instructions else expected & {"skills"})
