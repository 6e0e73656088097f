"""Read the version of an installed program from files, without starting it."""

import json
import re
from pathlib import Path

from agents.folders import read_file

PACKAGE_BYTES = 256_000  # of a package.json
_VERSION = re.compile(r"\b(\d{1,5}(?:\.\d{1,5}){1,3}(?:-[A-Za-z0-9.]{1,20})?)")
_WHOLE_VERSION = re.compile(r"\d{1,5}\.\d{1,5}\.\d{1,5}\Z")


def version_in(text: str) -> str:
    """Return the first version in the text; empty if there is none."""
    found = _VERSION.search(text[:2_000])
    return found[1] if found else ""


def version_in_files(path: str) -> str:
    """Return the version of the program at this path; empty if no file shows it.

    npm's packages have it in their package.json. Other installers name the program, or its folder, after it.
    """
    real = Path(path).resolve()
    return _packaged_version(real) or _version_in_path(real)


def _packaged_version(real: Path) -> str:
    for folder in real.parents:
        if folder.name == "node_modules" or not any(parent.name == "node_modules" for parent in folder.parents):
            return ""
        try:
            package = json.loads(read_file(folder / "package.json", PACKAGE_BYTES))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(package, dict) and isinstance(package.get("version"), str):
            return version_in(package["version"])
    return ""


def _version_in_path(real: Path) -> str:
    names = (real.name, real.parent.name)
    return next((name for name in names if _WHOLE_VERSION.match(name)), "")
