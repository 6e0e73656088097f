"""The processes of a running product by their role, found from outside."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.product import Product
from tests.servers import wait_until
from tests.supervisor.processes import Up, parent_of

END_SECONDS = 15  # on a busy machine the kernel needs time to end a process


@dataclass
class Roles:
    """The roles of a cluster's processes at one moment. A process whose role is not visible is left out."""

    holder: int | None = None  # the idle worker that holds the lock and reads the queue's pipe
    idle: list[int] = field(default_factory=list)  # the workers that wait for that lock
    pusher: int | None = None
    monitor: int | None = None


class Family(Up):
    """The processes of a product: all have its data folder in their environment."""

    def __init__(self, product: Product) -> None:
        self.folder = product.data_dir
        self.mark = f"MISSION_CONTROL_DATA_DIR={product.data_dir}"
        self.process = product.process

    @property
    def cluster(self) -> int | None:
        """Return the newest cluster; a retired one may still finish its runs."""
        return max(
            (pid for pid in self.children_of(self.worker) if self.children_of(pid)), key=started, default=None
        )

    def children_of(self, parent: int | None) -> list[int]:
        """Return a process's children by their parent's id: descendants of `up` have no mark, and it is fast."""
        pids = (int(entry.name) for entry in Path("/proc").glob("[0-9]*"))
        return sorted(pid for pid in pids if parent_of(pid) == parent and started(pid))

    def below(self, top: int) -> list[int]:
        """Return a process and all its descendants."""
        found = [top]
        for pid in found:
            found += self.children_of(pid)
        return found

    def strays(self) -> dict[int, str]:
        """Return the processes left behind, which do not descend from the running `up`: pid → command."""
        own = set(self.below(self.process.pid)) if self.process.poll() is None else set()
        return {pid: command for pid, command in self.commands().items() if pid not in own}

    def roles(self, busy: Iterable[int]) -> Roles:
        """Find the roles of the cluster's processes by what each waits for; `busy` comes from the database."""
        roles, reading = Roles(), []
        for pid in set(self.children_of(self.sentinel)) - set(busy):
            waits_in, fd = _waits(pid)
            if "pipe" in waits_in:
                reading.append((fd, pid))
            elif "futex" in waits_in:
                roles.idle.append(pid)
            elif "epoll" not in waits_in and any(word in waits_in for word in ("sleep", "poll", "wait_data")):
                roles.pusher = pid  # a worker in an event loop waits in epoll
        # The pipe of the queue was created before that of the results. A monitor whose predecessor was killed
        # reads no pipe: it waits for the lock that the dead one held.
        readers = [pid for _, pid in sorted(reading)]
        roles.holder, roles.monitor = [*readers, None, None][:2]
        return roles

    def kill(self, *pids: int) -> set[str]:
        """Kill these processes and return their names in the form that workers use (`pid-start`)."""
        names = {name_of(pid) for pid in pids}
        for pid in pids:
            send(pid, signal.SIGKILL)
        return names

    def await_gone(self, names: Iterable[str]) -> None:
        wait_until(
            lambda: not any(map(is_there, names)),
            seconds=END_SECONDS,
            what="the end of what was killed, and of what it had started",
        )


def _waits(pid: int) -> tuple[str, int]:
    """Return the kernel function in which a process waits, and its system call's first argument: the file read."""
    try:
        call = Path(f"/proc/{pid}/syscall").read_text().split()
        return Path(f"/proc/{pid}/wchan").read_text(), int(call[1], 16) if len(call) > 1 else -1
    except OSError:
        return "", -1


def started(pid: int) -> int:
    """Return the process's start time in clock ticks since boot; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def is_there(name: str) -> bool:
    """Tell whether a process still runs. One that had ended before it was named has no start time: False."""
    pid, _, start = name.partition("-")
    return start != "0" and started(int(pid)) == int(start)


def name_of(pid: int) -> str:
    return f"{pid}-{started(pid)}"


def send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
