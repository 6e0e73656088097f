"""Signals as something to wait for, instead of code that runs at any point of any other code."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Counts the requests to stop, and wakes whoever waits: for one of them, or for a child that ended."""

    def __init__(self) -> None:
        self.stops = 0
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (*STOPS, signal.SIGCHLD):
            # nohup ignores SIGHUP, and that is respected. A SIGINT that a script's `&` ignores is not.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _noted)
        os.register_at_fork(after_in_child=_forget)

    def wait(self, seconds: float) -> None:
        """Return after so many seconds, or as soon as a signal came."""
        select.select([self._reader], [], [], max(seconds, 0))
        try:
            came = os.read(self._reader, 4096)
        except BlockingIOError:
            return
        self.stops += sum(number in STOPS for number in came)


@contextmanager
def held_back() -> Iterator[None]:
    """Hold stop signals back while a child is made: a fork must not write into our pipe what was meant for it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _noted(*_: object) -> None:
    """Do nothing: the number is in the pipe."""


def _forget() -> None:
    """Give a forked child the signals as they are by default."""
    signal.set_wakeup_fd(-1)
    for number in (*STOPS, signal.SIGCHLD):
        if signal.getsignal(number) is _noted:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
