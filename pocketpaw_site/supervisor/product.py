"""The product while it runs: the web server and the workers, from the first start to the last."""

import signal
import time

from django.conf import settings
from django.db import connections

from mission_control.models import Run, WorkerGroup
from mission_control.runs import workers
from mission_control.runs.lifecycle import abandon
from mission_control.runs.retries import SHUT_DOWN
from pocketpaw_site.environment import SetupError
from pocketpaw_site.supervisor.address import Address, Probe
from pocketpaw_site.supervisor.children import Child, Web, Worker
from pocketpaw_site.supervisor.database import Outage
from pocketpaw_site.supervisor.signals import Signals
from pocketpaw_site.supervisor.terminal import say, say_runs

DEATHS_BEFORE_READY = 5
# From the signal on: when the worker, when the web server is killed, and when this process itself is, so that
# nothing is left after ten seconds whatever hangs.
WORKER_SECONDS, WEB_SECONDS, LAST_SECONDS = 6.0, 7.5, 9
HURRIED_SECONDS = 1.5


class Product:
    """Daphne and a worker, kept alive until a signal says stop."""

    def __init__(self, address: Address, signals: Signals) -> None:
        self.address = address
        self.signals = signals
        self.web = Web(address)
        self.probe = Probe(address, "/healthz")
        self.serves = False
        self.worker = Worker()
        self.outage = Outage()

    @property
    def children(self) -> list[Child]:
        return [self.worker, self.web]

    def start(self) -> bool:
        """Start both and wait until they serve; False when told to stop before. Raises SetupError."""
        for child in self.children:
            child.start()
        while not self.signals.stops:
            wait = self.tend()
            for child in self.children:
                if child.deaths >= DEATHS_BEFORE_READY:
                    raise SetupError(
                        f"{child.name} ended {child.deaths} times before it was ready; "
                        f"{settings.DATA_DIR / 'logs'} and the lines above say why"
                    )
            if self.is_ready():
                return True
            self.signals.wait(min(wait, 0.1))
        return False

    def is_ready(self) -> bool:
        self.serves = self.web.runs and (self.serves or self.probe.succeeds())
        return self.serves and self.worker_is_up()

    def worker_is_up(self) -> bool:
        with self.outage.tolerated():
            return WorkerGroup.objects.filter(group=workers.group()).exists()
        return False

    def tend(self) -> float:
        return min(child.tend() for child in self.children)

    def keep(self) -> None:
        """Start again whatever ends, until told to stop."""
        connections.close_all()
        while not self.signals.stops:
            self.signals.wait(self.tend())

    def stop(self) -> None:
        """End everything: the workers first, so that browsers still see how their runs ended."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LAST_SECONDS)
        say("Stopping. A second Ctrl-C hurries.")
        begun = time.monotonic()
        self._end(self.worker, begun + WORKER_SECONDS)
        self._end(self.web, begun + WEB_SECONDS)
        self.address.socket.close()
        with self.outage.tolerated():
            self._account()
        signal.alarm(0)

    def _end(self, child: Child, deadline: float) -> None:
        """Tell a child to stop, wait for it until the deadline, then kill it."""
        already = self.signals.stops
        child.send(signal.SIGTERM)
        while child.runs and time.monotonic() < deadline:
            if self.signals.stops > already:
                already = self.signals.stops
                child.send(signal.SIGTERM)
                deadline = min(deadline, time.monotonic() + HURRIED_SECONDS)
            self.signals.wait(min(deadline - time.monotonic(), 0.5))
        child.kill()

    def _account(self) -> None:
        """Say what a worker that was killed could not say, and what nobody works on now."""
        workers.leave()
        say_runs("Interrupted", abandon(workers.workers_of(workers.group()).removesuffix("/"), SHUT_DOWN))
        if not workers.alive():
            left = Run.objects.light().filter(status__in=[Run.Status.QUEUED, Run.Status.WAITING])
            say_runs("Waits for the next start", left.order_by("queued_at"))
