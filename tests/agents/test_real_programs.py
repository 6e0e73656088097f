"""The real command-line agents from npm, in the sandbox where there is one, against a mock of their provider."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agents.backends.base import BackendEvent, EventType, QuotaUsedUp, Session
from agents.backends.command import Command
from agents.backends.programs.sessions import STARTS_AGAIN
from agents.discovery.findings import State
from agents.discovery.programs import find_programs
from tests.agents import scenes
from tests.agents.conftest import running_aimock
from tests.agents.follow import Followed, follow
from tests.agents.programs import PROGRAMS, installed, version
from tests.servers import wait_until

IN_CI = ("claude", "codex")
EACH = [name if name in IN_CI else pytest.param(name, marks=pytest.mark.agents) for name in PROGRAMS]
GREETING = f"{scenes.GREETS}: say hello"


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, Path]:
    return {name: tmp_path_factory.mktemp(f"folder-{name}") for name in PROGRAMS}


@pytest.fixture(scope="session")
def provider(tmp_path_factory, folders) -> Iterator[Any]:
    fixtures = [one for name in PROGRAMS for one in scenes.answers(name, folders[name])]
    with running_aimock(fixtures, tmp_path_factory.mktemp("provider")) as server:
        yield server


@pytest.fixture
def set_up(tmp_path, monkeypatch, settings):
    """Install a program, and log it in to the provider at this address, in a home of its own."""

    def set_up(name: str, root: str) -> None:
        program, home = scenes.PROGRAMS[name], tmp_path / "home"
        monkeypatch.setenv("PATH", f"{installed(name).parent}:/usr/local/bin:/usr/bin:/bin")
        monkeypatch.setenv("HOME", str(home))
        for variable, value in program.variables(root).items():
            monkeypatch.setenv(variable, value)
        for path, content in program.files(root).items():
            (home / path).parent.mkdir(parents=True, exist_ok=True)
            (home / path).write_text(content)
        home.mkdir(exist_ok=True)
        settings.CONVERSATIONS_DIR = tmp_path / "conversations"
        more = {"env": [*program.variables(root)]}
        settings.MISSION_CONTROL_COMMANDS = {name: more}

    return set_up


@pytest.fixture
def ask(set_up, provider, folders):
    """Run a program with a prompt to its end, in the conversation `earlier` if given."""

    async def ask(name: str, prompt: str, *, earlier: str = "", root: str = "") -> Followed:
        await asyncio.to_thread(set_up, name, root or provider.root_url)
        backend = Command()
        backend.earlier_session = earlier
        return await follow(backend, prompt, {"command": name}, folders[name])

    return ask


@pytest.mark.parametrize("name", EACH)
def test_a_program_is_found_with_its_version_and_login(name, set_up, provider, settings):
    set_up(name, provider.root_url)
    settings.MISSION_CONTROL_COMMANDS = {}
    found = next(one for one in asyncio.run(find_programs()) if one.name == name)
    assert (found.version, found.state) == (version(name), State.READY)


@pytest.mark.parametrize("name", EACH)
async def test_a_program_uses_a_tool_is_counted_and_continues_its_conversation(name, ask, folders, provider):
    program, note = scenes.PROGRAMS[name], folders[name] / "note.txt"
    note.unlink(missing_ok=True)
    first = await ask(name, f"{scenes.WRITES}: write a note")
    assert (first.error, first.answer) == ("", "Written.")
    assert note.read_text() == "hi"
    assert first.text(EventType.TOOL_USE) == ("shell" if name == "codex" else program.tool[0])
    assert first.session
    _check_usage(program, first, requests=2)

    second = await ask(name, GREETING, earlier=first.session)
    assert (second.error, second.answer) == ("", scenes.HELLO)
    assert second.text(EventType.STATUS).count(STARTS_AGAIN) == 0
    assert "write a note" in _sent_to(provider, program.model(name))
    _check_usage(program, second, requests=1)


def _check_usage(program: scenes.Program, seen: Followed, *, requests: int) -> None:
    if not program.reports_usage:
        assert (seen.usage.input_tokens, seen.usage.output_tokens) == (None, None)
        return
    most = requests + 1 if program.requests_more else requests
    assert requests * 1000 <= seen.usage.input_tokens <= most * 1000
    assert seen.usage.output_tokens == seen.usage.input_tokens // 20


def _sent_to(provider: Any, model: str) -> str:
    """Return what was said in the last request with tools: others are for titles."""
    bodies = [one["body"] for one in provider.requests_for(model) if one["body"].get("tools")]
    return json.dumps(bodies[-1]["messages"])


@pytest.mark.parametrize("name", EACH)
async def test_a_conversation_that_no_longer_exists_is_started_again(name, ask):
    earlier = "ses_22e3b9000000000000000000aa" if name == "opencode" else "11111111-2222-4333-8444-555555555555"
    seen = await ask(name, GREETING, earlier=earlier)
    assert (seen.error, seen.answer) == ("", scenes.HELLO)
    assert STARTS_AGAIN in seen.text(EventType.STATUS)
    assert seen.session not in ("", earlier)


@pytest.mark.parametrize("name", EACH)
async def test_a_wrong_key_ends_the_run_with_the_reason_and_the_conversation_goes_on_later(name, ask):
    seen = await ask(name, f"{scenes.WRONG_KEY}: say hello")
    assert "401" in seen.error or "Incorrect API key" in seen.error
    assert scenes.KEY not in seen.error
    if seen.session:
        later = await ask(name, GREETING, earlier=seen.session)
        assert (later.error, later.answer) == ("", scenes.HELLO)


class Refusing(ThreadingHTTPServer):
    """A provider whose quota is used up."""

    def __init__(self, body: dict) -> None:
        self.body = json.dumps(body).encode()
        super().__init__(("127.0.0.1", 0), Refusal)


class Refusal(BaseHTTPRequestHandler):
    server: Refusing

    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(429)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def refuse():
    """Start a provider that refuses everything with this error, and return its address."""
    servers = []

    def refuse(error: dict) -> str:
        server = Refusing({"error": error})
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield refuse
    for server in servers:
        server.shutdown()
        server.server_close()


# OpenCode and Qwen Code retry such an answer for as long as the provider asks, and print nothing meanwhile.
@pytest.mark.parametrize("name", [*EACH[:3], EACH[4]])
async def test_a_used_up_quota_is_reported_with_its_account_and_end(name, set_up, refuse, folders):
    resets_at = int(time.time()) + scenes.SECONDS
    more = {"resets_at": resets_at, "resets_in_seconds": scenes.SECONDS} if name == "codex" else {}
    await asyncio.to_thread(set_up, name, refuse({**scenes.PROGRAMS[name].quota, **more}))
    with pytest.raises(QuotaUsedUp) as caught:
        async for _ in Command().stream(GREETING, {"command": name}, folders[name]):
            pass
    assert caught.value.account in (f"{name}:…{scenes.KEY[-4:]}", name)
    expected = datetime.fromtimestamp(resets_at, UTC)
    assert abs(caught.value.resets_at - expected) < timedelta(hours=1)  # some round it, and a slow machine is late


@pytest.mark.parametrize("name", EACH)
async def test_a_stop_ends_the_program_and_its_conversation_can_go_on(name, set_up, provider, folders, ask):
    await asyncio.to_thread(set_up, name, provider.root_url)
    sessions: list[str] = []
    has_begun = asyncio.Event()

    async def read() -> None:
        async with aclosing(Command().stream(f"{scenes.SLOW}: count", {"command": name}, folders[name])) as items:
            async for item in items:
                if isinstance(item, Session):
                    sessions.append(item.id)
                is_said = isinstance(item, BackendEvent) and item.type == EventType.MESSAGE
                if is_said or (sessions and name == "codex"):  # codex sends whole messages only
                    has_begun.set()

    reader = asyncio.create_task(read())
    if name == "opencode":  # it prints nothing before the end of its first step
        await asyncio.to_thread(wait_until, lambda: _working_in(folders[name]), what="the program to start")
    else:
        begun = asyncio.create_task(has_begun.wait())
        await asyncio.wait({begun, reader}, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
    assert not reader.done()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    session = sessions[0] if sessions else ""
    assert session or name == "opencode"
    await asyncio.to_thread(wait_until, lambda: not _working_in(folders[name]), what="the program to end")
    later = await ask(name, GREETING, earlier=session)
    assert (later.error, later.answer) == ("", scenes.HELLO)


def _working_in(folder: Path) -> list[int]:
    """Return the processes in this folder; in a sandbox their path is the same."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink() == folder:
                found.append(int(link.parent.name))
        except OSError:
            continue
    return found
