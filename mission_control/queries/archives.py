"""A project's working folder as one zip file, made while it is sent: nothing is kept, no link is followed."""

import os
import stat
import time
import zipfile
from collections.abc import Generator, Iterator
from contextlib import suppress

from agents import folders
from mission_control.errors import NotFound, WrongState
from mission_control.models import Project
from mission_control.queries.project_files import opened_root

MOST_BYTES = 500 * 1024 * 1024  # of all files together, before they are packed
MOST_FILES, MOST_LEVELS = 10_000, 100  # an agent may have unpacked anything
READ_BYTES = 256 * 1024
OLDEST = (1980, 1, 1, 0, 0, 0)  # what a zip file can say


class TooLarge(WrongState):
    """The folder holds more than is sent at once."""


class Growth(Exception):
    """The folder outgrew the limit while it was sent: what was sent so far is no archive."""


def check(project: Project) -> None:
    """Measure the folder. Raises NotFound where there is no file in it, TooLarge."""
    number = size = 0
    for _, descriptor in _files(project):
        number += 1
        size += os.fstat(descriptor).st_size
        if number > MOST_FILES:
            raise TooLarge(f"The folder has more than {MOST_FILES:,} files. Download only those you need")
        if size > MOST_BYTES:
            raise TooLarge(f"The folder is larger than {MOST_BYTES // 2**20} MB. Download only the files you need")
    if not number:
        raise NotFound("File")


def pieces(project: Project) -> Generator[bytes, None, None]:
    """Yield the archive, piece by piece, with every file as it is when its turn comes. Raises Growth."""
    pipe, left = _Pipe(), MOST_BYTES
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, descriptor in _files(project):
            with archive.open(_entry(name, descriptor), "w") as entry:
                while piece := os.read(descriptor, min(READ_BYTES, left + 1)):
                    left -= len(piece)
                    if left < 0:
                        raise Growth
                    entry.write(piece)
                    yield pipe.taken()
            yield pipe.taken()
    yield pipe.taken()


class _Pipe:
    """What an archive is written to, and taken from; it cannot be gone back in."""

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
    """Yield the path and a descriptor of each regular file below the folder; the descriptor is closed after use.

    Walked by descriptors, none of which may be opened through a link: what an agent puts in the place of a folder
    meanwhile leads nowhere.
    """
    with suppress(OSError):  # no folder yet
        root = opened_root(project)
        try:
            yield from _below(root)
        finally:
            os.close(root)


def _below(root: int) -> Iterator[tuple[str, int]]:
    for path, inner, names, folder in os.fwalk(".", dir_fd=root, follow_symlinks=False):
        inner.sort()
        if path.count("/") >= MOST_LEVELS:
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
    """Return a path that leads no program out of where it unpacks: a backslash parts folders elsewhere."""
    return os.fsencode(path).decode("utf-8", "replace").replace("\\", "_")
