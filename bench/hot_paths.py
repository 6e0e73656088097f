"""The guard of the hot paths: `python -m bench.hot_paths` counts their work and compares it with `hot_paths.json`.

Fails if a path makes one more database query, or over a tenth more function calls. `--write` stores the numbers.
The numbers do not depend on the machine, but on the minor version of Python.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.installation import forget_settings
from tests.product import CHECKOUT

NUMBERS = Path(__file__).with_name("hot_paths.json")
TOLERANCE = 0.1
SECONDS = 300
Work = dict[str, dict[str, int]]  # path → queries and calls


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.hot_paths", description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="store the numbers, after a change on purpose")
    given = parser.parse_args()
    version = ".".join(platform.python_version_tuple()[:2])
    stored: dict[str, Work] = json.loads(NUMBERS.read_text()) if NUMBERS.exists() else {}
    if version not in stored and not given.write:
        print(f"hot paths: not compared, no numbers are stored for Python {version}")
        return 0
    counted = count()
    if given.write:
        NUMBERS.write_text(json.dumps(stored | {version: counted}, indent=2) + "\n")
    grown, fallen = compare(stored.get(version, {}), counted)
    print("\n".join([f"hot paths: {len(counted)} counted, {len(grown)} grown", *grown, *fallen]))
    if given.write or not grown:
        return 0
    print("If this is meant, store the new numbers: make hot-paths ARGS=--write")
    return 1


def count() -> Work:
    """Count in a process with a new database."""
    forget_settings()
    with TemporaryDirectory(prefix="mission-control-hot-paths-") as folder:
        environment = os.environ | {
            "MISSION_CONTROL_DATA_DIR": folder,
            "MISSION_CONTROL_ENV_FILE": "",
            "LOG_LEVEL": "WARNING",
            "PYTHONHASHSEED": "0",
        }
        migrate, counting = ["manage.py", "migrate", "-v", "0"], ["-m", "bench.counting"]
        run_python(migrate, environment)
        counted: Work = json.loads(run_python(counting, environment | {"MISSION_CONTROL_PROCESS": "web"}))
    return counted


def run_python(arguments: list[str], environment: dict[str, str]) -> str:
    """Run Python and return its output. Ends the guard if it fails."""
    ran = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, *arguments],
        check=False,
        cwd=CHECKOUT,
        env=environment,
        stdout=subprocess.PIPE,
        timeout=SECONDS,
        text=True,
    )
    if ran.returncode:
        raise SystemExit(f"hot paths: {' '.join(arguments)} ended with {ran.returncode}")
    return ran.stdout


def compare(stored: Work, counted: Work) -> tuple[list[str], list[str]]:
    """Return a line for each number that grew, or has no stored one, and for each that fell by over a tenth."""
    grown, fallen = [], []
    for path in sorted(stored.keys() | counted.keys()):
        if path not in counted or path not in stored:
            grown.append(f"✗ {path}: {'not counted any more' if path in stored else 'no number is stored'}")
            continue
        for what, number in counted[path].items():
            before = stored[path][what]
            allowed = before if what == "queries" else before * (1 + TOLERANCE)
            line = f"{path}: {number:,} {what}, {before:,} stored"
            if number > allowed:
                grown.append(f"✗ {line}")
            elif number < before * (1 - TOLERANCE):
                fallen.append(f"✓ {line}; store the lower number: make hot-paths ARGS=--write")
    return grown, fallen


if __name__ == "__main__":
    sys.exit(main())
