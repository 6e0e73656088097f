"""The names of workers, and whether a named worker is alive.

A worker's name is `folder/group/node/pid-start`: the installation and data folder that it serves, its
`manage.py worker`, the machine (boot and process namespace), and the process with its start time, because the
system may reuse a pid.
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

HEARTBEAT_VALID_FOR = timedelta(seconds=20)

_closing = mmap.mmap(-1, 1)  # a byte that a process shares with all its forks


def folder_id() -> str:
    """Return the id of this installation's data folder; a copy of the folder has another id."""
    return hashlib.sha256(settings.DATA_FOLDER_ID.encode()).hexdigest()[:16]


@cache
def node() -> str:
    """Return an id of this machine, its current boot and process namespace: pids are valid only within it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # pragma: no cover - elsewhere than on Linux
        boot, namespace = "", ""
    return hashlib.sha256(f"{socket.gethostname()}/{boot}/{namespace}".encode()).hexdigest()[:16]


def workers_of(group: str) -> str:
    """Return the common prefix of the names of a group's workers in this folder."""
    return f"{folder_id()}/{group}/"


def current_worker() -> str:
    """Return this process's name as a worker."""
    pid = os.getpid()
    return f"{workers_of(group())}{node()}/{pid}-{_started(pid)}"


def stop_claiming() -> None:
    """Stop this process and its forks from claiming runs, which a shutdown would interrupt at once."""
    _closing[0] = 1


def is_closing() -> bool:
    """Return whether this process may not claim runs any more."""
    return _closing[0] == 1


def is_dead(worker: str) -> bool:
    """Return whether the named worker is known to be dead; False for a worker of another machine."""
    pid = _local_pid(worker)
    return pid is not None and _started(pid) != worker.rpartition("-")[2]


def is_of_earlier_boot(worker: str) -> bool:
    """Return whether the worker served this folder before the machine's boot, or in a container that has ended."""
    folder, _, name = worker.partition("/")
    return folder == folder_id() and name.split("/")[1] != node()


def kill(worker: str) -> bool:
    """Kill a silent worker of this machine and data folder, so that its agent stops; return whether it was killed.

    Never kills a worker of another installation: a restored copy of a database names the original's workers.
    """
    pid = _local_pid(worker)
    if pid is None or pid == os.getpid() or is_dead(worker) or worker.split("/", maxsplit=1)[0] != folder_id():
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
        with suppress(PermissionError):  # it is alive, under another user
            os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    return "alive"


def send_heartbeat(workers: int = 0) -> None:
    """Record that this group of `workers` is alive. Call it about every five seconds."""
    now = timezone.now()
    values = {
        "host": settings.HOST_NAME,
        "workers": workers,
        "pid": os.getpid(),
        "beat_at": now,
        "key_fingerprint": key_fingerprint(),
    }
    WorkerGroup.objects.update_or_create(group=group(), defaults=values)
    WorkerGroup.objects.filter(beat_at__lt=now - 60 * HEARTBEAT_VALID_FOR).delete()


def key_fingerprint() -> str:
    """Return a hash that distinguishes secret keys without revealing them."""
    return hashlib.sha256(settings.SECRET_KEY.encode()).hexdigest()[:16]


def group_with_other_key() -> WorkerGroup | None:
    """Return a live group of workers with another secret key, if there is one."""
    return live_groups().exclude(key_fingerprint=key_fingerprint()).first()


def live_groups() -> QuerySet[WorkerGroup]:
    """Return the groups of workers with a recent heartbeat."""
    return WorkerGroup.objects.filter(beat_at__gte=timezone.now() - HEARTBEAT_VALID_FOR)


def other_hosts() -> list[str]:
    """Return the names of the other machines with live workers."""
    others = live_groups().exclude(host=settings.HOST_NAME).order_by("host")
    return list(others.values_list("host", flat=True).distinct())


def forget_group() -> None:
    """Delete the record of this group of workers, which has ended."""
    WorkerGroup.objects.filter(group=group()).delete()


def count_live_groups() -> int:
    """Return the number of groups of workers with a recent heartbeat."""
    return live_groups().count()
