"""An independent server that speaks the providers' protocols (aimock, from npm), and a clean environment."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import pytest

from tests.agents.programs import cache
from tests.needs import lack, need

AIMOCK = "1.43.0"
SLOW = {"chunkSize": 4, "latency": 100}
ANSWERS: dict[str, tuple[dict, dict]] = {
    "hello": (
        {"content": "Hello there, this answer comes in pieces.", "reasoning": "Let me think."},
        {"chunkSize": 8},
    ),
    "gpt-4o-mini": ({"content": "Cheap talk."}, {}),
    "slow": ({"content": "one two three four five six seven eight nine ten " * 40}, SLOW),
    "broken-off": ({"content": "one two three four five six"}, {**SLOW, "truncateAfterChunks": 4}),
    "broken-later": ({"content": "one two three four five six seven"}, {**SLOW, "truncateAfterChunks": 8}),
    "too-long": ({"content": "As I was saying", "finishReason": "length"}, {}),
    "no-such-key": (
        {"error": {"message": "Incorrect API key: sk-abcdefghijklmnopqrstu", "code": "x"}, "status": 401},
        {},
    ),
    "no-such-model": (
        {"error": {"message": "The model does not exist", "code": "model_not_found"}, "status": 404},
        {},
    ),
    "too-many": (
        {"error": {"message": "Slow down", "code": "rate_limit_exceeded"}, "status": 429, "retryAfter": 7},
        {},
    ),
    "out-of-order": (
        {"error": {"message": "died in /srv/llm/server.py", "type": "server_error"}, "status": 500},
        {},
    ),
    "garbled": ({"content": "never seen"}, {"chaos": {"malformedRate": 1}}),
    "hung-up": ({"content": "never seen"}, {"chaos": {"disconnectRate": 1}}),
    "claude-haiku-4-5": ({"content": "Hello from Anthropic's side.", "reasoning": "Hm."}, {}),
}
CLAUDES_QUESTIONS = [
    {
        "question": "Which colour?",
        "header": "Colour",
        "multiSelect": False,
        "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}],
    },
    {
        "question": "Which sizes?",
        "header": "Sizes",
        "multiSelect": True,
        "options": [{"label": "S", "description": "small"}, {"label": "L", "description": "large"}],
    },
]
# A tool call or several, their arguments as JSON, and the text that follows the result.
CALLS: dict[str, tuple[dict | list[dict], str]] = {
    "claude-asks": (
        {"name": "AskUserQuestion", "arguments": json.dumps({"questions": CLAUDES_QUESTIONS})},
        "Thank you.",
    ),
    "claude-waits": (
        {"name": "Bash", "arguments": '{"command": "until [ -e go ]; do sleep 0.1; done"}'},
        "Done.",
    ),
    "acp-gemini": ({"name": "run_shell_command", "arguments": '{"command": "touch ran"}'}, "Done."),
    "acp-opencode": ({"name": "bash", "arguments": '{"command": "touch ran", "description": "Touch"}'}, "Done."),
    "claude-writes": ({"name": "Write", "arguments": '{"file_path": "note.txt", "content": "hi"}'}, "Written."),
    "claude-runs": (
        {"name": "Bash", "arguments": '{"command": "python3 -c \\"open(\'ran\', \'w\')\\""}'},
        "Done.",
    ),
    "claude-runs-again": (
        {"id": "call_2", "name": "Bash", "arguments": '{"command": "touch ran"}'},
        "Done.",
    ),
    "claude-sleeps": ({"name": "Bash", "arguments": '{"command": "exec setsid --wait sleep 321"}'}, "Done."),
    "claude-looks": ({"name": "Bash", "arguments": '{"command": "cat ../../access_token"}'}, "Done."),
    "writes": ({"name": "write_file", "arguments": '{"path": "a/note.txt", "content": "hi"}'}, "Written."),
    "reads-outside": ({"name": "read_file", "arguments": '{"path": "../access_token"}'}, "I could not."),
    "parrots": ({"name": "mcp__parrot__repeat", "arguments": '{"text": "hi"}'}, "Repeated."),
    "parrots-gemini": ({"name": "mcp_parrot_repeat", "arguments": '{"text": "hi"}'}, "Repeated."),
    "parrots-opencode": ({"name": "parrot_repeat", "arguments": '{"text": "hi"}'}, "Repeated."),
    "parrots-copilot": ({"name": "parrot-repeat", "arguments": '{"text": "hi"}'}, "Repeated."),
    "asks": ({"name": "ask_human", "arguments": '{"question": "Which?", "options": ["Red", "Blue"]}'}, "Painted."),
    "writes-and-asks": (
        [
            {"name": "write_file", "arguments": '{"path": "note.txt", "content": "hi"}'},
            {"name": "ask_human", "arguments": '{"question": "Which?"}'},
        ],
        "Painted.",
    ),
    "calls-nonsense": ({"name": "launch", "arguments": '{"when": "now"}'}, "I could not."),
}
USAGE = {"prompt_tokens": 1000, "completion_tokens": 2000, "input_tokens": 1000, "output_tokens": 2000}


class Aimock(NamedTuple):
    port: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def root_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def requests_for(self, model: str) -> list[dict]:
        """Return the requests for a model that the server recorded, oldest first."""
        with urlopen(f"http://127.0.0.1:{self.port}/__aimock/journal") as answer:
            entries = json.load(answer)
        return [entry for entry in entries if (entry.get("body") or {}).get("model") == model]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide keys, addresses and proxies of the machine that runs the tests from the backends."""
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_BASE_URL", "_PROXY", "_proxy")) or name.startswith("OPENAI_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aimock]:
    """Start aimock on a free port, with one answer for each model name."""
    answers = [*map(_fixture, ANSWERS), *chain.from_iterable(map(_call, CALLS))]
    with running_aimock(answers, tmp_path_factory.mktemp("aimock")) as server:
        yield server


@contextmanager
def running_aimock(answers: list[dict], folder: Path) -> Iterator[Aimock]:
    """Start aimock on a free port with these fixtures, which are written into the folder."""
    node, npm = need(["node", "npm"], "the mock server of the language models")
    fixtures = folder / "answers.json"
    fixtures.write_text(json.dumps({"fixtures": answers}))
    command = [node, str(_installed(npm) / "dist/cli.js"), "-p", "0", "-f", str(fixtures)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield Aimock(_port(process))
        finally:
            process.terminate()


def _fixture(model: str) -> dict:
    response, delivery = ANSWERS[model]
    if "content" in response:
        response = {**response, "usage": USAGE}
    return {"match": {"model": model}, "response": response, **delivery}


def _call(model: str) -> list[dict]:
    calls, answer = CALLS[model]
    calls = [{"id": f"call_{number}", **call} for number, call in enumerate(_listed(calls), start=1)]
    return [
        {
            "match": {"model": model, "hasToolResult": called},
            "response": {**response, "usage": USAGE},
        }
        for called, response in ((False, {"toolCalls": calls}), (True, {"content": answer}))
    ]


def _listed(calls: dict | list[dict]) -> list[dict]:
    return calls if isinstance(calls, list) else [calls]


def _installed(npm: str) -> Path:
    """Return the path of aimock. The first call installs it into the cache; simultaneous calls are safe."""
    home = cache() / f"aimock-{AIMOCK}"
    if not home.exists():
        cache().mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=cache()))
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", f"@copilotkit/aimock@{AIMOCK}"]
        result = subprocess.run(command, cwd=draft, capture_output=True, text=True, timeout=120)
        if result.returncode:
            shutil.rmtree(draft)
            lack(f"npm could not install @copilotkit/aimock {AIMOCK}: {result.stderr.strip()[-200:]}")
        try:
            draft.rename(home)
        except OSError:  # another test process was faster
            shutil.rmtree(draft)
    return home / "node_modules/@copilotkit/aimock"


def _port(process: subprocess.Popen) -> int:
    said = []
    for line in process.stdout:
        said.append(line)
        if match := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
            threading.Thread(target=process.stdout.read, daemon=True).start()  # its pipe must never be full
            return int(match[1])
    raise RuntimeError(f"aimock did not start: {''.join(said)}")


# ---------------------------------------------------------------- agents of the Agent Client Protocol
AGENT = str(Path(__file__).with_name("acp_agent.py"))


@pytest.fixture
def acp_agent(settings, tmp_path):
    """Allow an agent, without the sandbox; return the folder in which it keeps its sessions."""
    settings.AGENT_ISOLATION = "none"
    kept = tmp_path / "kept"
    kept.mkdir()

    def allow(program: str = AGENT, *words: str, **definition) -> Path:
        argv = [sys.executable, program, *(words or [str(kept)])]
        settings.MISSION_CONTROL_COMMANDS = {"actor": {"argv": argv, "format": "acp", **definition}}
        return kept

    return allow


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder
