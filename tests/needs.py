"""Programs that tests need and that a machine may lack."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

# Where Debian and its derivatives keep PostgreSQL's programs, newest first.
_ELSEWHERE = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True)


def need(programs: str | Sequence[str], why: str) -> list[str]:
    """Return the paths of the programs, in the given order. If one is missing, skip the test; under CI fail it."""
    names = [programs] if isinstance(programs, str) else list(programs)
    search = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, _ELSEWHERE)])
    found = [shutil.which(name, path=search) for name in names]
    missing = [name for name, path in zip(names, found, strict=True) if path is None]
    if missing:
        lack(f"{', '.join(missing)} not found, needed for {why}")
    return [path for path in found if path]


def lacks(program: str) -> bool:
    """Return whether this machine lacks a program and may: under CI it may lack none."""
    return not os.environ.get("CI") and shutil.which(program) is None


def lack(reason: str) -> None:
    """Skip the test with one line about what is missing; where `CI` is set, fail it, as nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
