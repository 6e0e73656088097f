"""The product while it runs: the web server and the workers, from the first start to the last.

Without Django's models and without the database: see handover.py.
"""

import logging.config
import signal
import socket
import time

from django.conf import settings

from pocketpaw_site.environment import SetupError
from pocketpaw_site.supervisor.address import Address, Probe
from pocketpaw_site.supervisor.children import Accounting, Child, Web, Worker
from pocketpaw_site.supervisor.handover import Handover, take_over
from pocketpaw_site.supervisor.signals import STOPS, Signals
from pocketpaw_site.supervisor.terminal import say

DEATHS_BEFORE_READY = 5
# From the signal on: when the worker, when the web server, when the accounting is killed, and when this process
# itself is, so that nothing is left after ten seconds whatever hangs.
WORKER_SECONDS, WEB_SECONDS, ACCOUNTING_SECONDS, LAST_SECONDS = 6.0, 7.5, 8.5, 9
HURRIED_SECONDS = 1.5


def supervise() -> None:
    """Serve what `up` has prepared, until a signal says stop. Raises SetupError."""
    signals = Signals()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    logging.config.dictConfig(settings.LOGGING)
    prepared = take_over()
    product = Product(Address(prepared.host, socket.socket(fileno=prepared.listener)), signals)
    try:
        say("Starting the web server and a worker.")
        if product.start():
            say_ready(product.address, prepared)
            product.keep()
    finally:
        product.stop()
    say("Stopped.")


def say_ready(address: Address, prepared: Handover) -> None:
    """Say where it is and how to log in."""
    say()
    say("Mission Control is ready.")
    say(f"  Address  {address.url}{settings.ROOT_PATH}")
    say(f"  Login    {prepared.login}")
    say(f"  Token    {prepared.token}")
    say("  Ctrl-C stops it.")
    say()


class Product:
    """Daphne and a worker, kept alive until a signal says stop."""

    def __init__(self, address: Address, signals: Signals) -> None:
        self.address = address
        self.signals = signals
        self.web = Web(address)
        self.probe = Probe(address, "/healthz")
        self.serves = False
        self.worker = Worker()

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
                        f"{child.name} failed {child.deaths} times before it was ready; "
                        f"see {settings.DATA_DIR / 'logs'} and the lines above"
                    )
            if self.is_ready():
                return True
            self.signals.wait(min(wait, 0.1))
        return False

    def is_ready(self) -> bool:
        self.serves = self.web.runs and (self.serves or self.probe.succeeds())
        return self.serves and self.worker.is_ready

    def tend(self) -> float:
        return min(child.tend() for child in self.children)

    def keep(self) -> None:
        """Start again whatever ends, until told to stop."""
        while not self.signals.stops:
            self.signals.wait(self.tend())

    def stop(self) -> None:
        """End everything: the workers first, so that browsers still see how their runs ended."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LAST_SECONDS)
        say("Stopping. Press Ctrl-C again to stop faster.")
        begun = time.monotonic()
        accounting = Accounting()
        accounting.start()
        self._end(self.worker, begun + WORKER_SECONDS)
        self._end(self.web, begun + WEB_SECONDS)
        self.address.socket.close()
        accounting.finish(begun + ACCOUNTING_SECONDS)
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
