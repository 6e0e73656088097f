"""Programs in PATH are found with version and login, and no program can do harm while it is asked."""

import asyncio
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from agents.backends.programs.places import find_program
from agents.discovery import programs
from agents.discovery.findings import State
from agents.discovery.programs import find_programs
from tests.servers import wait_until

LOGGED_OUT = '[ "$1" = --version ] && echo "2.1.197 (Claude Code)" && exit 0; exit 1'


def found(name: str):
    return next((one for one in asyncio.run(find_programs()) if one.name == name), None)


def processes_with(mark: str) -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if mark in line]


# ---------------------------------------------------------------- what is found
def test_nothing_is_found_where_nothing_is_installed(machine):
    assert asyncio.run(find_programs()) == []


def test_a_program_says_its_version_and_whether_it_is_logged_in(install):
    install("claude", LOGGED_OUT)
    claude = found("claude")
    assert (claude.shown_title, claude.version, claude.state) == (
        "Claude Code 2.1",
        "2.1.197",
        State.NOT_LOGGED_IN,
    )
    assert "log in there with `claude`" in claude.advice
    install("claude", "echo 2.1.198")  # `claude auth status` now exits with 0
    assert (found("claude").state, found("claude").detail) == (State.READY, "logged in")


def test_a_login_is_also_seen_in_the_programs_files_and_in_a_key(install, monkeypatch):
    install("codex", "exit 1")
    assert found("codex").state == State.NOT_LOGGED_IN
    folder = Path.home() / ".codex"
    folder.mkdir()
    (folder / "auth.json").write_text('{"OPENAI_API_KEY": "x"}')
    assert found("codex").state == State.READY
    install("gemini", "exit 1")
    assert found("gemini").state == State.NOT_LOGGED_IN
    monkeypatch.setenv("GEMINI_API_KEY", "x")
    assert found("gemini").state == State.READY


def test_the_version_of_a_program_of_npm_is_read_and_not_asked_for(machine, tmp_path):
    package = tmp_path / "lib/node_modules/@openai/codex"
    (package / "bin").mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"version": "0.171.0"}))
    (package / "bin/codex.js").write_text(f"#!/bin/sh\ntouch {tmp_path}/$1\nexit 1\n")
    (package / "bin/codex.js").chmod(0o755)
    (machine / "codex").symlink_to(package / "bin/codex.js")
    assert found("codex").version == "0.171.0"
    assert not (tmp_path / "--version").exists()


def test_a_package_file_that_is_a_named_pipe_is_not_waited_for(machine, tmp_path):
    package = tmp_path / "lib/node_modules/@openai/codex"
    (package / "bin").mkdir(parents=True)
    os.mkfifo(package / "package.json")
    (package / "bin/codex.js").write_text("#!/bin/sh\necho 0.172.0\n")
    (package / "bin/codex.js").chmod(0o755)
    (machine / "codex").symlink_to(package / "bin/codex.js")
    assert found("codex").version == "0.172.0"


def test_a_program_of_the_operators_own_is_found_and_not_started(install, settings, tmp_path):
    install("mine", f"touch {tmp_path}/started")
    settings.MISSION_CONTROL_COMMANDS = {"mine": {"argv": ["mine", "--go"]}}
    mine = found("mine")
    assert (mine.title, mine.state, mine.backend, mine.options) == (
        "mine",
        State.UNKNOWN,
        "command",
        {"command": "mine"},
    )
    assert not (tmp_path / "started").exists()


# ---------------------------------------------------------------- what a program gets
def test_a_program_that_is_asked_gets_none_of_the_servers_secrets(install, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://user:password@db/name")
    monkeypatch.setenv("OTHER_API_KEY", "its value")
    install("claude", f"env > {tmp_path}/seen; echo 1.2.3")
    assert found("claude").version == "1.2.3"
    seen = (tmp_path / "seen").read_text()
    assert "HOME=" in seen
    assert "DATABASE_URL" not in seen and "OTHER_API_KEY" not in seen and "MISSION_CONTROL" not in seen


# ---------------------------------------------------------------- hostile programs
@pytest.mark.parametrize(
    "script",
    [
        "yes 1.2.3",  # never ends its output
        "exec sleep 4714",  # never answers
        "head -c 5000000 /dev/urandom",
        "(setsid sleep 4715 &) ; (sleep 4715 &) ; exec sleep 4715",  # leaves others behind
        "trap '' TERM; while :; do sleep 0.1; done",  # ignores the request to end
        "kill -9 $$",
        "exit 77",
    ],
)
def test_a_hostile_program_is_found_without_a_version_and_leaves_nothing_behind(install, script, monkeypatch):
    monkeypatch.setattr(programs, "LIMITS", replace(programs.LIMITS, seconds=1, idle_seconds=1))
    install("gemini", script)
    began = time.monotonic()
    gemini = found("gemini")
    assert (gemini.version, gemini.state) == ("", State.NOT_LOGGED_IN)
    assert time.monotonic() - began < 20  # 1 s, and room for a busy machine
    wait_until(lambda: not processes_with("sleep 471"), what="its processes to end")


@pytest.mark.parametrize("folder", ["", ".", "bin"])
def test_neither_a_search_nor_a_run_looks_into_the_working_folder(folder, install, tmp_path, monkeypatch):
    install("codex", "echo 1.2.3")
    monkeypatch.chdir(tmp_path / "bin" if folder != "bin" else tmp_path)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    assert found("codex") is None
    assert find_program("codex") is None
    assert find_program("./codex") is find_program("bin/codex") is None
    assert find_program(str(tmp_path / "bin/codex"))


def test_a_file_that_is_no_program_is_found_without_a_version(machine):
    (machine / "gemini").write_bytes(b"\x7fELF nothing of the kind")
    (machine / "gemini").chmod(0o755)
    assert found("gemini").version == ""
