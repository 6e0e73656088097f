"""The sandbox when the server runs as an ordinary user, as it should."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from agents import isolation
from tests.agents.test_command import PLAYER
from tests.needs import lack, need


def test_the_sandbox_of_an_ordinary_user_is_closed_too_and_bounds_its_threads():
    """It needs a user namespace; root's sandbox does not."""
    need("bwrap", "agents that run apart")
    if os.getuid() != 0:
        lack("the tests run as an ordinary user, and so do all others of the sandbox")
    with tempfile.TemporaryDirectory() as name:
        work, program = Path(name, "work"), Path(name, "player.py")
        Path(name).chmod(0o755)
        work.mkdir()
        shutil.chown(work, "nobody")
        shutil.copy(PLAYER, program)
        mounts = isolation.Mounts(work, readable=[program], network=False, threads=30, scratch_bytes=5_000_000)

        def ran(*argv: str) -> subprocess.CompletedProcess[str]:
            apart = isolation.bubblewrap_sandbox(argv, mounts, {}).argv
            as_nobody = [*isolation._user_prefix("nobody"), *apart]
            environment = {"PATH": isolation.SYSTEM_PATH}
            return subprocess.run(as_nobody, env=environment, capture_output=True, text=True, timeout=60)

        if ran("true").returncode:
            lack("ordinary users may not make namespaces here")
        player = (isolation.PYTHON, str(program))
        kernel = json.loads(ran(*player, "open_kernel").stdout)
        assert kernel == {"opened": [], "nested": False, "memory": []}
        seen = json.loads(ran(*player, "look", str(work), "/etc/shadow").stdout)
        assert seen["seen"] == {str(work): True, f"{work} w": True, "/etc/shadow": False}
        assert "Resource temporarily unavailable" in ran(*player, "crowd", "40").stderr
