"""The running product: start, restart and stop the web server and the worker.

Uses neither Django's models nor the database: see handover.py.
"""

import logging.config
import signal
import socket
import time

from django.conf import settings

from pocketpaw_site.environment import SetupError
from pocketpaw_site.supervisor.address import Address, Probe
from pocketpaw_site.supervisor.children import Child, FinalReport, Web, Worker
from pocketpaw_site.supervisor.handover import Handover, take_over
from pocketpaw_site.supervisor.signals import STOPS, Signals
from pocketpaw_site.supervisor.terminal import say

DEATHS_BEFORE_READY = 5
# Seconds from the signal until the worker, the web server, the final report and this process itself are killed, so
# that everything has ended after ten seconds whatever hangs.
WORKER_SECONDS, WEB_SECONDS, REPORT_SECONDS, LAST_SECONDS = 6.0, 7.5, 8.5, 9
SECOND_STOP_SECONDS = 1.5


def supervise() -> None:
    """Serve until a stop signal, after the preparation by `up`. Raises SetupError."""
    signals = Signals()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    logging.config.dictConfig(settings.LOGGING)
    prepared = take_over()
    product = Product(Address(prepared.host, socket.socket(fileno=prepared.listener)), signals)
    try:
        say("Starting the web server and a worker.")
        if product.start():
            say_ready(product.address, prepared)
            product.run_until_stopped()
    finally:
        product.stop()
    say("Stopped.")


def say_ready(address: Address, prepared: Handover) -> None:
    """Print the address and how to log in."""
    say()
    say("Mission Control is ready.")
    say(f"  Address  {address.url}{settings.ROOT_PATH}")
    say(f"  Login    {prepared.login}")
    say(f"  Token    {prepared.token}")
    say("  Ctrl-C stops it.")
    say()


class Product:
    """The web server and a worker, restarted until a stop signal."""

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
        """Start both and wait until they are ready; return False on a stop signal. Raises SetupError."""
        for child in self.children:
            child.start()
        while not self.signals.stops:
            wait = self.ensure_running()
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

    def ensure_running(self) -> float:
        return min(child.ensure_running() for child in self.children)

    def run_until_stopped(self) -> None:
        """Restart children that end, until a stop signal."""
        while not self.signals.stops:
            self.signals.wait(self.ensure_running())

    def stop(self) -> None:
        """Stop everything, the worker first, so that browsers still see the end of runs."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LAST_SECONDS)
        say("Stopping. Press Ctrl-C again to stop faster.")
        begun = time.monotonic()
        final_report = FinalReport()
        final_report.start()
        self._end(self.worker, begun + WORKER_SECONDS)
        self._end(self.web, begun + WEB_SECONDS)
        self.address.socket.close()
        final_report.finish(begun + REPORT_SECONDS)
        signal.alarm(0)

    def _end(self, child: Child, deadline: float) -> None:
        """Send a child the stop signal, wait for it until the deadline, then kill it."""
        already = self.signals.stops
        child.send(signal.SIGTERM)
        while child.runs and time.monotonic() < deadline:
            if self.signals.stops > already:
                already = self.signals.stops
                child.send(signal.SIGTERM)
                deadline = min(deadline, time.monotonic() + SECOND_STOP_SECONDS)
            self.signals.wait(min(deadline - time.monotonic(), 0.5))
        child.kill()
