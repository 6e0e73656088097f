"""The sandbox of agents: what a program sees with bubblewrap, and as another user."""

import json
import os
import pwd
import shutil
import socket
import sys
import tempfile
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from agents import isolation
from agents.backends.command import Command
from tests.agents.test_command import PLAYER, heard
from tests.agents.test_command_processes import cancelled_after_a_word
from tests.needs import lack, need
from tests.supervisor.processes import is_alive


@pytest.fixture
def apart(settings, monkeypatch, tmp_path):
    """Use a home and a data folder of the test's own, and run programs with bubblewrap."""
    need("bwrap", "agents that run apart")
    if problem := isolation.bubblewrap_problem():
        lack(problem)
    for name in ("home/.mine", "home/.other", "data/projects/p", "tools"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("home/.mine/token", "home/.netrc", "data/access_token", "data/mission_control.sqlite3"):
        (tmp_path / name).write_text("secret")
    shutil.copy(PLAYER, tmp_path / "tools/player.py")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings.AGENT_ISOLATION = "bubblewrap"
    settings.CLOSED_TO_AGENTS = [tmp_path / "data"]

    def allow(*words: str, **definition) -> Path:
        argv = [sys.executable, str(tmp_path / "tools/player.py"), *words]
        readable = [str(tmp_path / "tools"), *definition.pop("readable", ())]
        settings.MISSION_CONTROL_COMMANDS = {"mine": {"argv": argv, "readable": readable, **definition}}
        return tmp_path / "data/projects/p"

    return allow


async def seen_by(workdir: Path, **options) -> dict:
    heard_of = await heard(workdir, command="mine", **options)
    assert heard_of.error == ""
    return json.loads(heard_of.text())


async def test_a_program_sees_its_folder_and_configuration_and_neither_data_nor_home(apart, tmp_path, monkeypatch):
    monkeypatch.setenv("MISSION_CONTROL_KEY", "not for agents")
    paths = ["data", "data/access_token", "data/mission_control.sqlite3", "data/projects/p", "home/.netrc"]
    paths += ["home/.mine", "home/.mine/token", "home/.other", "tools"]
    where = {path: str(tmp_path / path) for path in paths}
    workdir = apart("look", *where.values(), "/etc/shadow", writable=["~/.mine"])
    told = await seen_by(workdir)
    seen = {name: told["seen"][path] for name, path in where.items() if path in told["seen"]}
    assert seen == {
        "data": True,  # the path to the working folder, otherwise empty
        "data/access_token": False,
        "data/mission_control.sqlite3": False,
        "data/projects/p": True,
        "home/.netrc": False,
        "home/.mine": True,
        "home/.mine/token": True,
        "home/.other": False,
        "tools": True,
    }
    assert told["seen"]["/etc/shadow"] is False
    assert told["seen"][f"{workdir} w"] and told["seen"][f"{where['home/.mine']} w"]
    assert not told["seen"][f"{where['tools']} w"]
    assert (workdir / "mark").exists() and not (tmp_path / "data/mark").exists()
    assert "MISSION_CONTROL_KEY" not in told["env"]


@pytest.mark.parametrize(
    ("preset", "variable"),
    [("claude", "CLAUDE_CONFIG_DIR"), ("codex", "CODEX_HOME"), ("copilot", "COPILOT_HOME")],
)
async def test_a_login_that_lies_elsewhere_is_seen_and_nothing_beside_it(
    apart, tmp_path, monkeypatch, preset, variable
):
    (tmp_path / "logins/mine").mkdir(parents=True)
    (tmp_path / "logins/other").write_text("secret")
    mine, other = str(tmp_path / "logins/mine"), str(tmp_path / "logins/other")
    told = await seen_by(apart("look", mine, other, preset=preset, format="text", env=[f"{variable}="]))
    assert told["seen"] == {mine: False, other: False}
    monkeypatch.setenv(variable, mine)
    told = await seen_by(apart("look", mine, other, preset=preset, format="text"))
    assert told["seen"] == {mine: True, f"{mine} w": True, other: False}
    assert told["env"][variable] == mine


async def test_a_variable_opens_nothing_that_is_closed(apart, tmp_path, monkeypatch):
    token = str(tmp_path / "data/access_token")
    for place in (tmp_path / "data", tmp_path):
        monkeypatch.setenv("CODEX_HOME", str(place))
        assert (await seen_by(apart("look", token, preset="codex", format="text")))["seen"] == {token: False}


async def test_a_program_that_lies_in_the_home_opens_nothing_else_of_it(apart, settings, tmp_path):
    netrc, program = tmp_path / "home/.netrc", tmp_path / "home/mine"
    workdir = apart("look")
    program.write_text(
        f"#!/bin/sh\ntest -r {netrc} && echo '{{\"netrc\": true}}' || echo '{{\"netrc\": false}}'\n"
    )
    program.chmod(0o700)
    settings.MISSION_CONTROL_COMMANDS = {"mine": {"argv": [str(program)]}}
    assert await seen_by(workdir) == {"netrc": False}


async def test_codex_runs_without_its_own_sandbox_within_ours_only(apart, settings, tmp_path, monkeypatch):
    """If the server is root, its own sandbox does not start inside ours: it runs nothing and reports nothing."""
    workdir = apart("look")
    fake_program(tmp_path / "tools/codex", monkeypatch)
    settings.MISSION_CONTROL_COMMANDS = {"codex": {"format": "text"}}
    assert "--sandbox danger-full-access" in (await heard(workdir, command="codex")).text()
    settings.AGENT_ISOLATION = "none"
    assert "--sandbox workspace-write" in (await heard(workdir, command="codex")).text()


@pytest.mark.parametrize(
    "words",
    [
        ["--sandbox", "read-only"],
        ["--sandbox=workspace-write"],
        ["--full-auto"],
        ["-c", 'sandbox_mode="read-only"'],
        [],  # the program's default
    ],
)
async def test_a_sandbox_of_codex_that_could_not_start_is_refused_before_anything_runs(
    apart, settings, tmp_path, monkeypatch, words
):
    if os.getuid() != 0:
        lack("it starts where the server is not root")
    workdir = apart("look")
    fake_program(tmp_path / "tools/codex", monkeypatch)
    careful = {"preset": "codex", "argv": ["codex", "exec", *words, "-"]}
    settings.MISSION_CONTROL_COMMANDS = {"careful": careful}
    seen = await heard(workdir, command="careful")
    assert seen.error.startswith("`careful`: Codex' own sandbox does not start within bubblewrap")
    assert Command.missing_for({"command": "careful"}) == seen.error


def fake_program(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create a program with a known name that prints its arguments, and let it be found."""
    path.write_text('#!/bin/sh\necho "$@"\n')
    path.chmod(0o700)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")


async def test_what_a_run_leaves_in_a_programs_configuration_is_gone_but_for_its_login(
    apart, tmp_path, monkeypatch
):
    """Otherwise a hook left by one project's agent would run in all other projects."""
    own, elsewhere = tmp_path / "home/.claude", tmp_path / "elsewhere"
    for folder in (own, elsewhere):
        for name in (
            "settings.json",
            "CLAUDE.md",
            ".credentials.json",
            "projects/other/talk.jsonl",
            "history.jsonl",
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("the operator's")
    (tmp_path / "home/.claude.json").write_text("{}")
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(elsewhere))
    workdir = apart("settle", str(own), str(elsewhere), preset="claude", format="text")
    before = json.loads((await heard(workdir, command="mine")).text())
    for folder in (own, elsewhere):
        assert before[str(folder)] == [".credentials.json", "CLAUDE.md", "settings.json"]
        assert (folder / ".credentials.json").read_text() == "by the agent"
        left = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
        assert {name for name, text in left.items() if text == "by the agent"} == {".credentials.json"}
        assert "new.json" not in left


async def test_a_run_of_opencode_cannot_change_the_login_of_others(apart, settings, tmp_path):
    """An entry of type `wellknown` names a server, whose configuration every later run would obey."""
    login = tmp_path / "home/.local/share/opencode/auth.json"
    login.parent.mkdir(parents=True)
    login.write_text("{}")
    argv = [
        "/bin/sh",
        "-c",
        "echo changed > ~/.local/share/opencode/auth.json; cat ~/.local/share/opencode/*.json",
    ]
    workdir = apart("look")
    settings.MISSION_CONTROL_COMMANDS = {"mine": {"argv": argv, "preset": "opencode", "format": "text"}}
    assert (await heard(workdir, command="mine")).text() == "changed\n"
    assert login.read_text() == "{}"


async def test_a_program_gets_a_copy_of_what_it_wants_to_write(apart, settings, tmp_path):
    file = tmp_path / "home/.claude.json"
    file.write_text('{"mine": 1}')
    argv = ["/bin/sh", "-c", "cat ~/.claude.json; echo changed > ~/.claude.json; cat ~/.claude.json"]
    workdir = apart("look", preset="claude", format="text")
    settings.MISSION_CONTROL_COMMANDS = {"mine": {"argv": argv, "preset": "claude", "format": "text"}}
    assert (await heard(workdir, command="mine")).text() == '{"mine": 1}changed\n'
    assert file.read_text() == '{"mine": 1}'


async def test_a_program_may_have_no_network(apart, settings):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = str(server.getsockname()[1])
        assert (await seen_by(apart("meet", port)))["reached"]
        workdir = apart("meet", port, network=False)
        assert not (await seen_by(workdir))["reached"]
    settings.AGENT_ISOLATION = "none"
    seen = await heard(workdir, command="mine")
    assert seen.error.startswith("`mine` is to have no network, which needs bubblewrap")
    assert Command.missing_for({"command": "mine"}) == seen.error


async def test_what_lies_in_memory_has_a_size(apart):
    told = await seen_by(apart("open_kernel", limits={"tmp_mb": 5}))
    assert told["memory"] == []
    told = await seen_by(apart("fill", "/tmp/big", "20000000", limits={"tmp_mb": 5}))
    assert 4_000_000 < told["written"] < 6_000_000 and told["error"] == "No space left on device"


async def test_a_program_sees_no_process_but_its_own(apart):
    workdir = apart("look")
    assert (await seen_by(workdir))["pids"] <= 3


async def test_a_program_opens_nothing_of_the_kernel_for_writing(apart):
    """As root it could write every sysctl, such as the one that names the program for core dumps."""
    told = await seen_by(apart("open_kernel"))
    assert (told["opened"], told["nested"]) == ([], False)


def test_a_sandbox_that_leaves_the_kernel_open_is_no_sandbox(monkeypatch):
    """Without the covering mounts, programs running as root could write it."""
    need("bwrap", "agents that run apart")
    if os.getuid() != 0:
        lack("only root may write the kernel's files at all")
    monkeypatch.setattr(isolation, "_kernel_mounts", list)
    isolation.bubblewrap_problem.cache_clear()
    try:
        assert "does not protect the kernel's settings here" in isolation.bubblewrap_problem()
        assert isolation.method("auto") == "none"
    finally:
        isolation.bubblewrap_problem.cache_clear()


async def test_a_program_reads_no_private_key_of_the_machine(apart, tmp_path, monkeypatch):
    private = tmp_path / "tools/private"
    private.mkdir()
    (private / "key.pem").write_text("secret")
    monkeypatch.setattr(isolation, "PRIVATE", (str(private),))
    told = await seen_by(apart("look", str(private / "key.pem")))
    assert told["seen"] == {str(private / "key.pem"): False}


def test_an_operator_is_warned_of_missing_isolation_and_of_root(monkeypatch):
    monkeypatch.setattr(isolation, "bubblewrap_problem", lambda: "bubblewrap is not installed")
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert [isolation.warnings(wish) for wish in ("bubblewrap", "user:agents")] == [[], []]
    [fallback] = isolation.warnings("auto")
    assert fallback.startswith("Agents' programs are not isolated: they run as the server's own user")
    assert fallback.endswith("(bubblewrap is not installed)")
    [chosen] = isolation.warnings("none")
    assert "as MISSION_CONTROL_AGENT_ISOLATION=none says" in chosen
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert isolation.warnings("bubblewrap")[0].startswith("The server runs as root, and so do agents' programs")
    assert isolation.warnings("user:agents") == []


async def test_what_is_closed_stays_closed_though_it_lies_below_what_may_be_read(apart, tmp_path):
    token = str(tmp_path / "data/access_token")
    workdir = apart("look", token, readable=[str(tmp_path), str(tmp_path / "data")])
    assert (await seen_by(workdir))["seen"] == {token: False}


@pytest.mark.parametrize("manners", ["deaf", "family"])
async def test_a_stop_leaves_nothing_of_a_program_that_runs_apart(apart, manners):
    workdir = apart(manners)
    _, seconds = await cancelled_after_a_word(workdir)
    assert seconds < 2.0
    # Pids differ inside the sandbox; a process left behind would still work in the folder.
    assert not [pid for pid in map(int, pids()) if is_alive(pid) and folder_of(pid) == str(workdir)]


async def test_a_program_that_runs_apart_may_clean_up_and_its_exit_status_counts(apart):
    workdir = apart("tidy")
    await cancelled_after_a_word(workdir)
    assert (workdir / "cleaned").read_text() == "yes"
    apart("fail", "3")
    assert "ended with exit status 3" in (await heard(workdir, command="mine")).error


async def test_a_prompt_file_can_be_read_apart(apart):
    workdir = apart("read_file", "{prompt_file}", prompt="file")
    assert (await heard(workdir, prompt="hello", command="mine")).text() == "hello"


def test_auto_is_bubblewrap_where_it_works():
    works = isolation.bubblewrap_problem() is None
    assert isolation.method("auto") == ("bubblewrap" if works else "none")


def test_what_was_asked_for_and_does_not_work_is_an_error_and_no_run_without_it(settings, monkeypatch):
    settings.AGENT_ISOLATION = "user:no-such-user"
    settings.MISSION_CONTROL_COMMANDS = {"mine": {"argv": [sys.executable]}}
    assert Command.missing_for({"command": "mine"}) == "there is no user no-such-user to run agents as"
    assert isolation.user_problem("root") == "the user root is the server's own user or root"


async def test_a_program_without_the_isolation_that_was_asked_for_is_not_started(settings, tmp_path):
    settings.AGENT_ISOLATION = "user:no-such-user"
    settings.MISSION_CONTROL_COMMANDS = {"mine": {"argv": [sys.executable, "-c", "open('ran', 'w')"]}}
    seen = await heard(tmp_path, command="mine")
    assert seen.error.startswith("Agents cannot be isolated here, as required: there is no user no-such-user")
    assert list(tmp_path.iterdir()) == []


async def test_a_program_runs_as_another_user(settings):
    if os.getuid() != 0:
        lack("only root can run programs as another user without sudo")
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        (folder / "token").write_text("secret")
        (folder / "token").chmod(0o600)
        shutil.copy(PLAYER, folder / "player.py")
        (folder / "player.py").chmod(0o644)
        (folder / "work").mkdir()
        os.chown(folder / "work", nobody.pw_uid, nobody.pw_gid)
        settings.AGENT_ISOLATION = "user:nobody"
        argv = ["/usr/bin/python3", str(folder / "player.py"), "look", str(folder / "token"), str(folder / "work")]
        settings.MISSION_CONTROL_COMMANDS = {"mine": {"argv": argv}}
        told = await seen_by(folder / "work")
        assert told["uid"] == nobody.pw_uid and told["env"]["HOME"] == nobody.pw_dir
        assert told["seen"] == {
            str(folder / "token"): False,
            str(folder / "work"): True,
            f"{folder / 'work'} w": True,
        }
        settings.MISSION_CONTROL_COMMANDS = {"mine": {"argv": [*argv[:2], "family"]}}
        said, seconds = await cancelled_after_a_word(folder / "work")
        assert seconds < 2.0 and not [pid for pid in said.split() if is_alive(int(pid))]


async def test_a_folder_that_is_closed_to_the_other_user_is_told_before_anything_is_started(settings, tmp_path):
    if os.getuid() != 0:
        lack("only root can run programs as another user without sudo")
    settings.AGENT_ISOLATION = "user:nobody"
    tmp_path.chmod(0o700)
    settings.MISSION_CONTROL_COMMANDS = {"mine": {"argv": ["/usr/bin/python3", "-c", "print('ran')"]}}
    why = "the user nobody cannot work in the folders of the projects, which are closed to others"

    seen = await heard(tmp_path, command="mine")
    assert seen.error.startswith(f"Agents cannot be isolated here, as required: {why}") and seen.events == []


def test_check_agents_tells_that_the_projects_are_closed_to_the_other_user(settings, tmp_path, db):
    if os.getuid() != 0:
        lack("only root can run programs as another user without sudo")
    settings.AGENT_ISOLATION = "user:nobody"
    settings.PROJECTS_DIR = tmp_path / "projects"
    settings.PROJECTS_DIR.mkdir(mode=0o700)
    out = StringIO()
    call_command("check_agents", stdout=out)
    assert "ok agents' programs are isolated by user:nobody" in out.getvalue()
    assert "no the folders of the projects: the user nobody cannot work in" in out.getvalue()
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        assert isolation.folder_problem("user:nobody", Path(name)) is None


def pids() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()]


def folder_of(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""
