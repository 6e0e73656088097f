"""Wait for signals, instead of running handlers in the middle of other code."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Counts stop signals, and ends a wait at a stop signal or when a child has ended."""

    def __init__(self) -> None:
        self.stops = 0
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (*STOPS, signal.SIGCHLD):
            # A SIGHUP that nohup ignores stays ignored. A SIGINT that a script's `&` ignores is handled.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _ignore)
        os.register_at_fork(after_in_child=_reset_signals)

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or as soon as a signal arrives."""
        select.select([self._reader], [], [], max(seconds, 0))
        try:
            received = os.read(self._reader, 4096)
        except BlockingIOError:
            return
        self.stops += sum(number in STOPS for number in received)


@contextmanager
def stop_signals_blocked() -> Iterator[None]:
    """Block stop signals while a child is started: it must not write its own signals into our pipe."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore(*_: object) -> None:
    """Do nothing: the number is in the pipe."""


def _reset_signals() -> None:
    """Restore the default signal handling in a forked child."""
    signal.set_wakeup_fd(-1)
    for number in (*STOPS, signal.SIGCHLD):
        if signal.getsignal(number) is _ignore:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
