"""Processes that end with their parent, also when that is killed by SIGKILL.

On Linux the kernel sees to it (PR_SET_PDEATHSIG); elsewhere a thread watches the parent's pid. The kernel's
order is dropped at each fork and comes due when the *thread* that forked ends: it is given again after each
fork, and children are made by main threads only.
"""

import ctypes
import os
import signal
import sys
import threading
import time

PARENT_VARIABLE = "MISSION_CONTROL_PARENT"
WATCH_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1
# Looked up here, for between fork and exec nothing may be imported.
_prctl = ctypes.CDLL(None).prctl if sys.platform.startswith("linux") else None
_forking = 0


def die_with(parent: int) -> None:
    """Let this process be killed when `parent`, whose child it is, ends. To be called by the child."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=[parent], daemon=True).start()
    if os.getppid() != parent:  # it had ended before the order was given
        os.kill(os.getpid(), signal.SIGKILL)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def follow_parent() -> bool:
    """Bind this process to the supervisor that started it; False when nobody did, as by hand.

    The variable is taken out of the environment: an agent's processes do not inherit it.
    """
    parent = os.environ.pop(PARENT_VARIABLE, "")
    if not parent.isdigit():
        return False
    die_with(int(parent))
    return True


def bind_forks() -> None:
    """Bind every process that is forked from here on, by us or by what we fork, to its own parent."""
    os.register_at_fork(before=_note_parent, after_in_child=_die_with_noted)


def _note_parent() -> None:
    global _forking  # noqa: PLW0603 - a hook of the fork has nowhere else to keep it
    _forking = os.getpid()


def _die_with_noted() -> None:
    die_with(_forking)
