"""Resolve the paths of definitions, which start with `/`, `~/` or `$NAME`, a variable of the program's."""

from collections.abc import Iterator, Mapping
from pathlib import Path


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
