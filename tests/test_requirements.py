"""The installed packages are the resolved ones: each in one version with a known hash."""

import ast
import json
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.product import CHECKOUT

SOURCES = {
    "requirements.lock": ["requirements.txt"],
    "requirements-claude.lock": ["requirements-claude.txt"],
    "requirements-claude-build.lock": ["requirements-claude-build.txt"],
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

    assert len(entries) >= len(pinned(lock)) > 5
    assert [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


def test_the_lock_files_agree():
    everything = pinned("requirements-dev.lock")
    for lock in ("requirements.lock", "requirements-claude.lock"):
        assert pinned(lock).items() <= everything.items()


def test_each_package_for_javascript_has_one_version_and_a_reason_in_the_documents():
    tables = (CHECKOUT / "docs" / "development.md").read_text().partition("## Dependencies")[2]
    named = json.loads((CHECKOUT / "package.json").read_text())
    packages = named["dependencies"] | named["devDependencies"]

    assert [name for name, version in packages.items() if not re.fullmatch(r"[\d.]+", version)] == []
    assert [name for name in packages if not re.search(rf"(?<![\w/-]){re.escape(name)}(?![\w/-])", tables)] == []


OURS = {"agents", "mission_control", "pocketpaw_site", "tests", "bench", "manage"}
# Where optional packages may be imported; the rest of the product needs only the base requirements.
OPTIONAL = {"agents/backends/claude/conversation.py": "requirements-claude.txt"}


def imported_packages(path: Path) -> set[str]:
    """Return the top-level names that a module imports anywhere, without Python's and ours."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - OURS


def undeclared(folders: list[str], declared: set[str]) -> list[str]:
    """Return each import of a package that is not in `declared`."""
    owners = packages_distributions()
    return [
        f"{path.relative_to(CHECKOUT)} imports {name} (distribution: {', '.join(owners.get(name, [])) or 'none'})"
        for folder in folders
        for path in sorted((CHECKOUT / folder).rglob("*.py"))
        for name in sorted(imported_packages(path))
        if not declared_as(owners.get(name, []), declared | set(optional(path)))
    ]


def declared_as(owners: list[str], declared: set[str]) -> bool:
    return any(owner.lower().replace("_", "-").replace(".", "-") in declared for owner in owners)


def optional(path: Path) -> dict[str, str]:
    source = OPTIONAL.get(str(path.relative_to(CHECKOUT)))
    return pinned(source) if source else {}


def test_every_package_that_the_product_imports_is_declared():
    product = ["agents", "mission_control", "pocketpaw_site"]

    assert undeclared(product, set(pinned("requirements.txt"))) == [], (
        "add it to requirements.txt, then `make lock`"
    )


def test_every_package_that_the_tests_import_is_declared():
    everything = set().union(*(pinned(source) for source in SOURCES["requirements-dev.lock"]))

    assert undeclared(["tests", "bench"], everything) == [], "add it to requirements-dev.txt, then `make lock`"
