"""Who holds a run: names of workers, and whether the one so named is still there.

A worker's name is `folder/group/node/pid-start`: the installation and data folder that it serves, its
`manage.py worker`, the machine (boot and process namespace), and the process with its start time, so that a pid
that was given away again is no proof of life.
"""

import hashlib
import mmap
import os
import signal
import socket
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from mission_control.models import WorkerGroup
from mission_control.runs.worker_group import group

BEAT_BELIEVED = timedelta(seconds=20)

_closing = mmap.mmap(-1, 1)  # one byte that a process shares with all its forks


def folder_id() -> str:
    """Return the name of this installation's data folder; a copy of it has another."""
    return hashlib.sha256(settings.DATA_FOLDER_ID.encode()).hexdigest()[:16]


@cache
def node() -> str:
    """Return this machine since its last boot, as its processes see it: pids mean something only here."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # pragma: no cover - elsewhere than on Linux
        boot, namespace = "", ""
    return hashlib.sha256(f"{socket.gethostname()}/{boot}/{namespace}".encode()).hexdigest()[:16]


def workers_of(group: str) -> str:
    """Return what the names of all workers of a group in this folder begin with."""
    return f"{folder_id()}/{group}/"


def current_worker() -> str:
    """Return this process's name as a worker."""
    pid = os.getpid()
    return f"{workers_of(group())}{node()}/{pid}-{_started(pid)}"


def close() -> None:
    """Let this process and its forks claim no run any more: they would only have to interrupt it."""
    _closing[0] = 1


def is_closing() -> bool:
    """Tell whether this process was told to claim nothing any more."""
    return _closing[0] == 1


def is_gone(worker: str) -> bool:
    """Tell whether the named worker is known to be dead. Of another machine nothing is known: False."""
    pid = _local_pid(worker)
    return pid is not None and _started(pid) != worker.rpartition("-")[2]


def is_of_earlier_boot(worker: str) -> bool:
    """Tell whether the worker served this folder before the machine's boot (or in a container that is gone)."""
    folder, _, name = worker.partition("/")
    return folder == folder_id() and name.split("/")[1] != node()


def kill(worker: str) -> bool:
    """End a worker of this machine and data folder that gave no sign of life, so that its agent stops working.

    Never a worker of another installation: the database of a restored copy names those of the original.
    """
    pid = _local_pid(worker)
    if pid is None or pid == os.getpid() or is_gone(worker) or worker.split("/", maxsplit=1)[0] != folder_id():
        return False
    os.kill(pid, signal.SIGKILL)
    return True


def _local_pid(worker: str) -> int | None:
    parts = worker.split("/")
    if len(parts) != 4 or parts[2] != node():
        return None
    return int(parts[3].partition("-")[0])


def _started(pid: int) -> str:
    """Return the process's start time in clock ticks since boot (proc(5), stat, field 22); empty if it is dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "" if Path("/proc/self/stat").exists() else _alive_without_proc(pid)
    return "" if fields[0] in "ZX" else fields[19]


def _alive_without_proc(pid: int) -> str:
    try:
        with suppress(PermissionError):  # it lives, and is somebody else's
            os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    return "alive"


def beat(workers: int = 0) -> None:
    """Say that this group of so many workers is alive. To be called every five seconds or so."""
    now = timezone.now()
    values = {
        "host": settings.HOST_NAME,
        "workers": workers,
        "pid": os.getpid(),
        "beat_at": now,
        "key_fingerprint": key_fingerprint(),
    }
    WorkerGroup.objects.update_or_create(group=group(), defaults=values)
    WorkerGroup.objects.filter(beat_at__lt=now - 60 * BEAT_BELIEVED).delete()


def key_fingerprint() -> str:
    """Return what tells secret keys apart and tells nobody the key."""
    return hashlib.sha256(settings.SECRET_KEY.encode()).hexdigest()[:16]


def with_another_key() -> WorkerGroup | None:
    """Return a living group of workers whose secret key is not ours, if there is one."""
    return living().exclude(key_fingerprint=key_fingerprint()).first()


def living() -> QuerySet[WorkerGroup]:
    """Return the groups of workers that gave a sign of life lately."""
    return WorkerGroup.objects.filter(beat_at__gte=timezone.now() - BEAT_BELIEVED)


def other_hosts() -> list[str]:
    """Return the names of the other machines on which workers are alive."""
    others = living().exclude(host=settings.HOST_NAME).order_by("host")
    return list(others.values_list("host", flat=True).distinct())


def leave() -> None:
    """Say that this group of workers has ended."""
    WorkerGroup.objects.filter(group=group()).delete()


def alive() -> int:
    """Count the groups of workers that gave a sign of life lately."""
    return living().count()
