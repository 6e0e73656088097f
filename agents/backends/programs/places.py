"""Paths as definitions write them: from `/` or `~/`, or beginning with `$NAME`, a variable of the program's."""

from collections.abc import Iterator, Mapping
from pathlib import Path


def home_of(environment: Mapping[str, str]) -> Path:
    """Return the program's home, one that does not exist where it has none."""
    return Path(environment.get("HOME") or "/nonexistent")


def places(environment: Mapping[str, str], *paths: str) -> Iterator[Path]:
    """Yield the paths as they are on this machine; those of variables that are not set are left out."""
    for path in paths:
        start, _, rest = path.partition("/")
        if start == "~":
            yield home_of(environment) / rest
        elif not start.startswith("$"):
            yield Path(path)
        elif folder := environment.get(start[1:], "").strip():
            yield from (found / rest for found in places(environment, folder))
