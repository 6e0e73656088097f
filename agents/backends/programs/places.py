"""Resolve the paths of definitions, which start with `/`, `~/` or `$NAME`, a variable of the program's."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path


def find_program(name: str) -> str | None:
    """Return the full path of a program in PATH; None if there is none.

    Folders of PATH that are relative or empty are left out, and so is a relative `name` with a slash: for an agent
    they would mean its working folder, in which agents write.
    """
    if "/" in name:
        return shutil.which(name) if Path(name).is_absolute() else None
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return shutil.which(name, path=os.pathsep.join(one for one in folders if Path(one).is_absolute()))


def home_of(environment: Mapping[str, str]) -> Path:
    """Return the program's home folder; without one, a path that does not exist."""
    return Path(environment.get("HOME") or "/nonexistent")


def places(environment: Mapping[str, str], *paths: str) -> Iterator[Path]:
    """Yield the resolved paths; leave out those with a variable that is not set."""
    for path in paths:
        start, _, rest = path.partition("/")
        if start == "~":
            yield home_of(environment) / rest
        elif not start.startswith("$"):
            yield Path(path)
        elif folder := environment.get(start[1:], "").strip():
            yield from (found / rest for found in places(environment, folder))
