"""Open files safely: below a folder and nothing outside of it, even if an agent creates links at the same time.

A path is resolved first, so that links within the folder work; then it is opened part by part, and no part may be
a link: a link that is created after the check cannot be followed.
"""

import errno
import os
import secrets
import shutil
import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

PATH_CHARS = 4_096
PIECE_BYTES = 256 * 1024
MAX_NUMBER = 1_000
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a named pipe would wait for a writer


def read_file(path: Path, most_bytes: int) -> bytes:
    """Return the beginning of a regular file; links are followed.

    Raises OSError, also for anything else: a named pipe would wait for a writer, and a device may have no end.
    """
    descriptor = os.open(path, READ & ~os.O_NOFOLLOW)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read(most_bytes)


def exists(path: Path) -> bool:
    """Return whether the path exists and may be looked at; pathlib raises PermissionError for one that may not."""
    with suppress(OSError):
        return path.exists()
    return False


def is_folder(path: Path) -> bool:
    """Return whether the path is a folder and may be looked at."""
    with suppress(OSError):
        return path.is_dir()
    return False


class OutsideFolder(Exception):
    """The path does not lead into the folder."""


def root_of(folder: Path) -> Path:
    """Return the folder's path with the links above it resolved; the folder itself must not be a link."""
    folder = folder.absolute()
    return folder.parent.resolve() / folder.name


class NotText(Exception):
    """The file is not a text file."""


def resolve_inside(root: Path, path: str) -> Path:
    """Return the resolved path of `path` below `root`, which must be resolved already. Raises OutsideFolder."""
    real = None
    with suppress(ValueError, RuntimeError, OSError):  # a NUL; a cycle of links; a name that is too long
        real = (root / path).resolve()
    if real is None or not real.is_relative_to(root) or len(path) > PATH_CHARS:
        raise OutsideFolder
    return real


def open_inside(root: Path, real: Path, *, making: str = "") -> int:
    """Open a path from `resolve_inside` for reading; `making="folders"` creates missing folders.

    A created folder gets the access rights of the one around it. The caller closes the descriptor. Raises OSError.
    """
    descriptor = os.open(root.parent, READ)
    for part in (root.name, *real.relative_to(root).parts):
        try:
            is_new = making == "folders" and _make_folder(part, descriptor)
            inner = os.open(part, READ, dir_fd=descriptor)
            if is_new:
                os.fchmod(inner, stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o777)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def _make_folder(name: str, folder: int) -> bool:
    """Create a folder unless there is something of that name; return whether it was created."""
    try:
        os.mkdir(name, dir_fd=folder)
    except FileExistsError:
        return False
    return True


def replace_file(root: Path, real: Path, data: bytes) -> None:
    """Replace a file as a whole, and create missing folders. `real` is a path below `root` without `..`.

    A link that is created at the same time is replaced, never followed. Raises OSError.
    """
    folder = open_inside(root, real.parent, making="folders")
    draft = f".{secrets.token_hex(8)}.draft"
    try:
        mode = 0o666
        with suppress(FileNotFoundError):
            there = os.stat(real.name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(there.st_mode):
                raise IsADirectoryError(None, "Is a directory")
            mode = stat.S_IMODE(there.st_mode) & 0o777
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(draft, flags, mode, dir_fd=folder), "wb") as file:  # noqa: PTH123
            file.write(data)
        os.rename(draft, real.name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=folder)
        os.close(folder)


def store_file(root: Path, real: Path, source: BinaryIO, *, replaces: bool) -> Path:
    """Store a file as a whole in a folder below `root`, piece by piece; return its path. `real` has no links.

    Without `replaces`, a file whose name exists gets a number: `a (2).png`. Missing folders are created. Those who
    can read the folder can read the file, such as an agent that runs as another user.
    Raises OSError: FileExistsError if all numbers are taken, and IsADirectoryError if a folder has the name.
    """
    folder = open_inside(root, real.parent, making="folders")
    mode = stat.S_IMODE(os.fstat(folder).st_mode) & 0o666
    draft = f".{secrets.token_hex(8)}.draft"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(draft, flags, 0o600, dir_fd=folder), "wb") as file:  # noqa: PTH123
            shutil.copyfileobj(source, file, PIECE_BYTES)
            os.fchmod(file.fileno(), mode | 0o600)
        return real.with_name(_put_in_place(draft, real.name, folder, replaces=replaces))
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=folder)
        os.close(folder)


def _put_in_place(draft: str, name: str, folder: int, *, replaces: bool) -> str:
    """Give a finished draft its name, or the first free number of it; return the name. Raises OSError."""
    if replaces:
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
        return name
    for free in (name, *(_numbered(name, number) for number in range(2, MAX_NUMBER + 1))):
        with suppress(FileExistsError):
            os.link(draft, free, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            return free
    raise FileExistsError(errno.EEXIST, "every number is taken")


def _numbered(name: str, number: int) -> str:
    stem, dot, ending = name.rpartition(".")
    return f"{stem} ({number}).{ending}" if stem and dot else f"{name} ({number})"


def remove_file(root: Path, path: str) -> None:
    """Delete a file below `root`, or the link at its place. Raises OutsideFolder, OSError."""
    real = resolve_inside(root, str(PurePosixPath(path).parent))
    folder = open_inside(root, real)
    try:
        os.unlink(PurePosixPath(path).name, dir_fd=folder)
    finally:
        os.close(folder)


def read_text_inside(root: Path, path: str, *, most_bytes: int) -> tuple[str, bool]:
    """Return the start of a text file below `root`, and whether it is longer.

    Raises OutsideFolder, NotText, OSError.
    """
    descriptor = open_inside(root, resolve_inside(root, path))
    with open(descriptor, "rb") as file:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotText
        content = file.read(most_bytes + 1)
    if b"\0" in content:
        raise NotText
    return content[:most_bytes].decode(errors="replace"), len(content) > most_bytes
