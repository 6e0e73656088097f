"""A program without a login, judged by its files and variables, is not ready."""

import json
import os
from pathlib import Path

import pytest

from agents.backends import registry
from agents.backends.command import Command
from agents.backends.programs.logins import has_login
from agents.backends.programs.places import places
from agents.backends.programs.presets import PRESETS
from tests.agents.test_command import allow

__all__ = ["allow"]  # a fixture
LOGINS = {
    "claude": (".claude/.credentials.json", json.dumps({"claudeAiOauth": {"accessToken": "x"}})),
    "codex": (".codex/auth.json", json.dumps({"OPENAI_API_KEY": None, "tokens": {"access_token": "x"}})),
    "gemini": (".gemini/oauth_creds.json", json.dumps({"access_token": "x"})),
    "opencode": (".local/share/opencode/auth.json", json.dumps({"openai": {"type": "api", "key": "x"}})),
    "qwen": (".qwen/oauth_creds.json", json.dumps({"access_token": "x"})),
    "copilot": (".copilot/config.json", json.dumps({"loggedInUsers": [{"login": "ada"}]})),
}
KEYS = {
    "claude": "ANTHROPIC_API_KEY",
    "codex": "CODEX_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "opencode": "OPENROUTER_API_KEY",
    "qwen": "DASHSCOPE_API_KEY",
    "copilot": "GH_TOKEN",
}
# Files that exist without a login, or after a logout.
NO_LOGINS = [
    ("claude", ".claude/settings.json", '{"model": "opus"}'),
    ("claude", ".claude/.credentials.json", "{}"),
    ("codex", ".codex/config.toml", 'model = "gpt-5"\n'),
    ("codex", ".codex/auth.json", '{"OPENAI_API_KEY": null, "tokens": null}'),
    ("gemini", ".gemini/.env", "OTHER=1\n# GEMINI_API_KEY=x\n"),
    ("gemini", ".gemini/oauth_creds.json", "{}"),
    ("qwen", ".qwen/settings.json", '{"security": {"auth": {"selectedType": ""}}}'),
    ("qwen", ".qwen/.env", "# OPENAI_API_KEY=x\n"),
    ("opencode", ".local/share/opencode/auth.json", ""),
    ("opencode", ".local/share/opencode/auth.json", "{}"),
    ("copilot", ".copilot/config.json", '{"loggedInUsers": []}'),
]


ADAPTERS = {"claude-agent-acp": "claude", "codex-acp": "codex"}  # they use the program's login
for adapter, program in ADAPTERS.items():
    LOGINS[adapter], KEYS[adapter] = LOGINS[program], KEYS[program]


def missing(name: str, preset: str = "") -> str | None:
    """Return what an agent with this program lacks, by the backend that runs it."""
    return registry.missing_for("acp" if (preset or name) in ADAPTERS else "command", {"command": name})


@pytest.fixture
def home(allow, tmp_path, monkeypatch) -> Path:
    """Use a home without any login, and the known programs in the path."""
    for name, preset in PRESETS.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / name).chmod(0o700)
        for variable in preset.login.variables:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "COPILOT_HOME", "OPENCODE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    allow(**{name: {} for name in PRESETS})
    return tmp_path


@pytest.mark.parametrize("name", LOGINS)
def test_a_login_file_that_is_no_regular_file_is_no_login_and_is_not_waited_for(name, home):
    """Opening a named pipe waits for a writer, which never comes; a socket and a folder cannot be read."""
    for login in PRESETS[name].login.files:
        for path in places({"HOME": str(home)}, login):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.mkfifo(path)
    assert not has_login(PRESETS[name].login, {"HOME": str(home)})
    assert registry.missing_for("command", {"command": name})
    for login in PRESETS[name].login.files:
        for path in places({"HOME": str(home)}, login):
            path.unlink()
            path.mkdir()
            (path / "entry").touch()
    assert not has_login(PRESETS[name].login, {"HOME": str(home)})


def test_a_login_file_may_be_a_link_but_not_a_device_without_an_end(home):
    path, text = LOGINS["gemini"]
    write(home, "elsewhere.json", text)
    (home / path).parent.mkdir(parents=True)
    (home / path).symlink_to(home / "elsewhere.json")
    assert has_login(PRESETS["gemini"].login, {"HOME": str(home)})
    (home / path).unlink()
    (home / path).symlink_to("/dev/zero")
    assert not has_login(PRESETS["gemini"].login, {"HOME": str(home)})


def write(home: Path, path: str, text: str) -> None:
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    (home / path).write_text(text)


@pytest.mark.parametrize("name", PRESETS)
def test_a_known_program_without_login_and_key_is_not_ready_and_says_what_to_do(home, name):
    assert missing(name) == PRESETS[name].login.advice
    write(home, *LOGINS[name])
    assert missing(name) is None


@pytest.mark.parametrize(("name", "path", "text"), NO_LOGINS)
def test_a_file_without_a_login_in_it_is_none(home, name, path, text):
    write(home, path, text)
    assert missing(name) == PRESETS[name].login.advice


@pytest.mark.parametrize("name", PRESETS)
def test_a_key_or_one_in_the_definition_is_a_login_too(home, allow, monkeypatch, name):
    allow(mine={"preset": name, "env": [f"{KEYS[name]}=x"]}, **{name: {}})
    assert missing("mine", name) is None
    monkeypatch.setenv(KEYS[name], "a key")
    assert missing(name) is None


def test_backends_that_are_one_program_and_all_of_them_together_say_so(home):
    for name, program in (("codex_cli", "codex"), ("opencode", "opencode"), ("copilot_sdk", "copilot")):
        assert registry.get(name).missing() == PRESETS[program].login.advice
    assert PRESETS["gemini"].login.advice in (Command.missing() or "")
    write(home, *LOGINS["gemini"])
    assert Command.missing() is None


def test_a_program_of_ones_own_under_a_presets_name_needs_no_login(home, allow):
    allow(claude={"argv": ["sh"]})
    assert Command.missing_for({"command": "claude"}) is None


# ---------------------------------------------------------------- whose quota a program uses
@pytest.mark.parametrize(
    ("commands", "options", "account"),
    [
        ({"claude": {}}, {"command": "claude"}, "claude:…a1b2"),
        ({"claude-agent-acp": {}}, {"command": "claude-agent-acp"}, "claude:…a1b2"),
        ({"codex": {}}, {"command": "codex"}, "codex"),
        ({"codex-acp": {}}, {"command": "codex-acp"}, "codex"),
        ({"second": {"preset": "codex"}}, {"command": "second"}, "codex"),
        ({"second": {"preset": "codex", "env": ["CODEX_HOME=/x"]}}, {"command": "second"}, "codex:second"),
        ({"first": {"argv": ["node", "one.js"]}}, {"command": "first"}, "first"),
        ({"opencode": {"models": ["*"]}}, {"command": "opencode", "model": "openai/gpt-5"}, "opencode:openai"),
        ({"opencode": {}}, {"command": "opencode"}, "opencode:…a1b2"),
        ({}, {"command": "none"}, ""),
    ],
)
def test_agents_on_the_same_login_have_the_same_account_and_others_do_not(
    allow, monkeypatch, commands, options, account
):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k" * 20 + "a1b2")
    allow(**commands)
    backend = "acp" if options["command"].endswith("-acp") else "command"
    assert registry.account_of(backend, options) == account
