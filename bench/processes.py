"""Reads from /proc which processes belong to a tree, their CPU time and their memory."""

import os
from collections import defaultdict
from pathlib import Path

PROC = Path("/proc")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PARENT, TIMES = 1, slice(11, 15)  # fields after the name in `stat`: utime, stime, and those of dead children


def tree(*roots: int) -> list[int]:
    """Return the pids of the roots and of all their descendants."""
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
    """Return the CPU time of the trees, including their processes that have ended."""
    ticks = sum(int(field) for pid in tree(*roots) for field in _stat(pid)[TIMES])
    return ticks / TICKS_A_SECOND


def pss_mb(*roots: int) -> float:
    """Return the memory of the trees in MB; memory that processes share is counted once (PSS)."""
    return sum(_pss_kb(pid) for pid in tree(*roots)) * 1024 / 1e6


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name; an empty list if the process has ended."""
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
