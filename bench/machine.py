"""Which version was measured, and on which machine."""

import os
import platform
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.product import CHECKOUT


def describe(folder: Path) -> dict[str, str]:
    """Return the facts that are needed to judge the figures. `folder` holds the data."""
    return {
        "commit": commit(),
        "cores": f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} ({processor()})",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "data on": f"{folder} ({file_system(folder)})",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "called as": " ".join(["python -m bench", *sys.argv[1:]]),
    }


def commit() -> str:
    head = _output_of("git", "rev-parse", "--short=12", "HEAD") or "unknown"
    return f"{head} with changes" if _output_of("git", "status", "--porcelain") else head


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def file_system(folder: Path) -> str:
    """Return the type of the file system that holds a folder: on a tmpfs a sync costs nothing."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    holding = [(mount, kind) for mount, kind in mounts if folder.resolve().is_relative_to(mount)]
    return max(holding, key=lambda found: len(found[0]))[1] if holding else "unknown"


def _output_of(*command: str) -> str:
    try:
        ran = subprocess.run(  # noqa: S603 - git with constant arguments
            command, check=False, cwd=CHECKOUT, capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""
