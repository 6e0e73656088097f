"""The disk with our data: its free space, and whether an error means that it is full."""

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

NEEDED_BYTES = 16 * 1024 * 1024
_ERRNO = (errno.ENOSPC, errno.EDQUOT)
_PRIMARY = 0xFF  # the lower byte of SQLite's extended codes
_POSTGRESQL_DISK_FULL = "53100"


def folders() -> list[Path]:
    """Return the folders that need free space: the data folder, and that of a SQLite database."""
    found = [Path(settings.DATA_DIR)]
    if settings.EMBEDDED_DATABASE:
        found.append(Path(settings.DATABASES["default"]["NAME"]).parent)
    return list(dict.fromkeys(found))


def free_bytes() -> int:
    """Return the free bytes of the folder with the least free space. Raises OSError."""
    return min(shutil.disk_usage(folder).free for folder in folders())


def is_full() -> bool:
    """Return whether there is too little free space to work. Raises OSError."""
    return free_bytes() < NEEDED_BYTES


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error, also of the database, means that a disk is full."""
    return any(_is_disk_full_error(one) for one in _chain(error))


def describe_failure(error: BaseException) -> str:
    """Describe the reason of an error of the database or the disk."""
    return "the disk is full" if is_disk_full(error) else "the database does not answer"


def _is_disk_full_error(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in _ERRNO
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
        # SQLite also reports a full disk as an input/output error, when it extends the file shared by its
        # processes.
        return code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and is_full())
    return getattr(error, "sqlstate", None) == _POSTGRESQL_DISK_FULL


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes: Django wraps the database's own errors."""
    while error is not None:
        yield error
        error = error.__cause__
