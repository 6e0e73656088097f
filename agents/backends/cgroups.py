"""A control group for an agent's program, if the system provides one.

The guardian process ends the program's descendants. A program that is not isolated could kill its guardian first;
the kernel still finds the descendants by their group. This needs cgroup v2 and write access to our own group: root
outside a container has it, and so has a systemd service with `Delegate=yes`.
"""

import asyncio
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

PREFIX = "mission-control-"
END_SECONDS = 1.0
STALE_SECONDS = 60.0  # an older empty group was left behind by a killed worker


class Cgroup:
    """One control group and all its processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def around(cls, pid: int) -> "Cgroup | None":
        """Create a group with the process, and so its future children, in it.

        Return None if that is impossible.
        """
        parent = _own_group()
        if parent is None or not os.access(parent, os.W_OK):
            return None
        _remove_stale(parent)
        folder = parent / f"{PREFIX}{secrets.token_hex(6)}"
        try:
            folder.mkdir()
        except OSError:
            return None
        try:
            if not (folder / "cgroup.kill").exists():  # since Linux 5.14
                raise OSError("too old")
            (folder / "cgroup.procs").write_text(str(pid))
        except OSError:
            with suppress(OSError):
                folder.rmdir()
            return None
        return cls(folder)

    async def end(self) -> None:
        """Kill the processes left in the group, and remove it."""
        deadline = time.monotonic() + END_SECONDS
        with suppress(OSError):
            (self._folder / "cgroup.kill").write_text("1")
        while time.monotonic() < deadline:
            with suppress(OSError):
                self._folder.rmdir()
                return
            await asyncio.sleep(0.01)


def _own_group() -> Path | None:
    """Return the folder of this process's own group."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
        groups = dict(
            line.split("::", 1) for line in Path("/proc/self/cgroup").read_text().splitlines() if "::" in line
        )
    except OSError:
        return None
    root = next((place for place, kind in mounts if kind == "cgroup2"), None)
    if root is None or "0" not in groups:
        return None
    return Path(root, groups["0"].lstrip("/"))


def _remove_stale(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > STALE_SECONDS:
                folder.rmdir()  # fails while a process is in it
