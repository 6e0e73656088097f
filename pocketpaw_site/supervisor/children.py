"""The two programs that `up` starts, and starts again."""

import logging
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence

from mission_control.runs.worker_group import GROUP_VARIABLE
from pocketpaw_site.environment import CHECKOUT
from pocketpaw_site.supervisor import readiness
from pocketpaw_site.supervisor.address import Address
from pocketpaw_site.supervisor.parentage import PARENT_VARIABLE, die_with
from pocketpaw_site.supervisor.signals import held_back

logger = logging.getLogger(__name__)


class Backoff:
    """How long to wait before the next start: 0.2 s, doubled up to 5 s, from the beginning after a good time."""

    FIRST_SECONDS, LONGEST_SECONDS, GOOD_SECONDS = 0.2, 5.0, 30.0

    def __init__(self) -> None:
        self._seconds = self.FIRST_SECONDS
        self._started = time.monotonic()
        self.due_at = 0.0  # on the monotonic clock

    def started(self) -> None:
        self._started = time.monotonic()

    def ended(self) -> float:
        """Note an end; return the seconds until `due_at`, when the next start may be."""
        now = time.monotonic()
        if now - self._started >= self.GOOD_SECONDS:
            self._seconds = self.FIRST_SECONDS
        seconds = self._seconds
        self._seconds = min(seconds * 2, self.LONGEST_SECONDS)
        self.due_at = now + seconds
        return seconds


def cause(status: int) -> str:
    """Say how a process ended, by its exit status or the negative number of the signal."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


class Child:
    """A program that runs until it is told to stop. In a session of its own: Ctrl-C reaches `up` alone."""

    name = ""
    pass_fds: Sequence[int] = ()
    stdin = subprocess.DEVNULL

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.deaths = 0
        self.backoff = Backoff()

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {**os.environ, PARENT_VARIABLE: str(os.getpid())}

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> int:
        """Start it and return its pid. From the main thread only; see parentage."""
        parent = os.getpid()
        with held_back():
            self.process = subprocess.Popen(  # noqa: S603 - our own programs
                self.command(),
                env=self.environment(),
                stdin=self.stdin,
                pass_fds=self.pass_fds,
                start_new_session=True,
                preexec_fn=lambda: die_with(parent),  # noqa: PLW1509 - no lock can be held: one thread
            )
        self.backoff.started()
        return self.process.pid

    def tend(self) -> float:
        """Start it again if it has ended and the time has come; return in how many seconds to look again."""
        if self.runs:
            return 3600.0
        now = time.monotonic()
        if self.process is not None:
            pid, status, self.process = self.process.pid, self.process.returncode, None
            self.deaths += 1
            wait = self.backoff.ended()
            logger.error("%s (pid %d) %s; starting it again in %.1f s", self.name, pid, cause(status), wait)
            return wait
        if now < self.backoff.due_at:
            return self.backoff.due_at - now
        pid = self.start()
        logger.warning("%s was started again as pid %d", self.name, pid)
        return 3600.0

    def send(self, number: signal.Signals) -> None:
        if self.process is not None and self.runs:
            self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it; what it has forked ends with it."""
        self.send(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()


def modules_path() -> str:
    """Return the PYTHONPATH with which `python -m` finds our modules."""
    return os.pathsep.join([str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])])


class Web(Child):
    """`manage.py web` on the socket that `up` listens with."""

    name = "manage.py web"

    def __init__(self, address: Address) -> None:
        super().__init__()
        self.address = address
        self.pass_fds = [address.socket.fileno()]

    def command(self) -> list[str]:
        return [sys.executable, str(CHECKOUT / "manage.py"), "web", "--fd", str(self.address.socket.fileno())]

    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "MISSION_CONTROL_PROCESS": "web",
            "HOST": self.address.host,
            "PORT": str(self.address.port),
        }


class Worker(Child):
    """`manage.py worker`, each start a group of its own."""

    name = "manage.py worker"

    def __init__(self) -> None:
        super().__init__()
        self.awaited: readiness.Awaited | None = None

    def start(self) -> int:
        # Each start is a group of its own, so that what is said about the dead one is not said about this.
        os.environ[GROUP_VARIABLE] = uuid.uuid4().hex
        if self.awaited is not None:
            self.awaited.close()
        self.awaited = readiness.Awaited()
        self.pass_fds = [self.awaited.writer]
        pid = super().start()
        os.close(self.awaited.writer)  # the worker has it
        return pid

    @property
    def is_ready(self) -> bool:
        """Tell whether its workers have been made."""
        return self.runs and self.awaited is not None and self.awaited.has_come()

    def command(self) -> list[str]:
        return [sys.executable, str(CHECKOUT / "manage.py"), "worker"]

    def environment(self) -> dict[str, str]:
        assert self.awaited is not None, "it is being started"
        return super().environment() | {
            "MISSION_CONTROL_PROCESS": "worker",
            readiness.VARIABLE: str(self.awaited.writer),
        }


class Accounting(Child):
    """What says at the end which runs were cut short; it begins when `finish` is called."""

    name = "the accounting"
    stdin = subprocess.PIPE

    def command(self) -> list[str]:
        return [sys.executable, "-m", "pocketpaw_site.supervisor.accounting"]

    def environment(self) -> dict[str, str]:
        return super().environment() | {"PYTHONPATH": modules_path()}

    def finish(self, deadline: float) -> None:
        """Let it say what there is to say, until the deadline on the monotonic clock at most."""
        assert self.process is not None, "it was started"
        assert self.process.stdin is not None, "it waits for it"
        self.process.stdin.close()
        try:
            self.process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            self.kill()
