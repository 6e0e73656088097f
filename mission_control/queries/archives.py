"""A project's working folder as a zip file, created while it is sent: nothing is stored, no link is followed."""

import os
import stat
import time
import zipfile
from collections.abc import Generator, Iterator
from contextlib import suppress

from agents import folders
from mission_control.errors import NotFound, WrongState
from mission_control.models import Project
from mission_control.queries.project_files import open_root

MAX_BYTES = 500 * 1024 * 1024  # of all files together, uncompressed
MAX_FILES, MAX_LEVELS = 10_000, 100  # an agent may have unpacked anything
READ_BYTES = 256 * 1024
OLDEST = (1980, 1, 1, 0, 0, 0)  # the earliest time in a zip file


class FolderTooLarge(WrongState):
    """The folder is larger than the limit of an archive."""


class FolderGrew(Exception):
    """The folder exceeded the limit while it was sent: the archive is incomplete."""


def check(project: Project) -> None:
    """Measure the folder. Raises NotFound if it has no file, and TooLarge."""
    number = size = 0
    for _, descriptor in _files(project):
        number += 1
        size += os.fstat(descriptor).st_size
        if number > MAX_FILES:
            raise FolderTooLarge(f"The folder has more than {MAX_FILES:,} files. Download only those you need")
        if size > MAX_BYTES:
            raise FolderTooLarge(
                f"The folder is larger than {MAX_BYTES // 2**20} MB. Download only the files you need"
            )
    if not number:
        raise NotFound("File")


def pieces(project: Project) -> Generator[bytes, None, None]:
    """Yield the archive in pieces, with each file's content at the time when it is read. Raises FolderGrew."""
    pipe, left = _ZipBuffer(), MAX_BYTES
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, descriptor in _files(project):
            with archive.open(_entry(name, descriptor), "w") as entry:
                while piece := os.read(descriptor, min(READ_BYTES, left + 1)):
                    left -= len(piece)
                    if left < 0:
                        raise FolderGrew
                    entry.write(piece)
                    yield pipe.taken()
            yield pipe.taken()
    yield pipe.taken()


class _ZipBuffer:
    """A write-only file for the zip writer, from which the written pieces are taken; it cannot seek."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self.written.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def taken(self) -> bytes:
        taken, self.written = b"".join(self.written), []
        return taken


def _entry(name: str, descriptor: int) -> zipfile.ZipInfo:
    moment = time.gmtime(os.fstat(descriptor).st_mtime)[:6]
    entry = zipfile.ZipInfo(name, max(moment, OLDEST) if moment[0] < 2108 else OLDEST)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _files(project: Project) -> Iterator[tuple[str, int]]:
    """Yield the path and a descriptor of each regular file below the folder; close the descriptor after use.

    The folder is walked by descriptors, none of which may be opened through a link, so that a link that an agent
    creates at the same time is not followed.
    """
    with suppress(OSError):  # no folder yet
        root = open_root(project)
        try:
            yield from _below(root)
        finally:
            os.close(root)


def _below(root: int) -> Iterator[tuple[str, int]]:
    for path, inner, names, folder in os.fwalk(".", dir_fd=root, follow_symlinks=False):
        inner.sort()
        if path.count("/") >= MAX_LEVELS:
            inner.clear()
        for name in sorted(names):
            try:
                descriptor = os.open(name, folders.READ, dir_fd=folder)
            except OSError:  # a link, a socket, not ours to read, or gone
                continue
            try:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    yield _shown(f"{path}/{name}".removeprefix("./")), descriptor
            finally:
                os.close(descriptor)


def _shown(path: str) -> str:
    """Return a path that is safe to unpack: other systems treat a backslash as a separator of folders."""
    return os.fsencode(path).decode("utf-8", "replace").replace("\\", "_")
