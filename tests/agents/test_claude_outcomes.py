"""What the Claude backend makes of a conversation, played from transcripts of the real CLI."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from agents.backends import claude
from agents.backends.base import EventType, TransientError, Usage
from agents.backends.claude import ClaudeAgentSDK
from tests.agents.follow import Followed, follow
from tests.agents.test_command import TRANSCRIPTS

PLAYS = """#!{python}
import json, sys, time
for line in sys.stdin:
    heard = json.loads(line)
    if heard["type"] == "user":
        break
    answer = {{"subtype": "success", "request_id": heard["request_id"], "response": {{}}}}
    print(json.dumps({{"type": "control_response", "response": answer}}), flush=True)
sys.stdout.write(open({transcript!r}).read())
sys.stdout.flush()
time.sleep({seconds})
"""


@pytest.fixture
def play(settings, monkeypatch, tmp_path):
    """Return a function that runs the backend on a CLI that prints a transcript and stays for so many seconds."""
    pytest.importorskip("claude_agent_sdk")
    settings.AGENT_ISOLATION = "none"
    settings.MISSION_CONTROL_COMMANDS = {}
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a key")

    async def play(lines: list[str], *, seconds: int = 0, earlier: str = "") -> Followed:
        (tmp_path / "transcript").write_text("".join(lines))
        program = tmp_path / "claude"
        program.write_text(
            PLAYS.format(python=sys.executable, transcript=str(tmp_path / "transcript"), seconds=seconds)
        )
        program.chmod(0o700)
        monkeypatch.setattr(claude, "_program", lambda: str(program))
        backend = ClaudeAgentSDK()
        backend.earlier_session = earlier
        return await follow(backend, "What is in the notes?", {}, tmp_path)

    return play


def lines_of(name: str) -> list[str]:
    return Path(TRANSCRIPTS, f"{name}.jsonl").read_text().splitlines(keepends=True)


async def test_the_answer_is_the_result_and_the_tokens_are_those_of_all_models(play):
    seen = await play(lines_of("claude"))
    assert (seen.error, seen.answer) == ("", "Buy milk.")
    assert seen.usage == Usage("claude-sonnet-4-5-20250929", 3000, 60, 0.009899999999999999)


async def test_sub_agents_count_too_in_a_conversation_that_goes_on(play):
    """There the result reports the costs of the whole conversation, but the tokens of the main thread only."""
    first, *_, result = map(json.loads, lines_of("claude"))
    main = {"id": "a", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 1000, "output_tokens": 20}}
    small = {"id": "b", "model": "claude-haiku-4-5", "usage": {"input_tokens": 5000, "output_tokens": 100}}
    said = [
        {"type": "assistant", "message": {"content": [], "role": "assistant", **message}, **more}
        for message, more in ((main, {}), (small, {"parent_tool_use_id": "toolu_1"}))
    ]
    result["usage"] = main["usage"]
    lines = [f"{json.dumps({'session_id': first['session_id'], **line})}\n" for line in (first, *said, result)]
    seen = await play(lines, earlier="0f0f0f0f-1111-4222-8333-444444444444")
    assert (seen.error, seen.usage.input_tokens, seen.usage.output_tokens) == ("", 6000, 120)
    assert seen.usage.cost_usd == pytest.approx(0.0033 + 0.0055)


async def test_a_conversation_without_its_result_is_an_error(play):
    seen = await play(lines_of("claude")[:-1])
    assert seen.error == "Claude ended before sending a result"
    assert seen.answer is None
    assert seen.usage.input_tokens == 2000  # the usage known so far


async def test_a_refused_tool_is_marked_and_named(play):
    seen = await play(lines_of("claude-refused"))
    [result] = [event for event in seen.events if event.type == EventType.TOOL_RESULT]
    assert result.metadata["refused"] is True
    assert "It was not allowed to use Bash" in [event.content for event in seen.events]
    assert seen.answer == "Claude is done."


async def test_a_wrong_key_ends_the_conversation_at_once_though_the_cli_would_go_on(play):
    retries = [line for line in lines_of("claude-wrong-key") if '"result"' not in line]
    seen = await play(retries, seconds=600)
    assert seen.error.startswith("Anthropic refused the key or login (HTTP 401). Check ANTHROPIC_API_KEY")
    told = [event.content for event in seen.events if "retried" in event.content]
    assert len(told) == 1 and "(HTTP 401, authentication_failed)" in told[0]


@pytest.mark.parametrize("status", [429, 500, 529])
def test_what_the_cli_has_tried_again_is_not_tried_again_by_the_run(status):
    pytest.importorskip("claude_agent_sdk")
    from claude_agent_sdk._internal.message_parser import parse_message

    from agents.backends.claude.conversation import SdkMessageReader

    result = json.loads(lines_of("claude-wrong-key")[-1]) | {"api_error_status": status}
    reader = SdkMessageReader()
    list(reader.read_message(parse_message(result)))
    assert f"(HTTP {status})" in str(reader.reason) and not isinstance(reader.reason, TransientError)


# ---------------------------------------------------------------- which program is used
@pytest.fixture
def sdk(tmp_path, monkeypatch):
    """Return a function that makes Python find an SDK with or without a CLI of its own, or none at all."""
    folder = tmp_path / "claude_agent_sdk"
    (folder / "_bundled").mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()

    def sdk(*, brings_cli: bool, is_installed: bool = True) -> Path:
        spec = importlib.util.spec_from_file_location("claude_agent_sdk", folder / "__init__.py")
        monkeypatch.setattr("importlib.util.find_spec", lambda _: spec if is_installed else None)
        bundled = folder / "_bundled/claude"
        bundled.write_text("#!/bin/sh\n")
        bundled.chmod(0o755 if brings_cli else 0o644)
        return bundled

    return sdk


def installed(tmp_path) -> Path:
    program = tmp_path / "bin/claude"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_an_installed_program_is_used_where_the_sdk_brings_none(sdk, tmp_path):
    bundled = sdk(brings_cli=True)
    program = installed(tmp_path)
    assert claude._program() == str(bundled)
    sdk(brings_cli=False)
    assert claude._program() == str(program)


def test_the_small_package_is_advised_where_a_program_is_installed(sdk, tmp_path):
    sdk(brings_cli=False, is_installed=False)
    assert ClaudeAgentSDK.missing() == "Install it with: .venv/bin/pip install -r requirements-claude.lock"
    installed(tmp_path)
    assert "--no-binary claude-agent-sdk" in ClaudeAgentSDK.missing()
    sdk(brings_cli=False)
    (tmp_path / "bin/claude").unlink()
    assert ClaudeAgentSDK.missing() == "Install the Claude CLI with: npm install -g @anthropic-ai/claude-code"
