"""An environment whose Python plays pip: it records its calls, and does what the test wants."""

import json
import sys
from pathlib import Path

PYTHON = sys.executable  # the real one: tests replace it by one that plays
PLAYS = """#!{python}
import json, os, sys, time
home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
with open(home + "/calls", "a") as calls:
    calls.write(json.dumps([sys.argv[1:], dict(os.environ), os.getpid()]) + "\\n")
{plays}
"""


class FakePip:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.python = home / "bin/python"
        self.python.parent.mkdir(parents=True)
        (home / "pyvenv.cfg").touch()
        self.plays("")

    def plays(self, code: str) -> None:
        """Let pip run this code."""
        self.python.write_text(PLAYS.format(python=PYTHON, plays=code))
        self.python.chmod(0o755)

    def fails(self, words: str) -> None:
        self.plays(f"print({words!r}); sys.exit(1)")

    @property
    def calls(self) -> list[tuple[list[str], dict[str, str], int]]:
        """Return the arguments, the environment and the pid of each call."""
        calls = self.home / "calls"
        return [tuple(json.loads(line)) for line in calls.read_text().splitlines()] if calls.exists() else []
