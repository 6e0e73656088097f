from pathlib import Path

import pytest

from agents.backends.programs.allowed import grant
from agents.discovery.scanner import Scanner


@pytest.fixture
def machine(tmp_path, monkeypatch, settings):
    """A machine with an empty home and only the system's programs. Returns the folder of further programs."""
    for name in ("home", "bin"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    settings.AGENT_ISOLATION, settings.FIND_AGENTS = "none", True
    return tmp_path / "bin"


@pytest.fixture
def install(machine):
    """Write a program of that name, as a shell script."""

    def install(name: str, script: str) -> Path:
        program = machine / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    return install


@pytest.fixture
def searcher() -> Scanner:
    return Scanner()


@pytest.fixture(autouse=True)
def nothing_granted():
    """Forget at the end what a test has allowed: its rows are gone, too."""
    yield
    grant(())
