"""List and open the files in the working folders of projects and tasks, and nowhere else."""

import os
import stat
import time
from collections.abc import Generator
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from django.conf import settings

from agents import folders
from mission_control.errors import Invalid, NotFound
from mission_control.formatting import file_size
from mission_control.models import Project, Run, Task
from mission_control.runs.attached_files import folder_of

MAX_ENTRIES = 10_000  # of a folder; an agent may unpack half a million
CONTENT_BYTES = 10 * 1024 * 1024
PATH_CHARS = folders.PATH_CHARS
SHOWN = ("name", "isDir", "size")
PIECE_BYTES = 256 * 1024
LINKS_SECONDS = 1.0  # for all links of a folder: an agent may chain thousands


Owner = Project | Task  # whose working folder it is; that of a task in a project is the project's


class FileTooLarge(Invalid):
    """The file is larger than the limit of what is shown or sent."""


def browse(path: str, *, most: int = 1_000) -> dict[str, Any]:
    """List a folder below that of all projects as PocketPaw's page expects it, folders first.

    `path` is relative to the folder of all projects (`""`, `~` and `/` name itself), or absolute and inside it.
    Returns `{"path", "files": [{"name", "isDir", "size"}]}`: `path` relative to that folder, `~` for itself, and
    `size` as a text, empty for a folder; with `error` and no files when the folder cannot be listed.
    """
    root = settings.PROJECTS_DIR.resolve()
    descriptor = None
    try:
        real = folders.resolve_inside(root, "" if path in ("~", "/") else path.removeprefix("~/"))
        root.mkdir(parents=True, exist_ok=True)
        descriptor = folders.open_inside(root, real)
        found = [_browsed_entry(entry) for entry in _entries(descriptor)[:most]]
    except folders.OutsideFolder:
        return _browse_error(path, "Access denied: path outside the project folders")
    except NotADirectoryError:
        return _browse_error(path, "Not a directory")
    except FileNotFoundError:
        return _browse_error(path, "Path does not exist")
    except OSError:
        return _browse_error(path, "The folder cannot be read")
    finally:
        if descriptor is not None:
            os.close(descriptor)
    shown = os.fsencode(real.relative_to(root)).decode("utf-8", "replace")
    return {"path": "~" if shown == "." else shown, "files": found}


def _browse_error(path: str, error: str) -> dict[str, Any]:
    return {"path": path, "files": [], "error": error}


def _browsed_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry in PocketPaw's form: `size` is a text such as `2.9 KB`, empty for a folder."""
    size = "" if entry["isDir"] else file_size(entry["size"])
    return {"name": entry["name"], "isDir": entry["isDir"], "size": size}


def files_in(owner: Owner, path: str) -> list[dict[str, Any]]:
    """List a folder inside a working folder, like `browse`; that itself is empty until an agent needs it.

    Raises Invalid for a path outside of it, and NotFound if there is no folder at the path.
    """
    return [_shown(entry) for entry in _listed(owner, path)]


def listing(project: Project, path: str) -> list[dict[str, Any]]:
    """List a folder inside a project's: name, isDir, size, and `kind` if the entry cannot be opened.

    A link also has `toFolder`: whether its target is a folder of the project. Raises as `files_in` does.
    """
    entries, end = _listed(project, path), time.monotonic() + LINKS_SECONDS
    for entry in entries:
        if entry["isLink"] and not entry["kind"]:
            target = str(PurePosixPath(path, entry["name"]))
            entry.update(_link_target(project, target) if time.monotonic() < end else {"kind": "A link"})
    return entries


def _listed(owner: Owner, path: str) -> list[dict[str, Any]]:
    """Describe the entries of a folder, without following links."""
    descriptor = None
    try:
        descriptor = _open(owner, path)
        return _entries(descriptor)
    except OSError:
        if _inside(owner, path) == _root(owner) and descriptor is None:
            return []
        raise NotFound("Folder") from None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def hosts_of(project: Project) -> list[str]:
    """Return the other machines on which the project's agents worked: unless shared, its files are there.

    An empty list if everything is on one machine, as with SQLite.
    """
    if settings.EMBEDDED_DATABASE:
        return []
    ran = Run.objects.filter(project=project).exclude(host__in=["", settings.HOST_NAME])
    return list(ran.order_by("host").values_list("host", flat=True).distinct())


def content_of(project: Project, path: str) -> bytes:
    """Return the content of a file inside a project's folder.

    Raises Invalid for a path outside of it or a file that is too large, and NotFound if there is no file.
    """
    with open_file(project, path) as file:
        content = file.read(CONTENT_BYTES + 1)
    if len(content) > CONTENT_BYTES:
        raise FileTooLarge("path", f"The file is larger than {CONTENT_BYTES // 2**20} MB.")
    return content


def open_file(owner: Owner, path: str) -> BinaryIO:
    """Open a file inside a working folder for reading; the caller closes it.

    Raises Invalid for a path outside of the folder, and NotFound if there is no regular file.
    """
    try:
        descriptor = _open(owner, path)
    except OSError:
        raise NotFound("File") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotFound("File")
    return os.fdopen(descriptor, "rb")


def pieces_of(file: BinaryIO, start: int, length: int) -> Generator[bytes, None, None]:
    """Yield a part of a file in pieces, and close it. If the file has become shorter, the part ends earlier."""
    with file:
        file.seek(start)
        while length > 0 and (piece := file.read(min(PIECE_BYTES, length))):
            length -= len(piece)
            yield piece


def open_root(project: Project) -> int:
    """Open the project's own folder; the caller closes it. Raises OSError if it does not exist yet."""
    return folders.open_inside(_root(project), _root(project))


def _root(owner: Owner) -> Path:
    """Return the path of the working folder, which is not resolved: an agent may have replaced it by a link."""
    if isinstance(owner, Task):
        return folders.root_of(folder_of(owner.project, owner.pk))
    return settings.PROJECTS_DIR.resolve() / owner.folder.name


def _inside(owner: Owner, path: str) -> Path:
    """Return the resolved path of `path` in the working folder. Raises Invalid if it is outside of it."""
    try:
        return folders.resolve_inside(_root(owner), path)
    except folders.OutsideFolder:
        what = "project's" if isinstance(owner, Project) or owner.project else "task's"
        raise Invalid("path", f"The path is outside the {what} folder.") from None


def _open(owner: Owner, path: str) -> int:
    """Open a path in the working folder for reading. Raises Invalid, OSError."""
    return folders.open_inside(_root(owner), _inside(owner, path))


def _link_target(project: Project, path: str) -> dict[str, Any]:
    """Describe the target of a link: a file or folder of the project, or something that cannot be opened."""
    try:
        target = _open(project, path)
    except (OSError, Invalid):
        return {"kind": "Leads to nothing in this project"}
    try:
        mode = os.fstat(target).st_mode
    finally:
        os.close(target)
    kind = "" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "Not a regular file"
    return {"kind": kind, "toFolder": stat.S_ISDIR(mode)}


def _entries(folder: int) -> list[dict[str, Any]]:
    """Describe the entries of a folder, folders first, up to MAX_ENTRIES. Links are listed but not followed."""
    with os.scandir(folder) as entries:
        found = [_described(entry, folder) for entry in islice(entries, MAX_ENTRIES)]
    return sorted(found, key=lambda file: (not file["isDir"], file["name"].lower()))


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in SHOWN}


def _described(entry: os.DirEntry[str], folder: int) -> dict[str, Any]:
    """Describe an entry; `kind` is the reason why it cannot be opened, or empty. Does not follow links."""
    name, size, kind = os.fsencode(entry.name).decode("utf-8", "replace"), 0, ""
    is_folder, is_link = entry.is_dir(follow_symlinks=False), entry.is_symlink()
    needed = os.R_OK | os.X_OK if is_folder else os.R_OK
    with suppress(FileNotFoundError):  # an agent has just removed it
        if entry.is_file(follow_symlinks=False):
            size = entry.stat(follow_symlinks=False).st_size
        elif not is_folder and not is_link:
            kind = "Not a regular file"  # a named pipe, a socket, a device
    if not kind and not is_link and not os.access(entry.name, needed, dir_fd=folder):
        kind = "Not readable by this server"  # of an agent that runs as another user
    if name.encode() != os.fsencode(entry.name):
        kind = "The name is not UTF-8"
    return {"name": name, "isDir": is_folder, "isLink": is_link, "size": size, "kind": kind}
