"""Replace `up` by a smaller program after the preparation.

Django's models take three times the memory of the rest.  The process stays the same (exec): it keeps its pid, the
lock of the data folder, the socket, and pending signals.
"""

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from typing import NoReturn

from pocketpaw_site.environment import CHECKOUT
from pocketpaw_site.supervisor.signals import STOPS

VARIABLE = "MISSION_CONTROL_HANDOVER"  # the descriptor of a pipe, because the content includes the first password


@dataclass(frozen=True)
class Handover:
    """The result of the preparation: listening socket, folder lock, and the texts to print when ready."""

    host: str
    listener: int  # descriptors of the listening socket and of the locked file
    lock: int
    login: str
    token: str


def hand_over(prepared: Handover) -> NoReturn:
    """Execute the supervising program in this process. Stop signals are blocked until it has handlers for them."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as pipe:
        json.dump(asdict(prepared), pipe)
    for descriptor in (reader, prepared.listener, prepared.lock):
        os.set_inheritable(descriptor, True)
    os.environ[VARIABLE] = str(reader)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    os.execv(sys.executable, [sys.executable, str(CHECKOUT / "manage.py"), "up"])  # noqa: S606 - ourselves


def take_over() -> Handover:
    """Return the handover; processes started from now on do not inherit its descriptors."""
    with os.fdopen(int(os.environ.pop(VARIABLE))) as pipe:
        prepared = Handover(**json.load(pipe))
    for descriptor in (prepared.listener, prepared.lock):
        os.set_inheritable(descriptor, False)
    return prepared
