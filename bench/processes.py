"""What /proc tells about a tree of processes: who belongs to it, its CPU time, its memory."""

import os
from collections import defaultdict
from pathlib import Path

PROC = Path("/proc")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PARENT, TIMES = 1, slice(11, 15)  # in what follows the name in `stat`: utime, stime and those of dead children


def tree(*roots: int) -> list[int]:
    """Return the pids of the roots and of all that descend from them."""
    children = defaultdict(list)
    for entry in PROC.glob("[0-9]*"):
        if fields := _stat(int(entry.name)):
            children[int(fields[PARENT])].append(int(entry.name))
    found, unseen = [], list(roots)
    while unseen:
        pid = unseen.pop()
        found.append(pid)
        unseen += children[pid]
    return found


def cpu_seconds(*roots: int) -> float:
    """Return the CPU time of the trees, of their processes that have ended too."""
    ticks = sum(int(field) for pid in tree(*roots) for field in _stat(pid)[TIMES])
    return ticks / TICKS_A_SECOND


def pss_mb(*roots: int) -> float:
    """Return the memory of the trees in MB, what processes share counted once (PSS)."""
    return sum(_pss_kb(pid) for pid in tree(*roots)) * 1024 / 1e6


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat behind the name; none when the process has ended."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _pss_kb(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
