"""What is installed is what was resolved: every package in one version whose hash is known."""

import re

import pytest

from tests.product import CHECKOUT

SOURCES = {
    "requirements.lock": ["requirements.txt"],
    "requirements-claude.lock": ["requirements-claude.txt"],
    "requirements-dev.lock": ["requirements.txt", "requirements-claude.txt", "requirements-dev.txt"],
}


def pinned(name: str) -> dict[str, str]:
    """Return the version of each package that a file pins."""
    lines = (CHECKOUT / name).read_text().splitlines()
    found = (re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", line) for line in lines)
    return {match[1].lower().replace("_", "-"): match[2] for match in found if match}


@pytest.mark.parametrize("lock", SOURCES)
def test_a_lock_file_has_what_the_requirements_ask_for(lock):
    wanted = {name: version for source in SOURCES[lock] for name, version in pinned(source).items()}
    locked = pinned(lock)

    assert {name: locked.get(name) for name in wanted} == wanted, "`make lock` writes the lock files again"


@pytest.mark.parametrize("lock", SOURCES)
def test_every_package_of_a_lock_file_has_a_hash(lock):
    entries = re.split(r"\n(?=\S)", (CHECKOUT / lock).read_text())

    assert len(entries) >= len(pinned(lock)) > 10
    assert [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


def test_the_lock_files_agree():
    everything = pinned("requirements-dev.lock")
    for lock in ("requirements.lock", "requirements-claude.lock"):
        assert pinned(lock).items() <= everything.items()
