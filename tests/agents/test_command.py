"""The `command` backend: allowed programs, their environment, and the outcomes of their ends."""

import asyncio
import json
import os
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from agents.backends import registry
from agents.backends.base import BackendEvent, EventType, Usage
from agents.backends.command import Command
from agents.backends.programs.formats import READERS
from tests.agents.follow import Followed, follow

PLAYER = str(Path(__file__).with_name("player.py"))
TRANSCRIPTS = Path(__file__).with_name("transcripts")
PROMPT = "What is in the notes? … and ümlauts"


def player(*words: str, **definition) -> dict:
    return {"argv": [sys.executable, PLAYER, *words], **definition}


@pytest.fixture
def allow(settings):
    """Allow programs by name, without the sandbox, which has its own tests."""
    settings.AGENT_ISOLATION = "none"

    def allow(**commands: dict) -> None:
        settings.MISSION_CONTROL_COMMANDS = commands

    return allow


async def heard(workdir: Path, backend: str = "command", prompt: str = PROMPT, **options) -> Followed:
    registry.check_options(backend, options)
    return await follow(registry.get(backend)(), prompt, options, workdir)


# ---------------------------------------------------------------- allowed programs
async def test_a_name_that_the_operator_has_not_allowed_runs_nothing(allow, tmp_path):
    allow(other=player("echo"))
    seen = await heard(tmp_path, command="python3")
    assert seen.error == "Add `python3` to MISSION_CONTROL_COMMANDS to enable it"


@pytest.mark.parametrize("name", ["echo; id", "/bin/sh", "a b", "$(id)", "x" * 51, "", "a\n", 7, ["sh"]])
def test_a_command_line_is_no_name(name):
    with pytest.raises(registry.OptionsError, match="option `command`"):
        registry.check_options("command", {"command": name})


@pytest.mark.parametrize("option", ["args", "argv", "env", "arguments", "prompt"])
def test_an_agent_brings_no_arguments(option):
    with pytest.raises(registry.OptionsError, match=f"Unknown option `{option}`"):
        registry.check_options("command", {"command": "claude", option: ["--help"]})


async def test_a_model_is_taken_from_the_operators_list_only(allow, tmp_path):
    allow(mine=player("echo", models=["small"], model_option="--model"))
    seen = await heard(tmp_path, command="mine", model="small")
    assert json.loads(seen.text())["argv"] == ["--model", "small"]
    for model in ("large", "--dangerously-skip-permissions", "small --yolo"):
        seen = await heard(tmp_path, command="mine", model=model)
        assert seen.error == "Agents of `mine` can choose these models only: small"
    allow(mine=player("echo"))
    assert (
        "`mine` cannot choose a model: leave `model` out"
        in (await heard(tmp_path, command="mine", model="small")).error
    )


async def test_a_program_that_is_not_installed_is_named_with_what_installs_it(allow, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    allow(gemini={}, own={"argv": ["no-such-program"]})
    gemini, own = [await heard(tmp_path, command=name) for name in ("gemini", "own")]
    assert gemini.error.endswith("Install it with: npm install -g @google/gemini-cli")
    assert own.error == "`own` is not in the PATH of the worker. Install it"
    assert "npm install -g @google/gemini-cli" in Command.missing()


async def test_a_program_that_cannot_be_started_says_why(allow, tmp_path):
    program = tmp_path / "broken"
    program.write_bytes(b"\x7fELF nothing of the kind")
    program.chmod(0o700)
    allow(broken={"argv": [str(program)]})
    assert (await heard(tmp_path, command="broken")).error == (
        "`broken` ended with exit status 127: cannot be started: Exec format error"
    )


def test_the_backend_is_available_as_soon_as_one_program_is(allow):
    allow()
    assert Command.missing().startswith(
        "Set MISSION_CONTROL_COMMANDS to what agents may run, such as claude, codex"
    )
    allow(gone={"argv": ["no-such-program"]}, here=player("echo"))
    assert Command.missing() is None
    assert Command.missing_for({"command": "gone"}) == "`gone` is not in the PATH of the worker. Install it"
    assert Command.missing_for({}) is not None


# ---------------------------------------------------------------- what the program receives
async def test_a_program_gets_the_prompt_and_the_variables_of_its_list_and_no_other(allow, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://user:password@db/name")
    monkeypatch.setenv("OTHER_API_KEY", "its value")
    monkeypatch.setenv("MINE_API_KEY", "my value")
    allow(mine=player("echo", "one", "two words; $HOME", env=["MINE_API_KEY", "MODE=quiet", "UNSET"]))
    told = json.loads((await heard(tmp_path, command="mine")).text())
    assert (told["prompt"], told["cwd"]) == (PROMPT, str(tmp_path))
    assert told["argv"] == ["one", "two words; $HOME"]
    assert (told["env"]["MINE_API_KEY"], told["env"]["MODE"]) == ("my value", "quiet")
    assert set(told["env"]) <= {
        *("MINE_API_KEY", "MODE", "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "TERM", "NO_COLOR"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    }


async def test_a_prompt_may_come_as_a_file_which_is_gone_afterwards(allow, tmp_path):
    allow(mine=player("read_file", "{prompt_file}", prompt="file"))
    seen = await heard(tmp_path, command="mine")
    assert (seen.text(), seen.error) == (PROMPT, "")
    assert list(tmp_path.iterdir()) == []


async def test_a_continued_conversation_gets_the_continuation_and_a_new_one_the_whole_prompt(
    allow, tmp_path, monkeypatch
):
    program = tmp_path / "bin/claude"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat >heard\ncat {TRANSCRIPTS}/claude.jsonl\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    allow(claude={})
    for earlier, sent in (("", PROMPT), ("0f0f0f0f-1111-4222-8333-444444444444", "Allowed.")):
        backend = Command()
        backend.earlier_session, backend.continuation = earlier, "Allowed."
        seen = await follow(backend, PROMPT, {"command": "claude"}, tmp_path)
        assert (seen.error, seen.answer) == ("", "Buy milk.")
        assert (tmp_path / "heard").read_text() == sent


async def test_a_long_prompt_reaches_a_program_and_holds_up_none_that_does_not_read_it(allow, tmp_path):
    prompt = "x" * 3_000_000
    allow(reads=player("echo", limits={"output_bytes": 4_000_000}), does_not=player("fail", "0"))
    seen = await heard(tmp_path, prompt=prompt, command="reads")
    assert json.loads(seen.text())["prompt"] == prompt
    assert (await heard(tmp_path, prompt=prompt, command="does_not")).text() == "so far"


# ---------------------------------------------------------------- its output
async def test_plain_text_passes_as_it_comes_and_what_is_no_utf8_is_replaced(allow, tmp_path):
    (tmp_path / "raw").write_bytes("schön\n".encode() + b"\xff\xfe\n" + b"\xe2\x82")
    allow(mine=player("raw", str(tmp_path / "raw")))
    assert (await heard(tmp_path, command="mine")).text() == "schön\n\ufffd\ufffd\n\ufffd"


SAID = "I will read the file.\n\nBuy milk."
# By transcript: most are output of the real programs, some were written by hand.
USAGE = {
    "claude": Usage("claude-sonnet-4-5-20250929", 3000, 60, 0.009899999999999999),  # a small model chose the title
    "claude-more": Usage("claude-sonnet-4-5-20250929", 3009, 42, 0.0123),
    "qwen": Usage("qwen3-coder-plus", 2000, 40, None),
    "codex": Usage(None, 2000, 40, None),
    "codex-more": Usage(None, 23552, 41, None),
    "gemini": Usage("gemini-2.5-pro", 2000, 40, 0.0029),
    "gemini-more": Usage("gemini-of-tomorrow", 1000, 100, None),
    "opencode": Usage(None, 2000, 40, None),
    "opencode-more": Usage(None, 16049, 75, 0.03),
    "copilot": Usage("gpt-4.1", None, None, None),
    "copilot-more": Usage("claude-sonnet-4.6", None, 103, None),
}
READ = "<path>/home/agent/work/notes.txt</path>\n<type>file</type>\n<content>\n1: buy milk\n\n"
TOOLS = {
    "claude": [("Read", {"file_path": "notes.txt"}, "1\tbuy milk\n2\t")],
    "claude-more": [("Read", {"file_path": "notes.txt"}, "1\tbuy milk")],
    "codex": [("shell", {"command": "/bin/bash -lc 'cat notes.txt'"}, "buy milk\n")],
    "codex-more": [
        ("shell", {"command": "bash -lc 'cat notes.txt'"}, "buy milk\n"),
        ("shell", {"command": "false"}, "exit code 1"),
        ("file_change", {"changes": [{"path": "list.md", "kind": "add"}]}, "completed"),
    ],
    "qwen": [("read_file", {"file_path": "/home/agent/work/notes.txt"}, "buy milk\n")],
    "gemini": [("read_file", {"file_path": "notes.txt"}, "success")],
    "gemini-more": [("read_file", {"path": "notes.txt"}, "buy milk")],
    "opencode": [("read", {"filePath": "notes.txt"}, f"{READ}(End of file - total 1 lines)\n</content>")],
    "opencode-more": [
        ("read", {"filePath": "notes.txt"}, "buy milk"),
        ("bash", {"command": "rm x"}, "The user rejected permission"),
    ],
    "copilot": [("view", {"path": "/home/agent/work/notes.txt"}, "buy milk\n")],
    "copilot-more": [("view", {"path": "notes.txt"}, "buy milk")],
}
THINKING = {"qwen", "claude", "claude-more", "codex", "codex-more", "copilot", "copilot-more"}


def tools_of(events: list[BackendEvent]) -> list[tuple]:
    uses = {event.metadata["id"]: event for event in events if event.type == EventType.TOOL_USE}
    results = {event.metadata["id"]: event.content for event in events if event.type == EventType.TOOL_RESULT}
    assert "" not in uses and uses.keys() == results.keys()
    return [(use.content, use.metadata["input"], results[key]) for key, use in uses.items()]


@pytest.mark.parametrize("name", USAGE)
async def test_a_known_agents_transcript_becomes_text_tools_and_usage(allow, tmp_path, name):
    format = name.partition("-")[0]
    allow(**{format: player("play", str(TRANSCRIPTS / f"{name}.jsonl"))})
    seen = await heard(tmp_path, command=format)
    assert seen.error == ""
    assert " ".join(seen.text().split()) == " ".join(SAID.split())
    assert tools_of(seen.events) == TOOLS[name]
    assert seen.usage == USAGE[name]
    assert seen.answer == "Buy milk."
    assert (tmp_path / "heard").read_text() == PROMPT
    if name in THINKING:
        assert seen.text(EventType.THINKING).strip() == "Look first."


@pytest.mark.parametrize(
    ("name", "model", "cost"),
    [
        ("codex-more", "gpt-5", (23552 - 6016) * 1.25e-6 + 6016 * 0.125e-6 + 41 * 10e-6),
        ("codex", "a-model-of-mine", None),
        ("gemini-more", "gemini-2.5-pro", None),  # its own output has more tokens
        ("opencode", "anthropic/claude-sonnet-4-5", 2000 * 3e-6 + 40 * 15e-6),
        ("opencode", "nobody/claude-sonnet-4-5", None),
        ("opencode-more", "anthropic/claude-sonnet-4-5", 0.03),
        ("copilot", "gpt-4.1", None),  # it is billed by request
    ],
)
async def test_tokens_cost_what_the_provider_takes_where_the_model_is_known(allow, tmp_path, name, model, cost):
    format, transcript = name.partition("-")[0], str(TRANSCRIPTS / f"{name}.jsonl")
    allow(**{format: player("play", transcript, "0", models=[model])})
    chosen = await heard(tmp_path, command=format, model=model)
    assert chosen.usage.cost_usd == (cost and pytest.approx(cost))
    for words in (["--model", model], [f"--model={model}"]):
        allow(**{format: player("play", transcript, "0", *words)})
        assert (await heard(tmp_path, command=format)).usage == chosen.usage


@pytest.mark.parametrize(
    ("backend", "format"), [("codex_cli", "codex"), ("opencode", "opencode"), ("copilot_sdk", "copilot")]
)
async def test_the_old_names_are_served_by_the_programs_that_they_meant(allow, tmp_path, backend, format):
    allow(claude={})
    assert "to MISSION_CONTROL_COMMANDS to enable it" in (await heard(tmp_path, backend)).error
    allow(**{format: player("play", str(TRANSCRIPTS / f"{format}.jsonl"))})
    assert registry.get(backend).missing() is None
    assert "Buy milk." in (await heard(tmp_path, backend)).text()


FAILURES = {
    "claude": {"type": "result", "subtype": "success", "is_error": True, "result": "Invalid API key at /srv/x/y"},
    "codex": {"type": "turn.failed", "error": {"message": "unexpected status 401 in /srv/x/y"}},
    "gemini": {"type": "result", "status": "error", "error": {"type": "E", "message": "quota in /srv/x/y"}},
    "opencode": {"type": "error", "error": {"name": "APIError", "data": {"message": "no credit in /srv/x/y"}}},
    "qwen": {"type": "result", "subtype": "error", "is_error": True, "error": {"message": "no key in /srv/x/y"}},
    "copilot": {"type": "session.error", "data": {"errorType": "auth", "message": "not logged in at /srv/x/y"}},
}
REASONS = {
    "claude": "Invalid API key at [path]",
    "codex": "unexpected status 401 in [path]",
    "gemini": "quota in [path]",
    "opencode": "no credit in [path]",
    "qwen": "no key in [path]",
    "copilot": "not logged in at [path]",
}


@pytest.mark.parametrize("format", READERS)
async def test_a_failure_that_the_agent_tells_is_the_runs_error_without_paths(allow, tmp_path, format):
    (tmp_path / "transcript").write_text(json.dumps(FAILURES[format]) + "\n")
    allow(**{format: player("play", str(tmp_path / "transcript"))})
    assert (await heard(tmp_path, command=format)).error == f"`{format}` failed: {REASONS[format]}"


@pytest.mark.parametrize("format", READERS)
async def test_lines_of_any_other_shape_break_nothing(allow, tmp_path, format):
    odd: list = [None, 1, "x", [], {}, {"type": 3}, [1, {"type": "result"}]]
    lines = [json.dumps(line) for line in odd]
    for line in (TRANSCRIPTS / f"{format}.jsonl").read_text().splitlines():
        whole = json.loads(line)
        for key in whole.keys() - {"type"}:
            lines += [json.dumps({**whole, key: value}) for value in odd]
    lines = [line for line in lines if '"is_error": ' not in line and '"status": ' not in line]
    (tmp_path / "transcript").write_text(
        "Warning: a banner\n\n{broken\n" + "\n".join(lines) + "\nlast, without end"
    )
    allow(**{format: player("play", str(tmp_path / "transcript"))})
    seen = await heard(tmp_path, command=format)
    notices = [event.content for event in seen.events if event.type == EventType.STATUS]
    assert notices[:2] == ["Warning: a banner", "{broken"] and notices[-1] == "last, without end"


async def test_a_line_that_is_too_long_is_left_out_and_what_follows_is_heard(allow, tmp_path):
    long = json.dumps({"type": "message", "role": "assistant", "content": "y" * 9_000_000})
    last = json.dumps({"type": "message", "role": "assistant", "content": "Heard."})
    (tmp_path / "transcript").write_text(f"{long}\n{last}\n")
    allow(gemini=player("play", str(tmp_path / "transcript")))
    seen = await heard(tmp_path, command="gemini")
    assert [event.content for event in seen.events] == [f"A line of {len(long):,} bytes was left out", "Heard."]


# ---------------------------------------------------------------- how it ends
async def test_an_exit_status_is_an_error_with_the_last_words_without_keys_and_paths(allow, tmp_path):
    allow(mine=player("fail", "3"))
    seen = await heard(tmp_path, command="mine")
    assert seen.text() == "so far"
    assert seen.error.startswith("`mine` ended with exit status 3: ")
    assert "key [redacted] of [path]" in seen.error and seen.error.endswith("quota used up")
    assert len(seen.error) <= 203


async def test_output_that_ends_before_the_program_is_waited_for_a_while(allow, tmp_path):
    allow(mine=player("closes", limits={"linger_seconds": 0.3}))
    seen = await heard(tmp_path, command="mine")
    assert seen.error == "`mine` closed its output but did not end, and was stopped"
    assert not Path(f"/proc/{seen.text().strip()}").exists()


@pytest.mark.parametrize(
    ("limits", "reason", "limit"),
    [
        ({"seconds": 0.5}, "ran longer than the limit of 0.5 seconds", "time"),
        ({"idle_seconds": 0.5}, "was silent for the limit of 0.5 seconds", "silence"),
    ],
)
async def test_a_program_that_takes_too_long_or_falls_silent_is_stopped(allow, tmp_path, limits, reason, limit):
    allow(mine=player("silent", limits=limits))
    seen = await heard(tmp_path, command="mine")
    assert (seen.text(), seen.error) == ("one word\n", f"`mine` {reason}, and was stopped")
    assert seen.limit == limit


async def test_a_flood_is_cut_at_the_limit(allow, tmp_path):
    allow(mine=player("flood", "1000000000", limits={"output_bytes": 1_000_000}))
    seen = await heard(tmp_path, command="mine")
    assert seen.error == "`mine` wrote more than the limit of 1,000,000 bytes, and was stopped"
    assert seen.limit == "output"
    assert len(seen.text()) <= 1_000_000


async def test_nothing_is_read_while_nobody_listens(allow, tmp_path):
    allow(mine=player("flood", "50000000"))
    async with aclosing(Command().stream(PROMPT, {"command": "mine"}, tmp_path)) as stream:
        await anext(stream)
        written = [0]
        while not (len(written) > 20 and written[-1] == written[-20]):  # no progress: the pipe is full
            await asyncio.sleep(0.02)
            written.append(int((tmp_path / "written").read_text() or 0))
    assert written[-1] < 1_000_000
