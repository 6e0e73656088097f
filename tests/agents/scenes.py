"""How each real program is set up to call a mock of its provider, and what the mock answers.

The model of a program selects its answers; a word in the prompt selects the scene.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

USAGE = {"prompt_tokens": 1000, "completion_tokens": 50, "input_tokens": 1000, "output_tokens": 50}
WRITES, SLOW, WRONG_KEY = "scene-write", "scene-slow", "scene-wrong-key"
GREETS = "scene-greet"
HELLO = "Hello there."
KEY = "sk-the-operators-own-0123456789"
SECONDS = 276_000  # until the quota resets
LEARNED = "The usage limit has been reached. Try again in 76 hours 40 minutes."


@dataclass(frozen=True)
class Program:
    """`variables` and `files` (path in the home → content) make it call the provider at an address."""

    tool: tuple[str, dict[str, Any]]  # writes note.txt
    variables: Callable[[str], dict[str, str]]
    files: Callable[[str], dict[str, str]] = lambda _: {}
    quota: dict[str, Any] = field(default_factory=lambda: {"message": LEARNED, "code": "insufficient_quota"})
    reports_usage: bool = True
    requests_more: bool = False  # for a title, which is billed too

    def model(self, name: str) -> str:
        return "gemini-2.5-flash" if name == "gemini" else f"{name}-mock"


def _codexs_files(root: str) -> dict[str, str]:
    lines = [
        *('model = "codex-mock"', 'model_provider = "mock"', "[model_providers.mock]", 'name = "mock"'),
        *(f'base_url = "{root}/v1"', 'env_key = "CODEX_API_KEY"', 'wire_api = "responses"'),
        *("request_max_retries = 1", "stream_max_retries = 1"),
    ]
    return {".codex/config.toml": "\n".join(lines)}


def _opencodes_files(root: str) -> dict[str, str]:
    mock = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "mock",
        "options": {"baseURL": f"{root}/v1", "apiKey": KEY},
        "models": {"opencode-mock": {"name": "mock"}},
    }
    model = "mock/opencode-mock"
    config = {"provider": {"mock": mock}, "model": model, "small_model": model}
    return {".config/opencode/opencode.json": json.dumps(config)}


PROGRAMS = {
    "claude": Program(
        tool=("Write", {"file_path": "note.txt", "content": "hi"}),
        variables=lambda root: {
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": root,
            "ANTHROPIC_MODEL": "claude-mock",
        },
    ),
    "codex": Program(
        tool=("exec_command", {"cmd": "printf hi > note.txt"}),
        variables=lambda _: {"CODEX_API_KEY": KEY},
        files=_codexs_files,
        quota={"type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": "plus"},
    ),
    "gemini": Program(
        tool=("write_file", {"file_path": "note.txt", "content": "hi"}),
        variables=lambda root: {
            "GEMINI_API_KEY": KEY,
            "GOOGLE_GEMINI_BASE_URL": root,
            "GEMINI_MODEL": "gemini-2.5-flash",
        },
        files=lambda _: {
            ".gemini/settings.json": '{"security": {"auth": {"selectedType": "gemini-api-key"}}}',
        },
        quota={
            "message": "You have exhausted your capacity on this model. Your quota will reset after 76h40m0s.",
            "code": 429,
            "status": "RESOURCE_EXHAUSTED",
        },
    ),
    "opencode": Program(
        tool=("write", {"filePath": "note.txt", "content": "hi"}),
        variables=lambda _: {"OPENCODE_DISABLE_MODELS_FETCH": "1"},
        files=_opencodes_files,
    ),
    "copilot": Program(
        tool=("create", {"path": "{folder}/note.txt", "file_text": "hi"}),
        variables=lambda root: {
            "COPILOT_PROVIDER_BASE_URL": f"{root}/v1",
            "COPILOT_PROVIDER_API_KEY": KEY,
            "COPILOT_MODEL": "copilot-mock",
            "COPILOT_OFFLINE": "true",
        },
        reports_usage=False,
    ),
    "qwen": Program(
        tool=("write_file", {"file_path": "{folder}/note.txt", "content": "hi"}),
        variables=lambda root: {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{root}/v1",
            "OPENAI_MODEL": "qwen-mock",
        },
        requests_more=True,
    ),
}


def answers(name: str, folder: Path) -> list[dict]:
    """Return aimock's fixtures for a program that works in the folder."""
    program = PROGRAMS[name]
    model, (tool, given) = program.model(name), program.tool
    call = {"id": "call_1", "name": tool, "arguments": json.dumps(given).replace("{folder}", str(folder))}
    refusal = {
        "error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"},
        "status": 401,
    }

    def scene(word: str, response: dict, *, delivery: dict | None = None, **match: Any) -> dict:
        return {"match": {"model": model, "userMessage": word, **match}, "response": response, **(delivery or {})}

    return [
        scene(GREETS, {"content": HELLO, "usage": USAGE}),  # the first: a program may send both messages as one
        scene(WRITES, {"toolCalls": [call], "usage": USAGE}, hasToolResult=False),
        scene(WRITES, {"content": "Written.", "usage": USAGE}, hasToolResult=True),
        scene(
            SLOW, {"content": "one two three " * 400, "usage": USAGE}, delivery={"chunkSize": 4, "latency": 100}
        ),
        scene(WRONG_KEY, refusal),
        {"match": {"model": model}, "response": {"content": HELLO, "usage": USAGE}},
    ]
