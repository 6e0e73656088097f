"""Check that the data folder is writable and that no other process serves it."""

import errno
import fcntl
import os
import shutil
from pathlib import Path

from mission_control.health.disk import NEEDED_BYTES
from pocketpaw_site.environment import SetupError

PROBE_BYTES = 1024 * 1024


def check(folder: Path) -> None:
    """Write a megabyte to the folder and remove it. Raises SetupError if the folder is full or not writable."""
    probe = folder / f".probe.{os.getpid()}"
    try:
        with probe.open("wb") as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise SetupError(f"the data folder {folder} {_trouble(error)}") from None
    finally:
        _remove(probe)
    if free < NEEDED_BYTES:
        raise SetupError(
            f"the data folder {folder} is full: {free // 1_000_000} MB free, {NEEDED_BYTES // 1_000_000} needed"
        )


def _trouble(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"is full: {error.strerror}"
    return f"cannot be written: {error.strerror}"


def _remove(probe: Path) -> None:
    try:
        probe.unlink(missing_ok=True)
    except OSError:
        return  # a folder that is not writable has been reported


class FolderLock:
    """Held while a process serves the folder; the kernel releases it when the process ends."""

    def __init__(self, folder: Path) -> None:
        """Take the lock. Raises SetupError if another process holds it."""
        try:
            self._file = (folder / "lock").open("a+")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            pid = self._file.read().strip() or "unknown"
            raise SetupError(
                f"another Mission Control (pid {pid}) already uses the data folder {folder}; "
                "stop it, or choose another folder with MISSION_CONTROL_DATA_DIR=…"
            ) from None
        except OSError as error:
            raise SetupError(f"the data folder {folder} cannot be locked: {error.strerror}") from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def fileno(self) -> int:
        return self._file.fileno()
