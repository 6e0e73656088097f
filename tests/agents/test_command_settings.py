"""The operator's setting MISSION_CONTROL_COMMANDS, and what `check_agents` reports about it."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from environs import ValidationError

from agents.backends.command import Command
from agents.backends.programs.allowed import Definition, commands
from agents.models import Agent
from pocketpaw_site.supervisor.terminal import say_isolation

CHECKOUT = Path(__file__).resolve().parents[2]


def test_a_list_of_presets_and_an_object_are_read():
    assert commands(" claude, codex ") == {"claude": {}, "codex": {}}
    assert commands("") == {}
    assert commands('{"own": {"argv": ["own", "-"]}}') == {"own": {"argv": ["own", "-"]}}


def test_a_name_of_ones_own_may_change_a_preset():
    mine = Definition.of("fast", {"preset": "codex", "models": ["m"], "env": ["X_KEY"], "limits": {"seconds": 60}})
    assert mine.argv[:3] == ("codex", "exec", "--json")
    assert (mine.format, mine.model_option, mine.limits.seconds) == ("codex", "--model", 60)
    assert {"CODEX_API_KEY", "X_KEY"} <= set(mine.env)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("claud", "`claud` is not a preset, so it needs `argv`"),
        ('{"x": ', "Expecting value"),
        ('{"x": []}', "`x` must be an object"),
        ('{"a b": {"argv": ["x"]}}', "is not a valid name"),
        ('{"x": {"preset": "y"}}', "unknown preset `y`"),
        ('{"x": {"argv": "sh -c y"}}', "`argv` must be a list of strings"),
        ('{"x": {"argv": ["x", ""]}}', "`argv` must be a list of strings"),
        ('{"x": {"argv": ["x", "\\u0000"]}}', "`argv` must be a list of strings"),
        ('{"x": {"argv": ["x"], "shell": true}}', "`x` has `shell`"),
        ('{"x": {"argv": ["x"], "format": "xml"}}', "`format` must be one of text, claude"),
        ('{"x": {"argv": ["x"], "prompt": "argument"}}', "`prompt` must be one of stdin, file"),
        ('{"x": {"argv": ["x"], "prompt": "file"}}', "{prompt_file}"),
        ('{"x": {"argv": ["x", "{prompt_file}"]}}', "{prompt_file}"),
        ('{"x": {"argv": ["x"], "env": ["A B"]}}', "which is not a variable"),
        ('{"x": {"argv": ["x"], "env": ["SECRET_KEY"]}}', "SECRET_KEY is given to no agent"),
        ('{"x": {"argv": ["x"], "env": ["MISSION_CONTROL_DATA_DIR"]}}', "is given to no agent"),
        ('{"x": {"argv": ["x"], "models": ["m"]}}', "needs `model_option`"),
        ('{"x": {"argv": ["x"], "model_option": 1}}', "`model_option` must be a string"),
        ('{"x": {"argv": ["x"], "writable": ["data"]}}', "must start with / or ~/"),
        ('{"x": {"argv": ["x"], "writable": ["data"]}}', "or be a $VARIABLE"),
        ('{"x": {"argv": ["x"], "limits": {"hours": 1}}}', "`limits` must be an object of seconds"),
        ('{"x": {"argv": ["x"], "limits": {"seconds": true}}}', "`limits.seconds` must be a number above 0"),
        ('{"x": {"argv": ["x"], "limits": {"seconds": 0}}}', "`limits.seconds` must be a number above 0"),
        ('{"x": ' + "[" * 100_000, "recursion depth exceeded"),
    ],
)
def test_what_is_wrong_with_the_setting_is_said_in_one_line(text, complaint):
    with pytest.raises(ValidationError) as refused:
        commands(text)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MISSION_CONTROL_COMMANDS", "claud"),
        ("MISSION_CONTROL_AGENT_ISOLATION", "chroot"),
        ("MISSION_CONTROL_SKILLS", "~nobody-here/skills"),
        ("MISSION_CONTROL_EXTRA_BACKENDS", "shout"),
        ("MISSION_CONTROL_MCP_HOSTS", "https://tools.example.com/mcp"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_a_line_that_names_it(tmp_path, variable, value):
    environment = {**os.environ, "MISSION_CONTROL_DATA_DIR": str(tmp_path), variable: value}
    ran = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=CHECKOUT, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 1
    assert variable in ran.stderr and len(ran.stderr.splitlines()) == 1


@pytest.mark.django_db
def test_check_agents_tells_who_could_run_and_what_is_missing(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    settings.AGENT_ISOLATION = "none"
    settings.MISSION_CONTROL_COMMANDS = {"own": {"argv": [sys.executable]}, "claude": {}}
    Agent.objects.create(name="Ada", role="r", backend="command", backend_options={"command": "own"})
    Agent.objects.create(name="Bea", role="r", backend="demo")
    out = StringIO()
    call_command("check_agents", stdout=out)
    assert "  ok Ada (command)\n  ok Bea (demo)\n" in out.getvalue()
    assert "Agents' programs are not isolated" in out.getvalue()
    Agent.objects.create(name="Cleo", role="r", backend="command", backend_options={"command": "claude"})
    Agent.objects.create(name="Dora", role="r", backend="codex_cli")
    Agent.objects.create(name="Eve", role="r", backend="command", backend_options={"command": "own", "args": 1})
    Agent.objects.create(name="Fay", role="r", backend="nothing")
    out = StringIO()
    with pytest.raises(CommandError, match="4 of the agents cannot run"):
        call_command("check_agents", "--quiet", stdout=out)
    told = out.getvalue()
    assert "no Cleo (command): `claude` is not in the PATH of the worker. Install it with: npm install" in told
    assert "no Dora (codex_cli): Add `codex` to MISSION_CONTROL_COMMANDS" in told
    assert "no Eve (command): Unknown option `args`" in told
    assert "no Fay (nothing): Unknown backend `nothing`" in told
    assert "Ada" not in told and "Bea" not in told


@pytest.mark.django_db
@pytest.mark.parametrize("wish", ["auto", "user:no-such-user"])
def test_check_agents_tells_whether_agents_run_apart(settings, wish):
    settings.AGENT_ISOLATION = wish
    out = StringIO()
    call_command("check_agents", stdout=out)
    told = out.getvalue().partition("Isolation\n")[2]
    if wish == "auto":
        assert "agents' programs are isolated by bubblewrap" in told or "Agents' programs are not isolated" in told
    else:
        assert "there is no user no-such-user to run agents as; agents that run programs cannot run" in told
    assert Command.name in out.getvalue()


def test_the_start_says_how_programs_are_not_isolated(capsys):
    say_isolation("none")
    assert capsys.readouterr().out.startswith("Warning: Agents' programs are not isolated, as MISSION_CONTROL_")
