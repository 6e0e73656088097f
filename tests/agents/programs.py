"""The real command-line agents, from npm, in the versions that tests/agents/npm pins.

A test gets a program's path by `installed("codex")`; the first call installs it into the cache of the tests. Only
claude and codex are tried in every run of the tests. Tests of the others are marked with `@pytest.mark.agents` and
run by `make test-agents`. Nothing is downloaded except from the npm registry.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.needs import lack, need

PINNED = Path(__file__).with_name("npm")
PROGRAMS = ("claude", "codex", "gemini", "opencode", "copilot", "qwen")
# Their set-up script copies the program for this system from the package next to theirs.
_SET_UP_BY_SCRIPT = ("claude", "opencode")
INSTALL_SECONDS = 600  # npm has its own, shorter, limits for a registry that does not answer


def version(name: str) -> str:
    """Return the pinned version."""
    return next(iter(_dependencies(name).values()))


def installed(name: str) -> Path:
    """Return the program's path, and install it if it is not in the cache. Simultaneous calls are safe.

    Without npm or a registry the test is skipped; under CI it fails.
    """
    _, npm = need(["node", "npm"], f"{name}, the real program")
    lock = PINNED / name / "package-lock.json"
    home = cache() / f"{name}-{version(name)}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:8]}"
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        if not home.exists():
            _install(name, npm, home)
    return home / "node_modules/.bin" / name


def cache() -> Path:
    """Return the folder that keeps what tests have installed."""
    shared = os.environ.get("MISSION_CONTROL_TEST_CACHE")
    return Path(shared) if shared else Path(tempfile.gettempdir(), f"mission-control-{os.getuid()}")


def _dependencies(name: str) -> dict[str, str]:
    return json.loads((PINNED / name / "package.json").read_text())["dependencies"]


def _install(name: str, npm: str, home: Path) -> None:
    draft = Path(tempfile.mkdtemp(dir=cache()))
    for file in ("package.json", "package-lock.json"):
        shutil.copy(PINNED / name / file, draft)
    commands = [[npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]]
    if name in _SET_UP_BY_SCRIPT:
        commands.append([npm, "rebuild", "--loglevel=error", *_dependencies(name)])
    for command in commands:
        ran = subprocess.run(command, cwd=draft, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        if ran.returncode:
            shutil.rmtree(draft)
            lack(f"npm could not install {name} {version(name)}: {ran.stderr.strip()[-300:]}")
    draft.rename(home)
