"""The outcome read from a program's output: answer, refused tools, reasons of failures, retries, usage."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.backends import registry
from agents.backends.base import BackendEvent, EventType, QuotaUsedUp, Session, Usage
from agents.backends.programs.formats import READERS
from agents.backends.programs.formats.claude import ClaudeReader
from agents.backends.programs.formats.codex import CodexReader
from agents.backends.programs.formats.gemini import GeminiReader
from tests.agents.follow import Followed
from tests.agents.test_command import TRANSCRIPTS, allow, heard, player

__all__ = ["allow"]  # a fixture


def statuses(seen: Followed) -> list[str]:
    return [event.content for event in seen.events if event.type == EventType.STATUS]


def written(folder: Path, *lines: dict) -> str:
    (folder / "transcript").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return str(folder / "transcript")


# ---------------------------------------------------------------- refused tools and answers
@pytest.mark.parametrize(
    ("name", "tool", "answer"),
    [
        ("claude-refused", "Bash", "Claude is done."),
        ("copilot-refused", "bash", "Copilot is done."),
        ("opencode-refused", "bash", ""),  # it ends there, and reports success
    ],
)
async def test_a_refused_tool_is_marked_and_the_answer_is_the_last_message(allow, tmp_path, name, tool, answer):
    allow(**{name.partition("-")[0]: player("play", str(TRANSCRIPTS / f"{name}.jsonl"))})
    seen = await heard(tmp_path, command=name.partition("-")[0])
    [use] = [event for event in seen.events if event.type == EventType.TOOL_USE]
    [result] = [event for event in seen.events if event.type == EventType.TOOL_RESULT]
    assert (use.content, result.metadata) == (tool, {"id": use.metadata["id"], "refused": True})
    assert (seen.error, seen.answer) == ("", answer)


async def test_a_tool_that_only_failed_is_not_refused(allow, tmp_path):
    """A program's own "Permission denied" is not a refusal by us."""
    said = "Exit code 1\ncat: /x: Permission denied"
    block = {"type": "tool_result", "tool_use_id": "1", "is_error": True, "content": said}
    [result] = ClaudeReader().read({"type": "user", "message": {"content": [block]}})
    assert isinstance(result, BackendEvent) and "refused" not in result.metadata


@pytest.mark.parametrize("said", ["bwrap: setting up uid map: Operation not permitted\n", "bwrap: execvp x\n"])
def test_a_command_that_codex_own_sandbox_kept_from_running_is_refused(said):
    item = {"id": "1", "type": "command_execution", "command": "id", "aggregated_output": said, "exit_code": 1}
    [_, result] = CodexReader().read({"type": "item.completed", "item": {**item, "status": "failed"}})
    assert isinstance(result, BackendEvent) and result.metadata == {"id": "1", "refused": True}


async def test_claude_names_each_tool_that_was_refused_once(allow, tmp_path):
    allow(claude=player("play", str(TRANSCRIPTS / "claude-refused.jsonl")))
    assert statuses(await heard(tmp_path, command="claude")) == ["It was not allowed to use Bash"]


# ---------------------------------------------------------------- retries and reasons
async def test_a_request_that_is_tried_again_says_why_how_often_and_when_and_a_wrong_key_ends_it(allow, tmp_path):
    allow(claude=player("play_on", str(TRANSCRIPTS / "claude-wrong-key.jsonl")))
    seen = await heard(tmp_path, command="claude")
    [retry] = statuses(seen)
    assert retry.startswith("The request to the model failed (HTTP 401, authentication_failed) and is retried")
    assert ", attempt 1 of 3, in 0." in retry
    assert seen.error.startswith("`claude` failed: Anthropic refused the key or login (HTTP 401). Check ANTHROP")


def test_a_server_that_fails_is_tried_again_to_the_end():
    reader = ClaudeReader()
    for attempt in (1, 2, 3):
        line = {
            "type": "system",
            "subtype": "api_retry",
            "attempt": attempt,
            "max_retries": 3,
            "error_status": 529,
        }
        assert [*reader.read(line)] and not reader.is_hopeless


async def test_geminis_last_error_is_the_reason_where_its_result_has_none(allow, tmp_path):
    reason = {"type": "error", "severity": "error", "message": "Model stream ended without a finish reason."}
    allow(gemini=player("play", written(tmp_path, reason, {"type": "result", "status": "error", "stats": {}})))
    seen = await heard(tmp_path, command="gemini")
    assert seen.error == "`gemini` failed: Model stream ended without a finish reason."


async def test_geminis_error_is_told_in_words_and_not_as_json(allow, tmp_path):
    allow(gemini=player("play", str(TRANSCRIPTS / "gemini-wrong-key.jsonl")))
    assert (await heard(tmp_path, command="gemini")).error == "`gemini` failed: HTTP 401: invalid x-api-key"


async def test_geminis_retries_are_shown_though_only_standard_error_has_them(allow, tmp_path):
    (tmp_path / "errors").write_text(
        "Ripgrep is not available. Falling back to GrepTool.\n"
        "Attempt 1 failed with status 429. Retrying with backoff... ApiError\n    at x\n"
    )
    allow(gemini=player("complain", str(TRANSCRIPTS / "gemini.jsonl"), str(tmp_path / "errors"), "0"))
    seen = await heard(tmp_path, command="gemini")
    assert statuses(seen) == ["The request to the model failed (HTTP 429) and is retried, after attempt 1"]


def test_geminis_model_is_the_one_that_did_the_work():
    """When it chooses the model, it reports `auto` at the beginning."""
    reader = GeminiReader()
    models = {"gemini-2.5-flash-lite": {"total_tokens": 9}, "gemini-2.5-pro": {"total_tokens": 900}}
    items = [*reader.read({"type": "init", "model": "auto"})]
    items += reader.read({"type": "result", "status": "success", "stats": {"models": models}})
    assert isinstance(items[-1], Usage) and items[-1].model == "gemini-2.5-pro"


async def test_of_a_long_reason_the_end_is_kept_and_noise_left_out(allow, tmp_path):
    (tmp_path / "out").write_text("")
    (tmp_path / "errors").write_text(
        "Claude configuration file not found at: /home/agent/.claude.json\n"
        "A backup file exists at: /home/agent/.claude/backups/x\n"
        'You can manually restore it by running: cp -f "/home/agent/x" "/home/agent/y"\n\n'
        f"{'about something else, ' * 20}\n"
        "--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons\n"
    )
    allow(mine=player("complain", str(tmp_path / "out"), str(tmp_path / "errors"), "1"))
    error = (await heard(tmp_path, command="mine")).error
    assert error.startswith("`mine` ended with exit status 1: \u2026") and "backup" not in error
    assert error.endswith("cannot be used with root/sudo privileges for security reasons")


COPILOT = (
    "Error: No authentication information found.\n\nCopilot can be authenticated with GitHub using a token.\n\n"
    "To authenticate:\n  * Start 'copilot' and run the '/login' command\n  * Set the GH_TOKEN variable\n"
)
GEMINI = "Please set an Auth method in your /home/agent/.gemini/settings.json or specify GEMINI_API_KEY\n"


@pytest.mark.parametrize(("name", "errors"), [("copilot", COPILOT), ("gemini", GEMINI)])
async def test_a_missing_login_is_told_with_what_to_do_here(allow, tmp_path, monkeypatch, name, errors):
    program = tmp_path / "bin" / name
    program.parent.mkdir()
    (tmp_path / "errors").write_text(errors)
    program.write_text(f"#!/bin/sh\ncat {tmp_path / 'errors'} >&2\nexit 41\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    allow(**{name: {}})
    seen = await heard(tmp_path, command=name)
    assert seen.error.startswith(f"`{name}` is not logged in. Set ")
    assert "in the environment of the worker" in seen.error


# ---------------------------------------------------------------- ends that are incomplete
@pytest.mark.parametrize("format", [name for name, reader in READERS.items() if reader.marks_its_end])
async def test_output_that_breaks_off_is_an_error_though_the_exit_status_is_0(allow, tmp_path, format):
    whole = (TRANSCRIPTS / f"{format}.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "cut").write_text("".join(whole[:-1]))
    allow(**{format: player("play", str(tmp_path / "cut"))})
    seen = await heard(tmp_path, command=format)
    assert seen.error == f"`{format}` ended before sending a result"
    assert seen.answer is None and "milk" in seen.text()


async def test_a_result_that_tells_of_a_failure_is_one_though_the_exit_status_is_0(allow, tmp_path):
    allow(copilot=player("play", written(tmp_path, {"type": "result", "exitCode": 1})))
    assert (await heard(tmp_path, command="copilot")).error == "`copilot` failed: no reason given"


async def test_waiting_for_the_network_is_silence(allow, tmp_path):
    line = json.dumps({"type": "error", "message": "Reconnecting... waiting for network"})
    allow(codex=player("repeat", line, limits={"idle_seconds": 0.7}))
    seen = await heard(tmp_path, command="codex")
    assert seen.error == "`codex` was silent for the limit of 0.7 seconds, and was stopped"
    assert statuses(seen) == ["Reconnecting... waiting for network"]


async def test_a_known_program_that_writes_to_standard_error_alone_is_silent(allow, tmp_path):
    """Without a network Codex logs an error every five seconds, forever."""
    line = "2026-11-30T11:59:56Z ERROR codex_api: failed to connect to Responses WebSocket stage=Unknown"
    limits = {"idle_seconds": 1, "seconds": 20}
    allow(mine=player("grumble", line, preset="codex", limits=limits))
    seen = await heard(tmp_path, command="mine")
    assert (seen.error, seen.limit) == ("`mine` was silent for the limit of 1 seconds, and was stopped", "silence")


async def test_a_program_of_plain_text_may_show_its_progress_on_standard_error(allow, tmp_path):
    allow(mine=player("grumble", "12 %", limits={"idle_seconds": 1, "seconds": 2.5}))
    assert (await heard(tmp_path, command="mine")).limit == "time"


# ---------------------------------------------------------------- usage
MODELS = {
    "claude-haiku": {"inputTokens": 1000, "outputTokens": 20, "cacheReadInputTokens": 5},
    "claude-opus": {"inputTokens": 3000, "outputTokens": 60, "cacheCreationInputTokens": 7},
}


def test_claudes_tokens_are_those_of_all_models_and_sub_agents():
    usage = {"input_tokens": 2000, "output_tokens": 40}
    line = {"type": "result", "subtype": "success", "usage": usage, "total_cost_usd": 0.0294, "modelUsage": MODELS}
    assert [*ClaudeReader("claude-opus").read(line)] == [Usage("claude-opus", 4012, 80, 0.0294)]


def test_what_claudes_messages_used_is_known_before_the_end_and_after_a_dropped_connection():
    """Stopped runs are billed too. The CLI reports 0 for a message whose connection dropped."""
    reader = ClaudeReader()

    def streamed(event: dict, parent: str | None = None) -> list:
        return [*reader.read({"type": "stream_event", "parent_tool_use_id": parent, "event": event})]

    reader.model = "claude-opus"
    begun = {"id": "a", "usage": {"input_tokens": 10, "cache_read_input_tokens": 990, "output_tokens": 1}}
    assert streamed({"type": "message_start", "message": begun})[-1] == Usage("claude-opus", 1000, 1)
    assert streamed({"type": "message_delta", "usage": {"output_tokens": 30}})[-1] == Usage(
        "claude-opus", 1000, 30
    )
    begun = {"id": "b", "usage": {"input_tokens": 500, "output_tokens": 1}}
    assert streamed({"type": "message_start", "message": begun}, "agent")[-1] == Usage("claude-opus", 1500, 31)
    told = {"id": "a", "content": [], "usage": {"input_tokens": 10, "cache_read_input_tokens": 990}}
    assert [*reader.read({"type": "assistant", "message": told})] == []  # it was counted already
    lost = {"type": "result", "subtype": "success", "usage": {"input_tokens": 0, "output_tokens": 0}}
    assert [*reader.read(lost)] == [Usage("claude-opus", 1500, 31)]


# ---------------------------------------------------------------- valid options
def test_a_program_that_nobody_allowed_cannot_be_saved(allow):
    allow(claude={"models": ["opus"]})
    registry.check_choices("command", {"command": "claude", "model": "opus"})
    with pytest.raises(registry.OptionsError, match=r"Unknown program `claud`\. Allowed: claude") as refused:
        registry.check_choices("command", {"command": "claud"})
    assert refused.value.option == "command"
    with pytest.raises(registry.OptionsError, match="can choose these models only: opus"):
        registry.check_choices("command", {"command": "claude", "model": "gpt"})


# ---------------------------------------------------------------- anything else
ODD: list = [None, "x", [], {}, [1, {"type": "result"}], True, -1, 1e308, 10**400]


def spoilt(value: object) -> Iterator[object]:
    """Yield copies of the value, each with one of its parts replaced by something odd."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: odd} for odd in ODD)
            yield from ({**value, key: worse} for worse in spoilt(inner))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from ([*value[:place], worse, *value[place + 1 :]] for worse in spoilt(inner))


@pytest.mark.parametrize("path", sorted(TRANSCRIPTS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_no_value_of_any_type_in_any_place_breaks_a_reader(path):
    lines = {json.loads(line).get("type"): json.loads(line) for line in path.read_text().splitlines()}
    for line in lines.values():
        for odd in spoilt(line):
            reader = READERS[path.stem.partition("-")[0]]()
            assert isinstance(odd, dict) and isinstance(reader.is_progress(odd), bool)
            assert all(isinstance(item, BackendEvent | Usage | Session) for item in reader.read(odd))


@pytest.mark.parametrize("format", READERS)
async def test_what_an_agent_says_about_a_quota_closes_no_gate(allow, tmp_path, format):
    """Only the program's own error may: its agent could keep all agents of the account from working."""
    words = "Claude AI usage limit reached|1996299200"
    said = (TRANSCRIPTS / f"{format}.jsonl").read_text().replace("I will r", f"{words} I will r")
    (tmp_path / "transcript").write_text(said)
    allow(**{format: player("play", str(tmp_path / "transcript"), "1")})
    seen = await heard(tmp_path, command=format)
    assert words in seen.text()
    assert seen.error == f"`{format}` ended with exit status 1"
    assert not isinstance(seen.failure, QuotaUsedUp)
