"""The installation of the SDK for Claude: only what is pinned, with progress, and a clear reason if it fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agents.backends.claude import installation, installer
from agents.backends.claude.__main__ import main
from agents.backends.claude.installer import InstallFailed, Progress, install
from agents.redaction import shown_error
from tests.agents import programs
from tests.agents.pip import FakePip
from tests.needs import lack, need
from tests.product import CHECKOUT
from tests.supervisor.processes import is_alive

# Without the network pip says both.
OFFLINE = """WARNING: Retrying after 'NewConnectionError(Failed to establish a new connection)'
ERROR: No matching distribution found for anyio"""


@pytest.fixture
def pip(tmp_path) -> FakePip:
    return FakePip(tmp_path / "venv")


def quiet(progress: Progress) -> None:
    pass


@pytest.mark.parametrize("with_cli", [True, False])
def test_only_what_the_lock_files_pin_is_installed_and_only_with_its_hash(pip, with_cli):
    install(quiet, with_cli=with_cli, python=pip.python)
    installs = [arguments for arguments, _, _ in pip.calls if "install" in arguments]
    named = [arguments[arguments.index("-r") + 1 :] for arguments in installs]
    build, sdk = str(CHECKOUT / "requirements-claude-build.lock"), str(CHECKOUT / "requirements-claude.lock")
    assert named == ([[sdk]] if with_cli else [[build], [sdk]])
    for arguments in installs:
        assert arguments[:3] == ["-m", "pip", "install"]
        assert {"--require-hashes", "--only-binary=:all:"} <= set(arguments)
    # The source is built by the pinned tool: build isolation would download any version of it.
    assert ("--no-build-isolation" in installs[-1]) == ("--no-binary=claude-agent-sdk" in installs[-1])
    assert ("--no-build-isolation" in installs[-1]) is not with_cli


def test_pip_gets_no_key_and_no_secret(pip, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-operators-own-0123456789")
    monkeypatch.setenv("SECRET_KEY", "the server's")
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    install(quiet, with_cli=False, python=pip.python)
    for _, environment, _ in pip.calls:
        assert "ANTHROPIC_API_KEY" not in environment and "SECRET_KEY" not in environment
        assert environment["PIP_INDEX_URL"] == "https://mirror.example/simple"


def test_a_download_is_reported_by_its_bytes(pip):
    go_on = pip.home / "go-on"
    pip.plays(
        "with open(os.environ['TMPDIR'] + '/part.whl', 'wb') as file: file.write(b'x' * 2_000_000)\n"
        "print('  Downloading claude_agent_sdk-0.2.188-py3-none-linux.whl (119.3 MB)', flush=True)\n"
        f"while not os.path.exists({str(go_on)!r}): time.sleep(0.02)"
    )
    seen = []

    def report(progress: Progress) -> None:
        seen.append(str(progress))
        if progress.done_bytes:
            go_on.touch()

    install(report, with_cli=True, python=pip.python)
    assert "Downloading claude_agent_sdk: 2 of 119 MB" in seen
    assert not list(pip.home.glob("claude-sdk-*/"))  # the downloads are removed


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            "ERROR: Could not install packages: [Errno 28] No space left on device",
            "disk is full",
        ),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "its hash differs"),
        (
            OFFLINE,
            "cannot be reached",
        ),
        ("ERROR: No matching distribution found for claude-agent-sdk==0.2.188", "no such package for this system"),
        ("/v/bin/python: No module named pip", "no pip"),
        ("ERROR: [Errno 13] Permission denied: '/v/lib'", "cannot be written"),
        ("ERROR: first\nERROR: what is unknown\n", "The installation failed: ERROR: what is unknown"),
        ("", "The installation failed: no reason given"),
    ],
)
def test_a_failure_says_why(pip, words, reason):
    pip.fails(words)
    with pytest.raises(InstallFailed, match=reason) as failure:
        install(quiet, with_cli=True, python=pip.python)
    assert shown_error(str(failure.value)) == str(failure.value)


def test_without_enough_space_nothing_is_started(pip, monkeypatch):
    monkeypatch.setitem(installer.NEEDED_MB, True, 10**9)
    with pytest.raises(InstallFailed, match=r"MB free, and 1000000000 MB are needed"):
        install(quiet, with_cli=True, python=pip.python)
    assert not pip.calls


def test_an_environment_that_cannot_be_written_is_named(pip):
    (pip.home / ".claude-sdk.mutex").mkdir()
    with pytest.raises(InstallFailed, match="The installation failed"):
        install(quiet, with_cli=True, python=pip.python)
    assert not pip.calls


def test_outside_a_virtual_environment_nothing_is_started(pip):
    (pip.home / "pyvenv.cfg").unlink()
    with pytest.raises(InstallFailed, match="virtual environment"):
        install(quiet, with_cli=True, python=pip.python)


def test_two_installations_never_run_in_one_environment(pip):
    refused = []

    def once_more(progress: Progress) -> None:
        with pytest.raises(InstallFailed, match="Another installation is running"):
            install(quiet, with_cli=True, python=pip.python)
        refused.append(progress)

    install(once_more, with_cli=True, python=pip.python)
    assert refused


def test_an_installation_that_takes_too_long_is_ended(pip):
    pip.plays("print('Collecting x', flush=True); time.sleep(600)")
    with pytest.raises(InstallFailed, match="It took too long"):
        install(quiet, with_cli=True, python=pip.python, seconds=0)
    assert not [pid for _, _, pid in pip.calls if is_alive(pid)]


def test_pip_ends_with_an_installation_that_is_interrupted(pip):
    pip.plays("print('Collecting x', flush=True); time.sleep(600)")

    def interrupt(progress: Progress) -> None:
        if progress.step != "Starting":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install(interrupt, with_cli=True, python=pip.python)
    assert not [pid for _, _, pid in pip.calls if is_alive(pid)]


def test_an_sdk_is_found_as_soon_as_it_is_installed(tmp_path, monkeypatch):
    """Workers load it when a run needs it, so nothing has to restart."""
    monkeypatch.setattr(installation, "PACKAGE", "an_sdk_of_this_test")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert installation.sdk_folder() is None
    (tmp_path / "an_sdk_of_this_test").mkdir()
    (tmp_path / "an_sdk_of_this_test/__init__.py").touch()
    assert installation.sdk_folder() == tmp_path / "an_sdk_of_this_test"


def test_the_command_shows_each_step_and_the_reason_of_a_failure(pip, monkeypatch, capsys):
    monkeypatch.setattr("sys.executable", str(pip.python))
    pip.plays("print('Collecting anyio==4.16.0')")
    assert main([]) == 0
    said = capsys.readouterr().out
    assert "Comparing packages\n" in said and said.endswith("Anthropic's SDK for Claude is installed.\n")
    pip.fails("ERROR: No space left on device")
    assert main([]) == 1
    assert capsys.readouterr().err == "mission-control: the SDK for Claude is not installed. The disk is full\n"


def test_make_run_installs_nothing_by_itself_where_there_is_no_claude(pip, monkeypatch):
    monkeypatch.setattr("sys.executable", str(pip.python))
    monkeypatch.setenv("PATH", "/nonexistent")
    assert main(["--if-claude-is-there"]) == 0
    assert not pip.calls


# ---------------------------------------------------------------- make
STUB = """#!/bin/sh
test "$1" = -c && exit 0
echo "python $*"
case "$*" in *agents.backends.claude*) exit $INSTALLER_STATUS;; esac
"""


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout whose environment has all requirements; its Python only says how it was called."""
    folder = tmp_path / "checkout"
    (folder / ".venv/bin").mkdir(parents=True)
    for path in (CHECKOUT / "Makefile", *CHECKOUT.glob("requirements*.lock")):
        shutil.copy(path, folder)
    shutil.copy(folder / "requirements.lock", folder / ".venv/requirements.lock.installed")
    for program, text in ((".venv/bin/python", STUB), ("claude", "#!/bin/sh")):
        (folder / program).write_text(text)
        (folder / program).chmod(0o755)
    return folder


def made(checkout: Path, *, has_claude: bool, installer_status: int = 0) -> list[str]:
    [make] = need("make", "the targets of the Makefile")
    path = f"{checkout}{os.pathsep}/usr/bin{os.pathsep}/bin" if has_claude else "/usr/bin:/bin"
    environment = {"PATH": path, "INSTALLER_STATUS": str(installer_status)}
    ran = subprocess.run([make, "-s", "run"], cwd=checkout, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_make_run_installs_the_sdk_once_where_claude_is_installed(checkout):
    install_sdk, start = "python -m agents.backends.claude --if-claude-is-there", "python manage.py up"
    assert made(checkout, has_claude=True) == [install_sdk, start]
    assert made(checkout, has_claude=True, installer_status=1) == [install_sdk, start]  # for example, no network
    shutil.copy(checkout / "requirements-claude.lock", checkout / ".venv" / installer.STAMP)
    assert made(checkout, has_claude=True) == [start]


def test_make_run_starts_at_once_where_no_claude_is_installed(checkout):
    if shutil.which("claude", path="/usr/bin:/bin"):
        lack("a machine without claude")
    assert made(checkout, has_claude=False) == ["python manage.py up"]


# ---------------------------------------------------------------- the real pip and the real program
FIRST_OUTPUT = """
import asyncio, sys
from pathlib import Path
from agents.backends.claude import ClaudeAgentSDK, installation
from agents.backends.programs.allowed import Allowed, read_allowed_from
read_allowed_from(lambda: Allowed({}, "none"))
async def main():
    print(installation.sdk_folder(), installation.cli_path(), sep="\\n")
    async for item in ClaudeAgentSDK().stream("Go.", {"model": "hello"}, Path(sys.argv[1])):
        print(getattr(item, "content", ""), end="")
asyncio.run(main())
"""


def test_with_only_claude_in_the_path_the_sdk_is_installed_without_its_cli_and_answers(
    tmp_path, monkeypatch, aimock
):
    claude = programs.installed("claude")
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True, capture_output=True)
    monkeypatch.setenv("PATH", f"{claude.parent}{os.pathsep}{os.environ['PATH']}")
    assert not installer.needs_cli()
    try:
        install(quiet, with_cli=installer.needs_cli(), python=environment / "bin/python")
    except InstallFailed as failure:
        lack(f"the SDK for Claude cannot be installed: {failure}")
    [packages] = environment.glob("lib/python*/site-packages")
    assert not (packages / "claude_agent_sdk/_bundled/claude").exists()
    workdir = tmp_path / "work"
    workdir.mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", FIRST_OUTPUT, str(workdir)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(packages),
            "ANTHROPIC_API_KEY": "sk-ant-operators-own-0123456789",
            "ANTHROPIC_BASE_URL": aimock.root_url,
        },
    )
    folder, program, *said = ran.stdout.split("\n")
    assert (Path(folder), Path(program)) == (packages / "claude_agent_sdk", claude), ran.stderr
    assert "Hello there, this answer comes in pieces." in "\n".join(said), ran.stderr

    wrong = tmp_path / "wrong.lock"
    wrong.write_text(f"pluggy==1.6.0 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(installer, "BUILD_LOCK", wrong)
    with pytest.raises(InstallFailed, match="its hash differs"):
        install(quiet, with_cli=False, python=environment / "bin/python")
