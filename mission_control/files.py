"""Look into project folders, and nowhere else."""

import os
import stat
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings

from agents import folders
from mission_control.models import Project
from mission_control.runs.errors import Invalid, NotFound

MOST_ENTRIES = 10_000  # of a folder; an agent may unpack half a million
CONTENT_BYTES = 10 * 1024 * 1024
PATH_CHARS = folders.PATH_CHARS


def inside_projects(path: str) -> Path | None:
    """Return the real path inside the projects' folders that `path` names; None when it leads out or nowhere.

    `path` is relative to the folder of all projects, or absolute and inside it. Links are followed before the
    check, so that none leads out.
    """
    root = settings.PROJECTS_DIR.resolve()
    try:
        real = (root / path.removeprefix("~").lstrip() if path not in ("", "~", "/") else root).resolve()
        return real if real.is_relative_to(root) and real.exists() else None
    except (OSError, ValueError, RuntimeError):
        return None


def browse(path: str, *, most: int = 1_000) -> dict[str, Any]:
    """List a folder: `{"path", "files": [{"name", "isDir", "size"}]}`, folders first; none when it is not ours."""
    folder = inside_projects(path)
    found: list[dict[str, Any]] = []
    if folder is not None:
        with suppress(OSError):  # it went, is no folder, or not ours to read
            found = _entries(folder)
    return {"path": path, "files": found[:most]}


def files_in(project: Project, path: str) -> list[dict[str, Any]]:
    """List a folder inside a project's, as `browse` does. The project's own is empty until an agent needs it.

    Raises Invalid for a path that leads out of it, NotFound where no folder is.
    """
    descriptor = None
    try:
        descriptor = _open(project, path)
        return _entries(descriptor)
    except OSError:
        if _inside(project, path) == _root(project) and descriptor is None:
            return []
        raise NotFound("Folder") from None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def content_of(project: Project, path: str) -> bytes:
    """Return what a file inside a project's folder holds.

    Raises Invalid for a path that leads out of it or a file that is too large, NotFound where no file is.
    """
    try:
        descriptor = _open(project, path)
    except OSError:
        raise NotFound("File") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotFound("File")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(CONTENT_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > CONTENT_BYTES:
        raise Invalid("path", f"The file is larger than {CONTENT_BYTES // 2**20} MB.")
    return content


def opened_root(project: Project) -> int:
    """Open the project's own folder; the caller closes it. Raises OSError where there is none yet."""
    return folders.opened(_root(project), _root(project))


def _root(project: Project) -> Path:
    """Return the project's folder, itself not followed should an agent have put a link in its place."""
    return settings.PROJECTS_DIR.resolve() / project.folder.name


def _inside(project: Project, path: str) -> Path:
    """Return the real path that `path` leads to from the project's folder. Raises Invalid if that is out of it."""
    try:
        return folders.inside(_root(project), path)
    except folders.Outside:
        raise Invalid("path", "The path does not lead into the project's folder.") from None


def _open(project: Project, path: str) -> int:
    """Open what lies at a path in the project's folder, for reading. Raises Invalid, OSError."""
    return folders.opened(_root(project), _inside(project, path))


def _entries(folder: Path | int) -> list[dict[str, Any]]:
    """Describe what a folder holds, folders first, up to MOST_ENTRIES. Links are shown and not followed."""
    with os.scandir(folder) as entries:
        found = [_described(entry) for entry in islice(entries, MOST_ENTRIES)]
    return sorted(found, key=lambda file: (not file["isDir"], file["name"].lower()))


def _described(entry: os.DirEntry[str]) -> dict[str, Any]:
    name, size = os.fsencode(entry.name).decode("utf-8", "replace"), 0
    if entry.is_file(follow_symlinks=False):
        with suppress(FileNotFoundError):  # an agent just removed it
            size = entry.stat(follow_symlinks=False).st_size
    return {"name": name, "isDir": entry.is_dir(follow_symlinks=False), "size": size}
