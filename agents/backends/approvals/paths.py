"""Paths of files as approval rules name them: patterns of gitignore, relative to the working folder.

`//path` is absolute, `~/path` is in the home folder, `/path` and `./path` are below the working folder, and so is
`path`; a pattern without a slash applies to files in all folders.
"""

import os
import posixpath
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

MOST_CHARS = 4_096  # of a path; the system takes no longer ones
_MOST_PARTS = 200


def covers(pattern: str, path: str, workdir: Path | None) -> bool:
    """Return whether a pattern surely covers a path, and where it leads to: what an allow rule needs."""
    places = _places(path, workdir)
    return bool(places) and all(_matches(pattern, place, workdir, is_strict=True) for place in places)


def touches(pattern: str, path: str, workdir: Path | None) -> bool:
    """Return whether a pattern may be about a path, or a folder that it is in: what a deny rule needs."""
    return any(_matches(pattern, place, workdir, is_strict=False) for place in _places(path, workdir))


def _places(path: str, workdir: Path | None) -> list[str]:
    """Return the path without `..`, and what it leads to by links; none if it cannot be a path."""
    if not 0 < len(path) <= MOST_CHARS or "\0" in path:
        return []
    path = f"{Path.home()}{path[1:]}" if path.startswith("~/") else path
    if workdir is not None:
        path = posixpath.join(str(workdir), path)
    plain = _normal(path)
    if workdir is None:
        return [plain]
    try:
        return list(dict.fromkeys((plain, os.path.realpath(path))))
    except (OSError, ValueError):  # such as half a character
        return []


def _normal(path: str) -> str:
    path = posixpath.normpath(path)
    return path[1:] if path.startswith("//") else path


def _matches(pattern: str, place: str, workdir: Path | None, *, is_strict: bool) -> bool:
    if pattern.startswith("//"):
        return place.startswith("/") and _fits(pattern[1:], place, is_strict=is_strict)
    if pattern.startswith("~/"):
        home = escape(str(Path.home()))
        return _fits(home + pattern[1:], place, is_strict=is_strict)
    below = _below(place, workdir)
    if below is None:
        # Unknown where the working folder is: a deny rule counts for every end of the path.
        if is_strict or workdir is not None:
            return False
        parts = place.strip("/").split("/")
        return any(_fits_below(pattern, "/".join(parts[start:])) for start in range(len(parts[:_MOST_PARTS])))
    return _fits_below(pattern, below, is_strict=is_strict)


def _below(place: str, workdir: Path | None) -> str | None:
    """Return the path below the working folder; None if it is not there."""
    if not place.startswith("/"):
        return None if place == ".." or place.startswith("../") else place
    if workdir is None:
        return None
    for root in dict.fromkeys((_normal(str(workdir)), os.path.realpath(workdir))):
        if place == root:
            return "."
        if place.startswith(root.rstrip("/") + "/"):
            return place[len(root.rstrip("/")) + 1 :]
    return None


def _fits_below(pattern: str, path: str, *, is_strict: bool = False) -> bool:
    is_anchored = "/" in pattern.rstrip("/")
    pattern = pattern.removeprefix("./").removeprefix("/")
    return _fits(pattern if is_anchored else f"**/{pattern}", path, is_strict=is_strict)


def _fits(pattern: str, path: str, *, is_strict: bool) -> bool:
    wanted = tuple((f"{pattern}**" if pattern.endswith("/") else pattern).split("/"))
    parts = tuple(path.split("/"))
    if len(wanted) > _MOST_PARTS or len(parts) > _MOST_PARTS:
        return not is_strict
    if is_strict:
        return _fits_parts(wanted, parts)
    # A rule about a folder is about all that is in it.
    return any(_fits_parts(wanted, parts[:end]) for end in range(1, len(parts) + 1))


@lru_cache(maxsize=2_000)
def _fits_parts(wanted: Sequence[str], parts: Sequence[str]) -> bool:
    """Return whether the parts match the pattern's; `**` matches any number of parts."""
    reached = {0}  # how many parts are used up by the pattern so far
    for one in wanted:
        if one == "**":
            reached = set(range(min(reached), len(parts) + 1)) if reached else reached
        else:
            reached = {at + 1 for at in reached if at < len(parts) and fnmatchcase(parts[at], one)}
    return len(parts) in reached


def escape(path: str) -> str:
    """Return a path as a pattern that fits only it."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in path)
