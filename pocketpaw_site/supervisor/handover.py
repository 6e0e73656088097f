"""`up` becomes another program once all is prepared: Django's models take three times the memory of what is left
to do, which is to keep two processes alive.

The process stays (exec): its pid, the lock of the data folder, the socket, and signals that came meanwhile.
"""

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from typing import NoReturn

from pocketpaw_site.environment import CHECKOUT
from pocketpaw_site.supervisor.signals import STOPS

VARIABLE = "MISSION_CONTROL_HANDOVER"  # the descriptor of a pipe: what it holds names the first password


@dataclass(frozen=True)
class Handover:
    """What was prepared: where it listens, what holds the folder, and what is said when it is ready."""

    host: str
    listener: int  # descriptors of the listening socket and of the locked file
    lock: int
    login: str
    token: str


def hand_over(prepared: Handover) -> NoReturn:
    """Become the program that supervises. Signals to stop wait until it has handlers for them."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as pipe:
        json.dump(asdict(prepared), pipe)
    for descriptor in (reader, prepared.listener, prepared.lock):
        os.set_inheritable(descriptor, True)
    os.environ[VARIABLE] = str(reader)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    os.execv(sys.executable, [sys.executable, str(CHECKOUT / "manage.py"), "up"])  # noqa: S606 - ourselves


def take_over() -> Handover:
    """Return what was handed over; nothing that is started from here on inherits it."""
    with os.fdopen(int(os.environ.pop(VARIABLE))) as pipe:
        prepared = Handover(**json.load(pipe))
    for descriptor in (prepared.listener, prepared.lock):
        os.set_inheritable(descriptor, False)
    return prepared
