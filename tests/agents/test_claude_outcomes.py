"""What the Claude backend makes of a conversation, played from transcripts of the real CLI."""

import importlib.util
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.backends import claude
from agents.backends.base import EventType, QuotaUsedUp, TransientError, Usage
from agents.backends.claude import ClaudeAgentSDK
from agents.backends.claude.installation import cli_path
from agents.backends.programs.logins import claudes_account
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
        monkeypatch.setattr(claude, "cli_path", lambda: str(program))
        backend = ClaudeAgentSDK()
        backend.earlier_session = earlier
        return await follow(backend, "What is in the notes?", {}, tmp_path)

    return play


def lines_of(name: str, version: str = "2.1.331") -> list[str]:
    """Return a transcript's lines, as a CLI of this version prints them."""
    text = Path(TRANSCRIPTS, f"{name}.jsonl").read_text()
    text = re.sub(r'"claude_code_version":"[^"]*"', f'"claude_code_version":"{version}"', text)
    return text.splitlines(keepends=True)


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
async def test_what_the_cli_has_tried_again_is_not_tried_again_by_the_run(play, status):
    seen = await play([lines_of("claude")[0], result_with(api_error_status=status)])
    assert f"(HTTP {status})" in seen.error
    assert not isinstance(seen.failure, TransientError | QuotaUsedUp)


def result_with(**fields) -> str:
    return f"{json.dumps(json.loads(lines_of('claude-wrong-key')[-1]) | fields)}\n"


# ---------------------------------------------------------------- quotas
def limit_event(status: str, **fields) -> str:
    info = {"status": status, "resetsAt": 1_900_000_000, "rateLimitType": "five_hour", **fields}
    return f"{json.dumps({'type': 'rate_limit_event', 'rate_limit_info': info, 'uuid': 'u', 'session_id': 's'})}\n"


async def test_a_used_up_quota_names_the_exact_time_of_its_reset_and_the_login(play):
    words = "You've hit your session limit · resets 3pm (Europe/Berlin)"
    begin = lines_of("claude")[0]
    seen = await play([begin, limit_event("rejected"), result_with(api_error_status=429, result=words)])
    assert isinstance(seen.failure, QuotaUsedUp) and words in seen.error
    assert seen.failure.resets_at == datetime.fromtimestamp(1_900_000_000, UTC)
    assert seen.failure.account == "claude"  # a short key is not shown


async def test_without_a_report_the_time_is_read_from_the_words(play, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-operators-own-0123456789")
    words = "Claude AI usage limit reached|1900000000"
    seen = await play([lines_of("claude")[0], result_with(api_error_status=None, result=words)])
    assert isinstance(seen.failure, QuotaUsedUp)
    assert (seen.failure.resets_at, seen.failure.account) == (
        datetime.fromtimestamp(1_900_000_000, UTC),
        "claude:…6789",
    )


@pytest.mark.parametrize("event", [limit_event("rejected", overageStatus="allowed"), limit_event("allowed")])
async def test_a_failure_while_the_quota_is_not_used_up_is_an_ordinary_one(play, event):
    seen = await play([lines_of("claude")[0], event, result_with(api_error_status=500, result="died")])
    assert seen.error and not isinstance(seen.failure, QuotaUsedUp)


async def test_a_limit_of_which_most_is_used_is_reported_and_the_run_goes_on(play):
    begin, *rest = lines_of("claude")
    seen = await play([begin, limit_event("allowed_warning", utilization=0.91), *rest])
    assert (seen.error, seen.answer) == ("", "Buy milk.")
    notice = "Claude has used 91% of its 5-hour limit; it resets at 2030-03-17 17:46 UTC"
    assert notice in seen.text(EventType.STATUS)


@pytest.mark.parametrize("resets", ["soon", None, 1e300, -1e300, True, {}])
async def test_a_time_of_reset_that_makes_no_sense_is_left_out(play, resets):
    begin, end = lines_of("claude")[0], result_with(api_error_status=429, result="no more")
    seen = await play([begin, limit_event("rejected", resetsAt=resets), end])
    assert isinstance(seen.failure, QuotaUsedUp) and seen.failure.resets_at is None


@pytest.mark.parametrize(
    ("variables", "account"),
    [
        ({}, "claude"),
        ({"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-0123456789wxyz"}, "claude:…wxyz"),
        ({"CLAUDE_CODE_USE_BEDROCK": "1", "ANTHROPIC_API_KEY": "sk-ant-0123456789abcd"}, "claude:bedrock"),
    ],
)
def test_the_account_is_that_of_the_login_in_use(variables, account):
    assert claudes_account(variables) == account


# ---------------------------------------------------------------- conversations that cannot be continued
async def test_an_earlier_conversation_that_became_too_long_is_left_for_a_new_one(play):
    too_long = result_with(api_error_status=400, result="Prompt is too long")
    seen = await play([lines_of("claude")[0], too_long], earlier="0f0f0f0f-1111-4222-8333-444444444444")
    assert "The earlier conversation has become too long; starting a new one" in seen.text(EventType.STATUS)
    # This program says the same about the new conversation, and then it is an error.
    assert seen.error == "Claude failed: Prompt is too long"


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


def test_an_installed_program_is_used_and_the_one_of_the_sdk_only_where_there_is_none(sdk, tmp_path):
    bundled = sdk(brings_cli=True)
    assert cli_path() == str(bundled)
    program = installed(tmp_path)
    assert cli_path() == str(program)
    sdk(brings_cli=False)
    assert cli_path() == str(program)


def test_a_program_that_is_too_old_is_not_used_and_the_advice_names_both_versions(sdk, tmp_path):
    bundled = sdk(brings_cli=True)
    old = tmp_path / "share/versions/2.1.247"
    old.parent.mkdir(parents=True)
    old.write_text("#!/bin/sh\n")
    old.chmod(0o755)
    (tmp_path / "bin/claude").symlink_to(old)
    assert cli_path() == str(bundled)
    sdk(brings_cli=False)
    reason = ClaudeAgentSDK.missing()
    assert reason.startswith("The installed `claude` 2.1.247 is too old: 2.1.248 or newer is needed.")
    old.rename(old.with_name("2.1.248"))
    (tmp_path / "bin/claude").unlink()
    (tmp_path / "bin/claude").symlink_to(old.with_name("2.1.248"))
    assert cli_path() == str(tmp_path / "bin/claude")


async def test_a_program_that_turns_out_to_be_too_old_is_ended_before_it_answers(play):
    seen = await play(lines_of("claude", version="2.1.197"))
    assert seen.error.startswith("The installed `claude` 2.1.197 is too old: 2.1.248 or newer is needed.")
    assert seen.text() == ""


def test_without_the_sdk_or_a_program_the_advice_says_what_to_install(sdk, tmp_path):
    sdk(brings_cli=False, is_installed=False)
    installed(tmp_path)
    assert ClaudeAgentSDK.missing() == (
        "Anthropic's SDK for Claude is missing. Install it on the page Agents → Connections, or with `make claude`"
    )
    sdk(brings_cli=False)
    (tmp_path / "bin/claude").unlink()
    advice = "Install the Claude CLI with `npm install -g @anthropic-ai/claude-code`"
    assert ClaudeAgentSDK.missing() == advice
