"""The programs that `up` starts, and restarts."""

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
from pocketpaw_site.supervisor.signals import stop_signals_blocked

logger = logging.getLogger(__name__)


class Backoff:
    """The pause before a restart: 0.2 s, doubled up to 5 s, and reset after 30 s of running."""

    FIRST_SECONDS, LONGEST_SECONDS, GOOD_SECONDS = 0.2, 5.0, 30.0

    def __init__(self) -> None:
        self._seconds = self.FIRST_SECONDS
        self._started = time.monotonic()
        self.due_at = 0.0  # on the monotonic clock

    def started(self) -> None:
        self._started = time.monotonic()

    def ended(self) -> float:
        """Record an end; return the seconds until `due_at`, the time of the next start."""
        now = time.monotonic()
        if now - self._started >= self.GOOD_SECONDS:
            self._seconds = self.FIRST_SECONDS
        seconds = self._seconds
        self._seconds = min(seconds * 2, self.LONGEST_SECONDS)
        self.due_at = now + seconds
        return seconds


def exit_reason(status: int) -> str:
    """Describe how a process ended, by its exit status or the negative number of the signal."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


class Child:
    """A program that runs until it gets a stop signal, in its own session, so that Ctrl-C reaches only `up`."""

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
        """Start it and return its pid. Call it only from the main thread; see parentage.py."""
        parent = os.getpid()
        with stop_signals_blocked():
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

    def ensure_running(self) -> float:
        """Restart it if it has ended and the pause is over; return the seconds until the next call is due."""
        if self.runs:
            return 3600.0
        now = time.monotonic()
        if self.process is not None:
            pid, status, self.process = self.process.pid, self.process.returncode, None
            self.deaths += 1
            wait = self.backoff.ended()
            logger.error("%s (pid %d) %s; starting it again in %.1f s", self.name, pid, exit_reason(status), wait)
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
        """Kill it; its forks end with it."""
        self.send(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()


def modules_path() -> str:
    """Return the PYTHONPATH with which `python -m` finds our modules."""
    return os.pathsep.join([str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])])


class Web(Child):
    """`manage.py web` on the listening socket of `up`."""

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
    """`manage.py worker`; each start is a worker group of its own."""

    name = "manage.py worker"

    def __init__(self) -> None:
        super().__init__()
        self.readiness_receiver: readiness.ReadinessReceiver | None = None

    def start(self) -> int:
        # Each start is a group of its own, so that the records of a dead one are not taken for this one's.
        os.environ[GROUP_VARIABLE] = uuid.uuid4().hex
        if self.readiness_receiver is not None:
            self.readiness_receiver.close()
        self.readiness_receiver = readiness.ReadinessReceiver()
        self.pass_fds = [self.readiness_receiver.writer]
        pid = super().start()
        os.close(self.readiness_receiver.writer)  # the worker has it
        return pid

    @property
    def is_ready(self) -> bool:
        """Return whether its workers have started."""
        return self.runs and self.readiness_receiver is not None and self.readiness_receiver.has_arrived()

    def command(self) -> list[str]:
        return [sys.executable, str(CHECKOUT / "manage.py"), "worker"]

    def environment(self) -> dict[str, str]:
        assert self.readiness_receiver is not None, "it is being started"
        return super().environment() | {
            "MISSION_CONTROL_PROCESS": "worker",
            readiness.VARIABLE: str(self.readiness_receiver.writer),
        }


class FinalReport(Child):
    """Prints at the end which runs were interrupted; it waits until `finish` is called."""

    name = "the final report"
    stdin = subprocess.PIPE

    def command(self) -> list[str]:
        return [sys.executable, "-m", "pocketpaw_site.supervisor.final_report"]

    def environment(self) -> dict[str, str]:
        return super().environment() | {"PYTHONPATH": modules_path()}

    def finish(self, deadline: float) -> None:
        """Let it print its report; kill it at the deadline on the monotonic clock."""
        assert self.process is not None, "it was started"
        assert self.process.stdin is not None, "it is a pipe"
        self.process.stdin.close()
        try:
            self.process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            self.kill()
